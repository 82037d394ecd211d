"""`manage.py restore`: put a backup back."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError

from studio.launcher.lock import hold_data_folder, hold_every_process, refuse_live_connections
from studio.management.base import StudioCommand
from studio.services.accounts import ensure_accounts
from studio.services.errors import StudioError
from studio.services.exchange.backup_format import Report
from studio.services.exchange.backup_reading import check_backup
from studio.services.exchange.restoring import restore_backup
from studio.services.work.schedules import ensure_schedules

UNCHANGED = "Nothing was changed."


class Command(StudioCommand):
    help = (
        "Put a backup back into an empty studio; its tables are made if need be. A backup of an "
        "earlier version is brought up to this one. Stop the studio first."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--replace", action="store_true", help="Put it in the place of everything that is there"
        )
        parser.add_argument(
            "--check", action="store_true", help="Only read it through as a restore would"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        if not path.is_file():
            raise CommandError(f"There is no file {path}.")
        try:
            if options["check"]:
                self._check(path)
                return
            report = self._restore(path, replace=options["replace"])
        except StudioError as error:
            raise CommandError(f"{error.message} {UNCHANGED}") from error
        except (OSError, DatabaseError) as error:
            text = " ".join(str(error).split()).rstrip(".")
            raise CommandError(f"The backup was not restored: {text}. {UNCHANGED}") from error
        self._make_anew()
        self.stdout.write(f"{report.rows} rows and {report.files} files are back.")
        self._tell(report)

    def _check(self, path: Path) -> None:
        manifest, report = check_backup(path)
        media = f"{report.files} files" if manifest.has_media else "no media files (rows only)"
        self.stdout.write(f"Whole: {report.rows} rows and {media} of {manifest.made_at}.")
        self._tell(report)

    def _restore(self, path: Path, *, replace: bool) -> Report:
        folder = settings.DATA_DIR
        with hold_data_folder(folder), hold_every_process(folder):
            refuse_live_connections()
            return restore_backup(path, replace=replace, say=self.stderr.write)

    def _make_anew(self) -> None:
        """Make what is not in a backup: the search index, and rows that must exist."""
        try:
            call_command("search", "--rebuild", stdout=self.stderr)
            ensure_accounts()
            ensure_schedules()
        except (OSError, DatabaseError) as error:
            raise CommandError(
                f"The backup is restored, but what is made from it is not: {error}. "
                "Run: manage.py prepare, then manage.py search --rebuild"
            ) from error

    def _tell(self, report: Report) -> None:
        if report.held:
            self.stdout.write(
                f"{report.held} shots that waited for a paid provider are held: they may have been "
                "sent since. Look at each before you let it go."
            )
        if report.locked_keys:
            self.stderr.write(
                f"The keys of {report.locked_keys} provider accounts cannot be decrypted with this "
                "studio's STUDIO_ENCRYPTION_KEY. Set the one of the studio that made the backup (or its "
                "encryption_key file), or enter the provider keys again."
            )
        if report.cleaned:
            self.stderr.write(
                f"{report.cleaned} rows hold characters that PostgreSQL cannot store (NUL, halves of "
                "characters); they come without them."
            )
        for sentence in report.renamed:
            self.stderr.write(sentence)
        for name in report.left_out:
            self.stderr.write(f"This version has no permission {name}; it is left out.")
        for name in report.missing:
            self.stderr.write(f"Was missing when the backup was made: {name}")
