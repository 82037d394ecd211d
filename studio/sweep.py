"""The sweep: one task that watches everything in flight, so that nothing depends on a process
staying alive.

A slice takes the lease of every account nobody else sweeps, and for about 45 s: claims the rows
that are due (the claim is the schedule: it sets their next poll time), fetches them concurrently
on an event loop, and writes what changed in bulk through the lifecycle. Then it asks for its
successor and goes on until that takes the leases, so a long queue makes no gap. A schedule each
minute and every new shot revive it; where one is running already, the leases make a second a
no-op. A lease names its machine and process: where that process is seen to have died, the lease is
freed at once, so a killed sweep is replaced in a second or two; elsewhere it runs out.

The event loop runs in a thread of its own; all database work stays in the task's thread.

Every row is its own: what cannot be read or written of one sets that one aside (see
services/work/isolation.py). Where an account, or one row, brings no readable answer, its cards say
so within a minute, and stop saying so with the next good answer.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.db.models import Case, DurationField, Q, Value, When
from django.utils import timezone

from studio import lifecycle
from studio.bulk import update_in_order
from studio.fetching import Answer, Fetcher, Loop, running_loop
from studio.leases import sweep_token
from studio.models import Generation, ProviderAccount
from studio.models.generation import MOVING_STATES, Charged, State
from studio.providers.base import (
    AuthFailed,
    Job,
    NotFound,
    ProviderUnavailable,
    RateLimited,
    WrongEndpoint,
)
from studio.providers.catalog import PROVIDER_LABELS, UnknownModel, get_spec
from studio.queue import enqueue
from studio.services.doors import clear_trouble, make_door, pause
from studio.services.work import balances, isolation, poll_trouble, recovery
from studio.services.work.clock import follow_clock
from studio.services.work.outcomes import (
    MEDIA_GRACE,
    WATCHED_COLUMNS,
    Watched,
    awaits_media,
    follow_up,
    note_progress,
    read_job,
)

logger = logging.getLogger(__name__)

SLICE_S = 45
LINGER_S = 900  # how long a slice waits for its successor
LEASE_S = 15
TICK_S = 0.25
CARE_EVERY_S = 3.0  # leases, recovery, deadlines
CARE_LEAVING_S = 0.5  # once a successor is on its way
CLAIM_MOST = 500
OUT_MOST = 500  # rows of one account handed in before no more of it are claimed
LAG = timedelta(minutes=1)  # a job unknown this soon after its submit may only be late
QUIET_AFTER = 3  # requests that fail in a row before an account is left alone for a while
QUIET_MOST_S = 30
AUTH_QUIET_S = 60  # a key that is not accepted mends itself seldom
RECONCILE_EVERY_S = 30
SILENT_S = 25  # nothing at all answered for so long, and the cards say it
SAY_AFTER = timedelta(seconds=20)  # failing for so long, and the cards say it
SAY_ROW_AFTER = 2  # answers about one shot that failed in a row, while others are answered
ASK_SOON = timedelta(seconds=10)  # the next poll until it is known whether there is trouble
# Age of a shot -> time to its next poll. Quick at first, calmer later, slow once stalled.
PACES = ((timedelta(seconds=60), 5), (timedelta(minutes=3), 8))
LATE_PACE_S = 15
STALLED_PACE_S = 60


@dataclass
class _Results:
    """What the answers of one tick ask to be written."""

    moves: list[lifecycle.Move] = field(default_factory=list)
    alone: list[lifecycle.Move] = field(default_factory=list)  # of rows that are set aside
    progress: list[isolation.Progress] = field(default_factory=list)
    done_without: list[int] = field(default_factory=list)  # called done, and no clip yet
    recovered: list[int] = field(default_factory=list)  # in trouble before, and answered now


@dataclass
class _Watch:
    """One swept account: its row, its fetchers by dialect, and when it may be asked again."""

    account: ProviderAccount
    out: dict[int, float] = field(default_factory=dict)  # rows not answered, and since when
    quiet_until: float = 0.0
    answered_at: float = 0.0  # when the last poll brought a good answer
    failing_since: datetime | None = None  # no good answer since then
    failed: Counter[int] = field(default_factory=Counter)  # answers in a row that failed, by row
    failed_at: dict[int, tuple[float, datetime]] = field(default_factory=dict)  # the first of them
    failures: int = 0  # requests that failed, one after the other
    last_error: Exception | None = None
    fetchers: dict[str, Fetcher] = field(default_factory=dict)
    reconciled: float = 0.0
    charged: bool = False  # something was paid for in this slice

    def __post_init__(self) -> None:
        self.failing_since = self.account.polls_failing_since

    @property
    def ready(self) -> bool:
        return (
            self.account.provider != "previs"
            and self.quiet_until <= time.monotonic()
            and len(self.out) < OUT_MOST
        )


def run_slice(slice_s: float = SLICE_S, *, linger_s: float = LINGER_S) -> str:
    """Look after everything in flight for one slice. Returns what happened, in a sentence."""
    token = sweep_token()
    follow_clock()
    accounts = _take_leases(token)
    if not accounts:
        return "busy: another sweep is running"
    swept = ProviderAccount.objects.filter(pk__in=[account.pk for account in accounts])
    try:
        recovery.tidy_scratch()
        with running_loop() as loop:
            result = _Slice(token, accounts, loop).run(slice_s, linger_s)
        update_in_order(swept, sweep_finished_at=timezone.now())
        return result
    except Exception:
        # The next one begins at once, so without this nobody would see that none comes to its end.
        with suppress(DatabaseError):
            update_in_order(swept, sweep_failed_at=timezone.now())
        raise
    finally:
        _drop_leases(token)
        # A shot made while this one was ending saw its leases and called nobody.
        if _anything_moving(account.pk for account in accounts):
            enqueue("sweep")


class _Slice:
    """One sweep at work."""

    def __init__(self, token: str, accounts: Sequence[ProviderAccount], loop: Loop) -> None:
        self._token = token
        self._loop = loop
        self._watches = {account.pk: _Watch(account) for account in accounts}
        self._fetched = 0
        self._leaving = False

    def run(self, slice_s: float, linger_s: float) -> str:
        began = time.monotonic()
        next_care = 0.0
        passed = False
        try:
            while True:
                now = time.monotonic()
                if now >= next_care:
                    if not self._care():
                        return f"handed over after {self._fetched} answers"
                    # Stalled shots alone get one pass a minute, from the schedule.
                    if passed and not self._busy():
                        return f"nothing in flight after {self._fetched} answers"
                    next_care = now + (CARE_LEAVING_S if self._leaving else CARE_EVERY_S)
                if now >= began + slice_s and not self._leaving:
                    self._leave()
                    next_care = 0.0
                if now >= began + slice_s + linger_s:
                    return f"ended without a successor after {self._fetched} answers"
                self._ask()
                time.sleep(max(TICK_S - (time.monotonic() - now), 0.0))
                self._hear()
                if not passed:
                    passed, next_care = True, 0.0
        finally:
            try:
                self._hear()
            finally:
                self._give_back()
            self._ask_balances()

    def _busy(self) -> bool:
        return any(watch.out for watch in self._watches.values()) or _anything_moving(self._watches)

    def _leave(self) -> None:
        """Ask for a successor and let it take the leases; until it does, nothing stands still."""
        self._leaving = True
        for watch in self._watches.values():
            poll_trouble.note_failing(watch.account, watch.failing_since)
        ours = ProviderAccount.objects.filter(sweep_token=self._token)
        update_in_order(ours, sweep_until=timezone.now())
        enqueue("sweep")

    def _care(self) -> bool:
        """Renew the leases, and look after what is stuck. False when every lease is gone."""
        follow_clock()
        if not self._leaving:
            for account in _take_leases(self._token):
                self._watches.setdefault(account.pk, _Watch(account))
        now = timezone.now()
        ours = ProviderAccount.objects.filter(sweep_token=self._token)
        kept = set(ours.values_list("pk", flat=True))
        until = {} if self._leaving else {"sweep_until": now + timedelta(seconds=LEASE_S)}
        update_in_order(ours.filter(pk__in=kept), swept_at=now, **until)
        for pk in set(self._watches) - kept:
            del self._watches[pk]
        # Previs's account always exists, so whoever sweeps it does the studio-wide chores.
        if any(watch.account.provider == "previs" for watch in self._watches.values()):
            try:
                recovery.revive()
            except Exception:
                # One row that cannot be helped must not end the watch over all the others.
                logger.exception("looking after stuck shots failed")
        self._say_trouble()
        self._reconcile()
        return bool(self._watches)

    def _say_trouble(self) -> None:
        """Let the cards of shots sent meanwhile, or at an account that is silent, say the trouble."""
        now = time.monotonic()
        for watch in self._watches.values():
            asked_at = min(watch.out.values(), default=now)
            if max(asked_at, watch.answered_at) < now - SILENT_S:
                silent = ProviderUnavailable("No answer.")
                self._announce(watch, silent, timezone.now() - timedelta(seconds=now - asked_at))
            elif watch.account.polls_trouble:
                poll_trouble.say_of_new(watch.account)

    def _announce(self, watch: _Watch, error: Exception, since: datetime) -> None:
        watch.failing_since = min(watch.failing_since or since, since)
        poll_trouble.announce(watch.account, error, watch.failing_since)

    def _reconcile(self) -> None:
        """Ask for the search for uncertain shots that are due; it takes long, so not here."""
        due = Generation.objects.filter(
            state=State.UNCERTAIN, next_poll_at__lte=timezone.now(), account__in=self._watches
        )
        now = time.monotonic()
        for pk in due.values_list("account_id", flat=True).order_by().distinct():
            watch = self._watches[pk]
            if not watch.reconciled or now - watch.reconciled > RECONCILE_EVERY_S:
                watch.reconciled = now
                enqueue("reconcile", pk)

    def _ask(self) -> None:
        """Claim the rows that are due and hand them to the event loop."""
        ready = [pk for pk, watch in self._watches.items() if watch.ready]
        if not ready:
            return
        for account_id, dialect, batched, rows in _grouped(claim_due(ready, most=CLAIM_MOST)):
            watch = self._watches[account_id]
            try:
                fetcher = watch.fetchers.get(dialect) or self._open(watch, dialect)
            except (ImproperlyConfigured, ValueError) as error:
                self._quieten(watch, AUTH_QUIET_S, str(error))
                self._announce(watch, AuthFailed(str(error)), timezone.now())
                continue
            except Exception:
                # Whatever is wrong with one account, the others are watched.
                logger.exception("no adapter for account %s", account_id)
                self._quieten(watch, AUTH_QUIET_S, "")
                continue
            watch.out |= dict.fromkeys((row.pk for row in rows), time.monotonic())
            fetcher.fetch(rows, batched=batched)

    def _open(self, watch: _Watch, dialect: str) -> Fetcher:
        door = make_door(watch.account, dialect)
        fetcher = watch.fetchers[dialect] = self._loop.fetcher(door)
        return fetcher

    def _hear(self) -> None:
        """Collect the answers that are in, and write what changed, together where that is possible."""
        results = _Results()
        for answer in self._loop.answers():
            try:
                self._read(answer, results)
            except (OperationalError, InterfaceError):
                raise  # the database is away: not this row's fault
            except Exception:
                logger.exception("the answer about clip %s could not be read", answer.row.code)
                isolation.set_aside(answer.row.pk)
        for moves in (results.moves, *([move] for move in results.alone)):
            if moves:
                self._made(moves, isolation.move_each(moves))
        if results.done_without:
            Generation.objects.filter(pk__in=results.done_without, state=State.RUNNING).update(
                deadline_at=timezone.now() + MEDIA_GRACE
            )
        isolation.show_progress_each(results.progress)
        if results.recovered:
            lifecycle.set_trouble(Generation.objects.filter(pk__in=results.recovered), "")

    def _read(self, answer: Answer, results: _Results) -> None:
        """Sort what one answer asks to be written into the results."""
        row, job = answer.row, answer.job
        watch = self._watches.get(row.account_id)
        if watch is not None:
            watch.out.pop(row.pk, None)
        if answer.error is None and job is None:
            return  # it was not asked after all
        self._fetched += 1
        if answer.error is not None:
            move = self._trouble(watch, answer)
            if row.trouble and isinstance(answer.error, NotFound):
                results.recovered.append(row.pk)
        else:
            assert job is not None
            if watch is not None:
                self._answered(watch, row)
            move = read_job(row, job)
            if move is None:
                self._goes_on(row, job, results)
        if move is not None:
            (results.alone if row.set_aside_at else results.moves).append(move)

    def _goes_on(self, row: Watched, job: Job, results: _Results) -> None:
        if awaits_media(row, job):
            results.done_without.append(row.pk)
        if note_progress(row, job):
            percent = row.progress if job.progress is None else job.progress
            results.progress.append((row.pk, row.project_id, percent, job.raw_status))
        elif row.trouble or row.set_aside_at:
            results.recovered.append(row.pk)

    def _made(self, moves: list[lifecycle.Move], moved: set[int]) -> None:
        follow_up(moves, moved)
        paid = [m.pk for m in moves if m.pk in moved and m.changes.get("charged") == Charged.YES]
        rows = Generation.objects.filter(pk__in=paid).order_by()
        for pk in rows.values_list("account_id", flat=True).distinct() if paid else ():
            if pk in self._watches:
                self._watches[pk].charged = True

    def _ask_balances(self) -> None:
        """Ask what is left where something was charged, and now and then where shots are."""
        due = [
            pk for pk, watch in self._watches.items()
            if (watch.charged or (watch.fetchers and balances.is_stale(watch.account)))
            and balances.tells_balance(watch.account)
        ]  # fmt: skip
        if due:
            enqueue("refresh_balance", *due)

    def _answered(self, watch: _Watch, row: Watched) -> None:
        """Note a good answer: whatever trouble the account was in is over."""
        watch.answered_at = time.monotonic()
        watch.failed.pop(row.pk, None)
        watch.failed_at.pop(row.pk, None)
        if watch.failures >= QUIET_AFTER or watch.account.polls_trouble:
            watch.account.refresh_from_db(fields=["paused_until", "trouble", "polls_trouble"])
            if poll_trouble.is_of_polls(watch.account):
                clear_trouble(watch.account)
            poll_trouble.clear(watch.account)
        watch.failures, watch.failing_since = 0, None

    def _trouble(self, watch: _Watch | None, answer: Answer) -> lifecycle.Move | None:
        """A poll that failed buys nothing and loses nothing: ask again later, and say so on the cards."""
        error = answer.error
        if isinstance(error, NotFound):
            if watch is not None:
                self._answered(watch, answer.row)
            return _unknown_there(answer.row)
        # One request for many rows failed once; rows on the wire when it was quietened do not count.
        if (
            watch is None
            or error is None
            or error is watch.last_error
            or watch.quiet_until > time.monotonic()
        ):
            return None
        watch.last_error = error
        watch.failures += 1
        now = timezone.now()
        watch.failing_since = watch.failing_since or now - timedelta(seconds=answer.took_s)
        self._row_failed(watch, answer.row, error, now)
        if watch.failures >= QUIET_AFTER or now - watch.failing_since >= SAY_AFTER:
            self._announce(watch, error, watch.failing_since)
        told = error.retry_after_s if isinstance(error, ProviderUnavailable) else None
        if watch.failures < QUIET_AFTER and not isinstance(error, RateLimited):
            return None
        wait = told or min(2.0**watch.failures, QUIET_MOST_S)
        text = ""
        if watch.failures >= QUIET_AFTER:
            text = poll_trouble.pause_text(answer.row.provider, error)
        person = isinstance(error, AuthFailed | WrongEndpoint)
        self._quieten(watch, AUTH_QUIET_S if person else wait, text)
        return None

    def _row_failed(self, watch: _Watch, row: Watched, error: Exception, now: datetime) -> None:
        """Note a failed answer about one row; where others are answered, it is this row's trouble."""
        watch.failed[row.pk] += 1
        first, since = watch.failed_at.setdefault(row.pk, (time.monotonic(), now))
        if row.trouble or isinstance(error, RateLimited):
            return
        if watch.failed[row.pk] < SAY_ROW_AFTER:
            rows = Generation.objects.filter(pk=row.pk, next_poll_at__gt=now + ASK_SOON)
            rows.update(next_poll_at=now + ASK_SOON)
        elif watch.answered_at > first:
            poll_trouble.announce_row(row.pk, row.provider, error, since)

    def _quieten(self, watch: _Watch, seconds: float, text: str) -> None:
        """Leave an account alone for a while. With a text, nothing is sent to it either."""
        watch.quiet_until = time.monotonic() + seconds
        for fetcher in watch.fetchers.values():
            fetcher.hush()
        if text:
            pause(watch.account, seconds=seconds, trouble=text)
            logger.warning("%s: %s", watch.account.provider, text)

    def _give_back(self) -> None:
        """Let a successor ask at once about rows whose answers will not be heard any more."""
        out = [pk for watch in self._watches.values() for pk in watch.out]
        for start in range(0, len(out), CLAIM_MOST):
            Generation.objects.filter(
                pk__in=out[start : start + CLAIM_MOST], state__in=[State.RUNNING, State.STALLED]
            ).update(next_poll_at=timezone.now())


