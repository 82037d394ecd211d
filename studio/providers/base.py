"""The contract every provider keeps: values, verbs and errors. Nothing here knows HTTP.

Errors, as a tree:

    ProviderError(message, retry_after_s=None)
    ├── ProviderUnavailable   no answer, or a 5xx, on a call that cannot have bought anything
    │   └── RateLimited       429; `retry_after_s` when the provider said it
    ├── OutOfCredit           the account cannot pay; `required`, `available` when told
    ├── Refused               the request itself was refused; `fields` maps form field -> sentence
    │   └── EndUnusable       this job id cannot be an end here: send its frame as a picture instead
    ├── AuthFailed            the key is missing, wrong, or may not do this
    ├── WrongEndpoint         what answered is not this provider's API; nothing was bought
    ├── NotFound              the provider does not know this job (or not yet)
    ├── ProtocolError         the answer is not what the provider documents
    └── SubmitUncertain       the request may have left; nobody knows whether it was accepted
        └── AlreadySubmitted  this idempotency key is taken: look the job up, do not send again

`message` is a sentence for people; it never holds a key or a signed URL. `detail` is the
provider's own words, for support.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """The normalised state of a job at a provider."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class ImageEnd:
    """One end of a shot given by a picture. `url` is where the provider can fetch it."""

    url: str


@dataclass(frozen=True, slots=True)
class JobEnd:
    """One end of a shot given by an earlier job of the same provider account."""

    job_id: str


End = ImageEnd | JobEnd | None


@dataclass(frozen=True, slots=True)
class ShotRequest:
    """What is asked of a provider. Field values are ours; the adapter spells them its way."""

    model: str
    prompt: str  # the text to send, whole: an adapter adds nothing to it
    duration_s: int = 5
    aspect_ratio: str = "16:9"
    resolution: str = "720p"
    loop: bool = False
    concepts: tuple[str, ...] = ()
    start: End = None
    end: End = None
    idempotency_key: str = ""
    callback_url: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a job cost: money in micro-USD and/or the provider's own credits. None = not told."""

    microusd: int | None = None
    credits: float | None = None
    unit: str = ""  # the word for `credits`, e.g. "credits"


