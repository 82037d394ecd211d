"""Sending the next shot in line to its provider: claim (commit), call, record (commit)."""

from __future__ import annotations

import logging
from collections.abc import Collection
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
from studio.models.generation import AT_PROVIDER_STATES, Charged, State
from studio.operations.context import about
from studio.providers.base import (
    AlreadySubmitted,
    AuthFailed,
    EndUnusable,
    JobEnd,
    OutOfCredit,
    ProtocolError,
    Provider,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    Refused,
    ShotRequest,
    SubmitUncertain,
)
from studio.providers.catalog import ModelSpec, UnknownModel, get_spec
from studio.queue import call_for, enqueue
from studio.services import disk
from studio.services.doors import clear_trouble, make_door, pause
from studio.services.money.budgets import account_sent
from studio.services.money.offers import pictures_reachable
from studio.services.requests import Side, build_request, cut_end
from studio.services.work.line import next_in_line, sendable, sends_left
from studio.services.work.outcomes import FIRST_POLL, TOTAL_DEADLINE, record_submitted
from studio.services.work.patience import write_patiently

logger = logging.getLogger(__name__)

LEASE_S = 30
UNAVAILABLE_PAUSE_S = 30
RATE_PAUSE_S = 20
PERSON_PAUSE_S = 300  # a person has to act first: pay, or mend the key
LIMIT_PAUSE_S = 60
RESEND_FIRST_S = 5
# So many unclear shots in so short a time, and the next would only be one more to decide about.
UNCLEAR_MOST = 3
UNCLEAR_WITHIN = timedelta(minutes=5)
UNCLEAR_PAUSE_S = 60
FIRST_RECONCILE = timedelta(seconds=10)
# Providers keep an idempotency key for 24 h; after that the same key buys again.
KEY_LIFE = timedelta(hours=20)


def submit_next(account_pk: int, *, only: Collection[int] | None = None) -> str:
    """Send the next shot waiting at this account, if the account has room. Safe to call twice.

    With `only`, one of these: for a command that works alone, and for itself.
    """
    if disk.is_short():
        return _wait_for_room(account_pk, only)
    claimed = _claim_next(account_pk, only)
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
        return _refused(generation, token, str(error))
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


def _claim_next(account_pk: int, only: Collection[int] | None = None) -> tuple[int, str] | None:
    now = timezone.now()
    # Looked at before the account is locked: putting a long line in order takes its time, and on
    # SQLite the lock holds up every other writer.
    if not _has_room(ProviderAccount.objects.get(pk=account_pk), now):
        return None
    ahead = next_in_line(account_pk, now, only=only)
    if not ahead:
        return None
    with transaction.atomic():
        # The account's row is the lock: two workers cannot both take its last free place.
        account = ProviderAccount.objects.select_for_update(no_key=True).get(pk=account_pk)
        if not _has_room(account, now):
            return None
        for pk in ahead:
            if not _affordable(account, pk):
                return None
            token = lifecycle.claim_submit(pk, seconds=LEASE_S)
            if token is not None:
                return pk, token
    return None


def _has_room(account: ProviderAccount, now: datetime) -> bool:
    """Whether another shot may be sent to this account now."""
    if not account.enabled or (account.paused_until and account.paused_until > now):
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


def _affordable(account: ProviderAccount, pk: int) -> bool:
    """Whether this shot keeps the account within its month. The caller holds the account's row."""
    if account.monthly_limit_microusd is None:
        return True
    month = account_sent(account)
    assert month.limit is not None
    again = Generation.objects.filter(pk=pk).values_list("submitted_at", "estimated_microusd")
    sent_at, estimate = again.get()
    # One that is sent again is counted already.
    if sent_at is not None or month.spent + (estimate or 0) <= month.limit:
        return True
    text = f"This account has reached its limit for {month.month}. An admin can raise it."
    pause(account, seconds=LIMIT_PAUSE_S, trouble=text)
    return False


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
        return _uncertain(generation, spec, token, error, again=False)
    try:
        door = make_door(generation.account, spec.dialect)
    except (ImproperlyConfigured, ValueError) as error:
        return _not_sent(generation, spec, token, AuthFailed(str(error)))
    with closing(door) as provider:
        try:
            request = build_request(generation, provider, spec)
        except ProviderError as error:
            return _not_sent(generation, spec, token, error)
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
            return _not_sent(generation, spec, token, Refused(why, detail=str(error)))
        # From here on a crash may have bought something; before it, nothing can have.
        if not lifecycle.mark_sending(generation.pk, token=token, seconds=LEASE_S):
            return "stopped: taken by another worker"
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
    except EndUnusable as error:
        return _frame_instead(generation, spec, token, request, error)
    except AlreadySubmitted as error:
        return _uncertain(generation, spec, token, error, again=False)
    except (SubmitUncertain, ProtocolError) as error:
        return _uncertain(generation, spec, token, error, again=spec.idempotent)
    except ProviderError as error:
        return _not_sent(generation, spec, token, error)
    try:
        # Nobody else knows its id. In the log at least: a person can enter it on the card.
        where = f"clip {generation.code} is at {generation.provider} as {job.id}"
        recorded = write_patiently(partial(record_submitted, generation, job), where)
    except IntegrityError:
        # Two like shots: the search for another one took this job to be its own.
        trouble = SubmitUncertain(f"{spec.provider_label} answered with another shot's job.")
        return _uncertain(generation, spec, token, trouble, again=False)
    clear_trouble(generation.account)
    logger.info(where)
    return f"sent: {job.id}" if recorded else "sent, and recorded by somebody else"


