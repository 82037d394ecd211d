"""What was said and decided about one clip, ready to be shown; a fixed number of queries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Subquery
from django.utils import timezone
from django.utils.safestring import SafeString

from studio.models import Comment, Generation, GivenVerdict, Guest, Membership, Seen, User
from studio.services.review.comments import EDIT_FOR
from studio.services.review.drawing import describe_drawing
from studio.services.review.mentions import mentioned_on, shown_text
from studio.services.review.voices import is_own

MEMBER = "The team"  # what a guest reads who may not learn names


@dataclass(frozen=True, slots=True)
class Voice:
    """Who said or decided something, as it is shown."""

    name: str
    initials: str
    hue: int
    guest: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """One comment, as one reader sees it. `shapes` is its drawing as JSON."""

    code: str
    voice: Voice
    html: SafeString
    at_ms: int | None
    at: datetime
    resolved: bool
    drawn: str  # "an arrow and a box"; empty for no drawing
    shapes: str
    own: bool
    fresh: bool  # said by somebody else since this reader last looked
    editable: bool
    deletable: bool
    answers: tuple[Generation, ...] = ()
    replies: list[Said] = field(default_factory=list)

    @property
    def answered(self) -> bool:
        """Whether it is open and a take that answers it is ready to be looked at."""
        return not self.resolved and any(take.is_clip for take in self.answers)


@dataclass(frozen=True, slots=True)
class Talk:
    """What was said about a clip: the comments in the order they were made, replies within."""

    threads: list[Said]
    looked: datetime | None = None  # the reader's last look, if anything is said

    def __iter__(self) -> Iterator[Said]:
        return (said for thread in self.threads for said in (thread, *thread.replies))

    @property
    def count(self) -> int:
        return sum(1 for _ in self)

    @property
    def newest(self) -> datetime | None:
        return max((said.at for said in self), default=None)

    @property
    def must_say(self) -> bool:
        """Whether the reader has no open word here yet: asking for changes takes one."""
        open_ones = (thread for thread in self.threads if not thread.resolved)
        return not any(said.own for thread in open_ones for said in (thread, *thread.replies))


@dataclass(frozen=True, slots=True)
class Decided:
    """One verdict as it is shown. `counts`: it has a say in the clip's own."""

    voice: Voice
    verdict: str
    at: datetime
    counts: bool


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Who thinks what of a clip now, who thought what before, newest first, and the reader's own."""

    now: tuple[Decided, ...]
    before: tuple[Decided, ...]
    mine: str
    renews: bool  # saying the same again settles what came between: the reader is an owner


def talk_on(
    generation: Generation,
    *,
    reader: User | None = None,
    guest: Guest | None = None,
    since: datetime | None = None,
    names: bool = True,
) -> Talk:
    """Return the comments on a clip; three queries at most.

    What others said after `since` is marked, by default since the reader's last look. Without
    `names` the members' names are left out, for a guest who may not learn them.
    """
    looked = Seen.objects.filter(user=reader, generation=OuterRef("generation")).values("at")
    # Plain rows: a hundred comments with their authors as objects would cost half the page's time.
    rows = (
        Comment.objects.filter(generation=generation)
        .annotate(looked=Subquery(looked))
        .values_list(
            "pk", "code", "parent", "author", "author__name", "author__email", "guest",
            "guest_name", "text", "drawing", "at_ms", "created_at", "resolved_at", "looked",
            named=True,
        )
    )  # fmt: skip
    if not rows:
        return Talk([])
    since = since or rows[0].looked
    texts = ((generation.pk, row.text) for row in rows if not row.guest_name)
    people = mentioned_on(texts).get(generation.pk, {}) if names else {}
    answers = _answers(generation)
    fresh_enough = timezone.now() - EDIT_FOR
    with_replies = {row.parent for row in rows}
    voices: dict[tuple[int | None, str], Voice] = {}
    said: dict[int, Said] = {}
    for row in rows:
        own = _is_own(row.author, row.guest, reader, guest)
        speaker = (row.author, row.guest_name)
        if speaker not in voices:
            author = None
            if row.author is not None:
                author = User(pk=row.author, name=row.author__name, email=row.author__email)
            voices[speaker] = voice_of(author, row.guest_name, names=names or own)
        taken = tuple(answers.get(row.pk, ()))
        said[row.pk] = Said(
            code=str(row.code),
            voice=voices[speaker],
            html=shown_text(row.text, people, reader=reader, typed=row.author is None),
            at_ms=row.at_ms,
            at=row.created_at,
            resolved=row.resolved_at is not None,
            drawn=describe_drawing(row.drawing) if row.drawing else "",
            shapes=json.dumps(row.drawing, separators=(",", ":")) if row.drawing else "",
            own=own,
            fresh=since is not None and not own and row.created_at > since,
            editable=own and row.created_at > fresh_enough,
            deletable=own and not taken and row.pk not in with_replies,
            answers=taken,
        )
    for row in rows:
        if row.parent in said:
            said[row.parent].replies.append(said[row.pk])
    return Talk([said[row.pk] for row in rows if row.parent is None], rows[0].looked)


