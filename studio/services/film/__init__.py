"""Chains as films: timeline, reels, stitching, exports, hand-over to editors."""

from __future__ import annotations
