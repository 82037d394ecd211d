"""Sending the next shot in line to its provider: claim (commit), call, record (commit)."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.utils import timezone

from studio import lifecycle
from studio.leases import kept_lease
from studio.lifecycle import SENDING
from studio.models import Generation, ProviderAccount
from studio.models.generation import AT_PROVIDER_STATES, State
from studio.operations.context import about
from studio.providers.base import (
    AlreadySubmitted,
    AuthFailed,
    EndUnusable,
    Job,
    JobEnd,
    ProtocolError,
    Provider,
    ProviderError,
    Refused,
    ShotRequest,
    SubmitUncertain,
)
from studio.providers.catalog import ModelSpec, UnknownModel, get_spec
from studio.queue import call_for, enqueue
from studio.services import disk, holds
from studio.services.doors import clear_trouble, make_door
from studio.services.money.agreement import hold_dearer, hold_disallowed
from studio.services.money.budgets import account_sent, month_name
from studio.services.money.offers import pictures_reachable
from studio.services.requests import (
    Side,
    build_request,
    cut_end,
    describe_sent,
    was_sent_elsewhere,
)
from studio.services.work.failed_sends import not_sent, refused, uncertain, unproven
from studio.services.work.line import next_in_line, sendable, sends_left
from studio.services.work.outcomes import FIRST_POLL, TOTAL_DEADLINE, record_submitted
from studio.services.work.patience import write_patiently
from studio.services.work.reconcile import belongs_to_another

logger = logging.getLogger(__name__)

LEASE_S = 30
LIMIT_PAUSE_S = 60
# Providers keep an idempotency key for 24 h; after that the same key buys again.
KEY_LIFE = timedelta(hours=20)


def submit_next(
    account_pk: int, *, only: Collection[int] | None = None, despite_hold: bool = False
) -> str:
    """Send the next shot waiting at this account, if the account has room. Safe to call twice.

    With `only`, one of these: for a command that works alone, and for itself. `despite_hold`: one
    shot tries whether a held account can pay again.
    """
    if disk.is_short():
        return _wait_for_room(account_pk, only)
    claimed = _claim_next(account_pk, only, despite_hold)
    if claimed is None:
        return "skipped: nothing to send, or no room"
    pk, token = claimed
    generation = Generation.objects.select_related(
        "account",
        "project",
        "by",
        "start_keyframe",
        "end_keyframe",
        "start_generation",
        "end_generation",
    ).get(pk=pk)
    try:
        spec = get_spec(generation.provider, generation.model)
    except UnknownModel as error:
        return refused(generation, token, str(error))
    if spec.local:
        return _start_local(generation)
    lease = kept_lease(pk, token=token, state=State.SUBMITTING, seconds=LEASE_S)
    with about(clip=generation.code), lease:
        return _send(generation, spec, token)


def _wait_for_room(account_pk: int, only: Collection[int] | None) -> str:
    """Send nothing from this machine while its disk is nearly full; the first in line says why."""
    for pk in next_in_line(account_pk, timezone.now(), only=only)[:1]:
        waiting = Generation.objects.filter(pk=pk, state=State.QUEUED)
        if waiting.exclude(waiting_text=disk.WAITS).exists():
            lifecycle.touch(pk, waiting_text=disk.WAITS)
    return "skipped: the disk of this machine is nearly full"


def ask_for_next(account_pk: int) -> None:
    """Ask for the next send at this account, if one waits: there is a place on this machine now."""
    if sendable(timezone.now()).filter(account_id=account_pk).exists():
        call_for("submit_next", account_pk)


def _claim_next(
    account_pk: int, only: Collection[int] | None, despite_hold: bool
) -> tuple[int, str] | None:
    now = timezone.now()
    # Looked at before the account is locked: putting a long line in order takes its time, and on
    # SQLite the lock holds up every other writer.
    if not _has_room(ProviderAccount.objects.get(pk=account_pk), now, despite_hold):
        return None
    # Those that cost more now, or may not be bought any more, are held here: below, several projects
    # would be written in one transaction, in the order of the line, and two senders could wait for
    # each other.
    ahead = hold_dearer(hold_disallowed(next_in_line(account_pk, now, only=only)))
    ahead = _within_month(account_pk, ahead, now)
    if not ahead:
        return None
    with transaction.atomic():
        # The account's row is the lock: two workers cannot both take its last free place.
        account = ProviderAccount.objects.select_for_update(no_key=True).get(pk=account_pk)
        if not _has_room(account, now, despite_hold):
            return None
        for pk in ahead:
            if not _affordable(account, pk):
                continue  # somebody else's shot took what was left: the next time it is put off
            token = lifecycle.claim_submit(pk, seconds=LEASE_S)
            if token is not None:
                return pk, token
    return None


def _has_room(account: ProviderAccount, now: datetime, despite_hold: bool) -> bool:
    """Whether another shot may be sent to this account now."""
    if not account.enabled or (account.paused_until and account.paused_until > now):
        return False
    if account.hold_reason and not despite_hold:
        return False
    there = Generation.objects.filter(account=account, state__in=AT_PROVIDER_STATES)
    if there.count() >= account.concurrent_limit:
        return False
    # One that hangs must not hold every place of this machine for sends.
    sending = there.filter(state=State.SUBMITTING, lease_until__gt=now)
    if sending.count() >= settings.SENDERS - 1:
        return False
    # Too many in this minute: the sweep asks again when it is over.
    return sends_left(account.pk, account.provider, now) > 0


def _within_month(account_pk: int, pks: Sequence[int], now: datetime) -> list[int]:
    """Put off those of these shots that the account's month cannot pay. Returns the others, in order.

    Cheaper ones behind them may fit. Call outside a transaction: each writes its project's row.
    """
    account = ProviderAccount.objects.get(pk=account_pk)
    rest = []
    for pk in pks:
        if _affordable(account, pk):
            rest.append(pk)
            continue
        text = (
            f"It would go over this account’s limit for {month_name()}. Nothing was charged. "
            "It is sent once an admin raises the limit, or next month."
        )
        lifecycle.put_off(pk, until=now + timedelta(seconds=LIMIT_PAUSE_S), waiting_text=text)
    return rest


def _affordable(account: ProviderAccount, pk: int) -> bool:
    """Whether this shot keeps the account within its month. Exact while the account's row is held."""
    if account.monthly_limit_microusd is None:
        return True
    month = account_sent(account)
    assert month.limit is not None
    again = Generation.objects.filter(pk=pk).values_list("submitted_at", "estimated_microusd")
    sent_at, estimate = again.get()
    # One that is sent again is counted already.
    return sent_at is not None or month.spent + (estimate or 0) <= month.limit


