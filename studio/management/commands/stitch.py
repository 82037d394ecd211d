"""`manage.py stitch`: make one film of a chain, beside a running studio or without one."""

from __future__ import annotations

import shutil
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError

from studio import tasks
from studio.management.base import StudioCommand
from studio.models import Chain, Export
from studio.services.errors import StudioError
from studio.services.files import local_copy
from studio.services.film.exports import FORMATS, SIZES, ExportOptions, create_export, file_name

PICKED_UP_WITHIN_S = 4.0
State = Export.State


class Command(StudioCommand):
    help = "Stitch everything that plays to a chain's end into one film, and print its path."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("chain", metavar="CHAIN_CODE", help="The code in the chain's address")
        parser.add_argument("--out", type=Path, metavar="FILE", help="Copy the film there")
        parser.add_argument("--format", choices=sorted(FORMATS), default="h264")
        parser.add_argument("--size", choices=sorted(filter(None, SIZES)), default="")
        parser.add_argument("--crossfade", type=float, default=0.0, metavar="SECONDS")
        parser.add_argument(
            "--keep-repeated", action="store_true", help="Keep frames that clips repeat"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        out = Path(options["out"]).absolute() if options["out"] else None
        if out is not None and not out.parent.is_dir():
            raise CommandError(f"There is no folder {out.parent}.")
        chain = self._chain(options["chain"])
        wanted = ExportOptions(
            format=options["format"],
            size=options["size"],
            drop_repeated=not options["keep_repeated"],
            crossfade_s=options["crossfade"],
        )
        try:
            export = create_export(chain=chain, by=chain.created_by, options=wanted)
        except StudioError as error:
            raise CommandError(error.message) from error
        self._wait(export)
        if export.state != State.SUCCEEDED:
            raise CommandError(export.failure_text or f"The export was {export.state}.")
        self.stderr.write(export.note)
        self.stdout.write(str(self._film(export, out)))

    def _film(self, export: Export, out: Path | None) -> Path:
        """Return where the film is: in the data folder, or copied to `out` (from S3: to here)."""
        if out is None:
            try:
                return Path(export.file.path)
            except NotImplementedError:
                out = Path(file_name(export)).absolute()
        with local_copy(export.file) as path:
            return Path(shutil.copyfile(path, out))

    def _chain(self, code: str) -> Chain:
        try:
            return Chain.objects.select_related("project", "created_by").get(code=UUID(code))
        except (ValueError, Chain.DoesNotExist):
            raise CommandError(
                f"{code} is not a chain of this studio. Its code is in its page's address."
            ) from None

    def _wait(self, export: Export) -> None:
        """Wait until it is over; stitch it here when no worker takes it within a few seconds."""
        began = time.monotonic()
        said = ""
        while export.state not in Export.TERMINAL:
            time.sleep(0.2)
            if export.state == State.QUEUED and time.monotonic() - began > PICKED_UP_WITHIN_S:
                self.stderr.write("No worker is free; stitching here.")
                tasks.stitch_export(export.pk)
            export.refresh_from_db()
            if export.note != said and export.state == State.RUNNING:
                said = export.note
                self.stderr.write(f"{said}, {export.progress}%")
