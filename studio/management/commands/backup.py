"""`manage.py backup`: the whole studio in one file."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat

from studio.services.exchange.backups import verify_backup, write_backup


class Command(BaseCommand):
    help = (
        "Write every row and every media file to FILE (a tar), consistent while the studio runs. "
        "Keys are in it only as they lie in the database: encrypted. Keep STUDIO_ENCRYPTION_KEY, or "
        "the data folder's encryption.key, in another place."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--force", action="store_true", help="Replace FILE where there is one already"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        if path.exists() and not options["force"]:
            raise CommandError(f"There is a file {path} already. Name another, or add --force.")
        if not path.parent.is_dir():
            raise CommandError(f"There is no folder {path.parent}.")
        try:
            report = write_backup(path, say=self.stderr.write)
            verify_backup(path)
        except OSError as error:
            raise CommandError(f"The backup could not be written: {error}.") from error
        for name in report.missing:
            self.stderr.write(f"Missing from the storage, so not in the backup: {name}")
        self.stderr.write(
            f"{report.rows} rows and {report.files} files, {filesizeformat(path.stat().st_size)}, "
            "written and read back."
        )
        self.stdout.write(str(path.resolve()))
