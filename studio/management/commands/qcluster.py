"""`manage.py qcluster`: the background work, django-q2's command made sturdier."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connection
from django_q.management.commands import qcluster

from studio.launcher.cluster import install
from studio.launcher.lifeline import tie_forks
from studio.launcher.lock import share_data_folder
from studio.launcher.migrating import warn_of_newer_tables


class Command(qcluster.Command):  # type: ignore[misc]
    help = "Run the background work: submits, the sweep, downloads, renders, exports."

    def handle(self, *args: Any, **options: Any) -> None:
        with share_data_folder(settings.DATA_DIR):
            warn_of_newer_tables()
            # Forks share no connection with this process.
            connection.close()
            tie_forks()
            install()
            super().handle(*args, **options)
