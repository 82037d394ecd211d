"""Saved views: a filter and a sort of the gallery under a name, one person's or the project's."""

from __future__ import annotations

from typing import Any

from django.core import signing
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from studio.incoming_text import tidy_line
from studio.models import Membership, Project, SavedView, User
from studio.services.errors import StudioError
from studio.services.gallery import filters
from studio.services.sharing import making as sharing

MOST_VIEWS = 100  # one person's in one project
MAX_NAME_CHARS = 60
MAX_QUERY_CHARS = 2000
UNDO_SALT = "studio.saved-view.2"  # changes with what is signed
UNDO_S = 3600


def visible_views(project: Project, user: User) -> QuerySet[SavedView]:
    """Return this person's views of the project and those others share, by name."""
    seen = SavedView.objects.filter(project=project).filter(Q(owner=user) | Q(shared=True))
    return seen.select_related("owner").order_by("folded", "pk")


def save_view(
    *, project: Project, owner: User, name: str, query: str, shared: bool = False
) -> SavedView:
    """Keep a filter and sort under a name. Raises StudioError."""
    wanted = filters.read(query).query()
    if not wanted:
        raise StudioError(
            "There is nothing to save yet: choose a filter, a search or a sort first.", field="name"
        )
    if len(wanted) > MAX_QUERY_CHARS:
        raise StudioError(
            "This filter is too long to be saved; leave some of it out.", field="name"
        )
    if SavedView.objects.filter(project=project, owner=owner).count() >= MOST_VIEWS:
        raise StudioError(
            f"You have {MOST_VIEWS} saved views in this project, the most there can be. "
            "Delete one first.",
            field="name",
        )
    view = SavedView(project=project, owner=owner, name=_checked(name), query=wanted, shared=shared)
    _write(view)
    return view


def rename_view(*, view: SavedView, name: str) -> None:
    """Give a view another name. Raises StudioError."""
    view.name = _checked(name)
    _write(view, update_fields=["name", "folded"])


def share_view(*, view: SavedView, shared: bool) -> None:
    """Show a view to everybody in the project, or to its owner alone again."""
    view.shared = shared
    view.save(update_fields=["shared"])
    if not shared:
        Membership.objects.filter(default_view=view).exclude(user=view.owner).update(
            default_view=None
        )


def set_default(*, membership: Membership, view: SavedView | None) -> None:
    """Let this person's gallery open with a view, or with all clips (None)."""
    membership.default_view = view
    membership.save(update_fields=["default_view"])


def delete_view(*, view: SavedView) -> str:
    """Delete a view; return what `restore_view` takes to bring it back."""
    kept = [str(view.code), view.project_id, view.owner_id, view.name, view.query, view.shared]
    kept.append(list(Membership.objects.filter(default_view=view).values_list("pk", flat=True)))
    kept.append(sharing.let_go_of(saved_view=view))
    view.delete()
    return signing.dumps(kept, salt=UNDO_SALT, compress=True)


def restore_view(*, project: Project, by: User, kept: str) -> SavedView:
    """Bring a deleted view back; once more is harmless. Raises StudioError."""
    try:
        values: list[Any] = signing.loads(kept, salt=UNDO_SALT, max_age=UNDO_S)
        code, project_id, owner_id, name, query, shared, members, links = values
    except (signing.BadSignature, ValueError):
        raise StudioError("This view was deleted too long ago to be brought back.") from None
    owns = owner_id == by.pk or Membership.objects.filter(
        project=project, user=by, role=Membership.Role.OWNER
    )
    if project_id != project.pk or not owns:
        raise StudioError("Only who deleted a view can bring it back.")
    view = SavedView.objects.filter(code=code).first()
    if view is None:
        view = SavedView(
            code=code, project=project, owner_id=owner_id, name=name, query=query, shared=shared
        )
        _write(view)
        sharing.take_back(saved_view=view, closed=links)
        Membership.objects.filter(pk__in=members, project=project, default_view=None).update(
            default_view=view
        )
    return view


def _checked(name: str) -> str:
    name = tidy_line(name)
    if not name:
        raise StudioError("A view needs a name, such as “Approved, to grade”.", field="name")
    if len(name) > MAX_NAME_CHARS:
        raise StudioError(
            f"The name has {len(name)} characters; it can have up to {MAX_NAME_CHARS}.",
            field="name",
        )
    return name


def _write(view: SavedView, **how: Any) -> None:
    try:
        with transaction.atomic():
            view.save(**how)
    except IntegrityError:
        raise StudioError(
            f"You have a view called “{view.name}” already; choose another name.", field="name"
        ) from None
