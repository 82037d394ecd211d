"""What the emulator can be told to do. Every field may be changed while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field

KEYS = {
    "apiframe": "afk_test_0123456789abcdef",
    "aimlapi": "aiml-test-0123456789abcdef",
    "gmicloud": "gmi-test-0123456789abcdef",
    "luma": "luma-test-0123456789abcdef",
}


@dataclass(slots=True)
class Scripted:
    """One ordered fault: hits the next `times` matching requests after letting `skip` pass.

    Empty `kind`, `provider` or `subject` match everything. The subject is the prompt of a
    submit or of a job's outcome, and the job id of a fetch or of a media request.
    """

    fault: str
    kind: str = ""
    provider: str = ""
    subject: str = ""
    times: int = 1
    skip: int = 0


@dataclass(slots=True)
class Phase:
    """A stretch of time in which an account is out of credit ("dry") or its key is refused ("locked").

    Both moments are seconds after the emulator started, or was reset.
    """

    account: str
    state: str
    start_s: float
    end_s: float


@dataclass(slots=True)
class Config:
    """Behaviour of the emulator. Times in seconds."""

    queue_s: float = 0.0  # how long a job is queued
    finish_after_s: float = 2.0  # from acceptance to the end
    spread_s: float = 0.0  # up to this much more, fixed by the prompt
    hang_s: float = 60.0  # how long a hanging answer is held
    slow_s: float = 1.0  # how long a slow body takes
    retry_after_s: int = 1
    seed: int = 0
    rates: dict[str, float] = field(default_factory=dict)  # fault -> probability, 0 to 1
    script: list[Scripted] = field(default_factory=list)
    aimlapi_ids: str = "suffixed"  # "uuid", "suffixed" (<uuid>:luma/ray-2) or "nanoid"
    strict_ids: bool = True  # AI/ML API refuses keyframe ids that are no uuid
    gmi_media: str = "media_urls"  # or "video_url", "strings"
    apiframe_result: str = "object"  # or "string", "videos"
    batch_shape: str = "list"  # or "generations", "data", "map"
    signature: str = "raw digest"  # or "hex text": the form of the webhook's HMAC key
    credits: float = 1_000_000.0  # what every account starts with, one unit per second of clip
    dollars_per_s: float = 0.14
    credits_per_s: float = 10.0  # Apiframe's
    priced_by_size: bool = False  # dearer by pixels, as Luma's formula has it; else by length only
    price_factors: dict[str, float] = field(default_factory=dict)  # account -> prices moved by this
    out_of_credit: set[str] = field(default_factory=set)  # accounts that cannot pay just now
    locked: set[str] = field(default_factory=set)  # accounts whose key is refused just now
    phases: list[Phase] = field(default_factory=list)  # the same, by a schedule
    clock_offset_s: float = 0.0  # the providers' clocks: every date they write, `Date` included
    clock_offsets: dict[str, float] = field(default_factory=dict)  # account -> instead of that
    list_lag_s: float = 0.0  # how long lists of jobs lag behind
    log_lag_s: float = 0.0  # how long AI/ML API's request log lags behind
    media_late_s: float = 2.0  # how long after its end a late clip is not there
    keys: dict[str, str] = field(default_factory=lambda: dict(KEYS))
    clip_s: float = 0.0  # 0 = as long as asked for
    record_bodies: bool = True  # keep what was received, for assertions
