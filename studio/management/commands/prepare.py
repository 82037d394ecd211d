"""`manage.py prepare`: what `manage.py studio` does before it serves, for several machines."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from studio.launcher.prepare import prepare_database
from studio.launcher.welcome import invitation


class Command(BaseCommand):
    help = "Bring the database up to date and print the first owner's link. Safe to repeat."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        prepare_database()
        said = invitation(settings.PUBLIC_URL or "http://127.0.0.1:8000")
        self.stdout.write(said or "The database is up to date.")
