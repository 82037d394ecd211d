"""Holds on provider accounts: nothing is sent where the next shot would meet the same refusal.

Out of credit, a key that is not accepted, a base URL where something else answers: the shots wait,
nobody's fails, and their cards say why. A hold ends by a free probe (`services/work/probing.py`),
by a balance that rose, or by an admin who saves a new key or base URL or presses Test.

What is left may pay for a cheaper shot than the one that was refused for want of credit. So that one
is put off, the cheapest is tried first, and once it is taken only dearer ones go on waiting.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from studio import lifecycle
from studio.amounts import Certainty, amount_text, money
from studio.models import Generation, Project, ProviderAccount
from studio.providers.base import AuthFailed, Balance, OutOfCredit, ProviderError, WrongEndpoint
from studio.providers.catalog import PROVIDER_LABELS
from studio.providers.http_errors import CHECK_BASE_URL
from studio.queue import call_for, wake_sweep
from studio.services.work.line import in_line

logger = logging.getLogger(__name__)

Hold = ProviderAccount.Hold
HOLDING = (OutOfCredit, AuthFailed, WrongEndpoint)
# After so long the next probe, by how many there were since a shot was last taken.
PROBE_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10))
REFUSED_FOR = timedelta(minutes=10)  # a shot refused for want of credit lets others go first
MAX_TEXTS = 1000  # cards brought up to date in one go
NOT_CHARGED = "Nothing was charged."
SWITCHED_OFF = " is switched off."
WHAT_HELPS = {
    Hold.CREDIT: "An admin can top it up.",
    Hold.KEY: "An admin can enter a new key.",
    Hold.ENDPOINT: "An admin can correct its base URL.",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits at a held account: how many shots, and what they would cost as far as known."""

    shots: int
    microusd: int
    unpriced: int
    ceilings: int = 0  # so many of them at a price that is the most to expect


def reason_of(error: ProviderError) -> str:
    """Return why this error holds an account, or an empty string."""
    if isinstance(error, OutOfCredit):
        return Hold.CREDIT
    if isinstance(error, AuthFailed):
        return Hold.KEY
    return Hold.ENDPOINT if isinstance(error, WrongEndpoint) else ""


def hold(account: ProviderAccount, error: ProviderError) -> bool:
    """Send nothing more to this account. False when it is held already, or was changed meanwhile.

    `account` is as it was read before the call: what the provider said of an earlier key says
    nothing of a newer one.
    """
    now = timezone.now()
    tried = ProviderAccount.objects.filter(
        pk=account.pk, hold_reason="", key_locked=account.key_locked, base_url=account.base_url
    )
    label = PROVIDER_LABELS.get(account.provider, account.provider)
    # What helps is said after what waits.
    text = error.message.removesuffix(CHECK_BASE_URL).rstrip() or f"{label} cannot be used."
    if isinstance(error, OutOfCredit):
        text = f"{label} is out of credit."
    available = error.available if isinstance(error, OutOfCredit) else None
    wait = PROBE_AFTER[min(account.probes, len(PROBE_AFTER) - 1)]
    made = tried.update(
        hold_reason=reason_of(error),
        hold_text=text[:200],
        hold_balance={} if available is None else {"credits": available},
        held_at=now,
        next_probe_at=now + wait,
    )
    if made:
        logger.warning("account %s is held: %s", account.pk, text)
    return bool(made)


