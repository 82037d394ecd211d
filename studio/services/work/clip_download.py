"""One download of a finished clip to a scratch file, by the link that is known or by a fresh one."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from studio import lifecycle
from studio.media.download import (
    DownloadError,
    DownloadGone,
    DownloadRefused,
    download_video,
)
from studio.media.video import VideoUnreadable
from studio.models import Generation
from studio.models.generation import Charged, State
from studio.providers.base import Job, NotFound, ProviderError, Status
from studio.providers.catalog import PROVIDER_LABELS, UnknownModel, get_spec
from studio.providers.reasons import read_failure
from studio.services.doors import open_door
from studio.services.files import scratch_file
from studio.services.money.bills import bill_columns, charge_of
from studio.services.work.arrival import stored_clip

LEASE_S = 30
MOST_ATTEMPTS = 6  # in a row; late_downloads.py has those that follow
NO_ROOM = "waits: as many clips are fetched on this machine as may be"
EXPECTED_ERRORS = (DownloadError, VideoUnreadable, ProviderError, OSError)


class ClipLost(Exception):
    """The job failed, and no success was ever told; `code` and `charged` are the answer's."""

    def __init__(self, text: str, *, code: str, charged: str) -> None:
        super().__init__(text)
        self.code = code
        self.charged = charged


class StillRendering(DownloadGone):
    """The provider has not finished the job, whatever was thought before."""


@dataclass(frozen=True, slots=True)
class _LinkAnswer:
    """What the provider answers about a job whose link does not work."""

    trouble: ClipLost | DownloadGone | None = None  # why this answer brings no link
    gone: bool = False  # it does not know the job (now), or calls the clip removed


def download_clip(generation: Generation, token: str, stack: ExitStack) -> Path:
    """Download a clip to a scratch file, by the link that is known or by a fresh one.

    Links are signed for hours only, and a media host may not know a clip that was rendered a
    moment ago. So the provider is asked for the link after every failure; asking is free.
    Raises ClipLost, DownloadError.
    """
    stored = stored_clip(generation, stack)
    if stored is not None:
        return stored  # the link may be dead by now
    path = stack.enter_context(scratch_file(".mp4"))
    tried = ""
    trouble: DownloadError | None = None
    if generation.result_url and generation.work_attempts == 1:
        try:
            return _download(generation, path)
        except (DownloadGone, DownloadRefused) as error:
            tried, trouble = generation.result_url, error
    answer = _ask_for_link(generation, token)
    if generation.result_url not in ("", tried):
        try:
            return _download(generation, path)
        except DownloadError as error:
            trouble = error
    says_why = isinstance(answer.trouble, ClipLost) or answer.gone
    if answer.trouble and (trouble is None or (says_why and _is_dead(trouble))):
        raise answer.trouble
    raise trouble or DownloadGone(f"{_label(generation)} gave no link to the clip.")


def _is_dead(error: DownloadError) -> bool:
    """Whether the link itself does not work, rather than the way to it."""
    return isinstance(error, DownloadGone | DownloadRefused)


def _download(generation: Generation, path: Path) -> Path:
    download_video(generation.result_url, path, allow_hosts=settings.MEDIA_HOSTS)
    return path


def _ask_for_link(generation: Generation, token: str) -> _LinkAnswer:
    """Ask the provider for the clip's link again, and note it where it has changed."""
    label = _label(generation)
    try:
        dialect = get_spec(generation.provider, generation.model).dialect
        with open_door(generation.account, dialect) as provider:
            job = provider.fetch(generation.provider_job_id)
    except NotFound:
        return _LinkAnswer(DownloadGone(f"{label} does not know this job any more."), gone=True)
    except UnknownModel as error:
        return _LinkAnswer(DownloadGone(str(error)))
    except (ProviderError, ImproperlyConfigured, ValueError) as error:
        return _LinkAnswer(DownloadGone(f"{label} could not be asked for the clip: {error}"))
    return _read_link(generation, token, job)


def _read_link(generation: Generation, token: str, job: Job) -> _LinkAnswer:
    """Return what an answer means for the download.

    A success that was told stays one, whatever is said later: what it cost is not undone, nobody
    buys it again, and the next answer may bring the link.
    """
    label = _label(generation)
    if job.status in (Status.FAILED, Status.CANCELLED):
        if _was_rendered(generation):
            text = f"{label} says now that this shot failed, although it had made the clip."
            return _LinkAnswer(DownloadGone(text))
        failure = read_failure(job.error)
        charged = "" if job.charged is None else Charged.YES if job.charged else Charged.NO
        text = f"{label} says now that this shot failed. {failure.sentence}"
        return _LinkAnswer(ClipLost(text, code=failure.code, charged=charged))
    if job.status is Status.SUCCEEDED:
        _take_bill(generation, job)
    if job.result_url and job.result_url != generation.result_url:
        generation.result_url = job.result_url
        mine = Generation.objects.filter(pk=generation.pk, lease_token=token)
        mine.update(result_url=job.result_url)
    if job.expired:
        text = f"{label} says that it has removed the clip."
        return _LinkAnswer(DownloadGone(text), gone=True)
    if job.result_url:
        return _LinkAnswer()
    if _was_rendered(generation):
        return _LinkAnswer(DownloadGone(f"{label} gives no link to the clip now."))
    return _LinkAnswer(StillRendering(f"{label} has not finished this shot."))


def _take_bill(generation: Generation, job: Job) -> None:
    """Note what an answer tells of the charge, where none has told it yet."""
    has_figure = generation.actual_microusd is not None or generation.actual_credits is not None
    if generation.charged == Charged.NO or (generation.charged == Charged.YES and has_figure):
        return
    charged = charge_of(job.cost, job.charged)
    bill = bill_columns(job.cost)
    if charged != Charged.UNKNOWN:
        bill["charged"] = charged
    changed = {name: value for name, value in bill.items() if getattr(generation, name) != value}
    if changed and lifecycle.touch(generation.pk, **changed):
        for name, value in changed.items():
            setattr(generation, name, value)


def _was_rendered(generation: Generation) -> bool:
    """Whether the provider has told a success, rather than a person having asked for the clip."""
    told = generation.events.filter(new=State.STORING)
    return bool(
        generation.result_url or told.exclude(old__in=[State.FAILED, State.ABANDONED]).exists()
    )


def _label(generation: Generation) -> str:
    return PROVIDER_LABELS.get(generation.provider, generation.provider)


def why_failed(error: Exception) -> str:
    if isinstance(error, EXPECTED_ERRORS):
        return str(error)
    return f"Something in it could not be worked with ({type(error).__name__})."
