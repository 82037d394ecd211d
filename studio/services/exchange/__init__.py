"""Projects and clips in and out of the studio, with their provenance."""

from __future__ import annotations
