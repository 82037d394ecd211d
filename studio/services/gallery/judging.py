"""Judging a clip in passing: a rating, a verdict and its reason in one request that may come twice."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from studio.models import Generation, GivenVerdict, User
from studio.services import review
from studio.services.review.mentions import keep_mentions


def judge(
    *,
    generation: Generation,
    by: User,
    rating: int | None = None,
    verdict: str | None = None,
    text: str = "",
    at_ms: int | None = None,
) -> None:
    """Rate, decide, and say why, all or nothing. None leaves the rating or the verdict as it is.

    Safe to send again after a lost answer: words this person already said here are not repeated.
    Raises StudioError as studio.services.review does.
    """
    text = text.strip()
    note = "" if _said(generation, by, text) else text
    with transaction.atomic():
        if verdict is not None:
            review.decide(generation=generation, by=by, verdict=verdict, note=note, at_ms=at_ms)
        elif note:
            review.comment(generation=generation, by=by, text=note, at_ms=at_ms)
        if rating is not None and rating != generation.rating:
            review.rate(generation=generation, rating=rating)


def own_verdicts(generations: Iterable[Generation], by: User) -> dict[int, str]:
    """Return this person's own verdict on each clip they judged, by pk; one query."""
    rows = {g.pk: g for g in generations}
    given = GivenVerdict.objects.filter(generation__in=rows, by=by, current=True)
    # What was decided before verdicts were kept for each person.
    own = {g.pk: g.verdict for g in rows.values() if g.verdict and g.verdict_by_id == by.pk}
    return own | dict(given.values_list("generation", "verdict"))


def _said(generation: Generation, by: User, text: str) -> bool:
    if not text:
        return False
    kept, _ = keep_mentions(text, generation.project_id)
    return generation.comments.filter(author=by, text=kept, resolved_at=None).exists()
