"""`manage.py backup`: the whole studio in one file."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError
from django.template.defaultfilters import filesizeformat

from studio.management.base import StudioCommand
from studio.services import disk
from studio.services.errors import StudioError
from studio.services.exchange.backups import Report, write_backup
from studio.services.exchange.kept_backups import MAX_KEPT, backup_folder, write_and_rotate


def kept_count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_KEPT:
        raise ArgumentTypeError(f"{text} is not a whole number from 1 to {MAX_KEPT}")
    return int(text)


class Command(StudioCommand):
    help = (
        "Write every row and every media file to FILE (a tar), consistent while the studio runs, and "
        "read it back as a restore would. With --keep N, FILE is a folder (default: backups in the "
        "data folder): the backup is named by date, and of those made so the newest N stay. "
        "Keys are in it only as they lie in the database: encrypted. Keep STUDIO_ENCRYPTION_KEY, or "
        "the data folder's encryption_key, in another place."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", nargs="?")
        parser.add_argument(
            "--force", action="store_true", help="Replace FILE where there is one already"
        )
        parser.add_argument(
            "--keep",
            type=kept_count,
            metavar="N",
            help="Name it by date in the folder FILE, and remove the oldest beyond N",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            path, report = self._write(options["file"], options["keep"], force=options["force"])
        except StudioError as error:
            raise CommandError(f"The backup was not written: {error.message}") from error
        except (OSError, DatabaseError) as error:
            why = "the disk is full" if disk.ran_out(error) else str(error).strip().rstrip(".")
            raise CommandError(f"The backup could not be written: {why}.") from error
        for name in report.missing:
            self.stderr.write(f"Missing from the storage, so not in the backup: {name}")
        self.stderr.write(
            f"{report.rows} rows and {report.files} files, {filesizeformat(path.stat().st_size)}, "
            "written and read back."
        )
        self.stdout.write(str(path.resolve()))

    def _write(self, path: Path | None, keep: int | None, *, force: bool) -> tuple[Path, Report]:
        if keep is not None:
            folder = path or backup_folder()
            if not folder.is_dir():
                raise CommandError(f"There is no folder {folder}.")
            made, report, removed = write_and_rotate(folder, keep=keep, say=self.stderr.write)
            for name in removed:
                self.stderr.write(f"Removed, older than the newest {keep}: {name}")
            return made, report
        if path is None:
            raise CommandError("Name the file to write, or use --keep N.")
        if path.is_dir():
            raise CommandError(f"{path} is a folder. Name a file in it, or use --keep N.")
        if path.exists() and not force:
            raise CommandError(f"There is a file {path} already. Name another, or add --force.")
        if not path.parent.is_dir():
            raise CommandError(f"There is no folder {path.parent}.")
        return path, write_backup(path, say=self.stderr.write)
