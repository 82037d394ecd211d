"""The studio's settings with short waits, and a clock that can be set wrong.

The clock of the machine is left alone. `django.utils.timezone.now`, which is all the time the
studio's rows know, is shifted by the seconds written in the file CHAOS_CLOCK.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from django.utils import timezone

from studio.settings import *  # noqa: F403
from studio.settings import INSTALLED_APPS as STUDIO_APPS

INSTALLED_APPS = [*STUDIO_APPS, "bench.chaos.hurried.HurriedConfig"]

CLOCK = os.environ["CHAOS_CLOCK"]
right_now = timezone.now
_read = (0, timedelta())  # when the file was written, and what it says


def shifted_now() -> datetime:
    """Return the time with the shift of the file."""
    global _read
    written = os.stat(CLOCK).st_mtime_ns  # noqa: PTH116 (asked for thousands of times a second)
    if written != _read[0]:
        with open(CLOCK) as file:  # noqa: PTH123
            _read = (written, timedelta(seconds=float(file.read() or 0)))
    return right_now() + _read[1]


timezone.now = shifted_now
