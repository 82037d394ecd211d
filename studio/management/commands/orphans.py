"""`manage.py orphans`: ask every provider now what it knows and the studio does not."""

from __future__ import annotations

from typing import Any

from studio.management.base import StudioCommand
from studio.services.work.orphans import sweep_orphans


class Command(StudioCommand):
    help = "Look for jobs at the providers that no clip here belongs to. Runs by itself once a day."

    def handle(self, *args: Any, **options: Any) -> None:
        found = sweep_orphans()
        for trouble in found.troubles:
            self.stderr.write(trouble)
        self.stdout.write(
            f"{found.seen} jobs seen, {found.fetched} being fetched, {found.orphans} not known here."
        )
