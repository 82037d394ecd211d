"""The 34 camera concepts: slug, label, group, prompt phrase and opposite.

Slugs are Luma's own (the same set at Apiframe and at Luma direct; see
docs/providers.md). A phrase is what a person would write in a prompt, for
providers that take no concepts field.
"""

from __future__ import annotations

from dataclasses import dataclass

MOVES, ANGLES, STYLES = "Moves", "Angles", "Styles"
GROUP_HINTS = {
    MOVES: "The camera travels or turns",
    ANGLES: "Where it looks from",
    STYLES: "How it carries itself",
}


@dataclass(frozen=True, slots=True)
class Concept:
    """One camera word. `opposite` is the slug that cancels it, or an empty string."""

    slug: str
    label: str
    group: str
    phrase: str
    opposite: str = ""


_ALL = (
    Concept("static", "Static", MOVES, "the camera is locked off and perfectly still"),
    Concept("push_in", "Push in", MOVES, "the camera pushes in slowly", "pull_out"),
    Concept("pull_out", "Pull out", MOVES, "the camera pulls out slowly", "push_in"),
    Concept("truck_left", "Truck left", MOVES, "the camera trucks left", "truck_right"),
    Concept("truck_right", "Truck right", MOVES, "the camera trucks right", "truck_left"),
    Concept("pan_left", "Pan left", MOVES, "the camera pans left", "pan_right"),
    Concept("pan_right", "Pan right", MOVES, "the camera pans right", "pan_left"),
    Concept("tilt_up", "Tilt up", MOVES, "the camera tilts up", "tilt_down"),
    Concept("tilt_down", "Tilt down", MOVES, "the camera tilts down", "tilt_up"),
    Concept("pedestal_up", "Pedestal up", MOVES, "the camera rises straight up", "pedestal_down"),
    Concept(
        "pedestal_down", "Pedestal down", MOVES, "the camera sinks straight down", "pedestal_up"
    ),
    Concept("crane_up", "Crane up", MOVES, "a crane shot rising up and back", "crane_down"),
    Concept("crane_down", "Crane down", MOVES, "a crane shot descending", "crane_up"),
    Concept(
        "orbit_left",
        "Orbit left",
        MOVES,
        "the camera orbits left around the subject",
        "orbit_right",
    ),
    Concept(
        "orbit_right",
        "Orbit right",
        MOVES,
        "the camera orbits right around the subject",
        "orbit_left",
    ),
    Concept("zoom_in", "Zoom in", MOVES, "the lens zooms in", "zoom_out"),
    Concept("zoom_out", "Zoom out", MOVES, "the lens zooms out", "zoom_in"),
    Concept("dolly_zoom", "Dolly zoom", MOVES, "a dolly zoom, the background stretching away"),
    Concept("roll_left", "Roll left", MOVES, "the camera rolls left", "roll_right"),
    Concept("roll_right", "Roll right", MOVES, "the camera rolls right", "roll_left"),
    Concept("eye_level", "Eye level", ANGLES, "at eye level"),
    Concept("low_angle", "Low angle", ANGLES, "from a low angle looking up", "high_angle"),
    Concept("high_angle", "High angle", ANGLES, "from a high angle looking down", "low_angle"),
    Concept("ground_level", "Ground level", ANGLES, "from ground level"),
    Concept("overhead", "Overhead", ANGLES, "from directly overhead"),
    Concept("aerial", "Aerial", ANGLES, "an aerial view from high above"),
    Concept("over_the_shoulder", "Over shoulder", ANGLES, "over the shoulder"),
    Concept("pov", "Point of view", ANGLES, "from a first-person point of view"),
    Concept("handheld", "Handheld", STYLES, "handheld, with a slight natural shake"),
    Concept("selfie", "Selfie", STYLES, "as a selfie at arm's length"),
    Concept("aerial_drone", "Drone", STYLES, "a drone flying forward"),
    Concept("bolt_cam", "Bolt cam", STYLES, "a high-speed robotic camera whip move"),
    Concept("elevator_doors", "Elevator doors", STYLES, "revealed by elevator doors sliding open"),
    Concept(
        "tiny_planet", "Tiny planet", STYLES, "as a tiny planet, the world wrapped into a ball"
    ),
)

CONCEPTS: dict[str, Concept] = {concept.slug: concept for concept in _ALL}


def groups() -> list[tuple[str, str, list[Concept]]]:
    """Return (group, hint, concepts) in the order the picker shows them."""
    return [
        (group, hint, [c for c in _ALL if c.group == group]) for group, hint in GROUP_HINTS.items()
    ]


def label(slug: str) -> str:
    """Return the word for people; an unknown slug is shown with spaces for underscores."""
    concept = CONCEPTS.get(slug)
    return concept.label if concept else slug.replace("_", " ").capitalize()


def opposites(slugs: list[str] | tuple[str, ...]) -> list[tuple[Concept, Concept]]:
    """Return each pair in `slugs` that cancels out, in the order given. No block, only a note."""
    chosen = [CONCEPTS[slug] for slug in slugs if slug in CONCEPTS]
    pairs = []
    for index, one in enumerate(chosen):
        pairs += [(one, other) for other in chosen[index + 1 :] if other.slug == one.opposite]
    return pairs


def phrase(slugs: list[str] | tuple[str, ...]) -> str:
    """Return the sentence that says these concepts in a prompt, or an empty string for none."""
    words = [CONCEPTS[slug].phrase for slug in slugs if slug in CONCEPTS]
    return f"Camera: {', '.join(words)}." if words else ""
