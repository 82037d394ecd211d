"""Links that open clips without an account: making them, and what a guest may see and say."""

from __future__ import annotations
