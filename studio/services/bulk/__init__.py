"""One action on many clips: what was chosen, what is done about it, and how it is taken back."""

from __future__ import annotations
