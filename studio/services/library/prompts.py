"""Prompts used before in a project, and the ones a person keeps at hand."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Avg, Count, Max, Q
from django.db.models.lookups import Contains

from studio.models import FavouritePrompt, Generation, Project, User
from studio.models.generation import State, Verdict
from studio.search.looking_through import Folded
from studio.search.words import fold
from studio.services.errors import StudioError

MAX_PROMPT_CHARS = 5000
MOST_FAVOURITES = 200
PAGE_SIZE = 40


@dataclass(frozen=True, slots=True)
class KnownPrompt:
    """A prompt of a project, and what came of it."""

    text: str
    favourite: bool
    clips: int = 0
    approved: int = 0
    rating: float | None = None  # the mean of those rated
    number: int | None = None  # of the newest clip made from it
    used_at: datetime | None = None


def known_prompts(
    *, project: Project, user: User, query: str = "", page: int = 1, size: int = PAGE_SIZE
) -> tuple[list[KnownPrompt], bool]:
    """Return a page of the project's prompts, newest use first, and whether more follow; two queries.

    `query` keeps those that contain all of its words. Archived clips count, deleted ones do not.
    """
    rows = Generation.objects.filter(project=project, deleted_at=None).exclude(prompt="")
    for word in fold(query).split():
        rows = rows.filter(Contains(Folded("prompt"), word))
    used = (
        rows.order_by()
        .values("prompt")
        .annotate(
            clips=Count("pk", filter=Q(state=State.SUCCEEDED)),
            approved=Count("pk", filter=Q(verdict=Verdict.APPROVED)),
            mean=Avg("rating", filter=Q(rating__gt=0)),
            newest=Max("number"),
            used_at=Max("created_at"),
        )
        .order_by("-newest")
    )
    first = max(page - 1, 0) * size
    found = list(used[first : first + size + 1])
    kept = favourite_hashes(project=project, user=user)
    return [
        KnownPrompt(
            text=row["prompt"],
            favourite=hash_of(row["prompt"]) in kept,
            clips=row["clips"],
            approved=row["approved"],
            rating=row["mean"],
            number=row["newest"],
            used_at=row["used_at"],
        )
        for row in found[:size]
    ], len(found) > size


def favourite_prompts(*, project: Project, user: User) -> list[FavouritePrompt]:
    """Return the prompts this person keeps in this project, newest first."""
    return list(FavouritePrompt.objects.filter(project=project, user=user))


def favourite_hashes(*, project: Project, user: User) -> set[str]:
    """Return what is kept, as `hash_of` names it."""
    rows = FavouritePrompt.objects.filter(project=project, user=user)
    return set(rows.values_list("text_hash", flat=True))


def keep_prompt(*, project: Project, user: User, text: str) -> FavouritePrompt:
    """Keep a prompt at hand; a second time changes nothing. Raises StudioError."""
    text = text.strip()
    if not text:
        raise StudioError("Write a prompt first; an empty one cannot be kept.", field="prompt")
    if len(text) > MAX_PROMPT_CHARS:
        raise StudioError(
            f"The prompt has {len(text)} characters; up to {MAX_PROMPT_CHARS} can be kept.",
            field="prompt",
        )
    rows = FavouritePrompt.objects.filter(project=project, user=user)
    kept = rows.filter(text_hash=hash_of(text)).first()
    if kept is not None:
        return kept
    if rows.count() >= MOST_FAVOURITES:
        raise StudioError(
            f"You keep {MOST_FAVOURITES} prompts here, and more are not allowed. Let one go first.",
            field="prompt",
        )
    made, _ = rows.get_or_create(
        project=project, user=user, text_hash=hash_of(text), defaults={"text": text}
    )
    return made


def drop_prompt(*, project: Project, user: User, text: str) -> None:
    """Keep a prompt no longer; one that is not kept is left as it is."""
    rows = FavouritePrompt.objects.filter(project=project, user=user, text_hash=hash_of(text))
    rows.delete()


def hash_of(text: str) -> str:
    """Return what tells one prompt from another: its words, whatever the space between them."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()
