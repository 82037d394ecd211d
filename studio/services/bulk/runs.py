"""A run: one press of a button in the selection bar, from its beginning to its undoing.

Small runs are done in the request, larger ones by a worker, in batches. A batch is one
transaction: it renews the run's lease, changes its clips and writes down what they were before.
So a killed worker leaves whole batches, and another one goes on with the next; and of two workers
at one run the one without the lease can write nothing.
"""

from __future__ import annotations

import copy
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, transaction
from django.db.models import F, Q
from django.utils import timezone

from studio import signals
from studio.bulk import update_alike
from studio.models import BulkItem, BulkRun, Generation, Membership, Project, User
from studio.queue import enqueue
from studio.services.apart import DATABASE_AWAY
from studio.services.bulk.choosing import Choice, keep_choice, left_out
from studio.services.bulk.deeds import Applied, Deed, Pair, Params, Told, left
from studio.services.bulk.table import DEEDS
from studio.services.errors import StudioError

logger = logging.getLogger(__name__)

# So many clips are done while the person waits: a tenth of a second.
AT_ONCE = 50
LEASE = timedelta(seconds=30)
# Between two batches. SQLite's writers do not queue, they look again after up to 0.1 s: without a
# gap somebody's rating would wait for the whole run.
BREATH_S = 0.1
A = BulkRun.Action
S = BulkRun.State
GOING = (S.QUEUED, S.RUNNING, S.UNDOING)
ENDED = (S.DONE, S.FAILED)
T = TypeVar("T")
BROKEN_CLIP = "Something went wrong in the studio with this clip; it is left as it was."
EDITORS_ONLY = "Reviewers can rate and judge clips; this takes an editor."
NOT_ALLOWED = "{name} may not change clips of this project any more."
BROKEN = "Something went wrong in the studio. What was done until then stays; it can be undone."


def begin(
    *,
    membership: Membership,
    action: str,
    choice: Choice,
    params: Params,
    request_token: uuid.UUID,
) -> BulkRun:
    """Do this to the chosen clips, now or in the background; return the run.

    The same token a second time returns the first run and does nothing. Raises StudioError with
    the form field, and PermissionDenied when the person's role does not reach.
    """
    deed = _deed(membership, action)
    project, by = membership.project, membership.user
    with transaction.atomic():
        run, fresh = BulkRun.objects.get_or_create(
            request_token=request_token,
            defaults={
                "project": project,
                "by": by,
                "action": action,
                "query": choice.query[:2000],
            },
        )
        if not fresh:
            if (run.project_id, run.by_id) != (project.pk, by.pk):
                raise StudioError("This form was used before. Reload the page and try again.")
            return run
        run.params = deed.check(membership, params)
        run.params["at"] = timezone.now().isoformat()
        run.total = keep_choice(run, choice)
        if run.total == 0:
            raise StudioError("Choose at least one clip first.", field="clip")
        if deed.most is not None and run.total > deed.most:
            raise StudioError(
                f"{run.total:,} clips are chosen; this can be done to {deed.most} at a time.",
                field="clip",
            )
        if away := left_out(project, by, choice):
            run.params["left_out"] = away
        run.save(update_fields=["params", "total"])
        if run.total > AT_ONCE:
            enqueue("work_bulk", run.pk)
    if run.total <= AT_ONCE:
        work(run.pk)
        run.refresh_from_db()
    return run


def _deed(membership: Membership, action: str) -> Deed:
    deed = DEEDS.get(action)
    if deed is None:
        raise StudioError(f"Action is “{action[:20]}”; choose one from the selection bar.")
    if not _reaches(membership, deed):
        raise PermissionDenied(EDITORS_ONLY)
    return deed


def _reaches(membership: Membership, deed: Deed) -> bool:
    return deed.may != "create" or membership.can_create


def may_undo(run: BulkRun, membership: Membership) -> bool:
    """Whether this person may take the run back now: their own, or any for an owner.

    Undoing changes as much as doing: it takes the same right.
    """
    may = _is_theirs(run, membership) and _reaches(membership, DEEDS[run.action])
    return may and run.state in ENDED and run.done > 0 and not is_forgotten(run)


def _is_theirs(run: BulkRun, membership: Membership) -> bool:
    return run.by_id == membership.user_id or membership.can_manage


def is_forgotten(run: BulkRun) -> bool:
    """Whether its clips' earlier values are not kept any more."""
    return run.created_at < timezone.now() - timedelta(days=settings.BIN_DAYS)


