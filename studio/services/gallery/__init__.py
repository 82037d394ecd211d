"""Finding, looking at and judging clips, many at a time."""

from __future__ import annotations
