"""What a person has not read yet: comments made by others since their last look at a clip."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Count, F, OuterRef, Q, Subquery
from django.utils import timezone

from studio.models import Comment, Generation, Membership, Seen, User


def note_look(*, user: User, generation: Generation) -> None:
    """Remember that this person sees what is said on this clip up to now; one query."""
    Seen.objects.bulk_create(
        [Seen(user=user, generation=generation, at=timezone.now())],
        update_conflicts=True,
        unique_fields=["user", "generation"],
        update_fields=["at"],
    )


def count_unread(*, user: User, generations: Iterable[Generation]) -> dict[int, int]:
    """Return how many comments by others each clip has that this person has not seen, by pk.

    One query for any number of clips. Of what was said before somebody joined the project nothing
    is unread; clips without unread comments are left out.
    """
    looked = Seen.objects.filter(user=user, generation=OuterRef("generation")).values("at")
    joined = Membership.objects.filter(user=user, project=OuterRef("generation__project")).values(
        "created_at"
    )
    rows = (
        Comment.objects.filter(generation__in=[g.pk for g in generations])
        .filter(Q(author=None) | ~Q(author=user))
        .annotate(looked=Subquery(looked), joined=Subquery(joined))
        .filter(Q(looked=None, created_at__gt=F("joined")) | Q(created_at__gt=F("looked")))
        .order_by()
        .values("generation")
        .annotate(count=Count("pk"))
    )
    return dict(rows.values_list("generation", "count"))
