"""The only writer of Generation.state.

    queued ──> submitting ──> running ──> storing ──> succeeded
      │ │        │  │  │        │  │         │
      │ │        │  │  │        │  │         └─> failed      media could not be downloaded or read
      │ │        │  │  │        │  └─> failed | stalled      stalled: deadline passed, polls slow down
      │ │        │  │  │        └─> cancelled                a local render, stopped by a person
      │ │        │  │  └─> uncertain                         it left, no answer came; a person decides
      │ │        │  └─> failed | queued                      refused | nothing left, so try again
      │ │        └─> storing                                 the submit's answer was already the end
      │ └─> failed | uncertain                               cannot be sent | stopped; a try may be there
      └─> cancelled                                          before it was sent
    storing ──> running                                      a local render's file is gone | not done yet
    running | stalled | uncertain ──> abandoned              a person stops watching
    uncertain ──> queued | running                           a person says: send again | it arrived
    failed | abandoned ──> storing                           "download again": the result exists after all

Every move is one UPDATE on the state it was read in, plus its event, in one transaction. A
move that lost the race, or that the table does not allow, changes nothing and returns False.
Nothing here calls a network, a disk or a subprocess.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import DateTimeField, F, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from studio import ledger, signals
from studio.bulk import update_alike, update_rows
from studio.models.account import User
from studio.models.generation import (
    TERMINAL_STATES,
    Charged,
    Generation,
    GenerationEvent,
    State,
)
from studio.models.project import Project

S = State
MOVES: dict[str, frozenset[str]] = {
    S.QUEUED: frozenset({S.SUBMITTING, S.CANCELLED, S.FAILED, S.UNCERTAIN}),
    S.SUBMITTING: frozenset({S.RUNNING, S.STORING, S.FAILED, S.QUEUED, S.UNCERTAIN}),
    S.RUNNING: frozenset({S.STORING, S.FAILED, S.STALLED, S.ABANDONED, S.CANCELLED}),
    S.STALLED: frozenset({S.RUNNING, S.STORING, S.FAILED, S.ABANDONED}),
    S.UNCERTAIN: frozenset({S.RUNNING, S.STORING, S.FAILED, S.QUEUED, S.ABANDONED}),
    S.STORING: frozenset({S.SUCCEEDED, S.FAILED, S.RUNNING}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset({S.STORING}),
    S.CANCELLED: frozenset(),
    S.ABANDONED: frozenset({S.STORING}),
}

MAX_NUMBER = 2_000_000_000  # of a clip in its project; below what the column holds
MAX_TAKE = 30_000  # of a shot; likewise

# Columns that say what a generation costs: whoever writes them changes its sum in the ledger.
BILL = frozenset({"charged", "actual_microusd", "actual_credits", "estimated_microusd"})


class NumbersUsedUp(Exception):
    """A project whose next clip numbers, or a shot whose next takes, their column does not hold."""


@dataclass(frozen=True, slots=True)
class Move:
    """One wanted move of one generation, for `move_many`. `changes` are the columns it carries."""

    pk: int
    project_id: int
    old: str
    new: str
    reason: str = ""
    changes: dict[str, Any] = field(default_factory=dict)


def create(generations: Sequence[Generation], *, actor: User, reason: str = "asked for") -> None:
    """Insert new generations as queued, with their events and numbers, in one transaction.

    All must belong to one project. Raises IntegrityError when the request token was used before, and
    NumbersUsedUp.
    """
    project_id = generations[0].project_id
    with transaction.atomic():
        version = Project.bump(project_id)
        number = Project.objects.values_list("next_number", flat=True).get(pk=project_id)
        if number + len(generations) > MAX_NUMBER:
            raise NumbersUsedUp
        if any(generation.take > MAX_TAKE for generation in generations):
            raise NumbersUsedUp
        Project.objects.filter(pk=project_id).update(next_number=number + len(generations))
        now = timezone.now()
        for offset, generation in enumerate(generations):
            generation.state = State.QUEUED
            generation.version = version
            generation.number = number + offset
            generation.created_at = now
            generation.queue_rank = int(now.timestamp() * 1_000_000) + offset
        Generation.objects.bulk_create(generations)
        GenerationEvent.objects.bulk_create(
            GenerationEvent(
                generation=g, old="", new=State.QUEUED, reason=reason, actor=actor, at=now
            )
            for g in generations
        )
        ledger.reserve(generations)
        signals.shots_queued.send_robust(sender=None, generations=generations, actor=actor)


def move(
    pk: int,
    new: str,
    *,
    old: str | Sequence[str] | None = None,
    where: Q | None = None,
    actor: User | None = None,
    reason: str = "",
    **changes: Any,
) -> bool:
    """Move one generation to `new` with the columns in `changes`, if it may go there now.

    `old` narrows where it may come from; `where` adds a condition checked in the same UPDATE.
    Returns False, changing nothing, when the state or the condition is no longer so.
    """
    sources = [old] if isinstance(old, str) else old
    with transaction.atomic():
        row = Generation.objects.filter(pk=pk).values_list("project_id", "state").first()
        if (
            row is None
            or new not in MOVES[row[1]]
            or (sources is not None and row[1] not in sources)
        ):
            return False
        wanted = Move(pk, row[0], row[1], new, reason, changes)
        now = timezone.now()
        if _apply(wanted, Project.bump(row[0]), where, now):
            _event(wanted, actor, now).save()
            ledger.settle(_billed([wanted]))
            signals.shots_moved.send_robust(sender=None, moves=[wanted], actor=actor)
            return True
        transaction.set_rollback(True)
        return False


def move_many(moves: Sequence[Move], *, actor: User | None = None) -> set[int]:
    """Make many moves in one transaction; return the pks that moved. The others lost their race.

    At most one move of each row; the columns they carry are plain values.
    """
    allowed = [m for m in moves if m.new in MOVES[m.old]]
    if not allowed:
        return set()
    with transaction.atomic():
        # Projects first and in order, then rows: two sweepers never wait for each other in a ring.
        versions = {pk: Project.bump(pk) for pk in sorted({m.project_id for m in allowed})}
        now = timezone.now()
        locked = Generation.objects.select_for_update(no_key=True).order_by("pk")
        states = dict(
            locked.filter(pk__in=[m.pk for m in allowed]).values_list("pk", "state").iterator()
        )
        made = [m for m in allowed if states.get(m.pk) == m.old]
        update_rows(Generation, [(m.pk, _columns(m, versions[m.project_id], now)) for m in made])
        GenerationEvent.objects.bulk_create(_event(m, actor, now) for m in made)
        ledger.settle(_billed(made))
        signals.shots_moved.send_robust(sender=None, moves=made, actor=actor)
    return {m.pk for m in made}


def _apply(wanted: Move, version: int, where: Q | None, now: datetime) -> bool:
    rows = Generation.objects.filter(pk=wanted.pk, state=wanted.old)
    if where is not None:
        rows = rows.filter(where)
    return rows.update(**_columns(wanted, version, now)) == 1


def _columns(wanted: Move, version: int, now: datetime) -> dict[str, Any]:
    return {
        "state": wanted.new,
        "version": version,
        "finished_at": now if wanted.new in TERMINAL_STATES else None,
        "lease_token": "",
        "lease_until": None,
        "waiting_text": "",
        "trouble": "",
        "set_aside_at": None,
    } | wanted.changes


def _billed(moves: Sequence[Move]) -> list[int]:
    """Return the pks whose bill a move may have changed: it ended, began anew, or carries an amount."""
    return [
        m.pk
        for m in moves
        if m.new in TERMINAL_STATES or m.old in TERMINAL_STATES or BILL & m.changes.keys()
    ]


def _event(wanted: Move, actor: User | None, now: datetime) -> GenerationEvent:
    return GenerationEvent(
        generation_id=wanted.pk,
        old=wanted.old,
        new=wanted.new,
        reason=wanted.reason[:300],
        actor=actor,
        at=now,
    )


MOST_SAME_KEY = 6  # submits with one idempotency key before a person is asked
SENDING = "sending"  # raw_status of a row whose paid call may have left, on this try or an earlier


# ---- Named moves: what each one carries ------------------------------------------------


def claim_submit(pk: int, *, seconds: float = 90) -> str | None:
    """Take a queued generation for sending. Returns a lease token, or None when it is not to be had.

    Counts the attempt in `work_attempts`: preparing a shot may kill its worker too. The time of
    the first try that may have left is kept, for the search at the provider starts there.
    """
    token = uuid.uuid4().hex
    now = timezone.now()
    taken = move(
        pk,
        S.SUBMITTING,
        old=S.QUEUED,
        where=Q(held=False) & (Q(next_poll_at=None) | Q(next_poll_at__lte=now)),
        reason="being sent",
        lease_token=token,
        lease_until=now + timedelta(seconds=seconds),
        submitted_at=Coalesce(F("submitted_at"), Value(now), output_field=DateTimeField()),
        work_attempts=F("work_attempts") + 1,
        next_poll_at=None,
    )
    return token if taken else None


def mark_sending(
    pk: int, *, token: str, seconds: float = 90, sent_request: Mapping[str, Any] | None = None
) -> bool:
    """Note that the paid call leaves now, and what it asks for.

    After a crash this tells "nothing left" from "who knows", and a lost job is looked for by it.
    """
    rows = Generation.objects.filter(pk=pk, state=S.SUBMITTING, lease_token=token)
    request = {} if sent_request is None else {"sent_request": dict(sent_request)}
    return (
        rows.update(
            **request,
            raw_status=SENDING,
            attempts=F("attempts") + 1,
            lease_until=timezone.now() + timedelta(seconds=seconds),
        )
        == 1
    )


def return_to_queue(
    pk: int,
    *,
    reason: str,
    waiting_text: str = "",
    token: str | None = None,
    seen: Generation | None = None,
    may_have_left: bool = False,
    not_before: datetime | None = None,
    work_attempts: int = 0,
) -> bool:
    """Put a generation being sent back in line, to be sent again by itself.

    With `may_have_left` a try may have arrived: the row keeps its mark and the time it was sent,
    so nobody later calls it unbought. Nobody sends it again before `not_before`.
    """
    mark: dict[str, Any] = {} if may_have_left else {"submitted_at": None, "raw_status": ""}
    return move(
        pk,
        S.QUEUED,
        old=S.SUBMITTING,
        where=_holding(token, seen),
        reason=reason,
        waiting_text=waiting_text[:300],
        next_poll_at=not_before,
        work_attempts=work_attempts,
        **mark,
    )


def record_running(
    pk: int, *, job_id: str, deadline_at: datetime | None, next_poll_at: datetime, **changes: Any
) -> bool:
    """Record that a provider has the job."""
    return move(
        pk,
        S.RUNNING,
        old=[S.SUBMITTING, S.UNCERTAIN],
        reason=f"the provider has it as {job_id}",
        provider_job_id=job_id,
        deadline_at=deadline_at,
        next_poll_at=next_poll_at,
        **changes,
    )


def mark_uncertain(
    pk: int,
    *,
    reason: str,
    text: str,
    next_poll_at: datetime,
    old: str = S.SUBMITTING,
    token: str | None = None,
    seen: Generation | None = None,
    actor: User | None = None,
    **changes: Any,
) -> bool:
    """Stop sending a generation that may have been bought. `next_poll_at`: when to look for it."""
    return move(
        pk,
        S.UNCERTAIN,
        old=old,
        where=Q(raw_status=SENDING) if old == S.QUEUED else _holding(token, seen),
        actor=actor,
        reason=reason,
        waiting_text=text[:300],
        next_poll_at=next_poll_at,
        work_attempts=0,
        **changes,
    )


def mark_failed(
    pk: int,
    *,
    code: str,
    text: str,
    charged: str,
    old: str | None = None,
    token: str | None = None,
    seen: Generation | None = None,
    actor: User | None = None,
    **changes: Any,
) -> bool:
    """End a generation as failed, saying why, and whether it was charged."""
    return move(
        pk,
        S.FAILED,
        old=old,
        where=_holding(token, seen),
        actor=actor,
        reason=text,
        failure_code=code,
        failure_text=text[:500],
        charged=charged,
        **changes,
    )


def mark_succeeded(pk: int, *, token: str, **media: Any) -> bool:
    """End a generation as succeeded. `media` are the file names and measurements."""
    return move(
        pk,
        S.SUCCEEDED,
        where=_holding(token),
        reason="stored",
        progress=100,
        failure_code="",
        failure_text="",
        **media,
    )


def cancel(pk: int, *, actor: User | None) -> bool:
    """Cancel before it was sent. Nothing was bought. False for one that may have left before."""
    return move(
        pk,
        S.CANCELLED,
        old=S.QUEUED,
        where=~Q(raw_status=SENDING),
        actor=actor,
        reason="cancelled before it was sent",
        charged=Charged.NO,
    )


def import_clip(generation: Generation, *, actor: User) -> None:
    """Insert a finished clip brought from another studio, with its event.

    It keeps its number where that is free, else gets the next one. Its files are in the storage.
    """
    with transaction.atomic():
        generation.version = Project.bump(generation.project_id)
        rows = Generation.objects.filter(project=generation.project_id)
        following = Project.objects.values_list("next_number", flat=True)
        next_number = following.get(pk=generation.project_id)
        if not generation.number or rows.filter(number=generation.number).exists():
            generation.number = next_number
        Project.objects.filter(pk=generation.project_id).update(
            next_number=max(next_number, generation.number + 1)
        )
        generation.state, generation.progress = S.SUCCEEDED, 100
        generation.queue_rank = generation.number
        generation.save(force_insert=True)
        reason = "brought from another studio"
        GenerationEvent.objects.create(
            generation=generation, old="", new=S.SUCCEEDED, reason=reason, actor=actor
        )


# ---- What changes without a move ----------------------------------------------------------


def show_progress(rows: Sequence[tuple[int, int, int, str]]) -> None:
    """Write progress of many running generations: (pk, project id, percent, the provider's word)."""
    with transaction.atomic():
        versions = {pk: Project.bump(pk) for pk in sorted({row[1] for row in rows})}
        locked = Generation.objects.select_for_update(no_key=True).order_by("pk")
        running = locked.filter(
            pk__in=[row[0] for row in rows], state__in=[S.RUNNING, S.STALLED]
        ).values_list("pk", flat=True)
        still = set(running.iterator())
        update_rows(
            Generation,
            [
                (
                    pk,
                    {
                        "progress": max(0, min(percent, 99)),
                        "raw_status": word[:60],
                        "trouble": "",
                        "set_aside_at": None,
                        "version": versions[p],
                    },
                )
                for pk, p, percent, word in rows
                if pk in still
            ],
        )


def set_trouble(rows: QuerySet[Generation], text: str) -> int:
    """Write what is wrong with the provider's answers about these shots; empty: nothing any more.

    Returns how many it changed. Their cards are drawn anew by the next poll of a gallery.
    """
    changed = 0
    with transaction.atomic():
        projects = rows.order_by("project_id").values_list("project_id", flat=True).distinct()
        for project_id in list(projects):
            columns = {"trouble": text[:300], "version": Project.bump(project_id)}
            if not text:
                columns["set_aside_at"] = None
            changed += rows.filter(project_id=project_id).update(**columns)
    return changed


def touch(pk: int, **changes: Any) -> bool:
    """Change columns people see without a move (rating, title, archived); raises the version."""
    return _touch(pk, None, changes)


def release_held(pk: int) -> bool:
    """Let a held shot go on, without the reason it was held for. False when it is not held now."""
    return _touch(pk, Q(state=S.QUEUED, held=True), {"held": False, "waiting_text": ""})


def put_off(pk: int, *, until: datetime, waiting_text: str) -> bool:
    """Keep a queued shot from being sent until then, and say why. Its card is written only once."""
    rows = Generation.objects.filter(pk=pk, state=S.QUEUED)
    if rows.filter(waiting_text=waiting_text).update(next_poll_at=until):
        return True
    return _touch(pk, Q(state=S.QUEUED), {"waiting_text": waiting_text, "next_poll_at": until})


def touch_uncertain(pk: int, **changes: Any) -> bool:
    """As `touch`, only while the generation is uncertain."""
    return _touch(pk, Q(state=S.UNCERTAIN), changes)


def _touch(pk: int, where: Q | None, changes: Mapping[str, Any]) -> bool:
    if {"state", "version"} & changes.keys():
        raise ValueError("touch() does not write state or version.")
    with transaction.atomic():
        rows = Generation.objects.filter(pk=pk)
        if where is not None:
            rows = rows.filter(where)
        project_id = rows.values_list("project_id", flat=True).first()
        if project_id is None:
            return False
        version = Project.bump(project_id)
        if not rows.update(version=version, **changes):
            return False
        if BILL & changes.keys():
            ledger.settle([pk])
        return True


def touch_leased(pk: int, *, state: State, token: str, **changes: Any) -> bool:
    """As `touch`, only while the generation is in this state and this lease is on it."""
    return _touch(pk, Q(state=state, lease_token=token), changes)


def explain_wait(project_id: int, pks: Sequence[int], text: str) -> int:
    """Write on waiting shots of one project why they wait. Returns how many still waited.

    One that was held meanwhile keeps the reason of that.
    """
    with transaction.atomic():
        version = Project.bump(project_id)
        queued = Generation.objects.filter(pk__in=pks, project=project_id, state=S.QUEUED)
        changed = queued.filter(held=False).update(version=version, waiting_text=text[:300])
        if not changed:
            transaction.set_rollback(True)
    return changed


def touch_rows(project_id: int, rows: Sequence[tuple[int, Mapping[str, Any]]]) -> int:
    """Do what `touch` does for many generations of one project: (pk, columns). Returns the version.

    Call inside a transaction. It takes the project's row, so what is read after it stays so until
    the end; with no columns (or no rows) it only raises the version.
    """
    if any({"state", "version"} & columns.keys() for _, columns in rows):
        raise ValueError("touch_rows() does not write state or version.")
    version = Project.bump(project_id)
    update_alike(Generation, [(pk, {**columns, "version": version}) for pk, columns in rows])
    ledger.settle([pk for pk, columns in rows if BILL & columns.keys()])
    return version


def _holding(token: str | None, seen: Generation | None = None) -> Q | None:
    """Return the condition that this lease is on the row and, with `seen`, is as it was read.

    Whoever looks after stopped workers read the row a moment ago. Its worker may have gone on
    since, which changes the lease; no clock is asked, for the two may not agree on one.
    """
    if token is None:
        return None
    held = Q(lease_token=token)
    return held if seen is None else held & Q(lease_until=seen.lease_until)
