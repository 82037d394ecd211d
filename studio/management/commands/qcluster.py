"""`manage.py qcluster`: the background work, django-q2's command made sturdier."""

from __future__ import annotations

from typing import Any

from django_q.management.commands import qcluster

from studio.launcher.cluster import install
from studio.launcher.lifeline import tie_forks


class Command(qcluster.Command):  # type: ignore[misc]
    help = "Run the background work: submits, the sweep, downloads, renders, exports."

    def handle(self, *args: Any, **options: Any) -> None:
        tie_forks()
        install()
        super().handle(*args, **options)