def undo(*, run: BulkRun, membership: Membership) -> BulkRun:
    """Take a run back: each clip gets what it had, unless somebody changed it since.

    Pressed twice, it is undone once. Raises StudioError and PermissionDenied.
    """
    if not _is_theirs(run, membership):
        raise PermissionDenied("Only the person who did this, or an owner, can undo it.")
    if not _reaches(membership, DEEDS[run.action]):
        raise PermissionDenied(EDITORS_ONLY)
    if run.state in (S.UNDOING, S.UNDONE):
        return run
    if not may_undo(run, membership):
        raise StudioError("There is nothing of this left to undo.")
    rows = BulkRun.objects.filter(pk=run.pk, state__in=ENDED)
    params = run.params | {"undone_by": membership.user_id}
    if rows.update(
        state=S.UNDOING, params=params, finished_at=None, lease_until=None, failure_text=""
    ):
        if run.done > AT_ONCE:
            enqueue("work_bulk", run.pk)
        else:
            work(run.pk)
    run.refresh_from_db()
    return run


# ---- The work ------------------------------------------------------------------------------


def work(pk: int) -> str:
    """Do what is left of a run, or of its undoing. Harmless when another worker has it, or it is over."""
    lease = _claim(pk)
    if lease is None:
        return "over, or in another worker's hands"
    try:
        while lease is not None:
            lease = _batch(pk, lease)
            if lease is not None and _is_long(pk):
                time.sleep(BREATH_S)
    except OperationalError:
        # The database is busy or away. The lease runs out, and somebody goes on from here.
        raise
    except Exception:
        logger.exception("bulk run %s broke", pk)
        over = BulkRun.objects.filter(pk=pk, lease_until=lease)
        over.update(
            state=S.FAILED, failure_text=BROKEN, finished_at=timezone.now(), lease_until=None
        )
    return str(BulkRun.objects.values_list("state", flat=True).get(pk=pk))


def _is_long(pk: int) -> bool:
    return BulkRun.objects.filter(pk=pk, total__gt=AT_ONCE).exists()


def resume_left() -> int:
    """Go on with runs whose worker is gone; return how many were asked for."""
    now = timezone.now()
    rows = BulkRun.objects.filter(state__in=GOING, created_at__gt=now - timedelta(days=2))
    found = rows.filter(Q(lease_until=None, created_at__lt=now - LEASE) | Q(lease_until__lt=now))
    pks = list(found.values_list("pk", flat=True))
    for pk in pks:
        ask(pk)
    return len(pks)


def stop_retrying(why: str) -> int:
    """End every run that buys: what is left of it may have been bought already. Returns how many."""
    runs = BulkRun.objects.filter(action=BulkRun.Action.RETRY, state__in=(S.QUEUED, S.RUNNING))
    return runs.update(
        state=S.FAILED, failure_text=why, finished_at=timezone.now(), lease_until=None
    )


def ask(pk: int) -> None:
    """Ask a worker to go on with this run; one that has it already is not disturbed."""
    enqueue("work_bulk", pk)


def _claim(pk: int) -> datetime | None:
    """Take a run. The lease's end is its token: whoever renews it names the one they hold."""
    now = timezone.now()
    free = BulkRun.objects.filter(pk=pk).filter(Q(lease_until=None) | Q(lease_until__lt=now))
    until = now + LEASE
    if free.filter(state__in=(S.QUEUED, S.RUNNING)).update(state=S.RUNNING, lease_until=until):
        return until
    return until if free.filter(state=S.UNDOING).update(lease_until=until) else None


def _batch(pk: int, lease: datetime) -> datetime | None:
    """Do the next clips in one transaction; None when the run is over or no longer ours."""
    with transaction.atomic():
        until = timezone.now() + LEASE
        if not BulkRun.objects.filter(pk=pk, lease_until=lease).update(lease_until=until):
            return None
        run = BulkRun.objects.select_related("project", "by").get(pk=pk)
        # Whoever changes a clip takes its project's row first: what is read from here on stays so.
        Project.objects.select_for_update(no_key=True).get(pk=run.project_id)
        deed = DEEDS[run.action]
        undoes = run.state == S.UNDOING
        if stop := _not_allowed(run, deed):
            _stop_undoing(run, stop) if undoes else _stop(run, stop)
            return None
        going = _undo_batch(run, deed) if undoes else _apply_batch(run, deed)
        return until if going else None


def _not_allowed(run: BulkRun, deed: Deed) -> str:
    """Say why whoever began this may not go on: their right may have ended since. Empty if they may."""
    undoing = run.params.get("undone_by") if run.state == S.UNDOING else None
    person = User.objects.filter(pk=undoing).first() if undoing else run.by
    members = Membership.objects.filter(project=run.project_id, user=person, user__is_active=True)
    membership = members.first()
    if person is not None and membership is not None and _reaches(membership, deed):
        return ""
    return NOT_ALLOWED.format(name=person.name if person else "Whoever asked for this")


def _stop(run: BulkRun, why: str) -> None:
    """Leave what waits as it is, and end the run."""
    waiting = run.items.filter(outcome=BulkItem.Outcome.WAITING)
    rest = waiting.update(outcome=BulkItem.Outcome.SKIPPED, reason=why[:200])
    BulkRun.objects.filter(pk=run.pk).update(skipped=F("skipped") + rest, failure_text=why[:300])
    _finish(run, S.DONE)


