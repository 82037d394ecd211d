"""The caption under a provider row: what this model offers, or what choosing it would change."""

from __future__ import annotations

from studio.providers.specs import ModelSpec
from studio.providers.wishes import (
    REFUSE,
    SIZE_RANK,
    Problem,
    Wish,
    allowed_durations,
    listed,
    problems,
    resolve_ends,
    size_label,
)

CHANGES = {
    "resolution": "resolution",
    "duration_s": "length",
    "aspect_ratio": "shape",
}


def hint(spec: ModelSpec, wish: Wish) -> tuple[str, bool]:
    """Return (caption, is_warning) for this model's row beside this wish.

    A warning says what would change, or why the shot cannot go there at all.
    """
    found = problems(spec, wish)
    refused = [problem for problem in found if problem.severity == REFUSE]
    # An empty prompt is every model's problem at once and no reason to choose another.
    refused = [p for p in refused if not (p.field == "prompt" and not wish.prompt.strip())]
    for problem in refused:
        if not problem.fix:
            return problem.message, True
    if refused:
        return _what_would_change(spec, wish, refused), True
    return _what_it_offers(spec, wish, found), False


def _what_would_change(spec: ModelSpec, wish: Wish, refused: list[Problem]) -> str:
    limits = [_limit(spec, wish, problem.field) for problem in refused]
    limits = [text for text in limits if text]
    switched = [CHANGES[p.field] for p in refused if p.field in CHANGES]
    others = [p.fix.removeprefix("would ") for p in refused if p.field not in CHANGES]
    changes = ([f"switch {listed(switched, 'and')}"] if switched else []) + others
    strength = "Native concepts, but " if spec.native_concepts and wish.concepts else ""
    reasons = listed(limits, "and")
    text = f"{strength}{reasons}: would {listed(changes, 'and')}"
    return text[0].upper() + text[1:]


def _limit(spec: ModelSpec, wish: Wish, field: str) -> str:
    if field == "resolution":
        if len(spec.resolutions) == 1:
            return f"{size_label(spec.resolutions[0])} only"
        largest = max(spec.resolutions, key=SIZE_RANK.__getitem__)
        if SIZE_RANK.get(wish.resolution, 0) > SIZE_RANK[largest]:
            return f"up to {size_label(largest)}"
        return f"no {size_label(wish.resolution)}"
    if field == "duration_s":
        with_frames = " with frames" if spec.image_durations_s and (wish.start or wish.end) else ""
        return f"{listed(allowed_durations(spec, wish))} s only{with_frames}"
    if field == "aspect_ratio":
        return f"no {wish.aspect_ratio}"
    if field == "loop":
        return "no loop" if not spec.loop else "no loop with an end frame"
    if field in ("start", "end"):
        return f"no {field} frame"
    return "unknown concept"


def _what_it_offers(spec: ModelSpec, wish: Wish, found: list[Problem]) -> str:
    joints = _joints(spec, wish)
    if spec.local:
        said = ["Free, rendered on this machine. Shows the camera move, not the final picture."]
        return " ".join(said + joints)
    words = []
    if spec.deprecated:
        words.append("Older endpoint" if spec.dialect == "legacy" else "Older model")
    elif spec.newer:
        words.append("Newest Ray")
    elif spec.fast:
        words.append("Faster draft")
    if len(spec.resolutions) == 1:
        words.append(size_label(spec.resolutions[0]))
    else:
        words.append(f"up to {size_label(max(spec.resolutions, key=SIZE_RANK.__getitem__))}")
    if spec.start_image and spec.end_image:
        words.append("both frames")
    if spec.loop:
        words.append("loop")
    if spec.extend_by_id:
        words.append("can extend clips")
    if spec.native_concepts:
        words.append("native concepts")
    text = ", ".join(words)
    notes = [text[0].upper() + text[1:] + "."]
    if wish.concepts and not spec.native_concepts:
        notes.append("Concepts go into the prompt.")
    notes += [problem.message for problem in found if problem.field in ("start", "end")]
    return " ".join(notes + joints)


def _joints(spec: ModelSpec, wish: Wish) -> list[str]:
    """Say how a shot joins a clip where no picture is sent: by the clip's id, or on this machine."""
    words = {
        "job": ("Continues the clip by its own id.", "Leads into the clip by its own id."),
        "image": ("Continues from the clip's last frame.", "Leads into the clip's first frame."),
    }
    said = []
    for index, (end, kind) in enumerate(
        zip((wish.start, wish.end), resolve_ends(spec, wish), strict=True)
    ):
        if end == "generation" and kind and (kind == "job" or spec.local):
            said.append(words[kind][index])
    return said
