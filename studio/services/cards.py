"""What a gallery card shows beside the row itself: its place in line and in a chain, the time left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Max, OuterRef, Subquery
from django.utils import timezone

from studio.models import Generation, Segment, User
from studio.models.generation import Charged, State
from studio.providers.catalog import get_spec
from studio.services.gallery.search import Shown
from studio.services.gallery.tags import names_of
from studio.services.money.estimates import Kind, Pace, paces, time_left
from studio.services.review.seen import count_unread
from studio.services.work.line import places


@dataclass(frozen=True, slots=True)
class Part:
    """A clip's place in a chain: number 3 of 5."""

    number: int
    of: int
    chain: UUID
    title: str
    segment: int

    @property
    def url(self) -> str:
        return f"/chains/{self.chain}/?segment={self.segment}"


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

    @property
    def heading(self) -> str:
        """What became of a shot without a clip, in two words."""
        return HEADINGS.get(State(self.generation.state), "")

    @property
    def reason(self) -> str:
        """Why there is no clip: what was recorded, else what the state means."""
        g = self.generation
        return g.failure_text or g.waiting_text or REASONS.get(State(g.state), "")

    @property
    def has_ways(self) -> bool:
        """Whether there may be more to do about it than to edit or to try again."""
        g = self.generation
        if g.state in (State.FAILED, State.ABANDONED):
            return bool(g.result_url or g.estimated_microusd or g.failure_code == "no_media")
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
HEADINGS = {
    State.FAILED: "Not rendered",
    State.STALLED: "Taking too long",
    State.UNCERTAIN: "Sent, no answer",
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
CHARGES = {
    Charged.YES: "You were charged.",
    Charged.NO: "You were not charged.",
    Charged.UNKNOWN: "Whether you were charged is not known.",
}


def make_cards(generations: Iterable[Generation], *, reader: User | None = None) -> list[Card]:
    """Return the cards; two queries, one more if any joins another clip, one per account in line.

    With a `reader`, one query tells what they have not read.
    """
    rows = list(generations)
    unread = count_unread(user=reader, generations=rows) if reader and rows else {}
    ahead, first = places(rows), _awaited(rows)
    parts, tags = parts_of(rows), names_of(rows)
    now = timezone.now()
    known = paces() if any(g.state == State.RUNNING for g in rows) else {}
    return [
        Card(
            g,
            LOOKS.get(State(g.state), ""),
            first.get(g.pk) or _note(g, ahead.get(g.pk), now, known),
            charge_text(g),
            parts.get(g.pk),
            _elapsed(g, now),
            tags=", ".join(tags.get(g.pk, ())),
            unread=unread.get(g.pk, 0),
        )
        for g in rows
    ]


def parts_of(generations: Iterable[Generation]) -> dict[int, Part]:
    """Return where each clip that is in a chain stands in it, by pk; one query."""
    last = Segment.objects.filter(chain=OuterRef("chain")).order_by().values("chain")
    rows = (
        Segment.objects.filter(generation__in=[g.pk for g in generations], chain__archived_at=None)
        .annotate(of=Subquery(last.annotate(of=Max("position")).values("of")))
        .order_by("-chain")
    )
    values = rows.values_list(
        "generation", "position", "of", "chain__code", "chain__title", "pk", named=False
    )
    return {row[0]: Part(*row[1:]) for row in values}


def _awaited(rows: list[Generation]) -> dict[int, str]:
    """Say which clip a queued shot waits for before it can join it; one query if any might."""
    queued = [g for g in rows if g.state == State.QUEUED and not g.waiting_text]
    ends = {pk for g in queued for pk in (g.start_generation_id, g.end_generation_id) if pk}
    if not ends:
        return {}
    unfinished: dict[int | None, int] = dict(
        Generation.objects.filter(pk__in=ends)
        .exclude(state=State.SUCCEEDED)
        .values_list("pk", "number")
    )
    said = {}
    for g in queued:
        number = unfinished.get(g.start_generation_id) or unfinished.get(g.end_generation_id)
        if number:
            said[g.pk] = f"starts when clip {number} is done"
    return said


def charge_text(generation: Generation) -> str:
    """Say whether a shot that ended without a clip was charged. Free shots say nothing."""
    if generation.is_clip or not generation.is_terminal or generation.estimated_microusd == 0:
        return ""
    return CHARGES.get(Charged(generation.charged), "")


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
