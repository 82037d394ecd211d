"""What is recorded of a try to send that brought no job: it waits, ends, or is uncertain."""

from __future__ import annotations

import re
from datetime import timedelta

from django.utils import timezone
from django.utils.text import Truncator

from studio import lifecycle
from studio.lifecycle import SENDING
from studio.models import Generation, ProviderAccount
from studio.models.generation import Charged, State
from studio.providers.base import (
    EndUnusable,
    OutOfCredit,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    Refused,
)
from studio.providers.catalog import ModelSpec
from studio.queue import call_for, enqueue
from studio.services import holds
from studio.services.doors import pause

UNAVAILABLE_PAUSE_S = 30
RATE_PAUSE_S = 20
RESEND_FIRST_S = 5
# So many unclear shots in so short a time, and the next would only be one more to decide about.
UNCLEAR_MOST = 3
UNCLEAR_WITHIN = timedelta(minutes=5)
UNCLEAR_PAUSE_S = 60
FIRST_RECONCILE = timedelta(seconds=10)


def not_sent(generation: Generation, spec: ModelSpec, token: str, error: ProviderError) -> str:
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
    if isinstance(error, holds.HOLDING):
        return _hold(generation, token, error, may_have_left=left_before)
    if left_before:
        # An earlier try may have arrived.
        return uncertain(generation, spec, token, error, again=False)
    code = error.code if isinstance(error, Refused) else "refused"
    if isinstance(error, EndUnusable) and code == "refused":
        code = "end"
    return refused(generation, token, error.message, code=code, detail=error.detail)


def _hold(generation: Generation, token: str, error: ProviderError, *, may_have_left: bool) -> str:
    """Nobody's shot fails because the account cannot be used: it waits, and so do the others."""
    account = generation.account
    holds.hold(account, error)
    lifecycle.return_to_queue(
        generation.pk,
        reason=error.message,
        waiting_text=error.message,
        token=token,
        may_have_left=may_have_left,
        not_before=None if may_have_left else holds.put_off_until(error),
    )
    if isinstance(error, OutOfCredit):
        # What is left now is what later balances are compared with.
        enqueue("refresh_balance", account.pk)
    lifted = not ProviderAccount.objects.exclude(hold_reason="").filter(pk=account.pk).exists()
    if lifted:
        # The key or the base URL was changed meanwhile: what was tried is not what is used now.
        waiting = Generation.objects.filter(pk=generation.pk, state=State.QUEUED, raw_status="")
        waiting.update(next_poll_at=None)
    holds.announce([account.pk])
    if lifted:
        call_for("submit_next", account.pk)
    return f"held: {error.message}"


def unproven(generation: Generation, spec: ModelSpec, token: str, error: Refused) -> str:
    """The answer reads as a refusal but does not prove it: the provider's list is looked at first.

    Where it has none, a person decides. Only a proven refusal may go on to another provider.
    """
    looks = "Its list of jobs is looked at first." if spec.lists_jobs else "It may be charged."
    refusal = {"code": error.code, "text": error.message}
    lifecycle.mark_uncertain(
        generation.pk,
        token=token,
        reason=error.message,
        text=f"{error.message} That does not prove that nothing was bought. {looks}",
        next_poll_at=timezone.now() + FIRST_RECONCILE,
        raw_answer={"error": error.detail[:2000]},
        sent_request=generation.sent_request | {"refusal": refusal},
    )
    call_for("submit_next", generation.account_id)
    return f"uncertain: {error.message}"


def refused(
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


def uncertain(
    generation: Generation, spec: ModelSpec, token: str, error: ProviderError, *, again: bool
) -> str:
    generation.refresh_from_db(fields=["attempts"])
    if again and generation.attempts < lifecycle.MOST_SAME_KEY:
        # The same key again cannot buy twice: the provider answers with the first job.
        wait = min(RESEND_FIRST_S * 2 ** (generation.attempts - 1), 60)
        lifecycle.return_to_queue(
            generation.pk,
            reason=error.message,
            waiting_text=f"{_cause(error)} Sending it again under the same order number, which "
            "cannot buy it twice.",
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
        text=f"{spec.provider_label} did not confirm this shot. {_cause(error)} It may be "
        "rendering and may be charged. Nothing is sent again by itself.",
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


def _cause(error: ProviderError) -> str:
    """Return what went wrong, in at most 120 characters; what it may cost is said beside it."""
    sentences = re.split(r"(?<=[.!?])\s+", error.message.strip())
    return Truncator(" ".join(s for s in sentences if "it may cost" not in s)).chars(120)
