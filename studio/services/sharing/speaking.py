"""What guests say: comments and verdicts, through the same services as the team's."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db import transaction

from studio.models import Comment, Generation, GivenVerdict, Guest, Share
from studio.services import review
from studio.services.errors import StudioError
from studio.services.sharing import limits


def say(
    *,
    share: Share,
    guest: Guest,
    clip: Generation,
    text: str,
    at_ms: int | None = None,
    drawing: object = None,
    network: str = "",
) -> Comment:
    """Keep a guest's comment on a clip this share opens.

    Raises StudioError, or PermissionDenied where the link does not allow it (any more).
    """
    with transaction.atomic():
        _check(share, guest, "may_comment")
        limits.check_words(text)
        limits.check_comments(share, guest, network)
        return review.comment(generation=clip, guest=guest, text=text, at_ms=at_ms, drawing=drawing)


def decide(
    *,
    share: Share,
    guest: Guest,
    clip: Generation,
    verdict: str,
    note: str = "",
    at_ms: int | None = None,
    drawing: object = None,
    network: str = "",
) -> GivenVerdict | None:
    """Keep a guest's verdict on a clip this share opens; as review.decide, and as `say` raises.

    Asking for changes needs words, also where the link allows no other comments.
    """
    with transaction.atomic():
        _check(share, guest, "may_decide")
        limits.check_words(note)
        limits.check_verdicts(share, guest, network)
        if note.strip():
            limits.check_comments(share, guest, network)
        return review.decide(
            generation=clip,
            guest=guest,
            verdict=verdict,
            note=note,
            at_ms=at_ms,
            drawing=drawing,
        )


def _check(share: Share, guest: Guest, right: str) -> None:
    """Look again with the share's row locked: it may have been revoked since the page was opened."""
    rows = Share.objects.select_for_update(of=("self",)).select_related("project")
    now = rows.get(pk=share.pk)
    if guest.share_id != share.pk:
        raise PermissionDenied("Say your name first.")
    if not now.is_open:
        raise StudioError("This link was closed a moment ago. Nothing was sent.")
    if not getattr(now, right):
        raise PermissionDenied("This link does not allow that.")
