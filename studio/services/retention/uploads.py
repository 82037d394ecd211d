"""Archives that were uploaded in part, and nobody went on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

from django.core.files.storage import default_storage
from django.utils import timezone

from studio.models import ImportRun
from studio.services.exchange import upload_parts
from studio.services.retention.things import Thing

LIFE = timedelta(days=1)  # after the last part


def unfinished_uploads() -> Iterator[Thing]:
    """Yield uploads that nobody went on with for a day and no import waits for."""
    for folder in upload_parts.folders():
        with suppress(OSError):
            if not _is_used(folder):
                sizes = map(default_storage.size, upload_parts.files_in(folder))
                yield Thing(folder, sum(sizes), key=folder)


def remove_upload(thing: Thing) -> bool:
    with suppress(OSError):
        if not _is_used(thing.name):
            upload_parts.remove(thing.name)
            return True
    return False


def _is_used(folder: str) -> bool:
    if upload_parts.written_at(folder) > timezone.now() - LIFE:
        return True
    return ImportRun.objects.filter(archive=folder, state__in=ImportRun.GOING).exists()
