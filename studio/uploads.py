"""Who may send files at all. Django keeps them on the disk before any view can say no."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict


class SignedInUploads(FileUploadHandler):
    """Stands before Django's own handlers and takes nothing itself.

    Nobody has to be signed in to send a form to a door, and a form may carry files without end.
    Raises RequestDataTooBig where a stranger's is longer than a form without files may be.
    """

    def handle_raw_input(
        self,
        input_data: Any,
        META: dict[str, Any],
        content_length: int,
        boundary: str,
        encoding: str | None = None,
    ) -> tuple[QueryDict, MultiValueDict[str, Any]] | None:
        user = getattr(self.request, "user", None)
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if most and content_length > most and not (user and user.is_authenticated):
            raise RequestDataTooBig("Strangers send no files.")
        return None

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None
