"""`manage.py retention`: let go now of what is due, as the studio does once a day by itself."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.template.defaultfilters import filesizeformat

from studio.management.base import StudioCommand
from studio.services.retention.routine import Heap, clear_up


class Command(StudioCommand):
    help = (
        "Remove what is due: files of clips long in the bin, files without a row, what was left "
        "unfinished, old log rows. Says which files rows name that are not there."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="only list what would go, and its bytes"
        )
        parser.add_argument(
            "--even-so",
            action="store_true",
            help="remove files without a row even where they are as many as those with one",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        dry_run = options["dry_run"]
        report = clear_up(dry_run=dry_run, even_so=options["even_so"])
        for heap in report.heaps:
            self._tell(heap, each=dry_run)
        total = _size(report.bytes)
        self.stdout.write(f"{'Would free' if dry_run else 'Freed'} {total}.")
        if report.missing:
            self.stdout.write(f"{len(report.missing)} files that rows name are not there:")
            for gone in report.missing:
                self.stdout.write(f"  {gone.name}  ({gone.whose})")
        if troubles := [heap.part.name for heap in report.heaps if heap.trouble]:
            raise CommandError(f"Not finished: {', '.join(troubles)}.")

    def _tell(self, heap: Heap, *, each: bool) -> None:
        plural = "" if heap.count == 1 else "s"
        left = f"; {heap.left} stayed: used again, or under way" if heap.left else ""
        self.stdout.write(
            f"{heap.part.name}: {heap.count} {heap.part.noun}{plural}, {_size(heap.bytes)}{left}"
        )
        if heap.trouble:
            self.stdout.write(f"  {heap.trouble}")
        if each:
            for thing in heap.things:
                size = f"  {_size(thing.bytes)}" if thing.bytes else ""
                self.stdout.write(f"  {thing.name}{size}")


def _size(count: int) -> str:
    return filesizeformat(count).replace("\xa0", " ")
