"""What a team writes again and again: prompts and presets; and blind tests of what came of them."""

from __future__ import annotations
