"""An import: from the upload to its end, whatever dies in between.

The archive is put aside, and its row says how far it is. A worker takes the row with a lease and
brings files in for a while, then hands over, so that a long import never holds a worker's place
for long. A clip is written together with its count, under the lease: of two workers at one import
the one without the lease can write nothing, and a killed one leaves whole clips. Imports into one
project come in one after the other. The archive is deleted once the run has ended for good.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import IO

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import DatabaseError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from studio import signals
from studio.leases import renewed
from studio.models import ImportRun, Membership, Project, User
from studio.plain_text import one_line
from studio.queue import enqueue
from studio.services import disk, quotas
from studio.services.errors import StudioError
from studio.services.exchange import upload_parts
from studio.services.exchange.archive_people import MARK, names_in_archives
from studio.services.exchange.imports import ImportReport, import_archive, project_of
from studio.services.exchange.manifests import MAX_PROBLEMS, Archive
from studio.services.exchange.project_values import ProjectValues, project_values

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
SLICE_S = 60.0  # of work in one task; then it goes to the end of the queue
FLUSH_S = 0.5  # how often what was here already is counted
MOST_ATTEMPTS = 5  # tries in a row in which nothing came in
# After trouble with the disk or the storage, by the tries since something came in.
PAUSES = tuple(timedelta(seconds=s) for s in (30, 120, 600, 1800))
FIRST_ASK_AGAIN = timedelta(seconds=30)  # after an upload whose task may have been lost
ASK_AGAIN = timedelta(minutes=1)
MAX_NAMES = 10  # shown of people without an account
S = ImportRun.State

GONE = "The uploaded archive is not in the studio any more. Import it again."
BROKEN = "Something went wrong in the studio. Import the archive again for the rest."
UNREADABLE = "The archive could not be read, again and again. Import it again for the rest."
ARCHIVED = "The project was archived. Bring it back, and import the archive again for the rest."
NOT_ALLOWED = "{name} may not add to the project any more."


class _HandOver(Exception):
    """This task has worked long enough; another goes on."""


class _Lost(Exception):
    """Another worker has the run, or it is gone."""


class _Ended(Exception):
    """Nothing more may come in. The message is a sentence for people."""


# ---- The beginning -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ArchiveContent:
    """What an archive that can be read says of itself: its project, and how many clips it has."""

    project: ProjectValues
    clips: int


def look_into(file: IO[bytes]) -> ArchiveContent:
    """Check an archive from its beginning. Raises StudioError."""
    with Archive(file) as archive:
        return ArchiveContent(project_values(archive.project), len(archive.clips))


def begin(*, file: File[bytes], by: User) -> ImportRun:
    """Check an archive uploaded whole, put it aside and let a worker bring it in; return the run.

    Its project is made if need be. Raises StudioError.
    """
    disk.check_room()
    quotas.take(quotas.IMPORTS, by)
    content = look_into(file.file)  # type: ignore[arg-type]  # any seekable file will do
    file.seek(0)
    # First the file: a row never names one that is not there. A file without a row is cleared up.
    name = default_storage.save(f"imports/{uuid.uuid4().hex}.zip", file)
    try:
        return start(archive=name, file_name=plain(file.name or ""), content=content, by=by)
    except BaseException:
        default_storage.delete(name)
        raise


def start(*, archive: str, file_name: str, content: ArchiveContent, by: User) -> ImportRun:
    """Let a worker bring in an archive that is in the storage; return the run.

    Its project is made if need be. Raises StudioError, and then nothing was made.
    """
    with transaction.atomic():
        project = project_of(content.project, by)
        if project.archived_at is not None:
            raise StudioError(f"“{project}” is archived. Bring it back, then import into it.")
        run = ImportRun.objects.create(
            project=project, by=by, file_name=file_name, archive=archive, total=content.clips
        )
        enqueue("work_import", run.pk)
    return run


def adopt(*, archive: str, by_pk: int, project_pk: int) -> ImportRun | None:
    """Return the run of an archive that the version before put aside; None when it is gone."""
    run = ImportRun.objects.filter(archive=archive).first()
    if run is not None or not default_storage.exists(archive):
        return run
    return ImportRun.objects.create(
        project_id=project_pk, by_id=by_pk, archive=archive, file_name="archive.zip"
    )


def plain(name: str) -> str:
    """Return a file's name as it is shown: one line, its ending kept."""
    flat = one_line(name) or "archive.zip"
    return flat if len(flat) <= 120 else f"{flat[:114]}….zip"


# ---- The work ------------------------------------------------------------------------------


