"""Trying failed shots again, many at once. Each costs, so the price is agreed before.

A shot is asked for with a token made of the run's and its own place: a batch that is done twice
finds the first one's shot and buys nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from studio import lifecycle
from studio.amounts import Certainty, amount_text, least_certain
from studio.models import BulkRun, Generation, Membership
from studio.models.generation import State
from studio.services import shots
from studio.services.bulk.deeds import Applied, Deed, Pair, Params, Told, left
from studio.services.errors import StudioError
from studio.services.money.agreement import PriceChanged
from studio.services.money.quotes import PriceTable, own_rates, quote_again
from studio.services.work.outcomes import offers_download

# What a refusal is about when the next shot would be refused too: the project, the account, money.
HOLDS_FOR_ALL = frozenset({"", "offer", "budget"})

DEARER = "A price has risen since you agreed. Look at the new total and press Retry again."


@dataclass(frozen=True, slots=True)
class Offer:
    """What retrying would cost: `count` shots, their prices added up, and how many of these are
    only the most to expect."""

    count: int
    microusd: int
    at_most: int
    certainty: Certainty = Certainty.EXACT

    @property
    def words(self) -> str:
        """The sum in words: $2.10, about $2.10, at most $2.10, free."""
        return amount_text(self.microusd, self.certainty)


def offer_for(clips: Sequence[Generation]) -> Offer:
    """Add up what trying these again would cost; two queries."""
    table, rates = PriceTable.load(), own_rates()
    quotes = [quote_again(clip, rates.get(clip.account_id), table) for clip in clips]
    known = [quote for quote in quotes if quote is not None]
    return Offer(
        len(clips),
        sum(quote.microusd for quote in known),
        sum(quote.is_ceiling for quote in known),
        least_certain(quote.certainty for quote in known),
    )


def _check(membership: Membership, params: Params) -> Params:
    raw = str(params.get("agreed", ""))
    if not (raw.isascii() and raw.isdigit() and len(raw) < 16):
        raise StudioError("See what it costs first, and agree to that.", field="agreed")
    return {"agreed": int(raw), "spent": 0}


def _retry(run: BulkRun, pairs: Sequence[Pair]) -> Applied:
    whole = Generation.objects.select_related(
        "project", "account", "start_keyframe", "end_keyframe", "start_generation", "end_generation"
    ).in_bulk([clip.pk for _, clip in pairs])
    table, rates = PriceTable.load(), own_rates()
    told: list[Told] = []
    for item, row in pairs:
        clip = whole[row.pk]
        if clip.state not in shots.RETRIABLE_STATES or clip.deleted_at is not None:
            told.append(left("It did not fail, so there is nothing to try again."))
            continue
        if offers_download(clip):
            told.append(left("Its clip was rendered. Download it again instead of buying another."))
            continue
        quote = quote_again(clip, rates.get(clip.account_id), table)
        cost = quote.microusd if quote else 0
        if run.params["spent"] + cost > run.params["agreed"]:
            return Applied(told, stop=DEARER)
        token = uuid.uuid5(run.request_token, str(item.pk))
        try:
            fresh = shots.retry(
                generation=clip, by=run.by, request_token=token, quoted_microusd=cost
            )
        except PriceChanged:
            return Applied(told, stop=DEARER)
        except StudioError as error:
            if error.field in HOLDS_FOR_ALL:
                return Applied(told, stop=error.message)
            told.append(left(error.message))
            continue
        if fresh.request_token != token:
            told.append(left("Somebody is trying it again already."))
            continue
        run.params["spent"] += cost
        told.append(Told({"fresh": fresh.pk}))
    return Applied(told)


def _unretry(run: BulkRun, pairs: Sequence[Pair]) -> Sequence[str]:
    """Cancel what was not sent yet; what was, is paid for and stays."""
    fresh = Generation.objects.in_bulk([item.before["fresh"] for item, _ in pairs])
    kept: list[str] = []
    changed: list[tuple[int, Params]] = []
    now = timezone.now()
    for item, clip in pairs:
        made = fresh.get(item.before["fresh"])
        if made is None or not (
            made.state == State.CANCELLED or lifecycle.cancel(made.pk, actor=run.by)
        ):
            kept.append("It was sent already.")
            continue
        kept.append("")
        if clip.archived_at is not None and clip.deleted_at is None:
            changed.append((clip.pk, {"archived_at": None}))
        changed.append((made.pk, {"archived_at": made.archived_at or now}))
    lifecycle.touch_rows(run.project_id, changed)
    return kept


# Few in a transaction: each is priced, checked against the budget and put in line.
RETRY = Deed(check=_check, apply=_retry, undo=_unretry, batch=10)
