"""`manage.py prepare`: what `manage.py studio` does before it serves, for several machines."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings

from studio.launcher.lock import folder_errors
from studio.launcher.prepare import prepare_database, wait_for_database
from studio.launcher.private_files import protect_data_folder
from studio.launcher.welcome import invitation
from studio.management.base import StudioCommand


class Command(StudioCommand):
    help = "Bring the database up to date and print the first owner's link. Safe to repeat."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--wait",
            type=int,
            default=0,
            metavar="SECONDS",
            help="how long to wait for a database that does not answer yet; default: not at all",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with folder_errors():
            protect_data_folder()
            wait_for_database(options["wait"])
            prepare_database()
        said = invitation(settings.PUBLIC_URL or "http://127.0.0.1:8000")
        for line in (said or "The database is up to date.").splitlines():
            self.stdout.write(line)
