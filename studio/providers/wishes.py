"""May this shot go to that model? `problems` is the one place that answers.

A `Wish` is what the form holds. A problem with severity REFUSE stops the shot at this model;
its `fix` is what `adapt` would change, empty where only a person can help. Severity ADAPT means
the shot goes, but not as written: the message says how.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Literal

from studio import concepts as camera
from studio.providers.specs import ModelSpec

EndWish = Literal["image", "generation"] | None
EndKind = Literal["", "image", "job"]
REFUSE: Literal["refuse"] = "refuse"
ADAPT: Literal["adapt"] = "adapt"

SIZE_RANK = {"360p": 360, "540p": 540, "720p": 720, "1080p": 1080, "4k": 2160}
SIZE_LABELS = {"4k": "4K"}
LONGEST_SIDE_PX = 4096


@dataclass(frozen=True, slots=True)
class Wish:
    """A shot as the form holds it, before its ends are resolved to URLs or job ids."""

    prompt: str = ""
    concepts: tuple[str, ...] = ()
    duration_s: int = 5
    aspect_ratio: str = "16:9"
    resolution: str = "720p"
    loop: bool = False
    start: EndWish = None
    end: EndWish = None
    start_by_id: bool = False  # the start generation ran on this very account and has a job id
    end_by_id: bool = False
    public_url_available: bool = False  # providers can fetch pictures from this studio


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing between a wish and a model. `field` is the Wish's field it belongs to."""

    field: str
    message: str
    fix: str = ""  # what adapt() would change: "would switch to 720p"
    severity: Literal["refuse", "adapt"] = REFUSE


def sent_prompt(spec: ModelSpec, prompt: str, concepts: Sequence[str]) -> str:
    """Return the prompt as it goes on the wire: the camera phrase is added where there is no field.

    Safe to apply twice: a prompt that already ends with the phrase is left alone.
    """
    text = prompt.strip()
    said = "" if spec.native_concepts else camera.phrase(tuple(concepts))
    if not said or text.endswith(said):
        return text
    if not text:
        return said
    joint = " " if text[-1] in ".!?…:;。！？" else ". "
    return f"{text}{joint}{said}"


def written(prompt: str, style_notes: str) -> str:
    """Return the prompt with the project's style notes behind it, as one text."""
    text, notes = prompt.strip(), style_notes.strip()
    if not text or not notes:
        return text
    return f"{text}{'' if text[-1] in '.!?…。！？' else '.'} {notes}"


def resolve_ends(spec: ModelSpec, wish: Wish) -> tuple[EndKind, EndKind]:
    """Return how each end travels: "" (none), "image", or "job" (the provider's own id).

    A generation that cannot travel by id travels as its last (start) or first (end) frame.
    """
    by_id = (
        wish.start == "generation" and wish.start_by_id and spec.extend_by_id,
        wish.end == "generation" and wish.end_by_id and spec.prepend_by_id,
    )
    if not spec.mixes_ends and wish.start and wish.end and not all(by_id):
        by_id = (False, False)
    start: EndKind = "" if wish.start is None else "job" if by_id[0] else "image"
    end: EndKind = "" if wish.end is None else "job" if by_id[1] else "image"
    return start, end


def problems(spec: ModelSpec, wish: Wish) -> list[Problem]:
    """Return everything that stands between this wish and this model, refusals first."""
    found = [
        *_choice_problems(spec, wish),
        *_prompt_problems(spec, wish),
        *_loop_problems(spec, wish),
        *_end_problems(spec, wish),
    ]
    return sorted(found, key=lambda problem: problem.severity != REFUSE)


def refusals(spec: ModelSpec, wish: Wish) -> list[Problem]:
    """Return only the problems that stop the shot."""
    return [problem for problem in problems(spec, wish) if problem.severity == REFUSE]


def allowed_durations(spec: ModelSpec, wish: Wish) -> tuple[int, ...]:
    """Return the lengths in seconds this model offers for a wish with these ends."""
    if spec.image_durations_s and (wish.start or wish.end):
        return spec.image_durations_s
    return spec.durations_s


def adapt(spec: ModelSpec, wish: Wish) -> Wish:
    """Return the nearest wish this model can do, keeping what is compatible.

    The prompt is never shortened and pictures are never dropped: what then still stands in the
    way is for a person, and `problems` says it. With an end frame, loop gives way.
    """
    kept = tuple(slug for slug in wish.concepts if slug in camera.CONCEPTS)
    start = wish.start if spec.start_image or spec.extend_by_id else None
    end = wish.end if spec.end_image or spec.prepend_by_id else None
    near = replace(wish, concepts=kept, start=start, end=end)
    return replace(
        near,
        duration_s=_nearest_duration(allowed_durations(spec, near), wish.duration_s),
        aspect_ratio=_nearest_shape(spec.aspect_ratios, wish.aspect_ratio),
        resolution=_nearest_size(spec.resolutions, wish.resolution),
        loop=wish.loop and spec.loop and end is None,
    )


def size_label(resolution: str) -> str:
    """Return a resolution as people write it: 720p, 4K."""
    return SIZE_LABELS.get(resolution, resolution)


def listed(words: Sequence[object], joint: str = "or") -> str:
    """Join words as a sentence does: "5 or 9", "540p, 720p or 4K"."""
    texts = [str(word) for word in words]
    if len(texts) < 2:
        return "".join(texts)
    return f"{', '.join(texts[:-1])} {joint} {texts[-1]}"


