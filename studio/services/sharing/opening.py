"""What a share opens: found anew for each request, so that nothing stays open by being remembered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, OuterRef, Q, QuerySet, Subquery, Value, When

from studio.models import Comment, Generation, GivenVerdict, Share
from studio.models.generation import GenerationQuerySet, State, Verdict
from studio.services.chains import path_of
from studio.services.clip_names import titles_beyond_prompts
from studio.services.review.drawing import describe_drawing
from studio.services.review.mentions import mentioned_on, typed_text
from studio.services.sharing.saved import matching

# What a guest's page reads of a row; the rest of a wide table stays where it is.
COLUMNS = (
    "code", "project_id", "shot", "by_id", "title", "prompt", "aspect_ratio", "width", "height", "fps",
    "loop", "duration_ms", "duration_s", "media_facts", "clip", "poster", "strip", "charged",
    "actual_microusd", "estimated_microusd", "estimate_kind", "state",
)  # fmt: skip


# What Previs draws without a picture to start from: the prompt itself, in letters.
TITLE_CARD = Q(
    provider="previs",
    start_keyframe=None,
    end_keyframe=None,
    start_generation=None,
    end_generation=None,
)
MOST_SHOWN = 5000  # of a saved view; what is chosen by hand is less


@dataclass(frozen=True, slots=True)
class SharedClip:
    """A clip as this share shows it. Templates for guests get this and never the row itself.

    `prompt`, `cost_text` and `made_by` are empty unless the link says so.
    """

    generation: Generation = field(repr=False)
    token: str
    number: int  # its place in the share, from 1; never its number in the project
    name: str
    prompt: str = ""
    cost_text: str = ""
    made_by: str = ""
    verdict: str = ""  # what this share's guests say, taken together
    comment_count: int = 0

    @property
    def code(self) -> UUID:
        return self.generation.code

    @property
    def is_named(self) -> bool:
        """Whether it is called anything but its place."""
        return self.name != place_name(self.number)

    @property
    def url(self) -> str:
        return f"/s/{self.token}/clips/{self.code}/"

    @property
    def clip_url(self) -> str:
        return self._media(".mp4")

    @property
    def played_url(self) -> str:
        return f"{self.clip_url}{self.generation.start_mark}"

    @property
    def poster_url(self) -> str:
        return self._media("-poster.webp") if self.generation.poster else ""

    @property
    def strip_url(self) -> str:
        return self._media("-strip.webp") if self.generation.strip else ""

    @property
    def aspect_ratio(self) -> str:
        return self.generation.aspect_ratio

    @property
    def width(self) -> int | None:
        return self.generation.width

    @property
    def height(self) -> int | None:
        return self.generation.height

    @property
    def fps(self) -> float | None:
        return self.generation.fps

    @property
    def loop(self) -> bool:
        return self.generation.loop

    @property
    def duration_ms(self) -> int:
        return self.generation.duration_ms or self.generation.duration_s * 1000

    @property
    def seconds(self) -> float:
        return self.duration_ms / 1000

    def _media(self, tail: str) -> str:
        return f"/s/{self.token}/media/{self.code}{tail}"


def opened(share: Share) -> GenerationQuerySet:
    """Return the clips a share opens at this moment, in the order guests see them.

    Only playing clips that are neither archived nor in the bin, whatever the share was made for.
    A saved view keeps title cards back unless the link shows prompts: they are the prompt, and
    whoever made the link was not there to see them come. One query, one more a branch for a chain.
    """
    if share.chain_id is not None:
        return _playing(share, _of_chain(share))
    if share.saved_view is not None:
        rows = _playing(share, matching(share.saved_view))
        return rows if share.shows_prompts else rows.exclude(TITLE_CARD)
    places = Share.generations.through.objects.filter(share_id=share.pk, generation=OuterRef("pk"))
    chosen = Generation.objects.filter(shares=share.pk)
    return _playing(share, chosen.order_by(Subquery(places.values("pk")[:1])))


def kept_back(share: Share) -> int:
    """Count the title cards a share of a saved view keeps back; one query at most."""
    if share.saved_view is None or share.shows_prompts:
        return 0
    return _playing(share, matching(share.saved_view)).filter(TITLE_CARD).count()


def _playing(share: Share, rows: GenerationQuerySet) -> GenerationQuerySet:
    return rows.filter(
        project=share.project_id, state=State.SUCCEEDED, archived_at=None, purged_at=None
    ).exclude(clip="")


def _of_chain(share: Share) -> GenerationQuerySet:
    chain = share.chain
    if chain is None or chain.archived_at is not None:
        return Generation.objects.none()
    places = {s.generation_id: place for place, s in enumerate(path_of(chain))}
    if not places:
        return Generation.objects.none()
    return Generation.objects.filter(pk__in=places).order_by(_in_order(places))


def _in_order(places: dict[int, int]) -> Case:
    return Case(*(When(pk=pk, then=Value(place)) for pk, place in places.items()))


@dataclass(frozen=True, slots=True)
class Listing:
    """All clips of a share in the order guests see them; what a page shows of them is read by place."""

    share: Share
    token: str
    pks: tuple[int, ...]
    verdicts: dict[int, str]  # by key: what this share's guests say, taken together

    def __len__(self) -> int:
        return len(self.pks)

    def place_of(self, clip: Generation) -> int | None:
        """Return the clip's place, from 0; None when it is not, or no longer, in the share."""
        return self.pks.index(clip.pk) if clip.pk in self.pks else None

    def clips(self, start: int, stop: int) -> list[SharedClip]:
        """Return the clips from one place up to another; two queries for any number."""
        wanted = self.pks[start:stop]
        rows = Generation.objects.only(*COLUMNS).annotate(seen_comments=_comment_count(self.share))
        if self.share.shows_names:
            rows = rows.select_related("by").only(*COLUMNS, "by__name")
        found = rows.in_bulk(wanted)
        named = {} if self.share.shows_prompts else titles_beyond_prompts(found.values())
        listed = [(place, found[pk]) for place, pk in enumerate(wanted, start + 1) if pk in found]
        return [
            _as_shown(
                self.share,
                self.token,
                place,
                row,
                named.get(row.pk, row.title.strip()),
                self.verdicts.get(row.pk, ""),
                row.seen_comments or 0,  # type: ignore[attr-defined]  # annotated
            )
            for place, row in listed
        ]

    def reviewed(self) -> int:
        """Count the clips this share's guests have decided about."""
        return len(self.verdicts.keys() & set(self.pks))


