"""`python -m bench.worker KIND`: a qcluster with what a measurement does not measure left out."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import django

from studio.launcher.lifeline import die_with


def note_time(path: str) -> None:
    """Write the time into this file: the task by which the delay of other work is measured."""
    Path(path).write_text(str(time.time()))


def leave_stored(*args: object) -> str:
    """Leave a finished clip unfetched."""
    return "left out"


def main() -> None:
    die_with(os.getppid())  # a measurement that is killed leaves no workers behind
    django.setup()
    from django.core.management import call_command

    from studio import tasks
    from studio.services.work import recovery
    from tests.hurry import hurry
    from tests.soak import stub_pictures

    if sys.argv[1] == "sweep":
        tasks.store_next = leave_stored
        recovery.fetch_clips = lambda now: 0
    elif sys.argv[1] == "soak":
        hurry(faults=True, timeout_s=1)
        stub_pictures()
    call_command("qcluster")


if __name__ == "__main__":
    main()
