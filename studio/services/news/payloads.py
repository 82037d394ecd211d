"""What a webhook says. docs/webhooks.md describes it; a test keeps the two alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils import timezone

from studio.models import Activity, Generation, Project
from studio.services.clip_names import repeats_prompt
from studio.services.review.mentions import words_of

# What people may choose, and the type a message has then.
TYPES = {
    "finished": "clip.finished",
    "failed": "clip.failed",
    "verdict": "clip.verdict",
    "comment": "clip.comment",
    "spend": "budget.warning",
}
TEST_TYPE = "test"
PAGE_SAYS_WHY = "Its page says why."


def payload(activity: Activity, *, prices: bool, titles: Mapping[int, str]) -> dict[str, Any]:
    """Return the message for one activity. Its generation, its project and comment are loaded.
    A budget's has no generation. `titles`: what clips may be called outside, by key
    (studio.services.clip_names).

    No prompt, no media address that opens without signing in, no key; money only with `prices`.
    """
    clip = activity.generation
    if clip is None:
        of_budget = {"project": _project(activity.project), "budget": _budget(activity)}
        return _message(TYPES[activity.kind], of_budget, activity.at.isoformat())
    data: dict[str, Any] = {"project": _project(clip.project), "clip": _clip(clip, titles[clip.pk])}
    if activity.kind == Activity.Kind.FAILED:
        # Providers quote what they refuse.
        text = PAGE_SAYS_WHY if repeats_prompt(activity.text, clip) else activity.text
        data["failure"] = {"code": clip.failure_code, "text": text}
    if activity.kind == Activity.Kind.VERDICT:
        data["verdict"] = {"verdict": activity.data.get("verdict", ""), "by": _voice(activity)}
    if activity.kind == Activity.Kind.COMMENT and activity.comment is not None:
        said = activity.comment
        data["comment"] = {
            "code": str(said.code),
            "text": words_of(said),
            "at_ms": said.at_ms,
            "reply": said.parent_id is not None,
            "by": _voice(activity),
        }
    if prices:
        data["cost"] = {
            "charged": clip.charged or "pending",
            "estimated_microusd": clip.estimated_microusd,
            "estimate": clip.estimate_certainty.value,
            "actual_microusd": clip.actual_microusd,
        }
    return _message(TYPES[activity.kind], data, activity.at.isoformat())


def test_payload(project: Project) -> dict[str, Any]:
    """Return the message of “Send a test”."""
    said = {"project": _project(project), "text": "A test from Ray Studio."}
    return _message(TEST_TYPE, said, timezone.now().isoformat())


def _message(type_: str, data: dict[str, Any], at: str) -> dict[str, Any]:
    return {"type": type_, "timestamp": at, "data": data}


def _project(project: Project) -> dict[str, Any]:
    return {
        "code": str(project.code),
        "name": project.name,
        "url": absolute(project.get_absolute_url()),
    }


def _clip(clip: Generation, title: str) -> dict[str, Any]:
    return {
        "code": str(clip.code),
        "number": clip.number,
        "title": title or f"Clip {clip.number}",
        "take": clip.take,
        "state": clip.state,
        "verdict": clip.verdict,
        "by": clip.by.name,
        "provider": clip.provider,
        "model": clip.model,
        "duration_ms": clip.duration_ms,
        "width": clip.width,
        "height": clip.height,
        "url": absolute(clip.get_absolute_url()),
    }


def _budget(activity: Activity) -> dict[str, Any]:
    """What is used of which budget. A person is named, not addressed."""
    told = ("month", "percent", "spent_microusd", "limit_microusd")
    page = f"{activity.project.get_absolute_url()}spend/"
    own = {
        "of": "person" if activity.data["whose"] else "project",
        "person": activity.data["whose"],
    }
    return own | {name: activity.data[name] for name in told} | {"url": absolute(page)}


def _voice(activity: Activity) -> dict[str, Any]:
    """Who said it. No e-mail address leaves."""
    if activity.actor is not None:
        return {"name": activity.actor.name, "guest": False}
    return {"name": activity.guest_name, "guest": True}


def absolute(path: str) -> str:
    """Return an address as the outside sees it; only the path where STUDIO_PUBLIC_URL is unset."""
    return f"{settings.PUBLIC_URL}{path}"