def verdicts_on(
    generation: Generation,
    *,
    reader: User | None = None,
    guest: Guest | None = None,
    names: bool = True,
) -> Verdicts:
    """Return the verdicts given on a clip; one query."""
    owners = Membership.objects.filter(
        user=OuterRef("by"), project=generation.project_id, role=Membership.Role.OWNER
    )
    rows: list[Any] = list(
        GivenVerdict.objects.filter(generation=generation)
        .select_related("by", "guest")
        .annotate(owner=ExpressionWrapper(Exists(owners), output_field=BooleanField()))
    )
    if not rows and generation.verdict and generation.verdict_by is not None:
        # From before verdicts were kept for each person; `decide` gives it its row.
        by, at = generation.verdict_by, generation.verdict_at or generation.created_at
        rows = [GivenVerdict(pk=0, by=by, verdict=generation.verdict, at=at)]
    settling = {row.by_id for row in rows if getattr(row, "owner", False)}
    stand = [row for row in rows if row.current and row.verdict]
    settled = max((row.pk for row in stand if row.by_id in settling), default=0)
    shown = {
        row.pk: Decided(
            voice_of(
                row.by,
                row.guest.name if row.guest else "",
                names=names or is_own(row, reader, guest),
            ),
            row.verdict,
            row.at,
            counts=row.pk >= settled,
        )
        for row in rows
    }
    mine = next((row for row in stand if is_own(row, reader, guest)), None)
    return Verdicts(
        now=tuple(shown[row.pk] for row in stand),
        before=tuple(shown[row.pk] for row in rows if row not in stand),
        mine=mine.verdict if mine else "",
        renews=mine is not None and mine.by_id in settling,
    )


def voice_of(user: User | None, guest_name: str, *, names: bool = True) -> Voice:
    """Return how a person, or a guest of this name, is shown."""
    if user is None:
        # Without what stands behind it in brackets: "Carol (from the archive)" is C.
        words = guest_name.partition("(")[0].split() or ["Guest"]
        initials = (words[0][:1] + (words[-1][:1] if len(words) > 1 else words[0][1:2])).upper()
        return Voice(guest_name or "Guest", initials, 3, guest=True)
    if not names:
        return Voice(MEMBER, "·", 1)
    return Voice(user.name or user.email, user.initials, user.hue)


def _is_own(
    author: int | None, guest_pk: int | None, reader: User | None, guest: Guest | None
) -> bool:
    if reader is not None:
        return author == reader.pk
    return guest is not None and guest_pk == guest.pk


def _answers(generation: Generation) -> dict[int, list[Generation]]:
    found: dict[int, list[Generation]] = {}
    rows = Generation.objects.filter(answers_comment__generation=generation, archived_at=None)
    for take in rows.only("code", "take", "state", "answers_comment").order_by("take"):
        assert take.answers_comment_id is not None
        found.setdefault(take.answers_comment_id, []).append(take)
    return found
