"""What a submit asked for, in one form for all dialects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEPT_HEADERS = ("Idempotency-Key", "X-Client-Request-Id")
TWINS_FRAME = "https://elsewhere.invalid/frame.jpg"
TWINS_SHAPE = {"16:9": "9:16"}


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers by which a purchase can be told from another."""
    return {name: headers[name] for name in KEPT_HEADERS if name in headers}


def asked_for(dialect: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return model, prompt, duration_s, aspect_ratio, resolution, loop, concepts, start and end.

    None where the body does not say; an end is {"url": ...}, {"job": ...} or None.
    """
    fields: Mapping[str, Any] = body
    if dialect == "apiframe":
        fields = body.get("lumaParams", {})
    elif dialect == "gmicloud":
        fields = body.get("payload", {})
    duration = fields.get("duration")
    start, end = _ends(dialect, body, fields)
    return {
        "model": body["model"],
        "prompt": (body if dialect == "apiframe" else fields).get("prompt", ""),
        "duration_s": None if duration is None else int(str(duration).removesuffix("s")),
        "aspect_ratio": fields.get("aspect_ratio"),
        "resolution": fields.get("resolution"),
        "loop": bool(fields.get("loop")),
        "concepts": [_slug(one) for one in fields.get("concepts") or []],
        "start": start,
        "end": end,
    }


def with_other_shape(dialect: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of another shot of the same words: another shape, and a frame of its own.

    By the frame it can be told from every shot of the studio's, whatever shapes those have.
    """
    inner = {"apiframe": "lumaParams", "gmicloud": "payload"}.get(dialect, "")
    fields = dict(body[inner] if inner else body)
    fields["aspect_ratio"] = TWINS_SHAPE.get(fields.get("aspect_ratio", "16:9"), "16:9")
    for name in (
        "keyframes", "start_image", "end_image", "frame0_image", "frame1_image",
        "start_frame_url", "end_frame_url", "image_url", "last_image_url",
        "callback_url", "webhookUrl",
    ):  # fmt: skip
        fields.pop(name, None)
    if dialect == "apiframe":
        fields["start_image"] = TWINS_FRAME
    elif dialect == "gmicloud":
        older = body["model"] == "Luma-Ray2"
        fields["frame0_image" if older else "start_frame_url"] = TWINS_FRAME
    elif dialect == "luma":
        fields["keyframes"] = {"frame0": {"type": "image", "url": TWINS_FRAME}}
    return {**body, inner: fields} if inner else fields


def with_other_words(dialect: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body as a provider repeats it that rewrites prompts."""
    if dialect == "gmicloud":
        return {**body, "payload": with_other_words("", body.get("payload", {}))}
    return {**body, "prompt": f"{body.get('prompt', '')}, cinematic, highly detailed"}


def _slug(concept: Any) -> str:
    return str(concept["key"] if isinstance(concept, Mapping) else concept)


def _ends(
    dialect: str, body: Mapping[str, Any], fields: Mapping[str, Any]
) -> tuple[dict[str, str] | None, dict[str, str] | None]:
    if dialect == "apiframe":
        return _picture(fields, "start_image"), _picture(fields, "end_image")
    if dialect == "gmicloud":
        return (
            _job(fields, "start_frame") or _picture(fields, "frame0_image", "start_frame_url"),
            _job(fields, "end_frame") or _picture(fields, "frame1_image", "end_frame_url"),
        )
    frames = body.get("keyframes") or {}
    return (
        _frame(frames.get("frame0")) or _picture(fields, "image_url"),
        _frame(frames.get("frame1")) or _picture(fields, "last_image_url"),
    )


def _picture(fields: Mapping[str, Any], *names: str) -> dict[str, str] | None:
    url = next((str(fields[name]) for name in names if fields.get(name)), "")
    return {"url": url} if url else None


def _job(fields: Mapping[str, Any], name: str) -> dict[str, str] | None:
    job_id = fields.get(f"{name}_generation_id")
    return {"job": str(job_id)} if job_id else None


def _frame(frame: Mapping[str, Any] | None) -> dict[str, str] | None:
    if not frame:
        return None
    return {"url": str(frame["url"])} if frame["type"] == "image" else {"job": str(frame["id"])}