def lift(account_pk: int, *, probed: bool = False, up_to: int | None = None) -> bool:
    """End a hold: the cards' reasons go at once, and the shots are sent. False when none was there.

    `probed`: a free call alone says so; if the next shot is refused all the same, the schedule of
    probes goes on where it was. `up_to`: refused shots that cost more micro-USD stay put off.
    """
    with transaction.atomic():
        account = ProviderAccount.objects.select_for_update(no_key=True).get(pk=account_pk)
        if not account.hold_reason:
            return False
        ProviderAccount.objects.filter(pk=account_pk).update(
            hold_reason="", hold_balance={}, held_at=None, next_probe_at=None,
            probes=account.probes if probed else 0,
        )  # fmt: skip
        # As everywhere, a project's row before those of its shots, and several in the order of their keys.
        projects = Project.objects.filter(pk__in=_shots(account.pk).values("project_id"))
        list(projects.select_for_update(no_key=True).order_by("pk").values_list("pk"))
        refused = _shots(account.pk) if up_to is None else _shots(account.pk).exclude(
            estimated_microusd__gt=up_to
        )  # fmt: skip
        bring_forward(account, refused.values("pk"))
        _clear_texts(account)
    logger.info("account %s is no longer held", account_pk)
    call_for("submit_next", account_pk, times=max(account.concurrent_limit, 1))
    wake_sweep(account_pk)
    return True


def note_taken(shot: Generation) -> None:
    """A shot was taken: whatever held the account is over, and the probes begin anew."""
    account = shot.account
    if not lift(account.pk, up_to=shot.estimated_microusd) and account.probes:
        ProviderAccount.objects.filter(pk=account.pk, hold_reason="").update(probes=0)


def note_balance(account_pk: int, balance: Balance) -> bool:
    """Compare a balance with what was left when the account was held; lift the hold if it rose.

    The first balance that is told after the hold is what later ones are compared with.
    """
    account = ProviderAccount.objects.get(pk=account_pk)
    told = {"microusd": balance.microusd, "credits": balance.credits}
    told = {name: value for name, value in told.items() if value is not None}
    if account.hold_reason != Hold.CREDIT or not told:
        return False
    before: dict[str, Any] = account.hold_balance
    if not before.keys() & told.keys():
        held = ProviderAccount.objects.filter(pk=account_pk, held_at=account.held_at)
        held.update(hold_balance=before | told)
        return False
    rose = any(told[name] > before[name] for name in told.keys() & before.keys())
    return rose and lift(account_pk)


def held_accounts() -> list[ProviderAccount]:
    """Return every account that is in use and held."""
    rows = ProviderAccount.objects.filter(enabled=True).exclude(hold_reason="")
    return list(rows.order_by("provider", "pk"))


def waiting_at(account_pk: int) -> Waiting:
    """Add up what waits at an account."""
    sums = _shots(account_pk).aggregate(
        shots=Count("pk"),
        microusd=Sum("estimated_microusd"),
        unpriced=Count("pk", filter=Q(estimated_microusd=None)),
        ceilings=Count("pk", filter=Q(estimate_kind="ceiling")),
    )
    return Waiting(sums["shots"], sums["microusd"] or 0, sums["unpriced"], sums["ceilings"])


def sentence(
    account: ProviderAccount, waiting: Waiting | None = None, *, not_charged: bool = False
) -> str:
    """Say why an account is held, what waits there, what that would cost, and what helps.

    `not_charged`: for shots of which no try has left that may have bought something.
    """
    waiting = waiting or waiting_at(account.pk)
    parts = [account.hold_text]
    if not_charged and NOT_CHARGED not in account.hold_text:
        parts.append(NOT_CHARGED)
    if waiting.shots:
        cost = ""
        if waiting.microusd:
            certainty = Certainty.CEILING if waiting.ceilings else Certainty.ESTIMATE
            cost = f", {amount_text(waiting.microusd, certainty)} in all"
            if waiting.unpriced:
                cost = f", at least {money(waiting.microusd)} in all"
        parts.append(f"{waiting.shots} shot{' waits' if waiting.shots == 1 else 's wait'}{cost}.")
    return " ".join([*parts, what_helps(account)])


def what_helps(account: ProviderAccount) -> str:
    """Return who can end this hold, and how."""
    return WHAT_HELPS[Hold(account.hold_reason)]