def work(pk: int) -> str:
    """Bring in what is left of a run, for a while. Harmless when another worker has it, or it is over."""
    if disk.is_short():
        _going().filter(pk=pk).update(waiting_text=disk.WAITS)
        return disk.WAITS
    token = _claim(pk)
    if token is None:
        return "skipped: over, in another worker's hands, or not its turn"
    run = ImportRun.objects.select_related("project", "by").get(pk=pk)
    try:
        report = _Kept(run, token)
        with renewed(report.renew, seconds=LEASE.total_seconds(), what=f"import {run.code}"):
            _bring(run, report)
    except _Lost:
        return "stopped: in another worker's hands"
    except _HandOver:
        with transaction.atomic():
            _let_go(run, token, attempts=0)
            enqueue("work_import", pk)
        return f"goes on: {report.done} of {run.total} clips"
    except (_Ended, StudioError, OSError) as error:
        return _troubled(run, token, error)
    except DatabaseError:
        # It is busy or away. The lease runs out, and somebody goes on from here.
        raise
    except Exception:
        logger.exception("import %s broke", run.code)
        return _end(run, token, S.FAILED, BROKEN)
    return _end(run, token, S.DONE)


def _bring(run: ImportRun, report: _Kept) -> None:
    if not upload_parts.archive_exists(run.archive):
        raise _Ended(GONE)
    report.check_allowed()
    with upload_parts.open_archive(run.archive) as file:
        import_archive(file, by=run.by, project=run.project, report=report)
    report.flush()


def _troubled(run: ImportRun, token: str, error: Exception) -> str:
    """Wait where it may pass, end the run where it will not."""
    if isinstance(error, disk.NoRoom) or disk.ran_out(error):
        _let_go(run, token, attempts=0, waiting_text=disk.WAITS)
        return disk.WAITS
    if isinstance(error, OSError) and run.attempts < MOST_ATTEMPTS:
        logger.warning("import %s waits: %s", run.code, error)
        pause = PAUSES[min(run.attempts, len(PAUSES)) - 1]
        _let_go(run, token, wait=pause, waiting_text="Waits: the archive cannot be read just now.")
        return f"waits: {error}"
    if isinstance(error, OSError):
        return _end(run, token, S.FAILED, UNREADABLE)
    return _end(run, token, S.FAILED, str(error))


class _Kept(ImportReport):
    """A run's report: everything noted is written to its row, under its lease."""

    def __init__(self, run: ImportRun, token: str) -> None:
        super().__init__(run.project, done=run.done, problems=list(run.problems))
        self._run = run
        self._rows = ImportRun.objects.filter(pk=run.pk, lease_token=token)
        self._until = time.monotonic() + SLICE_S
        self._flushed = time.monotonic()
        self._waiting: Counter[str] = Counter()
        self._lost = self._came_on = False

    def renew(self) -> bool:
        """Keep the lease; called beside the work."""
        self._lost = self._lost or not self._rows.update(lease_until=timezone.now() + LEASE)
        return not self._lost

    def before_file(self) -> None:
        if self._lost:
            raise _Lost
        # Not before something came in: a slice of an archive of thousands may begin slowly.
        if self._came_on and time.monotonic() > self._until:
            self.flush()
            raise _HandOver
        disk.check_room()

    def before_row(self) -> None:
        self.check_allowed()

    def check_allowed(self) -> None:
        """Raise _Ended when nothing may be added any more: of the project's row as it stays."""
        rows = Project.objects.select_for_update(no_key=True).filter(pk=self.project.pk)
        with transaction.atomic():
            found = list(rows.values_list("archived_at", flat=True))
        if not found:
            raise _Lost
        if found[0] is not None:
            raise _Ended(ARCHIVED)
        members = Membership.objects.filter(project=self.project, user=self._run.by)
        membership = members.filter(user__is_active=True).first()
        if membership is None or not membership.can_create:
            raise _Ended(NOT_ALLOWED.format(name=self._run.by.name))

    def note(
        self,
        *,
        done: int = 0,
        clips: int = 0,
        known_clips: int = 0,
        stills: int = 0,
        chains: int = 0,
        problem: str = "",
    ) -> None:
        # The same still is damaged at each try: said once.
        problem = "" if problem in self.problems else problem
        listed = problem if len(self.problems) < MAX_PROBLEMS else ""
        super().note(done=done, known_clips=known_clips, clips=clips, stills=stills, problem=listed)
        counts = {"done": done, "clips": clips, "known": known_clips, "stills": stills}
        self._waiting.update(counts | {"left_out": int(bool(problem))})
        if clips or stills or listed or time.monotonic() - self._flushed > FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Write what was noted. Raises _Lost when the run is another's by now."""
        columns = {name: F(name) + count for name, count in self._waiting.items() if count}
        if not columns:
            return
        now = timezone.now()
        told = self._rows.update(
            **columns, problems=self.problems, attempts=0, lease_until=now + LEASE
        )
        if not told:
            raise _Lost
        self._waiting.clear()
        self._flushed, self._came_on = time.monotonic(), True


# ---- Claims and endings --------------------------------------------------------------------


def _going() -> QuerySet[ImportRun]:
    return ImportRun.objects.filter(state__in=ImportRun.GOING)


