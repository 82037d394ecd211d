"""`manage.py import_project`: bring in an archive that another studio made."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from studio.management.base import StudioCommand
from studio.models import User
from studio.services.errors import StudioError
from studio.services.exchange.archives import NOT_INCLUDED
from studio.services.exchange.import_runs import sentence_on_names
from studio.services.exchange.imports import import_archive


class Command(StudioCommand):
    help = "Bring a project archive (ZIP) in, and print the project's code. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--owner", metavar="EMAIL", help="Who it will belong to; by default the first admin"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(options["file"])
        if not path.is_file():
            raise CommandError(f"There is no file {path}.")
        try:
            report = import_archive(path, by=self._owner(options["owner"]))
        except StudioError as error:
            raise CommandError(error.message) from error
        for problem in report.problems:
            self.stderr.write(problem)
        self.stderr.write(
            f"{report.clips} clips, {report.stills} stills and {report.chains} chains brought in; "
            f"{report.known_clips} clips were here."
        )
        if names := sentence_on_names(report.project):
            self.stderr.write(names)
        for line in NOT_INCLUDED:
            self.stderr.write(f"Not in an archive: {line}")
        self.stdout.write(str(report.project.code))
        if report.problems:
            raise CommandError(f"{len(report.problems)} things were left out.")

    def _owner(self, email: str | None) -> User:
        people = User.objects.filter(is_active=True).order_by("-is_superuser", "pk")
        owner = people.filter(email__iexact=email).first() if email else people.first()
        if owner is None:
            raise CommandError(
                f"Nobody here has the address {email}." if email else "There is nobody here yet."
            )
        return owner
