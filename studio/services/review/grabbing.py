"""Frames of a clip, kept as stills of its project."""

from __future__ import annotations

from studio.media.video import VideoUnreadable, frame_at
from studio.models import Comment, Generation, Keyframe, User
from studio.services import quotas
from studio.services.errors import StudioError
from studio.services.files import local_copy, scratch_file
from studio.services.keyframes import NAME_LENGTH, store_keyframe
from studio.templatetags.studio_tags import timecode


def grab_still(*, generation: Generation, by: User, at_ms: int) -> tuple[Keyframe, bool]:
    """Keep the frame that is shown at `at_ms` as a still; return it and whether it is new.

    A moment past the end means the last frame. The same frame twice is kept once. Call outside a
    transaction. Raises StudioError.
    """
    if not generation.is_clip:
        raise StudioError("Only a finished clip has frames to keep.", field="at_ms")
    quotas.take(quotas.CUT_STILLS, by)
    at_ms = max(0, min(at_ms, generation.duration_ms or at_ms))
    when = f" at {timecode(at_ms)}"
    try:
        with local_copy(generation.clip) as source, scratch_file(".png") as path:
            frame_at(source, at_ms).save(path, compress_level=1)
            with path.open("rb") as file:
                return store_keyframe(
                    project=generation.project,
                    by=by,
                    source=file,
                    name=generation.title[: NAME_LENGTH - len(when)] + when,
                    grabbed_from=generation,
                    grabbed_at_ms=at_ms,
                )
    except (VideoUnreadable, OSError) as error:
        raise StudioError(
            "The clip’s file could not be read, so no frame was kept. Try again in a moment.",
            field="at_ms",
        ) from error


def frame_for_redo(*, comment: Comment, by: User) -> Keyframe | None:
    """Keep the frame a comment stands at, to start the next take from; None for the whole clip."""
    if comment.parent is not None:
        comment = comment.parent
    if comment.at_ms is None:
        return None
    still, _ = grab_still(generation=comment.generation, by=by, at_ms=comment.at_ms)
    return still
