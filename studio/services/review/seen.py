"""When a person last looked at a clip: comments made by others since are unread to them."""

from __future__ import annotations

from django.utils import timezone

from studio.models import Generation, Seen, User


def note_look(*, user: User, generation: Generation) -> None:
    """Remember that this person sees what is said on this clip up to now; one query."""
    Seen.objects.bulk_create(
        [Seen(user=user, generation=generation, at=timezone.now())],
        update_conflicts=True,
        unique_fields=["user", "generation"],
        update_fields=["at"],
    )
