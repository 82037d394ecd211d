"""Work of the queue: sending, rendering, storing, and putting right what a crash left."""

from __future__ import annotations