def _unknown_there(row: Watched) -> lifecycle.Move | None:
    late = row.submitted_at is not None and timezone.now() - row.submitted_at < LAG
    if late or row.state == State.STALLED:
        return None
    label = PROVIDER_LABELS.get(row.provider, row.provider)
    text = f"{label} does not know this job (any more)."
    return lifecycle.Move(
        row.pk, row.project_id, row.state, State.STALLED, text, {"waiting_text": text}
    )


def _anything_moving(account_ids: Iterable[int]) -> bool:
    """Whether anything needs a sweep soon; held shots wait for a person."""
    rows = Generation.objects.filter(account_id__in=list(account_ids))
    soon = timezone.now() + timedelta(minutes=1)
    return rows.filter(
        Q(state__in=MOVING_STATES - {State.QUEUED})
        | Q(state=State.QUEUED, held=False)
        | Q(state=State.UNCERTAIN, next_poll_at__lte=soon)
    ).exists()


# ---- The claim ------------------------------------------------------------------------------


def claim_due(account_ids: Iterable[int], *, most: int) -> list[Watched]:
    """Take due rows, the longest due first, and move their next poll on.

    Rows that somebody is writing at this moment are left for the next time.
    """
    now = timezone.now()
    due = Generation.objects.filter(
        account_id__in=list(account_ids),
        state__in=[State.RUNNING, State.STALLED],
        next_poll_at__lte=now,
    ).order_by("next_poll_at")
    # A look without a lock first: on SQLite the transaction below would hold up every writer.
    if not due.exists():
        return []
    with transaction.atomic():
        locked = due.select_for_update(skip_locked=True, no_key=True)
        rows = [Watched(*values) for values in locked.values_list(*WATCHED_COLUMNS)[:most]]
        if rows:
            Generation.objects.filter(pk__in=[row.pk for row in rows]).update(
                next_poll_at=Value(now) + _pace(now)
            )
    return rows