def _start_local(generation: Generation) -> str:
    now = timezone.now()
    started = lifecycle.record_running(
        generation.pk,
        job_id=f"previs-{generation.code}",
        deadline_at=None,
        next_poll_at=now + timedelta(seconds=10),
        work_attempts=0,
    )
    if started:
        enqueue("render_previs", generation.pk)
    return "rendering on this machine"


def _send(generation: Generation, spec: ModelSpec, token: str) -> str:
    left_before = generation.raw_status == SENDING
    if left_before and generation.provider_job_id:
        return _answered_late(generation)
    sent_at = generation.submitted_at or timezone.now()
    if left_before and (not spec.idempotent or timezone.now() - sent_at > KEY_LIFE):
        error = SubmitUncertain("It was sent before, too long ago to send it again by itself.")
        return uncertain(generation, spec, token, error, again=False)
    try:
        door = make_door(generation.account, spec.dialect)
    except (ImproperlyConfigured, ValueError) as error:
        return not_sent(generation, spec, token, AuthFailed(str(error)))
    with closing(door) as provider:
        if left_before and was_sent_elsewhere(generation):
            changed = SubmitUncertain(
                "The account’s key or base URL was changed since it was sent. The order number may be "
                "unknown there."
            )
            return uncertain(generation, spec, token, changed, again=False)
        try:
            request = build_request(generation, provider, spec)
        except ProviderError as error:
            return not_sent(generation, spec, token, error)
        except (OSError, ValueError) as error:
            if disk.ran_out(error) or disk.is_short():
                lifecycle.return_to_queue(
                    generation.pk,
                    reason="the disk is full",
                    waiting_text=disk.WAITS,
                    token=token,
                    may_have_left=left_before,
                    not_before=timezone.now() + timedelta(seconds=disk.LOOK_AGAIN_S),
                )
                return f"waits: {disk.WAITS}"
            # A still or a clip that cannot be read stays so: trying again would never end.
            logger.warning("clip %s cannot be prepared: %s", generation.code, error)
            why = "Its start or end frame cannot be read."
            refusal = Refused(why, detail=str(error), code="image")
            return not_sent(generation, spec, token, refusal)
        sent = describe_sent(request, generation, spec, at=timezone.now())
        # From here on a crash may have bought something; before it, nothing can have.
        if not lifecycle.mark_sending(
            generation.pk, token=token, seconds=LEASE_S, sent_request=sent
        ):
            return "stopped: taken by another worker"
        generation.sent_request = sent
        return _post(generation, spec, token, provider, request)