def _claim(pk: int) -> str | None:
    """Take a run, counting the try as it starts. None when it is not to be had."""
    token, now = uuid.uuid4().hex, timezone.now()
    run = _going().filter(pk=pk).first()
    if run is None:
        return None
    with transaction.atomic():
        # Whoever writes into a project takes its row first, and of two claims one sees the other.
        list(Project.objects.select_for_update(no_key=True).filter(pk=run.project_id))
        if _going().filter(project=run.project_id, pk__lt=pk).exists():
            _going().filter(pk=pk).update(waiting_text="Waits for the import before it.")
            return None
        free = _going().filter(Q(lease_token="") | Q(lease_until__lt=now), pk=pk)
        taken = free.filter(attempts__lt=MOST_ATTEMPTS).update(
            state=S.RUNNING,
            lease_token=token,
            lease_until=now + LEASE,
            attempts=F("attempts") + 1,
            waiting_text="",
        )
    return token if taken else None


def _let_go(
    run: ImportRun, token: str, *, wait: timedelta = ASK_AGAIN, **columns: int | str
) -> None:
    """Let another worker have it. Asked for again by the schedule once it has waited so long."""
    rows = ImportRun.objects.filter(pk=run.pk, lease_token=token)
    rows.update(lease_token="", lease_until=timezone.now() + wait, **columns)


def _end(run: ImportRun, token: str, state: str, why: str = "") -> str:
    """End a run for good: its row, the news of it, then the archive."""
    with transaction.atomic():
        ended = (
            _going()
            .filter(pk=run.pk, lease_token=token)
            .update(
                state=state,
                failure_text=why[:300],
                waiting_text="",
                finished_at=timezone.now(),
                lease_token="",
                lease_until=None,
            )
        )
        if not ended:
            return "stopped: in another worker's hands"
        run.refresh_from_db()
        signals.import_ended.send_robust(sender=ImportRun, run=run)
    # A worker killed here leaves the file; it is cleared up, for its run is over.
    with suppress(OSError):
        upload_parts.delete_archive(run.archive)
    following = _going().filter(project=run.project_id).order_by("pk")
    if (pk := following.values_list("pk", flat=True).first()) is not None:
        ask(pk)
    logger.info("import %s ended: %s", run.code, told(run))
    return told(run)


def ask(pk: int) -> None:
    """Ask a worker to go on with this run; one that has it already is not disturbed."""
    enqueue("work_import", pk)


def resume_left() -> int:
    """Go on with runs whose worker is gone; return how many were asked for."""
    now = timezone.now()
    late = Q(lease_until=None, created_at__lt=now - FIRST_ASK_AGAIN) | Q(lease_until__lt=now)
    asked = 0
    for run in _going().filter(late).select_related("project", "by").order_by("pk"):
        if run.attempts >= MOST_ATTEMPTS:
            why = f"It stopped its worker {run.attempts} times, after {run.done} of {run.total} clips."
            _end(run, run.lease_token, S.FAILED, why)
            continue
        # Not each minute another task, where the queue is long.
        rows = _going().filter(late, pk=run.pk, lease_token=run.lease_token)
        if rows.update(lease_token="", lease_until=now + ASK_AGAIN):
            ask(run.pk)
            asked += 1
    return asked


# ---- What people are told ------------------------------------------------------------------


def told(run: ImportRun) -> str:
    """Say what became of a run that is over, in a few sentences."""
    parts = [run.failure_text] if run.failure_text else []
    came = [_many(run.clips, "clip")] if run.clips or not run.stills else []
    came += [_many(run.stills, "still")] if run.stills else []
    if run.clips or run.stills:
        parts.append(f"{' and '.join(came)} came in.")
    elif run.state == S.FAILED or run.total > run.known:
        parts.append("Nothing came in.")
    if run.known:
        parts.append(
            f"{_many(run.known, 'clip')} {'was' if run.known == 1 else 'were'} here already."
        )
    if run.left_out:
        verb = "thing was" if run.left_out == 1 else "things were"
        parts.append(f"{run.left_out:,} {verb} left out.")
    if run.clips and (names := sentence_on_names(run.project)):
        parts.append(names)
    return " ".join(parts) or "Everything in it was here already."


def sentence_on_names(project: Project) -> str:
    """Return a sentence on the people whose words came in with archives; empty for none."""
    names = names_in_archives(project)
    if not names:
        return ""
    shown = ", ".join(names[:MAX_NAMES]) + (" and others" if len(names) > MAX_NAMES else "")
    return f"What {shown} said and decided is shown under these names, marked “{MARK.strip()}”."


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def latest(user: User, *, most: int) -> list[ImportRun]:
    """Return this person's newest imports, with `may_open`: whether its project is open to them."""
    mine = Membership.objects.filter(user=user, project=OuterRef("project"))
    rows = ImportRun.objects.filter(by=user).select_related("project").order_by("-pk")
    return list(rows.annotate(may_open=Exists(mine))[:most])
