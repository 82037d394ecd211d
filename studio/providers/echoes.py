"""What an answer repeats of its request, put into our terms. An odd value is None, never an error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from studio.providers.answers import dig, id_at, number_at, text_at
from studio.providers.base import RequestEcho

MAX_SECONDS = 600
_SECONDS = re.compile(r"(\d{1,4})(?:\.0+)?\s*(?:s|sec|seconds)?", re.IGNORECASE)
_SHAPE = re.compile(r"\d{1,3}:\d{1,3}")
_SIZE = re.compile(r"\d{3,4}p|\dk", re.IGNORECASE)
_BOOLS = {"true": True, "false": False}
_TAIL = re.compile(r"[?#]")


def read_echo(
    request: Any, frames: Any = None, *, takes_concepts: bool = False, ids_compare: bool = True
) -> RequestEcho:
    """Return the echo of a request object, whose ends are in `frames` (else in itself).

    An answer that repeats the aspect ratio repeats the request whole, for every request has one:
    what such an echo leaves out was not asked for. Concepts are left out also where they went
    into the prompt, so only a model that takes them says so. `ids_compare` is False where the id
    of an end is not the job's id.
    """
    if not isinstance(request, Mapping):
        return RequestEcho()
    ends = frames if isinstance(frames, Mapping) else request
    aspect_ratio = _matching(_SHAPE, request, "aspect_ratio")
    whole = aspect_ratio is not None
    return RequestEcho(
        prompt=text_at(request, "prompt") if isinstance(request.get("prompt"), str) else None,
        duration_s=_seconds(dig(request, "duration")),
        aspect_ratio=aspect_ratio,
        resolution=_matching(_SIZE, request, "resolution"),
        loop=_flag(request, "loop", whole=whole),
        concepts=_concepts(request, whole=whole and takes_concepts),
        start=_end(ends, "start", whole=whole, ids_compare=ids_compare),
        end=_end(ends, "end", whole=whole, ids_compare=ids_compare),
    )


# Where the ends are: a picture or a Luma frame object, and the id of a clip.
_FRAMES = {
    "start": ("start_image", "frame0", "frame0_image", "start_frame_url", "image_url"),
    "end": ("end_image", "frame1", "frame1_image", "end_frame_url", "last_image_url"),
}
_CLIPS = {"start": "start_frame_generation_id", "end": "end_frame_generation_id"}


def _end(ends: Mapping[str, Any], side: str, *, whole: bool, ids_compare: bool) -> str | None:
    clip = id_at(ends, _CLIPS[side])
    if clip:
        return f"job:{clip}" if ids_compare else None
    frame = next((ends[key] for key in _FRAMES[side] if ends.get(key) not in (None, "")), None)
    if frame is None:
        absent = not any(key in ends for key in _FRAMES[side])
        return None if absent and not whole else ""
    if isinstance(frame, Mapping) and "id" in frame and "url" not in frame:
        job_id = id_at(frame, "id")
        return f"job:{job_id}" if job_id and ids_compare else None
    url = frame.get("url") if isinstance(frame, Mapping) else frame
    return _plain_url(url)


def _plain_url(url: Any) -> str | None:
    text = text_at(url)
    return _TAIL.split(text, maxsplit=1)[0] or None


def _seconds(value: Any) -> int | None:
    if isinstance(value, str):
        match = _SECONDS.fullmatch(value.strip())
        value = int(match[1]) if match else None
    number = number_at(value)
    if number is None or not number.is_integer() or not 1 <= number <= MAX_SECONDS:
        return None
    return int(number)


def _matching(pattern: re.Pattern[str], request: Any, key: str) -> str | None:
    text = text_at(request, key).lower()
    return text if pattern.fullmatch(text) else None


def _flag(request: Mapping[str, Any], key: str, *, whole: bool) -> bool | None:
    value = request.get(key)
    if value is None:
        return False if whole else None
    if isinstance(value, bool):
        return value
    return _BOOLS.get(value.strip().lower()) if isinstance(value, str) else None


def _concepts(request: Mapping[str, Any], *, whole: bool) -> tuple[str, ...] | None:
    value = request.get("concepts")
    if value is None:
        return () if whole else None
    if not isinstance(value, list):
        return None
    slugs = [text_at(one, *(["key"] if isinstance(one, Mapping) else [])) for one in value]
    return tuple(slugs) if all(slugs) else None
