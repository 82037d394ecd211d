"""Settings of the compose form under a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from studio.incoming_text import tidy_line
from studio.models import Preset, Project, User
from studio.services.errors import StudioError

MAX_NAME_CHARS = 60
MOST_PRESETS = 60
# What a preset holds: the form's fields that say how a shot is made, not what happens in it.
FIELDS = ("concepts", "aspect_ratio", "duration_s", "resolution", "takes", "loop", "offer", "style")


def presets_for(*, project: Project, user: User) -> QuerySet[Preset]:
    """Return the presets this person may use here: their own and the shared ones, by name."""
    rows = Preset.objects.filter(project=project).select_related("owner")
    return rows.filter(Q(owner=user) | Q(shared=True)).order_by("name", "pk")


def find_preset(*, project: Project, user: User, code: str) -> Preset | None:
    """Return the preset of that code this person may use, if there is one."""
    try:
        wanted = UUID(code)
    except ValueError:
        return None
    return presets_for(project=project, user=user).filter(code=wanted).first()


def save_preset(
    *, project: Project, user: User, name: str, settings: Mapping[str, Any], shared: bool
) -> tuple[Preset, bool]:
    """Keep settings under a name and return the preset and whether it is new.

    A name of one's own that is taken already gets the new settings. Raises StudioError.
    """
    name = tidy_line(name)
    if not 1 <= len(name) <= MAX_NAME_CHARS:
        raise StudioError(
            f"The preset’s name has {len(name)} characters; 1 to {MAX_NAME_CHARS} are allowed.",
            field="preset_name",
        )
    kept = {field: settings[field] for field in FIELDS if field in settings}
    mine = Preset.objects.filter(project=project, owner=user)
    old = mine.filter(name=name).first()
    if old is None and mine.count() >= MOST_PRESETS:
        raise StudioError(
            f"You have {MOST_PRESETS} presets here, and more are not allowed. Delete one first.",
            field="preset_name",
        )
    preset, made = Preset.objects.update_or_create(
        project=project, owner=user, name=name, defaults={"settings": kept, "shared": shared}
    )
    return preset, made


def rename_preset(*, preset: Preset, name: str) -> None:
    """Give a preset another name. Raises StudioError."""
    name = tidy_line(name)
    if not 1 <= len(name) <= MAX_NAME_CHARS:
        raise StudioError(
            f"The preset’s name has {len(name)} characters; 1 to {MAX_NAME_CHARS} are allowed.",
            field="preset_name",
        )
    try:
        with transaction.atomic():
            Preset.objects.filter(pk=preset.pk).update(name=name)
    except IntegrityError:
        raise StudioError(
            f"You already have a preset called “{name}”. Choose another name.", field="preset_name"
        ) from None


def share_preset(*, preset: Preset, shared: bool) -> None:
    """Let everybody in the project use it, or only its owner."""
    Preset.objects.filter(pk=preset.pk).update(shared=shared)


def delete_preset(*, preset: Preset) -> None:
    """Delete a preset. Shots made with it stay as they are."""
    preset.delete()
