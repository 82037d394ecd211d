"""`manage.py encrypt_again`: lock every kept secret with the newest encryption key."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from studio.management.base import StudioCommand
from studio.services import keys


class Command(StudioCommand):
    help = (
        "Encrypt every kept secret again (provider keys, webhooks, two-factor) with the newest key of "
        "STUDIO_ENCRYPTION_KEY. Safe to repeat."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        done = keys.lock_again()
        self.stdout.write(
            f"{done.older} encrypted again with the newest key; {done.newest} were so already."
        )
        if done.unreadable:
            raise CommandError(
                f"No key of STUDIO_ENCRYPTION_KEY opens these: {', '.join(done.unreadable)}. "
                "Put the earlier key back after the newest one, with a comma, or enter these anew."
            )
        if done.older:
            self.stdout.write("Once every machine runs with the newest key, the older ones may go.")
