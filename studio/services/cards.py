"""What a gallery card shows beside the row itself: its place in line and in a chain, the time left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from studio.models import Generation, User
from studio.models.generation import Charged, State
from studio.providers.catalog import get_spec
from studio.services.gallery import beside
from studio.services.gallery.beside import Part
from studio.services.gallery.search import Shown
from studio.services.money.estimates import Kind, Pace, paces, time_left
from studio.services.work.line import places


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
    """Return the cards; one query, one more if any is in line.

    With a `reader` they say how many comments that person has not read.
    """
    rows = list(generations)
    queued = [g for g in rows if g.state == State.QUEUED and not g.waiting_text]
    ends = {pk for g in queued for pk in (g.start_generation_id, g.end_generation_id) if pk}
    known = beside.look_up([g.pk for g in rows], reader=reader, ends=ends)
    ahead, first = places(rows), _awaited(queued, known.unfinished)
    now = timezone.now()
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
        )
        for g in rows
    ]


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
