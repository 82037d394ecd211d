"""`manage.py restore`: put a backup back."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from studio.services.errors import StudioError
from studio.services.exchange.backups import restore_backup, verify_backup


class Command(BaseCommand):
    help = "Put a backup back into an empty studio. Stop the studio first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--replace", action="store_true", help="Put it in the place of everything that is there"
        )
        parser.add_argument(
            "--check", action="store_true", help="Only read it through and say whether it is whole"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        if not path.is_file():
            raise CommandError(f"There is no file {path}.")
        try:
            if options["check"]:
                manifest = verify_backup(path)
                rows = sum(table["rows"] for table in manifest["tables"].values())
                self.stdout.write(
                    f"Whole: {rows} rows and {len(manifest['files'])} files of {manifest['made_at']}."
                )
                return
            report = restore_backup(path, replace=options["replace"], say=self.stderr.write)
        except StudioError as error:
            raise CommandError(f"{error.message} Nothing was changed.") from error
        call_command("search", "--rebuild", stdout=self.stderr)
        self.stdout.write(f"{report.rows} rows and {report.files} files are back.")
        if report.held:
            self.stdout.write(
                f"{report.held} shots that waited for a paid provider are held: they may have been "
                "sent since. Look at each before you let it go."
            )
        for name in report.missing:
            self.stderr.write(f"Was missing when the backup was made: {name}")
