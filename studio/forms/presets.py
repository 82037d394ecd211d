"""Between a shot's draft and a preset: which of its fields a preset holds."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from studio.forms.shot import ShotDraft, read_draft
from studio.models import Project


def preset_settings(draft: ShotDraft) -> dict[str, Any]:
    """Return what a preset keeps of a draft: how it is made, not what happens in it."""
    return {
        "concepts": list(draft.concepts),
        "aspect_ratio": draft.aspect_ratio,
        "duration_s": draft.duration_s,
        "resolution": draft.resolution,
        "takes": draft.takes,
        "loop": int(draft.loop),
        "offer": draft.offer,
        "style": int(draft.style),
    }


def preset_applied(draft: ShotDraft, project: Project, settings: dict[str, Any]) -> ShotDraft:
    """Return the draft with a preset's settings; what is no longer allowed keeps the draft's value.

    Read like a form, because the catalogue may have changed since it was saved.
    """
    data = QueryDict(mutable=True)
    for name, value in settings.items():
        data.setlist(name, [str(one) for one in value] if isinstance(value, list) else [str(value)])
    if not settings.get("concepts"):
        data.setlist("concepts", [""])
    applied, _ = read_draft(data, project, draft)
    return applied
