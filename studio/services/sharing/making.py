"""Making, changing, replacing and closing links. The token is told once; only its hash is kept."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from studio.models import Chain, Generation, Project, SavedView, Share, User
from studio.models.generation import State
from studio.passwords import normalized
from studio.services.errors import StudioError
from studio.signals import share_made

MOST_CLIPS = 500
TOKEN_BYTES = 24


@dataclass(frozen=True, slots=True)
class Source:
    """What a link opens: chosen clips in their order, or a chain, or a saved view."""

    clips: Sequence[Generation] = ()
    chain: Chain | None = None
    saved_view: SavedView | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What a link says and allows. `password`: None leaves it as it is, empty takes it away."""

    title: str = ""
    note: str = ""
    may_comment: bool = True
    may_decide: bool = False
    may_download: bool = False
    shows_prompts: bool = False
    shows_costs: bool = False
    shows_names: bool = False
    password: str | None = None
    expires_at: datetime | None = None


def hash_token(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def create_share(
    *, project: Project, by: User, source: Source, options: Options
) -> tuple[Share, str]:
    """Make a link and return it with its token, which is kept nowhere. Raises StudioError."""
    _check_source(project, by, source)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with transaction.atomic():
        share = Share(
            project=project,
            token_hash=hash_token(token),
            created_by=by,
            chain=source.chain,
            saved_view=source.saved_view,
        )
        _set(share, options)
        share.save()
        _put_clips(share, source.clips)
        share_made.send_robust(Share, share=share, actor=by)
    return share, token


def change_share(
    *, share: Share, options: Options, clips: Sequence[Generation] | None = None
) -> None:
    """Change what a link says and allows and, of chosen clips, which ones. Raises StudioError."""
    with transaction.atomic():
        _set(share, options)
        share.save(update_fields=OPTION_COLUMNS)
        if clips is not None and share.chain_id is None and share.saved_view_id is None:
            if not clips:
                raise StudioError(
                    "The link would open nothing. Keep a clip, or revoke it.", field="clip"
                )
            share.generations.clear()
            _put_clips(share, clips)


def renew_link(*, share: Share) -> str:
    """Give a share a new link and return its token. The old link opens nothing from now on.

    A revoked share is open again; one out of date needs a new end first. Raises StudioError.
    """
    if share.project.archived_at is not None:
        raise StudioError(
            "The project is archived, so none of its links opens. Bring it back first."
        )
    if not share.ends_after(timezone.now()):
        raise StudioError("This link is out of date. Give it a later end first.", field="expires")
    if share.chain_id is None and share.saved_view_id is None and not share.generations.exists():
        raise StudioError("What this link opened is gone. Make another link.")
    token = secrets.token_urlsafe(TOKEN_BYTES)
    share.token_hash, share.revoked_at = hash_token(token), None
    share.save(update_fields=["token_hash", "revoked_at"])
    return token


def revoke_share(*, share: Share) -> bool:
    """Close a link, its pages and its media, at once; False if it was closed already."""
    now = timezone.now()
    closed = Share.objects.filter(pk=share.pk, revoked_at=None).update(revoked_at=now)
    share.refresh_from_db(fields=["revoked_at"])
    return closed == 1


def let_go_of(*, saved_view: SavedView) -> dict[str, Any]:
    """Close the links to a saved view that is about to be deleted; call before that.

    The row of a share outlives what it opened: its guests' names stand beside what they said.
    Returns which links were closed and when, as JSON, as `take_back` takes it.
    """
    now = timezone.now()
    with transaction.atomic():
        shares = Share.objects.filter(saved_view=saved_view)
        was_open = list(shares.filter(revoked_at=None).values_list("pk", flat=True))
        Share.objects.filter(pk__in=was_open).update(revoked_at=now)
        shares.update(saved_view=None)
    return {"links": was_open, "at": now.isoformat()}


def take_back(*, saved_view: SavedView, closed: dict[str, Any]) -> None:
    """The view was brought back: open the links that were closed with it, and at no other time."""
    lost = Share.objects.filter(
        pk__in=closed["links"],
        revoked_at=datetime.fromisoformat(closed["at"]),
        project=saved_view.project_id,
        chain=None,
        saved_view=None,
    )
    lost.filter(generations=None).update(saved_view=saved_view, revoked_at=None)


OPTION_COLUMNS = (
    "title", "note", "may_comment", "may_decide", "may_download",
    "shows_prompts", "shows_costs", "shows_names", "password", "expires_at",
)  # fmt: skip


def _set(share: Share, options: Options) -> None:
    for name in OPTION_COLUMNS:
        if name != "password":
            setattr(share, name, getattr(options, name))
    if options.password is not None:
        share.password = make_password(normalized(options.password)) if options.password else ""


def _check_source(project: Project, by: User, source: Source) -> None:
    if project.archived_at is not None:
        raise StudioError("The project is archived, so no link into it opens. Bring it back first.")
    given = [bool(source.clips), source.chain is not None, source.saved_view is not None]
    if sum(given) != 1:
        raise StudioError("Choose what the link opens: clips, a chain or a saved view.")
    if len(source.clips) > MOST_CLIPS:
        raise StudioError(
            f"{len(source.clips)} clips are chosen; a link opens at most {MOST_CLIPS}. "
            "A saved view opens as many as match it."
        )
    for clip in source.clips:
        if clip.project_id != project.pk or clip.state != State.SUCCEEDED or clip.archived_at:
            raise StudioError(f"“{clip.title}” cannot be shared: it is not a clip of this project.")
    chain, view = source.chain, source.saved_view
    if chain is not None and (chain.project_id != project.pk or chain.archived_at is not None):
        raise StudioError(f"“{chain.title}” cannot be shared: it is not a chain of this project.")
    if view is not None and (
        view.project_id != project.pk or not (view.shared or view.owner_id == by.pk)
    ):
        raise StudioError("That saved view cannot be shared: it is not yours.")


def _put_clips(share: Share, clips: Sequence[Generation]) -> None:
    """Add the clips in this order, which is the order in which guests see them."""
    rows = Share.generations.through
    rows.objects.bulk_create(
        rows(share_id=share.pk, generation_id=pk) for pk in dict.fromkeys(clip.pk for clip in clips)
    )
