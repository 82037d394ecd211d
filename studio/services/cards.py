"""What a gallery card shows beside the row itself: its place in line and in a chain, the time left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from studio.amounts import money
from studio.models import Generation, User
from studio.models.generation import Charged, State
from studio.providers.catalog import PREVIS, get_spec
from studio.services.gallery import beside
from studio.services.gallery.beside import Part
from studio.services.gallery.search import Shown
from studio.services.money.agreement import COSTS_MORE
from studio.services.money.estimates import Kind, Pace, paces, time_left
from studio.services.money.quotes import PriceTable, Quote, own_rates, quote_again
from studio.services.shots import RETRIABLE_STATES
from studio.services.work.line import places
from studio.services.work.outcomes import offers_download


@dataclass(frozen=True, slots=True)
class Card:
    """One generation as a card. `look` is the class that draws it."""

    generation: Generation
    look: str  # "", "run", "queued", "failed", "failed quiet", "failed waits"
    note: str  # "about 40 s left", "2 ahead of it"
    charge: str  # "You were not charged.", or empty
    part: Part | None = None  # its place in the oldest of its chains
    elapsed: str = ""  # in place of percent where the provider reports none: 0:42
    place: str = ""  # its key in the gallery's sort
    shown: Shown | None = None  # where it says what was searched for
    tags: str = ""  # the words on it: hero, night
    unread: int = 0  # comments its reader has not seen
    quote: Quote | None = None  # what trying it again, or releasing it, costs now

    @property
    def heading(self) -> str:
        """What became of a shot without a clip, in two words."""
        if self.generation.failure_code == "media":
            return "Not downloaded"
        return HEADINGS.get(State(self.generation.state), "")

    @property
    def reason(self) -> str:
        """Why there is no clip: what was recorded, else what the state means."""
        g = self.generation
        reason = g.failure_text or g.waiting_text or REASONS.get(State(g.state), "")
        return f"{reason} {g.trouble}" if g.trouble and g.state in SAYS_TROUBLE else reason

    @property
    def offers_download(self) -> bool:
        """Whether the clip that was bought may still be had."""
        return offers_download(self.generation)

    @property
    def has_ways(self) -> bool:
        """Whether there may be more to do about it than to edit or to try again."""
        g = self.generation
        if g.state in (State.FAILED, State.ABANDONED):
            return bool(
                g.result_url
                or g.estimated_microusd
                or g.failure_code == "no_media"
                or self.offers_download
            )
        return g.state in (State.STALLED, State.UNCERTAIN)


LOOKS = {
    State.QUEUED: "queued",
    State.SUBMITTING: "run",
    State.RUNNING: "run",
    State.STORING: "run",
    State.FAILED: "failed",
    State.STALLED: "failed waits",
    State.UNCERTAIN: "failed waits",
    State.CANCELLED: "failed quiet",
    State.ABANDONED: "failed quiet",
}
# Where a provider is asked about a shot, and a row is worked on; else the column is of no account.
SAYS_TROUBLE = frozenset({State.SUBMITTING, State.RUNNING, State.STORING, State.STALLED})
HEADINGS = {
    State.FAILED: "Not rendered",
    State.STALLED: "Taking too long",
    State.UNCERTAIN: "No confirmation",
    State.CANCELLED: "Cancelled",
    State.ABANDONED: "Given up",
}
REASONS = {
    State.FAILED: "It failed without a reason.",
    State.STALLED: "The provider has had it far longer than usual. It is still being watched.",
    State.UNCERTAIN: "It left for the provider and no answer came. It is not sent again by itself.",
    State.CANCELLED: "It was stopped before it was finished.",
    State.ABANDONED: "Nobody is watching it any more. The provider may still charge for it.",
}


def make_cards(generations: Iterable[Generation], *, reader: User | None = None) -> list[Card]:
    """Return the cards; one query, one more if any is in line, one or two if any may be tried again.

    With a `reader` they say how many comments that person has not read.
    """
    rows = list(generations)
    queued = [g for g in rows if g.state == State.QUEUED and not g.waiting_text]
    ends = {pk for g in queued for pk in (g.start_generation_id, g.end_generation_id) if pk}
    known = beside.look_up([g.pk for g in rows], reader=reader, ends=ends)
    ahead, first = places(rows), _awaited(queued, known.unfinished)
    now = timezone.now()
    quotes = _quotes(rows)
    pace = paces() if any(g.state == State.RUNNING for g in rows) else {}
    return [
        Card(
            g,
            LOOKS.get(State(g.state), ""),
            first.get(g.pk) or _note(g, ahead.get(g.pk), now, pace),
            charge_text(g),
            known.parts.get(g.pk),
            _elapsed(g, now),
            tags=", ".join(known.tags.get(g.pk, ())),
            unread=known.unread.get(g.pk, 0),
            quote=quotes.get(g.pk),
        )
        for g in rows
    ]


def _quotes(rows: list[Generation]) -> dict[int, Quote]:
    """Return what each shot that may be bought again, or waits for a new price, costs now."""
    wanted = [
        g
        for g in rows
        if g.provider != PREVIS.provider
        and (g.state in RETRIABLE_STATES or g.held and g.waiting_text.startswith(COSTS_MORE))
    ]
    if not wanted:
        return {}
    table = PriceTable.load()
    if all(hasattr(g, "own_rate") for g in wanted):
        # Read with the gallery's rows.
        rates = {g.account_id: getattr(g, "own_rate", None) for g in wanted}
    else:
        rates = own_rates()
    found = {g.pk: quote_again(g, rates.get(g.account_id), table) for g in wanted}
    return {pk: quote for pk, quote in found.items() if quote is not None}


def _awaited(queued: list[Generation], unfinished: dict[int, int]) -> dict[int, str]:
    """Say which clip a queued shot waits for before it can join it."""
    said = {}
    for g in queued:
        for end in (g.start_generation_id, g.end_generation_id):
            if end in unfinished:
                said[g.pk] = f"starts when clip {unfinished[end]} is done"
                break
    return said


def charge_text(generation: Generation) -> str:
    """Say whether a shot without a clip is charged, and how much, once it ended or waits for a person.

    Previs says nothing.
    """
    speaks = generation.is_terminal or generation.state in (State.STALLED, State.UNCERTAIN)
    if generation.is_clip or not speaks or generation.provider == "previs":
        return ""
    if generation.charged == Charged.NO:
        return "You were not charged."
    if generation.charged != Charged.YES and not generation.is_terminal:
        held = generation.estimate_text if generation.estimated_microusd else ""
        rest = f"; {held} is held until then." if held else "."
        return f"Not known yet whether you are charged{rest}"
    if generation.charged != Charged.YES:
        return "Whether you were charged is not known."
    if generation.actual_microusd is not None:
        return f"You were charged {money(generation.actual_microusd)}."
    if generation.actual_credits:
        return f"You were charged {_credits(generation)}. Their price is not known."
    return "You were charged. The amount is not known."


def cost_text(generation: Generation) -> str:
    """Say what a shot cost, or will: for the list of facts on its page."""
    free = generation.estimated_microusd == 0 and not generation.actual_microusd
    if generation.provider == "previs" and free:
        return "Free"
    if generation.charged == Charged.NO:
        return "Not charged"
    credits = f", {_credits(generation)}" if generation.actual_credits else ""
    if generation.actual_microusd is not None:
        return f"{money(generation.actual_microusd)}{credits}"
    expected = _expected(generation)
    if not generation.is_terminal:
        return (expected[:1].upper() + expected[1:] or "Not known") + credits
    beside = f" ({expected})" if expected else ""
    if generation.charged == Charged.YES:
        return f"Charged, amount not known{beside}{credits}"
    return f"Not known whether charged{beside}{credits}"


def _expected(generation: Generation) -> str:
    if generation.estimated_microusd is None:
        return ""
    return f"{generation.estimate_text} expected"


def _credits(generation: Generation) -> str:
    return f"{generation.actual_credits:,.15g} {generation.credit_unit or 'credits'}"


def _elapsed(generation: Generation, now: datetime) -> str:
    """Return the time since it was sent, for a provider that reports no progress: no made-up bar."""
    if generation.state != State.RUNNING or generation.progress or generation.submitted_at is None:
        return ""
    if get_spec(generation.provider, generation.model).progress:
        return ""
    seconds = int((now - generation.submitted_at).total_seconds())
    return f"{seconds // 60}:{seconds % 60:02d}"


def _note(generation: Generation, ahead: int | None, now: datetime, known: dict[Kind, Pace]) -> str:
    state = generation.state
    if generation.trouble and state in SAYS_TROUBLE:
        return generation.trouble
    if generation.waiting_text:
        return generation.waiting_text
    if state == State.QUEUED:
        if generation.held:
            return "on hold"
        return "next in line" if not ahead else f"{ahead} ahead of it"
    if state == State.STORING:
        return "saving the clip"
    if state == State.SUBMITTING:
        return "being sent"
    if state == State.RUNNING:
        return time_left(generation, now, known)
    return ""