def listing(share: Share, token: str) -> Listing:
    """Return which clips a share shows at this moment, at most MOST_SHOWN; two queries."""
    rows = opened(share).values_list("pk", flat=True)
    return Listing(share, token, tuple(rows[:MOST_SHOWN]), _verdicts(share))


def _as_shown(
    share: Share,
    token: str,
    place: int,
    row: Generation,
    title: str,
    verdict: str,
    comment_count: int,
) -> SharedClip:
    return SharedClip(
        generation=row,
        token=token,
        number=place,
        name=title or place_name(place),
        prompt=row.prompt if share.shows_prompts else "",
        cost_text=row.amount_text if share.shows_costs else "",
        made_by=row.by.name if share.shows_names else "",
        verdict=verdict,
        comment_count=comment_count,
    )


def place_name(place: int) -> str:
    """Return what guests call a clip without a title, or whose title tells a prompt."""
    return f"Clip {place}"


# ---- What was said -----------------------------------------------------------------------------


def visible_comments(share: Share) -> Q:
    """Return which comments guests of a share see: their own, and the team's if it shows names.

    Not what guests of another share said: that is another client. Not the team's otherwise, replies
    to guests included: the team talks among itself on the clip page, and must be able to do so
    without asking each time who listens.
    """
    here = Q(guest__share=share.pk)
    if not share.shows_names:
        return here
    team = Q(author__isnull=False)
    return (
        here
        | (team & (Q(parent=None) | Q(parent__author__isnull=False)))
        | (team & Q(parent__guest__share=share.pk))
    )


@dataclass(frozen=True, slots=True)
class SharedComment:
    """A comment as guests see it."""

    code: UUID
    name: str
    text: str
    at_ms: int | None
    created_at: datetime
    is_done: bool
    is_reply: bool
    is_team: bool
    drawing: list[dict[str, Any]]

    @property
    def shapes(self) -> str:
        """The drawing as JSON."""
        return json.dumps(self.drawing)

    @property
    def drawn(self) -> str:
        """The drawing in words: a line and 2 arrows."""
        return describe_drawing(self.drawing)

    @property
    def initials(self) -> str:
        words = [word for word in self.name.split() if word[0].isalnum()]
        return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper() or "G"


def comments_on(share: Share, clip: Generation) -> list[SharedComment]:
    """Return what guests of this share may read on a clip, replies behind what they answer.

    One query, one more where the team mentions somebody.
    """
    rows = list(
        Comment.objects.filter(visible_comments(share), generation=clip.pk)
        .select_related("author", "parent")
        .order_by("created_at", "pk")
    )
    rows.sort(key=lambda row: ((row.parent or row).created_at, row.parent_id or row.pk, row.pk))
    people = mentioned_on((clip.pk, row.text) for row in rows if row.author)
    return [
        SharedComment(
            code=row.code,
            name=row.author.name if row.author else row.guest_name,
            # A guest's words are shown as they are: a token in them was typed, not meant.
            text=typed_text(row.text, people.get(clip.pk, {})) if row.author else row.text,
            at_ms=row.at_ms,
            created_at=row.created_at,
            is_done=(row.parent or row).resolved_at is not None,
            is_reply=row.parent_id is not None,
            is_team=row.author is not None,
            drawing=row.drawing,
        )
        for row in rows
    ]


def _comment_count(share: Share) -> Subquery:
    """Return how many comments on a clip guests of a share see; without a query of its own."""
    counted = (
        Comment.objects.filter(visible_comments(share), generation=OuterRef("pk"))
        .order_by()
        .values("generation")
        .annotate(count=Count("pk"))
    )
    return Subquery(counted.values("count"))


def verdicts_on(share: Share, clip: Generation) -> list[GivenVerdict]:
    """Return what each guest of this share last decided about a clip; one query."""
    return list(_given(share).filter(generation=clip.pk).select_related("guest").order_by("pk"))


def _given(share: Share) -> QuerySet[GivenVerdict]:
    return GivenVerdict.objects.filter(guest__share=share.pk, current=True).exclude(verdict="")


def _verdicts(share: Share) -> dict[int, str]:
    """Return each clip's verdict by this share's guests: one objection outweighs approvals."""
    said: dict[int, str] = {}
    for clip, verdict in _given(share).values_list("generation", "verdict"):
        if said.get(clip) != Verdict.NEEDS_CHANGES:
            said[clip] = verdict
    return said
