"""Judging clips: ratings, verdicts, and comments on the frame.

A person speaks as `by`, somebody who came through a share as `guest`; one of the two.
"""

from __future__ import annotations

from studio.services.review.comments import (
    MAX_COMMENT_CHARS,
    bring_back,
    comment,
    delete,
    edit,
    resolve,
)
from studio.services.review.grabbing import frame_for_redo, grab_still
from studio.services.review.reading import Said, Talk, Verdicts, talk_on, verdicts_on
from studio.services.review.seen import note_look
from studio.services.review.verdicts import decide, rate
from studio.services.review.waiting import Waiting, waiting_for

__all__ = [
    "MAX_COMMENT_CHARS",
    "Said",
    "Talk",
    "Verdicts",
    "Waiting",
    "bring_back",
    "comment",
    "decide",
    "delete",
    "edit",
    "frame_for_redo",
    "grab_still",
    "note_look",
    "rate",
    "resolve",
    "talk_on",
    "verdicts_on",
    "waiting_for",
]
