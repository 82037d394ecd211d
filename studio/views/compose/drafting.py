"""Draft to master on the compose page: one cheap draft per camera word, then one master."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from studio.forms.shot import ShotDraft
from studio.services.drafts import MOST_DRAFTS
from studio.services.money.draft_offers import DraftOffer, list_draft_offers, usual_draft_offer
from studio.services.money.offers import Offer

LEAST_DRAFTS = 2


@dataclass(frozen=True, slots=True)
class Drafting:
    """The switch and what it would do. Money in micro-USD; None = not known."""

    asked: bool  # the switch is on
    count: int
    choices: tuple[DraftOffer, ...]
    chosen: DraftOffer | None
    master: Offer
    wrong: str  # why it cannot be done, when it is asked for

    @property
    def on(self) -> bool:
        return self.asked and not self.wrong

    @property
    def microusd(self) -> int | None:
        each = self.chosen.microusd if self.chosen else None
        return None if each is None else each * self.count


def drafting_of(draft: ShotDraft, offers: Sequence[Offer], chosen: Offer | None) -> Drafting | None:
    """Return the switch for this draft, or None where it has nothing to try; one query."""
    count = len(draft.concepts)
    fits = LEAST_DRAFTS <= count <= MOST_DRAFTS
    if chosen is None or not (fits or draft.drafts):
        return None
    wish = draft.wish()
    if not wish.prompt.strip():
        wish = replace(wish, prompt="A shot")
    choices = list_draft_offers(
        offers=offers, wish=wish, start=draft.start.generation, end=draft.end.generation
    )
    picked = next((d for d in choices if d.value == draft.draft_offer), None)
    picked = picked or usual_draft_offer(choices, master=chosen)
    wrong = ""
    if draft.drafts and not fits:
        wrong = (
            f"Drafts try one camera word each: choose {LEAST_DRAFTS} to {MOST_DRAFTS}, not {count}."
        )
    elif draft.drafts and picked is None:
        wrong = "Nobody can render drafts of this shot. Change its length, shape or frames."
    return Drafting(draft.drafts, count, tuple(choices), picked, chosen, wrong)
