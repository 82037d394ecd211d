"""The drift guard: pictures degrade when a chain grows by its own last frames.

A clip that was continued from a frame is rendered from a rendering. After a few of these in a row
colours and faces wander off, so from the fourth on the studio says so and offers fresher starts.
"""

from __future__ import annotations

from dataclasses import dataclass

from studio.media.frames import exact_rate, frame_number, middle_of
from studio.media.video import frame_at
from studio.models import Generation, Keyframe, User
from studio.providers.catalog import UnknownModel, get_spec
from studio.services.errors import StudioError
from studio.services.files import local_copy, scratch_file
from studio.services.keyframes import store_keyframe
from studio.services.requests import travels_by_id

WARN_FROM = 4  # frame-continued segments in a row
EARLIER_FRAMES = (3, 4, 5)  # a last frame is often the softest; these before it are not
LONGEST_LOOK_BACK = 200


@dataclass(frozen=True, slots=True)
class Drift:
    """What continuing a clip from its last frame would be: the nth such step in a row."""

    step: int  # this one included
    first: Generation  # where the row of steps began
    current: Generation  # the clip to continue

    @property
    def warns(self) -> bool:
        return self.step >= WARN_FROM


def by_frame(generation: Generation) -> bool:
    """Whether this shot starts from a frame of the clip before it, and not from that clip's id."""
    if generation.start_generation_id is None:
        return False
    try:
        spec = get_spec(generation.provider, generation.model)
    except UnknownModel:
        return generation.start_keyframe_id is not None
    return travels_by_id(generation, "start", spec) is None


def drift_after(clip: Generation) -> Drift:
    """Return how far a shot that starts from this clip's last frame has come; a query a step."""
    first, step = clip, 1
    while step < LONGEST_LOOK_BACK and by_frame(first) and first.start_generation is not None:
        step += 1
        first = first.start_generation
    return Drift(step, first, clip)


def earlier_frame(*, clip: Generation, frames: int, by: User) -> Keyframe:
    """Keep the frame so many before a clip's last one as a still, and return it.

    Raises StudioError when the clip is not there, or when `frames` is not 3, 4 or 5.
    """
    if frames not in EARLIER_FRAMES:
        raise StudioError(f"Frames is {frames}; it must be 3, 4 or 5.", field="start")
    if not clip.is_clip or not clip.duration_ms:
        raise StudioError("That clip is not rendered yet, so it has no frames.", field="start")
    at_ms = earlier_ms(clip, frames)
    with local_copy(clip.clip) as source, scratch_file(".png") as path:
        frame_at(source, at_ms).save(path, compress_level=1)
        with path.open("rb") as file:
            keyframe, _ = store_keyframe(
                project=clip.project,
                by=by,
                source=file,
                name=f"{frames} frames before the end of clip {clip.number}",
                grabbed_from=clip,
                grabbed_at_ms=at_ms,
            )
    return keyframe


def earlier_ms(clip: Generation, frames: int) -> int:
    """Return the middle of the frame so many before the last one, in ms from the clip's start."""
    rate = exact_rate(clip.fps)
    last = frame_number(clip.duration_ms or 0, rate) - 1
    return middle_of(max(0, last - frames), rate)
