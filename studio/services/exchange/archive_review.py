"""Comments, verdicts and tags of clips, as an archive holds them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from studio.models import Comment, Generation, GivenVerdict, Tag, User
from studio.services.exchange.archive_people import author_of
from studio.services.review.mentions import with_mentions, words_of


class ReviewRecords:
    """What was said, decided and filed of these clips, read in four queries."""

    def __init__(self, clips: Sequence[Generation]) -> None:
        pks = self._inside = {clip.pk for clip in clips}
        self._comments: dict[int, list[Comment]] = defaultdict(list)
        self._verdicts: dict[int, list[GivenVerdict]] = defaultdict(list)
        self._tags: dict[int, list[str]] = defaultdict(list)
        comments = Comment.objects.filter(generation__in=pks)
        for comment in with_mentions(
            comments.select_related("author", "guest", "parent", "resolved_by").order_by(
                "created_at", "pk"
            )
        ):
            self._comments[comment.generation_id].append(comment)
        verdicts = GivenVerdict.objects.filter(generation__in=pks)
        for verdict in verdicts.select_related("by", "guest", "comment").order_by("pk"):
            self._verdicts[verdict.generation_id].append(verdict)
        links = Tag.objects.filter(generations__in=pks).order_by("name")
        for name, pk in links.values_list("name", "generations"):
            self._tags[pk].append(name)

    def of(self, clip: Generation) -> dict[str, Any]:
        """Return the part of a clip's record that says how it was reviewed."""
        answers = clip.answers_comment
        if answers is not None and answers.generation_id not in self._inside:
            answers = None
        return {
            "verdict": clip.verdict,
            "verdict_by": _name(clip.verdict_by),
            "verdict_at": _iso(clip.verdict_at),
            "verdicts": [_verdict(row) for row in self._verdicts[clip.pk] or _earlier(clip)],
            "answers_comment": str(answers.code) if answers else None,
            "tags": self._tags[clip.pk],
            "comments": [_comment(row) for row in self._comments[clip.pk]],
        }


def _verdict(row: GivenVerdict) -> dict[str, Any]:
    return {
        **author_of(row.by, row.guest),
        "verdict": row.verdict,
        "at": _iso(row.at),
        "current": row.current,
        "comment": str(row.comment.code) if row.comment else None,
    }


def _comment(row: Comment) -> dict[str, Any]:
    return {
        "code": str(row.code),
        **author_of(row.author, row.guest, row.guest_name),
        "at_ms": row.at_ms,
        "text": words_of(row),
        "drawing": row.drawing,
        "reply_to": str(row.parent.code) if row.parent else None,
        "created_at": _iso(row.created_at),
        "resolved": row.resolved_at is not None,
        "resolved_at": _iso(row.resolved_at),
        "resolved_by": _name(row.resolved_by),
    }


def _earlier(clip: Generation) -> list[GivenVerdict]:
    """Return the verdict of a clip from before verdicts were kept for each person."""
    if not clip.verdict or clip.verdict_by is None:
        return []
    at = clip.verdict_at or clip.created_at
    return [GivenVerdict(by=clip.verdict_by, verdict=clip.verdict, at=at)]


def _name(user: User | None) -> str | None:
    return user.name if user else None


def _iso(moment: Any) -> str | None:
    return None if moment is None else str(moment.isoformat())