def _stop_undoing(run: BulkRun, why: str) -> None:
    """Leave the rest as it was done: an owner may undo it."""
    BulkRun.objects.filter(pk=run.pk).update(failure_text=why[:300])
    _finish(run, S.DONE)


def _pairs(items: list[BulkItem]) -> list[Pair]:
    rows = Generation.objects.defer("raw_answer", "sent_prompt", "uploads")
    found = rows.in_bulk([item.generation_id for item in items])
    return [(item, found[item.generation_id]) for item in items]


def _apply_batch(run: BulkRun, deed: Deed) -> bool:
    waiting = run.items.filter(outcome=BulkItem.Outcome.WAITING).order_by("pk")
    items = list(waiting[: deed.batch])
    stop = ""
    if items:
        applied = _apply(run, deed, _pairs(items))
        stop = applied.stop
        _write(run, items, applied.told)
    if items and not stop:
        return True
    if stop:
        _stop(run, stop)
    else:
        _finish(run, S.DONE)
    return False


def _apply(run: BulkRun, deed: Deed, pairs: Sequence[Pair]) -> Applied:
    """Do a batch at once, or clip by clip where one of them breaks it; that one is left as it is.

    Where every clip of several breaks, it is the action that is broken, and its error is raised.
    """
    try:
        return _undone_if_broken(run, deed.apply, pairs)
    except DATABASE_AWAY:
        raise
    except Exception as error:
        if len(pairs) == 1:
            logger.exception("bulk run %s: clip %s broke", run.pk, pairs[0][1].pk)
            return Applied([left(BROKEN_CLIP)])
        broken = error
    told: list[Told] = []
    for pair in pairs:
        one = _apply(run, deed, [pair])
        told += one.told
        if one.stop:
            return Applied(told, one.stop)
    if all(one.reason == BROKEN_CLIP for one in told):
        raise broken
    return Applied(told)


def _undo(run: BulkRun, deed: Deed, pairs: Sequence[Pair]) -> list[str]:
    """As `_apply`: return why each was kept as it is, or an empty string."""
    try:
        return list(_undone_if_broken(run, deed.undo, pairs))
    except DATABASE_AWAY:
        raise
    except Exception:
        if len(pairs) == 1:
            logger.exception("bulk run %s: clip %s broke", run.pk, pairs[0][1].pk)
            return [BROKEN_CLIP]
    return [why for pair in pairs for why in _undo(run, deed, [pair])]


def _undone_if_broken(
    run: BulkRun, work: Callable[[BulkRun, Sequence[Pair]], T], pairs: Sequence[Pair]
) -> T:
    params = copy.deepcopy(run.params)
    try:
        with transaction.atomic():
            return work(run, pairs)
    except Exception:
        run.params = params
        raise


def _write(run: BulkRun, items: list[BulkItem], told: object) -> None:
    done = skipped = 0
    changes: list[tuple[int, dict[str, object]]] = []
    for item, one in zip(items, told, strict=False):  # type: ignore[call-overload]  # a sequence
        if one.reason:
            skipped += 1
            outcome, reason = BulkItem.Outcome.SKIPPED, one.reason[:200]
        else:
            done += 1
            outcome, reason = BulkItem.Outcome.DONE, ""
        changes.append(
            (item.pk, {"outcome": outcome.value, "reason": reason, "before": one.before})
        )
    update_alike(BulkItem, changes)
    BulkRun.objects.filter(pk=run.pk).update(
        done=F("done") + done, skipped=F("skipped") + skipped, params=run.params
    )


def _undo_batch(run: BulkRun, deed: Deed) -> bool:
    # Last first: what was put behind one another comes away in the opposite order. What is kept
    # as it is stays "done" and has a reason, so that the next batch does not meet it again.
    rows = run.items.filter(outcome=BulkItem.Outcome.DONE, reason="").order_by("-pk")
    items = list(rows[: deed.batch])
    if not items:
        _finish(run, S.UNDONE)
        return False
    kept = _undo(run, deed, _pairs(items))
    changes: list[tuple[int, dict[str, object]]] = [
        (item.pk, {"reason": why[:200]} if why else {"outcome": BulkItem.Outcome.UNDONE.value})
        for item, why in zip(items, kept, strict=True)
    ]
    update_alike(BulkItem, changes)
    return True


def _finish(run: BulkRun, state: str) -> None:
    BulkRun.objects.filter(pk=run.pk).update(
        state=state, finished_at=timezone.now(), lease_until=None
    )
    run.refresh_from_db()
    undone = state == S.UNDONE
    actor = User.objects.filter(pk=run.params.get("undone_by", 0)).first() if undone else run.by
    signals.bulk_done.send_robust(sender=BulkRun, run=run, actor=actor or run.by, undone=undone)
