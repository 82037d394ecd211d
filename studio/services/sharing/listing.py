"""The links of a project as the team sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Q
from django.utils import timezone

from studio.models import Generation, Guest, Project, Share, User
from studio.services.sharing.opening import TITLE_CARD, opened


@dataclass(frozen=True, slots=True)
class Listed:
    """One link with what it opens in words, and how many said their names."""

    share: Share
    opens: str
    people: int

    @property
    def standing(self) -> str:
        return standing(self.share)


def standing(share: Share) -> str:
    """Return "open", "revoked", "ended", or "archived": closed while its project is archived."""
    if share.revoked_at:
        return "revoked"
    if share.is_open:
        return "open"
    return "archived" if share.ends_after(timezone.now()) else "ended"


def count_open(project: Project, *, maker: User | None = None) -> int:
    """Count the links that are open, or will be once the project is out of the archive; one query.

    `maker`: of this person's alone.
    """
    unended = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    rows = Share.objects.filter(unended, project=project, revoked_at=None)
    return (rows if maker is None else rows.filter(created_by=maker)).count()


def list_shares(project: Project) -> list[Listed]:
    """Return a project's links, open ones first, the newest first; two queries."""
    rows = (
        Share.objects.filter(project=project)
        .select_related("project", "created_by", "chain", "saved_view")
        .annotate(
            clip_count=Count("generations", filter=Q(generations__archived_at=None), distinct=True)
        )
    )
    people = dict(
        Guest.objects.filter(share__project=project)
        .order_by()
        .values_list("share")
        .annotate(count=Count("pk"))
    )
    listed = [Listed(row, opens(row, row.clip_count), people.get(row.pk, 0)) for row in rows]
    return sorted(listed, key=lambda one: one.standing != "open")


def opens(share: Share, clip_count: int) -> str:
    """Say what a link opens."""
    if share.chain is not None:
        return f"Chain “{share.chain.title}”"
    if share.saved_view is not None:
        return f"Saved view “{share.saved_view.name}”"
    return f"{clip_count} clip{'' if clip_count == 1 else 's'}"


def shares_with(clip: Generation) -> list[Share]:
    """Return the open links that name this clip or a chain it is in; one query.

    Saved views are not looked through: that would be a search for each.
    """
    now = timezone.now()
    return list(
        Share.objects.filter(
            Q(generations=clip) | Q(chain__segments__generation=clip, chain__archived_at=None),
            Q(expires_at=None) | Q(expires_at__gt=now),
            project=clip.project_id,
            project__archived_at=None,
            revoked_at=None,
        )
        .distinct()
        .order_by("-created_at")
    )


def told_by_picture(clips: Sequence[Generation]) -> int:
    """Count title cards: without a picture to start from, what Previs shows is the prompt itself."""
    return Generation.objects.filter(TITLE_CARD, pk__in=[clip.pk for clip in clips]).count()


def opened_now(share: Share, most: int) -> tuple[list[Generation], int]:
    """Return the first clips a share opens, and how many it opens."""
    rows = opened(share)
    return list(rows.defer("raw_answer")[:most]), rows.count()