def announce(account_pks: Iterable[int] | None = None) -> int:
    """Say on the cards why shots wait whose account is held or switched off. Returns how many.

    What another process wrote while the hold was lifted is taken away here.
    """
    here = ProviderAccount.objects.all()
    if account_pks is not None:
        here = here.filter(pk__in=list(account_pks))
    again = in_line().filter(account__in=here.filter(enabled=True))
    written = _write(again.filter(waiting_text__contains=SWITCHED_OFF), "")
    for account in here.filter(enabled=False):
        written += _explain(account.pk, partial(_switched_off, account))
    for account in here.filter(hold_reason="").exclude(hold_text=""):
        written += _clear_texts(account)
    for account in here.filter(enabled=True).exclude(hold_reason=""):
        waiting = waiting_at(account.pk)
        written += _explain(account.pk, partial(sentence, account, waiting))
    return written


def due_for_probe(now: datetime) -> list[ProviderAccount]:
    """Claim the probes that are due, each once, and plan the next. Returns their accounts."""
    claimed = []
    due = ProviderAccount.objects.filter(enabled=True, next_probe_at__lte=now)
    for account in due.exclude(hold_reason=""):
        wait = PROBE_AFTER[min(account.probes + 1, len(PROBE_AFTER) - 1)]
        planned = ProviderAccount.objects.filter(pk=account.pk, next_probe_at=account.next_probe_at)
        probes = min(account.probes + 1, 1000)
        if planned.update(next_probe_at=now + wait, probes=probes):
            claimed.append(account)
    return claimed


def _switched_off(account: ProviderAccount, *, not_charged: bool) -> str:
    label = PROVIDER_LABELS.get(account.provider, account.provider)
    charge = f" {NOT_CHARGED}" if not_charged else ""
    return f"{label}{SWITCHED_OFF}{charge} An admin can switch it on."


def _explain(account_pk: int, say: Callable[..., str]) -> int:
    """Write this on the cards of what waits at an account. Returns how many.

    `say` takes `not_charged`: whether no try of the shot has left that may have bought something.
    """
    shots, left, written = _shots(account_pk), Q(raw_status=lifecycle.SENDING), 0
    for rows, sure in ((shots.exclude(left), True), (shots.filter(left), False)):
        text = say(not_charged=sure)[:300]
        written += _write(rows.exclude(waiting_text=text), text)
    return written


def put_off_until(error: ProviderError) -> datetime | None:
    """Return until when the shot that met this error lets others go first."""
    return timezone.now() + REFUSED_FOR if isinstance(error, OutOfCredit) else None


def is_sendable(account: ProviderAccount, now: datetime) -> Q:
    """Return which waiting shots may be sent now, with those that were refused for want of credit."""
    return Q(next_poll_at=None) | Q(next_poll_at__lte=now) | _is_refused(account)


def bring_forward(account: ProviderAccount, pks: Any) -> int:
    """Let those of these shots be sent now that were refused for want of credit. Returns how many."""
    return _shots(account.pk).filter(_is_refused(account), pk__in=pks).update(next_poll_at=None)


def _is_refused(account: ProviderAccount) -> Q:
    return Q(raw_status="", waiting_text__startswith=account.hold_text)


def _shots(account_pk: int) -> QuerySet[Generation]:
    return in_line().filter(account_id=account_pk)


def _clear_texts(account: ProviderAccount) -> int:
    rows = _shots(account.pk).filter(waiting_text__startswith=account.hold_text)
    return _write(rows.exclude(next_poll_at__gt=timezone.now()), "")


def _write(rows: QuerySet[Generation], text: str) -> int:
    """Put this reason on these waiting shots, project by project. Returns how many."""
    by_project: dict[int, list[int]] = {}
    for project_id, pk in rows.order_by("project_id", "pk").values_list("project_id", "pk")[
        :MAX_TEXTS
    ]:
        by_project.setdefault(project_id, []).append(pk)
    return sum(
        lifecycle.explain_wait(project_id, pks, text) for project_id, pks in by_project.items()
    )