@dataclass(frozen=True, slots=True)
class RequestEcho:
    """What an answer repeats of the request that bought the job, in our terms.

    None = the answer does not repeat that field. An end is its picture's URL without query and
    fragment, or `job:` and the id; an empty string = the answer says that there is none.
    """

    prompt: str | None = None
    duration_s: int | None = None
    aspect_ratio: str | None = None
    resolution: str | None = None
    loop: bool | None = None
    concepts: tuple[str, ...] | None = None
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A provider's answer about one job, from a submit or from a poll: the same parser makes both.

    A succeeded job has a `result_url`, unless `expired`. `error` and `raw` hold no key and no
    signature; `result_url` may be a signed link and belongs to the download alone.
    """

    id: str
    status: Status
    raw_status: str = ""
    progress: int | None = None  # percent, 0 to 100, None where the provider does not say
    result_url: str = ""
    error: str = ""  # the provider's words, flattened to text
    cost: Cost = Cost()
    charged: bool | None = None  # None = the provider did not say
    expired: bool = False  # the result was purged at the provider
    model: str = ""
    prompt: str = ""
    echo: RequestEcho = RequestEcho()
    created_at: datetime | None = None  # by this machine's clock: the answer's Date is allowed for
    created_as_told: datetime | None = None  # the same as the answer has it
    raw: Mapping[str, Any] = field(default_factory=dict)  # the whole answer, secrets removed

    @property
    def moments(self) -> tuple[datetime, ...]:
        """Return when it may have been created, by this machine's clock; none where nobody says.

        Who dates an answer, a cache or a gateway perhaps, may not be who dates its jobs.
        """
        return tuple(at for at in (self.created_at, self.created_as_told) if at is not None)

    def may_be_since(self, moment: datetime) -> bool:
        """Whether it may have been created then or later."""
        return not self.moments or max(self.moments) >= moment


@dataclass(frozen=True, slots=True)
class Balance:
    """What is left on an account. Money in micro-USD and/or credits with their unit."""

    microusd: int | None = None
    credits: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class PriceHint:
    """What the provider itself says a model costs, in its own unit, per `per`."""

    model: str
    low: float
    high: float
    unit: str  # "credits", "USD"
    per: str = ""  # the provider's word: "flat", "per-second", "request"


@dataclass(frozen=True, slots=True)
class WebhookHint:
    """What a webhook said: look at this job now. Never more than that."""

    job_id: str
    event: str = ""
    matched: str = ""  # which way the signature matched, for the log


class ProviderError(Exception):
    """Base of everything a provider can do wrong."""

    def __init__(
        self, message: str, *, detail: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.retry_after_s = retry_after_s


class ProviderUnavailable(ProviderError):
    """No answer, or a server error, on a call that bought nothing. Try again later."""


class RateLimited(ProviderUnavailable):
    """Asked too often; nothing was bought."""


class OutOfCredit(ProviderError):
    """The account cannot pay for this."""

    def __init__(
        self,
        message: str,
        *,
        detail: str = "",
        required: float | None = None,
        available: float | None = None,
    ) -> None:
        super().__init__(message, detail=detail)
        self.required = required
        self.available = available


class Refused(ProviderError):
    """The provider refuses this request as it is; sending it again would be refused again.

    `code` is the reason as `reasons.read_failure` classes it ("moderation", "image", "prompt", ...).
    `unproven`: the refusal came in an answer that does not prove that nothing was bought (a 5xx
    around it); where the provider lists its jobs, the list is looked at before it is believed.
    """

    def __init__(
        self,
        message: str,
        *,
        detail: str = "",
        fields: Mapping[str, str] | None = None,
        code: str = "refused",
        unproven: bool = False,
    ) -> None:
        super().__init__(message, detail=detail)
        self.fields = dict(fields or {})
        self.code = code
        self.unproven = unproven


class EndUnusable(Refused):
    """An end given by job id is not accepted; the same shot with the clip's frame may be.

    Nothing was bought. `fields` names the end or ends: "start", "end".
    """


class AuthFailed(ProviderError):
    """The key is missing, wrong, inactive or lacks a permission."""


class WrongEndpoint(ProviderError):
    """A redirect or a web page answered where the API should: the base URL is wrong, or something
    stands before it. Nothing was bought, and every other request there meets the same.
    """


class NotFound(ProviderError):
    """The provider does not know this job. Within a minute of the submit it may be lag."""


class ProtocolError(ProviderError):
    """The answer cannot be read as what the provider documents."""


class SubmitUncertain(ProviderError):
    """The submit may or may not have been accepted. Nobody sends it again by itself."""


class AlreadySubmitted(SubmitUncertain):
    """The provider has a job under this idempotency key, bought by another body.

    An earlier try arrived, with other picture URLs for example. Sending again answers the same;
    `find_recent` finds the job.
    """


class RecentJobs(list[Job]):
    """Jobs of a provider's list, and whether a job that it does not show does not exist.

    `complete`: it was read back to the moment asked for, each row could be read, and the answer's
    clock can be believed.
    """

    def __init__(self, jobs: Iterable[Job] = (), *, complete: bool) -> None:
        super().__init__(jobs)
        self.complete = complete


class Provider(ABC):
    """One provider account's door. Explicit timeouts, no retries, no sleeping, no database.

    Synchronous verbs are for tasks and admin; `afetch` and `afetch_many` are for the sweep.
    Verbs a provider does not have raise NotImplementedError; ask the catalogue's ModelSpec first.
    """

    slug: str  # "apiframe", "aimlapi", "gmicloud", "luma", "previs"

    @abstractmethod
    def submit(self, request: ShotRequest) -> Job:
        """Send one shot. One paid POST. Raises any ProviderError.

        A free GET may come before it, and after a 400 about the form of a job id one more POST.
        """

    @abstractmethod
    def payload(self, request: ShotRequest) -> Mapping[str, Any]:
        """Return the exact JSON body that `submit` would send. No network, no key in it."""

    @abstractmethod
    def fetch(self, job_id: str) -> Job:
        """Ask for one job's state. One GET."""

    def fetch_many(self, job_ids: Sequence[str]) -> Mapping[str, Job]:
        """As `afetch_many`, without an event loop."""
        raise NotImplementedError

    async def afetch(self, job_id: str) -> Job:
        """As `fetch`, on the event loop."""
        raise NotImplementedError

    async def afetch_many(self, job_ids: Sequence[str]) -> Mapping[str, Job]:
        """Ask for many jobs in one request; a job the provider left out is absent."""
        raise NotImplementedError

    def upload_image(self, data: bytes, content_type: str) -> str:
        """Put a picture where the provider can fetch it; return its URL."""
        raise NotImplementedError

    def balance(self) -> Balance:
        """Ask what is left. Free, so it doubles as the test of a key."""
        raise NotImplementedError

    def check_key(self) -> None:
        """Ask something free that needs the key. Raises AuthFailed when the key is not accepted."""
        self.balance()

    def price_hints(self) -> Sequence[PriceHint]:
        """Ask what the models cost now, for the models of the catalogue only. Free."""
        raise NotImplementedError

    def find_recent(
        self, *, model: str, since: datetime, skip: Container[str] = frozenset()
    ) -> RecentJobs:
        """List jobs of this model created since then (UTC), newest first, for reconciliation.

        Jobs whose id is in `skip` are left out. `prompt` is as it was sent, see
        `catalog.sent_prompt`; empty where the provider does not say it.
        """
        raise NotImplementedError

    def find_by_request_ids(
        self, request_ids: Collection[str], *, since: datetime
    ) -> Mapping[str, Job]:
        """Return the jobs that were bought under these request ids of ours, by request id.

        A request id is the `idempotency_key` that `submit` sent. One that the provider's log does
        not show (yet) is left out: logs may lag behind.
        """
        raise NotImplementedError

    def delete(self, job_id: str) -> None:
        """Remove a job at the provider. It may still run and cost: never call this a cancel."""
        raise NotImplementedError

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookHint | None:
        """Return the job to look at, or None when the call is forged or unreadable."""
        raise NotImplementedError

    # An adapter without connections has nothing to let go of.
    def close(self) -> None:  # noqa: B027
        """Let go of connections."""

    async def aclose(self) -> None:  # noqa: B027
        """Let go of the event loop's connections."""