def _pace(now: datetime) -> Case:
    younger = [
        When(set_aside_at__isnull=False, then=Value(isolation.SET_ASIDE_FOR)),
        When(state=State.STALLED, then=Value(timedelta(seconds=STALLED_PACE_S))),
        *(
            When(submitted_at__gt=now - age, then=Value(timedelta(seconds=pace)))
            for age, pace in PACES
        ),
    ]
    return Case(
        *younger, default=Value(timedelta(seconds=LATE_PACE_S)), output_field=DurationField()
    )


def _grouped(rows: Sequence[Watched]) -> Iterable[tuple[int, str, bool, list[Watched]]]:
    """Yield (account, dialect, may be asked about together, rows)."""
    groups: dict[tuple[int, str, bool], list[Watched]] = {}
    for row in rows:
        try:
            spec = get_spec(row.provider, row.model)
            how = (spec.dialect, spec.batch_fetch)
        except UnknownModel:  # dropped from the catalogue; what is under way there still ends
            how = ("", False)
        if row.set_aside_at:
            how = (how[0], False)  # asked about alone
        groups.setdefault((row.account_id, *how), []).append(row)
    return [(*key, group) for key, group in groups.items()]


# ---- Leases ---------------------------------------------------------------------------------


def _take_leases(token: str) -> list[ProviderAccount]:
    """Take every account that nobody sweeps, and return those this call got."""
    now = timezone.now()
    free = ProviderAccount.objects.filter(Q(sweep_until=None) | Q(sweep_until__lte=now))
    wanted = list(free.exclude(sweep_token=token).values_list("pk", flat=True))
    got = [
        pk for pk in wanted
        if free.filter(pk=pk).update(
            sweep_token=token, sweep_until=now + timedelta(seconds=LEASE_S), swept_at=now
        ) == 1
    ]  # fmt: skip
    return list(ProviderAccount.objects.filter(pk__in=got))


def _drop_leases(token: str) -> None:
    ours = ProviderAccount.objects.filter(sweep_token=token)
    update_in_order(ours, sweep_token="", sweep_until=None)
