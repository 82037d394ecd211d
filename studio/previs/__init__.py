"""Previs: camera moves on your own frames, rendered on this machine."""

from __future__ import annotations

from studio.previs.render import RenderCancelled, render_frame, render_frames, render_shot
from studio.previs.shot import PrevisShot, frame_size

__all__ = [
    "PrevisShot",
    "RenderCancelled",
    "frame_size",
    "render_frame",
    "render_frames",
    "render_shot",
]