def _answered_late(generation: Generation) -> str:
    """Watch the job of an earlier try, whose answer came when the shot was back in line."""
    now = timezone.now()
    lifecycle.record_running(
        generation.pk,
        job_id=generation.provider_job_id,
        deadline_at=now + TOTAL_DEADLINE,
        next_poll_at=now + FIRST_POLL,
        work_attempts=0,
    )
    return f"sent before: {generation.provider_job_id}"


def _post(
    generation: Generation, spec: ModelSpec, token: str, provider: Provider, request: ShotRequest
) -> str:
    try:
        job = provider.submit(request)
    except ProviderError as error:
        # An answer that is not kept would leave a person to ask whether it was bought.
        what = f"clip {generation.code} was answered: {error.message}"
        return write_patiently(
            partial(_record_error, generation, spec, token, request, error), what
        )
    try:
        # Nobody else knows its id. In the log at least: a person can enter it on the card.
        where = f"clip {generation.code} is at {generation.provider} as {job.id}"
        recorded = write_patiently(partial(_record_job, generation, job), where)
    except IntegrityError:
        # Two like shots: the search for another one took this job to be its own.
        trouble = SubmitUncertain(f"{spec.provider_label} answered with another shot's job.")
        return uncertain(generation, spec, token, trouble, again=False)
    clear_trouble(generation.account)
    holds.note_taken(generation)
    logger.info(where)
    return f"sent: {job.id}" if recorded else "sent, and recorded by somebody else"


def _record_job(generation: Generation, job: Job) -> bool:
    """Record a submit's answer. Raises IntegrityError when another shot of the provider has this job.

    The database refuses that within one account; two accounts may hold the same key.
    """
    if belongs_to_another(generation, job.id):
        raise IntegrityError(f"{job.id} is another shot's job")
    return record_submitted(generation, job)


def _record_error(
    generation: Generation,
    spec: ModelSpec,
    token: str,
    request: ShotRequest,
    error: ProviderError,
) -> str:
    """Record what an answer without a job means for the shot. Harmless when it is done twice."""
    if isinstance(error, EndUnusable):
        return _frame_instead(generation, spec, token, request, error)
    if isinstance(error, AlreadySubmitted):
        return uncertain(generation, spec, token, error, again=False)
    if isinstance(error, SubmitUncertain | ProtocolError):
        return uncertain(generation, spec, token, error, again=spec.idempotent)
    if isinstance(error, Refused) and error.unproven:
        return unproven(generation, spec, token, error)
    return not_sent(generation, spec, token, error)


def _frame_instead(
    generation: Generation, spec: ModelSpec, token: str, request: ShotRequest, error: EndUnusable
) -> str:
    """The id is not accepted, and nothing was queued: the clip's own frame goes next time."""
    ends: tuple[Side, ...] = ("start", "end")
    by_id = [side for side in ends if isinstance(getattr(request, side), JobEnd)]
    sides = [side for side in by_id if side in error.fields] or by_id
    if not sides or (spec.needs_public_url and not pictures_reachable()):
        return not_sent(generation, spec, token, error)
    try:
        for side in sides:
            cut_end(generation, side)
    except (OSError, ValueError) as trouble:
        why = f"{error.message} The frame could not be used: {trouble}"
        return not_sent(generation, spec, token, Refused(why, detail=error.detail))
    lifecycle.return_to_queue(
        generation.pk, reason="its id is not accepted; its frame is sent instead", token=token
    )
    call_for("submit_next", generation.account_id)
    return f"waiting: {error.message}"
