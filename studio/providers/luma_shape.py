"""Luma's own generation object and keyframes, as Luma and AI/ML API's older endpoint speak them."""

from __future__ import annotations

from typing import Any

from studio.providers.answers import dig, id_at, url_at, word_at
from studio.providers.base import End, ImageEnd, JobEnd, RequestEcho, ShotRequest, WebhookHint
from studio.providers.calls import read_json
from studio.providers.echoes import read_echo


def keyframes(request: ShotRequest) -> dict[str, Any]:
    """Return frame0 and frame1 as far as the shot has them; empty for text alone."""
    frames = {"frame0": _frame(request.start), "frame1": _frame(request.end)}
    return {name: frame for name, frame in frames.items() if frame is not None}


def _frame(end: End) -> dict[str, str] | None:
    if isinstance(end, ImageEnd):
        return {"type": "image", "url": end.url}
    if isinstance(end, JobEnd):
        return {"type": "generation", "id": end.job_id}
    return None


def video_url(data: Any) -> str:
    """Return the clip's URL from any of the shapes in use; never an image."""
    for path in (("assets", "video"), ("video",), ("videos", 0), ("video_url",), ("output", 0)):
        found = url_at(data, *path)
        if found:
            return found
    return ""


def state_word(data: Any) -> str:
    """Return the raw state word."""
    return word_at(data, "state", "status")


def request_echo(data: Any, *, takes_concepts: bool = False) -> RequestEcho:
    """Return what a generation repeats of its request."""
    request = dig(data, "request")
    return read_echo(request, dig(request, "keyframes"), takes_concepts=takes_concepts)


def read_callback(body: bytes) -> WebhookHint | None:
    """Read an unsigned callback: only which job to look at. The URL's token is its one proof."""
    try:
        data = read_json(body)
    except ValueError:
        return None
    job_id = id_at(data, "id", "generation_id")
    return WebhookHint(job_id, state_word(data)) if job_id else None