def _frame_instead(
    generation: Generation, spec: ModelSpec, token: str, request: ShotRequest, error: EndUnusable
) -> str:
    """The id is not accepted, and nothing was queued: the clip's own frame goes next time."""
    ends: tuple[Side, ...] = ("start", "end")
    by_id = [side for side in ends if isinstance(getattr(request, side), JobEnd)]
    sides = [side for side in by_id if side in error.fields] or by_id
    if not sides or (spec.needs_public_url and not pictures_reachable()):
        return _not_sent(generation, spec, token, error)
    try:
        for side in sides:
            cut_end(generation, side)
    except (OSError, ValueError) as trouble:
        why = f"{error.message} The frame could not be used: {trouble}"
        return _not_sent(generation, spec, token, Refused(why, detail=error.detail))
    lifecycle.return_to_queue(
        generation.pk, reason="its id is not accepted; its frame is sent instead", token=token
    )
    call_for("submit_next", generation.account_id)
    return f"waiting: {error.message}"


def _not_sent(generation: Generation, spec: ModelSpec, token: str, error: ProviderError) -> str:
    """This try bought nothing: wait and try again where that can help, else end with the reason."""
    left_before = generation.raw_status == SENDING
    if isinstance(error, ProviderUnavailable):
        limited = isinstance(error, RateLimited)
        wait = error.retry_after_s or (RATE_PAUSE_S if limited else UNAVAILABLE_PAUSE_S)
        what = "is busy" if limited else "isn’t answering"
        text = (
            f"{spec.provider_label} {what}. Your shot is safe. We’ll try again in {wait:.0f} s, "
            "or you can choose another provider."
        )
        pause(generation.account, seconds=wait, trouble=text)
        lifecycle.return_to_queue(
            generation.pk,
            reason=error.message,
            waiting_text=text,
            token=token,
            may_have_left=left_before,
        )
        return f"waiting: {error.message}"
    if isinstance(error, OutOfCredit | AuthFailed):
        # The next in line would meet the same; a person has to act first.
        pause(generation.account, seconds=PERSON_PAUSE_S, trouble=error.message)
    if isinstance(error, OutOfCredit):
        enqueue("refresh_balance", generation.account_id)
    if left_before:
        # An earlier try may have arrived, and may be why there is no credit for this one.
        return _uncertain(generation, spec, token, error, again=False)
    code = {OutOfCredit: "credit", AuthFailed: "key"}.get(type(error), "refused")
    return _refused(generation, token, error.message, code=code, detail=error.detail)


def _refused(
    generation: Generation, token: str, why: str, *, code: str = "refused", detail: str = ""
) -> str:
    ended = lifecycle.mark_failed(
        generation.pk, code=code, text=why, charged=Charged.NO, token=token,
        raw_answer={"error": detail[:2000]},
    )  # fmt: skip
    if ended:
        enqueue("fail_over", generation.pk)
        call_for("submit_next", generation.account_id)
    return f"failed: {why}"


def _uncertain(
    generation: Generation, spec: ModelSpec, token: str, error: ProviderError, *, again: bool
) -> str:
    generation.refresh_from_db(fields=["attempts"])
    if again and generation.attempts < lifecycle.MOST_SAME_KEY:
        # The same key again cannot buy twice: the provider answers with the first job.
        wait = min(RESEND_FIRST_S * 2 ** (generation.attempts - 1), 60)
        lifecycle.return_to_queue(
            generation.pk,
            reason=error.message,
            waiting_text=f"{spec.provider_label} did not confirm. Asking again with the same "
            "order number.",
            token=token,
            may_have_left=True,
            not_before=timezone.now() + timedelta(seconds=wait),
        )
        call_for("submit_next", generation.account_id)
        return f"waiting: {error.message}"
    lifecycle.mark_uncertain(
        generation.pk,
        token=token,
        reason=error.message,
        text=f"{spec.provider_label} did not confirm this shot. It may be rendering and may be "
        "charged. Nothing is sent again by itself.",
        next_poll_at=timezone.now() + FIRST_RECONCILE,
        raw_answer={"error": error.detail[:2000]},
    )
    recent = Generation.objects.filter(
        account=generation.account_id,
        state=State.UNCERTAIN,
        submitted_at__gt=timezone.now() - UNCLEAR_WITHIN,
    )
    if recent.count() >= UNCLEAR_MOST:
        trouble = (
            f"{spec.provider_label} takes shots and does not confirm them. Nothing more is sent "
            f"there for {UNCLEAR_PAUSE_S:.0f} s."
        )
        pause(generation.account, seconds=UNCLEAR_PAUSE_S, trouble=trouble)
    call_for("submit_next", generation.account_id)
    return f"uncertain: {error.message}"
