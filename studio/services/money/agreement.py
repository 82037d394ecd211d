"""The price that was agreed to: from the quote to the purchase, and from the queue to the sending."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Q

from studio import lifecycle
from studio.amounts import amount_text, money
from studio.ledger import month_of
from studio.lifecycle import SENDING
from studio.models import Generation, Project
from studio.models.generation import State
from studio.providers.catalog import UnknownModel, get_spec
from studio.services.errors import StudioError
from studio.services.money.limits import limit_on, lock_studio
from studio.services.money.quotes import PriceTable, Quote, quote_again
from studio.services.project_rights import check_buyer, check_offered

TOLERANCE = 0.02  # of what is held: a queued shot that costs no more than this above it is sent
COSTS_MORE = "It costs more now: "  # how the reason of a shot held for its price begins
NOT_CHARGED = "Nothing was charged. Release it when this has changed, or cancel it."


class PriceChanged(StudioError):
    """A price above the one that was shown. Nothing was bought; `now` is the price of one take."""

    def __init__(self, shown: int, now: Quote, takes: int = 1) -> None:
        price = amount_text(now.microusd * takes, now.certainty)
        super().__init__(
            f"The price changed from {money(shown * takes)} to {price} while you were looking. "
            "Nothing was sent.",
            field="offer",
        )
        self.now = now


def check_quoted(shown: int | None, now: Quote, takes: int = 1) -> None:
    """Raise PriceChanged where one take is dearer than was shown. None: no price was shown."""
    if shown is not None and now.microusd > shown:
        raise PriceChanged(shown, now, takes)


def hold_dearer(pks: Sequence[int]) -> list[int]:
    """Hold those of these queued shots whose price has risen. Returns the others, in their order.

    Call outside a transaction: each that is held writes its project's row.
    """
    shots = Generation.objects.select_related("account").in_bulk(pks)
    table = PriceTable.load() if shots else None
    return [pk for pk in pks if pk in shots and table and not _hold_if_dearer(shots[pk], table)]


def hold_disallowed(pks: Sequence[int]) -> list[int]:
    """Hold those of these queued shots that may not be bought any more. Returns the others, in order.

    Since they were queued the project may have been archived, or a right taken away. Call outside
    a transaction: each that is held writes its project's row.
    """
    shots = Generation.objects.select_related("account", "project", "by").in_bulk(pks)
    allowed: set[tuple[int, int, int]] = set()
    rest = []
    for shot in (shots[pk] for pk in pks if pk in shots):
        buyer = (shot.project_id, shot.by_id, shot.account_id)
        if buyer not in allowed and _is_judged(shot):
            try:
                check_still_allowed(shot, project=shot.project)
            except StudioError as error:
                text = f"{error.message} {NOT_CHARGED}"
                lifecycle.touch(shot.pk, held=True, waiting_text=text[:300])
                continue
            allowed.add(buyer)
        rest.append(shot.pk)
    return rest


def release(shot: Generation) -> None:
    """Let a held shot go on at the price that is reserved for it. Raises StudioError if it may not."""
    with transaction.atomic():
        project = Project.objects.select_for_update().get(pk=shot.project_id)
        shot = Generation.objects.select_related("account", "by").get(pk=shot.pk)
        if _is_judged(shot):
            check_still_allowed(shot, project=project)
        text = "" if shot.held else shot.waiting_text
        lifecycle.touch(shot.pk, held=False, waiting_text=text)


def check_still_allowed(shot: Generation, *, project: Project) -> None:
    """Raise StudioError where a queued shot may not be sent.

    Its price was reserved within every budget when it was queued: one that is lowered later holds
    for what is asked for then.
    """
    if project.archived_at:
        raise StudioError("This project is archived. Bring it back in its settings first.")
    check_buyer(project, shot.by)
    check_offered(project, shot.account)


def _is_judged(shot: Generation) -> bool:
    """Whether sending this shot would be a purchase that was not begun before."""
    if shot.state != State.QUEUED or shot.raw_status == SENDING:
        return False
    try:
        return not get_spec(shot.provider, shot.model).free
    except UnknownModel:
        return False  # refused with its own reason when it is sent


def hold_if_dearer(pk: int) -> bool:
    """Hold a queued shot whose price has risen above what is held for it. Returns whether it was."""
    return not hold_dearer([pk])


def _hold_if_dearer(shot: Generation, table: PriceTable) -> bool:
    # One that may have left before is not judged anew: its first try was agreed to.
    if shot.state != State.QUEUED or shot.raw_status == SENDING:
        return False
    now = _dearer(shot, table)
    if now is None:
        return False
    text = (
        f"{COSTS_MORE}{now.words} instead of {shot.estimate_text}. "
        "Nothing was sent. Release it to accept the new price, or cancel it."
    )
    return lifecycle.touch(shot.pk, held=True, waiting_text=text[:300])


def _dearer(shot: Generation, table: PriceTable) -> Quote | None:
    """Return what a shot costs now where that is above what is held for it, else None."""
    if shot.estimated_microusd is None:
        return None
    now = quote_again(shot, shot.account.credit_nanousd, table)
    if now is None or now.microusd <= shot.estimated_microusd * (1 + TOLERANCE):
        return None
    return now


def release_no_dearer(*, most: int) -> int:
    """Let shots go on whose price has fallen back to what was agreed to. Returns how many."""
    held = Q(state=State.QUEUED, held=True, waiting_text__startswith=COSTS_MORE)
    shots = list(Generation.objects.filter(held).select_related("account").order_by("pk")[:most])
    table = PriceTable.load() if shots else None
    return sum(
        lifecycle.release_held(shot.pk) for shot in shots if table and _dearer(shot, table) is None
    )


def accept_price_now(shot: Generation, *, shown: int | None) -> None:
    """Release a held shot at the price it has now, within every budget, and hold that price.

    Raises StudioError when a limit is met, or when it is dearer than `shown`.
    """
    with transaction.atomic():
        project = Project.objects.select_for_update().get(pk=shot.project_id)
        lock_studio()
        shot = Generation.objects.select_related("account", "by").get(pk=shot.pk)
        if shot.state != State.QUEUED:
            raise StudioError("Only a shot that still waits can be held.")
        if _is_judged(shot):
            check_still_allowed(shot, project=project)
        now = quote_again(shot, shot.account.credit_nanousd, PriceTable.load())
        held = shot.estimated_microusd or 0
        if now is None or now.microusd <= held:
            lifecycle.touch(shot.pk, held=False, waiting_text="")
            return
        check_quoted(shown, now)
        check_limits(shot, project=project, microusd=now.microusd)
        lifecycle.touch(
            shot.pk,
            held=False,
            waiting_text="",
            estimated_microusd=now.microusd,
            estimate_kind=now.kind,
        )


def check_resend(shot: Generation) -> None:
    """Raise StudioError where the budgets have no room (any more) for a shot that is sent again.

    Call in the transaction that puts it back in line.
    """
    project = Project.objects.select_for_update().get(pk=shot.project_id)
    lock_studio()
    check_limits(shot, project=project, microusd=shot.estimated_microusd or 0)


def check_limits(shot: Generation, *, project: Project, microusd: int) -> None:
    """Raise StudioError where this shot, which holds its estimate already, may not cost so much.

    Nor where whoever asked for it, or its account, may not buy in this project any more.
    """
    check_buyer(project, shot.by)
    check_offered(project, shot.account)
    limit = limit_on(
        project=project,
        by=shot.by,  # whoever asked for it pays, whoever presses now
        account=shot.account,
        spec=get_spec(shot.provider, shot.model),
        microusd=microusd,
        held=shot.estimated_microusd or 0,
        month=month_of(shot.created_at),
    )
    if limit is not None:
        raise StudioError(limit.sentence, field="offer")