def _choice_problems(spec: ModelSpec, wish: Wish) -> Iterator[Problem]:
    lengths = allowed_durations(spec, wish)
    if wish.duration_s not in lengths:
        near = _nearest_duration(lengths, wish.duration_s)
        with_frames = " with a start or end frame" if lengths != spec.durations_s else ""
        yield Problem(
            "duration_s",
            f"Length {wish.duration_s} s is not offered{with_frames}: {spec.name} makes "
            f"{listed(lengths)} s.",
            f"would switch to {near} s",
        )
    if wish.aspect_ratio not in spec.aspect_ratios:
        yield Problem(
            "aspect_ratio",
            f"Shape {wish.aspect_ratio} is not offered: {spec.name} makes "
            f"{listed(spec.aspect_ratios)}.",
            f"would switch to {_nearest_shape(spec.aspect_ratios, wish.aspect_ratio)}",
        )
    if wish.resolution not in spec.resolutions:
        near_size = _nearest_size(spec.resolutions, wish.resolution)
        offered = listed([size_label(size) for size in spec.resolutions])
        yield Problem(
            "resolution",
            f"Resolution {size_label(wish.resolution)} is not offered: {spec.name} makes {offered}.",
            f"would switch to {size_label(near_size)}",
        )


def _prompt_problems(spec: ModelSpec, wish: Wish) -> Iterator[Problem]:
    unknown = [slug for slug in wish.concepts if slug not in camera.CONCEPTS]
    if unknown:
        yield Problem(
            "concepts",
            f"There is no camera concept “{listed(unknown)}”. Pick from the 34 in the camera list.",
            "would drop it",
        )
    text = sent_prompt(spec, wish.prompt, wish.concepts)
    added = len(text) - len(wish.prompt.strip())
    has_image = "image" in resolve_ends(spec, wish)
    if not wish.prompt.strip() and not (spec.prompt_optional_with_image and has_image):
        also = " or add a start or end frame" if spec.prompt_optional_with_image else ""
        yield Problem("prompt", f"The prompt is empty. Write what happens in the shot{also}.")
    elif text and len(text) < spec.prompt_min:
        yield Problem(
            "prompt",
            f"The prompt has {len(text)} characters; {spec.name} takes {spec.prompt_min} or more.",
        )
    elif len(text) > spec.prompt_max:
        with_camera = f" with the {added} of the camera words" if added else ""
        yield Problem(
            "prompt",
            f"The prompt has {len(text)} characters{with_camera}; {spec.name} takes at most "
            f"{spec.prompt_max}.",
        )
    elif spec.prompt_warn and len(text) > spec.prompt_warn:
        yield Problem(
            "prompt",
            f"The prompt has {len(text)} characters. {spec.name} may refuse more than "
            f"{spec.prompt_warn}; a refusal costs nothing.",
            severity=ADAPT,
        )
    if added and wish.prompt.strip():
        yield Problem(
            "concepts", "The camera concepts go into the prompt as words.", severity=ADAPT
        )


def _loop_problems(spec: ModelSpec, wish: Wish) -> Iterator[Problem]:
    if not wish.loop:
        return
    if not spec.loop:
        yield Problem("loop", f"{spec.name} cannot loop a clip.", "would turn loop off")
    elif wish.end is not None:
        yield Problem(
            "loop",
            "Loop and an end frame exclude each other: a loop ends where it starts. "
            "Turn loop off or remove the end.",
            "would turn loop off",
        )


def _end_problems(spec: ModelSpec, wish: Wish) -> Iterator[Problem]:
    kinds = resolve_ends(spec, wish)
    ends: tuple[tuple[str, EndWish, EndKind, bool, str], ...] = (
        ("start", wish.start, kinds[0], spec.start_image, "last"),
        ("end", wish.end, kinds[1], spec.end_image, "first"),
    )
    for field, wanted, kind, takes_image, frame in ends:
        if kind != "image":
            continue
        if not takes_image:
            yield Problem(
                field, f"{spec.name} takes no {field} frame.", f"would drop the {field} frame"
            )
        elif spec.needs_public_url and not wish.public_url_available:
            what = "frame" if wanted == "image" else "clip"
            yield Problem(
                field,
                f"{spec.provider_label} fetches pictures from the web and cannot reach the {field} "
                f"{what} here. Set STUDIO_PUBLIC_URL, or choose a provider that takes uploads.",
            )
        elif wanted == "generation":
            joint = "Continues from" if field == "start" else "Leads into"
            yield Problem(
                field, f"{joint} the clip's {frame} frame, sent as a picture.", severity=ADAPT
            )


def _nearest_duration(lengths: Sequence[int], wanted: int) -> int:
    return min(lengths, key=lambda length: (abs(length - wanted), length))


def _nearest_size(sizes: Sequence[str], wanted: str) -> str:
    # Below rather than above: nobody should pay for more pixels than they asked for.
    rank = SIZE_RANK.get(wanted, SIZE_RANK["720p"])
    below = [size for size in sizes if SIZE_RANK[size] <= rank]
    if below:
        return max(below, key=SIZE_RANK.__getitem__)
    return min(sizes, key=SIZE_RANK.__getitem__)


def _nearest_shape(shapes: Sequence[str], wanted: str) -> str:
    if wanted in shapes:
        return wanted
    return min(shapes, key=lambda shape: abs(log(_ratio(shape) / _ratio(wanted))))


def frame_size(shape: str, resolution: str) -> tuple[int, int]:
    """Return (width, height) in even pixels as Ray makes it; the resolution is the short side."""
    ratio, short = _ratio(shape), SIZE_RANK.get(resolution, SIZE_RANK["720p"])
    width, height = (short * ratio, short) if ratio >= 1 else (short, short / ratio)
    scale = min(1, LONGEST_SIDE_PX / max(width, height))
    return round(width * scale / 2) * 2, round(height * scale / 2) * 2


def _ratio(shape: str) -> float:
    wide, _, high = shape.partition(":")
    try:
        return float(wide) / float(high)
    except (ValueError, ZeroDivisionError):
        return 16 / 9
