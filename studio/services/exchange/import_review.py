"""Bringing in what was said, decided and filed of a clip: comments with their threads, verdicts, tags."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from studio.models import Comment, Generation, GivenVerdict
from studio.models.generation import Verdict
from studio.services.errors import StudioError
from studio.services.exchange.archive_people import Authors
from studio.services.exchange.records import Record
from studio.services.gallery import tags
from studio.services.review.drawing import read_drawing

MAX_COMMENTS = 5000
MAX_VERDICTS = 5000
MAX_TAGS = 200
MAX_MS = 2**31 - 1
MAX_SENTENCES = 20  # on one clip


class ReviewImport:
    """Brings the review of one clip after the other into one project."""

    def __init__(self, authors: Authors, codes: Callable[[Record], list[uuid.UUID]]) -> None:
        self._authors, self._codes = authors, codes
        # Of the clip at hand.
        self._clip = ""
        self._comments: dict[uuid.UUID, Comment] = {}
        self._problems: list[str] = []

    def bring(self, record: Record, clip: Generation) -> list[str]:
        """Write the comments, verdicts and tags of a clip that was just written.

        Returns sentences about what was left out.
        """
        self._clip, self._comments, self._problems = record.label("the clip"), {}, []
        comments = self._records(record, "comments", MAX_COMMENTS)
        # A comment before its replies, whatever their order in the archive.
        for item in sorted(comments, key=lambda item: item.has("reply_to")):
            with self._forgiving("A comment"):
                self._bring_comment(item, clip)
        standing: dict[int, int] = {}
        for item in self._records(record, "verdicts", MAX_VERDICTS):
            with self._forgiving("A verdict"):
                self._bring_verdict(item, clip, standing)
        for name in self._tags(record):
            with self._forgiving("A tag"):
                tags.get_or_make(project=clip.project, name=name).generations.add(clip)
        shown, more = self._problems[:MAX_SENTENCES], len(self._problems) - MAX_SENTENCES
        return [*shown, f"{more:,} more on {self._clip} were left out."] if more > 0 else shown

    @contextmanager
    def _forgiving(self, what: str) -> Iterator[None]:
        """Leave out one thing that cannot be, and say so."""
        try:
            yield
        except StudioError as error:
            self._say(what, error)

    def _say(self, what: str, error: StudioError) -> None:
        self._problems.append(f"{what} on {self._clip} was left out: {error.message}")

    def _records(self, record: Record, key: str, most: int) -> list[Record]:
        problem = self._problems.append
        return self._listed(f"What is in “{key}”", record.records, key, most, problem=problem)

    def _tags(self, record: Record) -> list[str]:
        return self._listed(
            "What is in “tags”", record.texts, "tags", MAX_TAGS, tags.MAX_NAME_CHARS
        )

    def _listed(
        self, what: str, read: Callable[..., list[Any]], *args: Any, **how: Any
    ) -> list[Any]:
        """Return the list that is read; an empty one, said, where it cannot be."""
        try:
            return read(*args, **how)
        except StudioError as error:
            self._say(what, error)
            return []

    def _bring_comment(self, item: Record, clip: Generation) -> None:
        at, codes, code = item.moment("created_at"), self._codes(item), item.code("code")
        if code in self._comments:
            item.refuse("code", "a code that no other comment has")
        resolved = item.moment("resolved_at") if item.has("resolved_at") else at
        parent = self._comment_of(item, "reply_to", "A reply", "a comment of its own")
        guest = self._authors.guest(item)
        comment = Comment.objects.create(
            **({"code": _free(codes)} if codes else {}),
            generation=clip,
            guest=guest,
            guest_name=guest.name,
            text=item.text("text", 2000),
            at_ms=item.number("at_ms", 0, MAX_MS) if item.has("at_ms") else None,
            drawing=self._drawing(item),
            parent=None if parent is None else parent.parent or parent,
            created_at=at,
            resolved_at=resolved if item.flag("resolved") else None,
        )
        if code:
            self._comments[code] = comment

    def _comment_of(self, item: Record, key: str, what: str, instead: str) -> Comment | None:
        """Return the comment a key names; where it did not come in, say what came in `instead`."""
        code = item.code(key)
        found = self._comments.get(code) if code else None
        if code and found is None:
            self._problems.append(
                f"{what} on {self._clip} came in as {instead}: {item.shown(key)} did not come in."
            )
        return found

    def _drawing(self, item: Record) -> list[dict[str, Any]]:
        return self._listed("A drawing", read_drawing, item.value("drawing"))

    def _bring_verdict(self, item: Record, clip: Generation, standing: dict[int, int]) -> None:
        """`standing`: the row that counts of each guest."""
        row = GivenVerdict(
            generation=clip,
            guest=self._authors.guest(item),
            verdict=item.choice("verdict", Verdict.values),
            comment=self._comment_of(item, "comment", "A verdict", "one without its comment"),
            current=item.flag("current"),
            at=item.moment("at"),
        )
        if row.current:
            # One counts of each voice: two people of the archive may be one here.
            before = standing.get(row.guest_id or 0, 0)
            GivenVerdict.objects.filter(pk=before).update(current=False)
        row.save()
        if row.current:
            standing[row.guest_id or 0] = row.pk


def _free(codes: list[uuid.UUID]) -> uuid.UUID:
    taken = set(Comment.objects.filter(code__in=codes).values_list("code", flat=True))
    return next((code for code in codes if code not in taken), uuid.uuid4())
