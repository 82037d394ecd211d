"""Who may send files at all. Server and Django keep them on the disk before any view can say no."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler
from django.db import Error as DatabaseError
from django.db import close_old_connections
from django.http import QueryDict, parse_cookie
from django.urls import Resolver404, resolve
from django.utils.datastructures import MultiValueDict

from studio.address_rules import Who, rule_of
from studio.cookie_names import carry_earlier


def may_be_sent(path: str, length: int, cookies: str) -> bool:
    """Whether a body of `length` bytes is received at this address: asked when its head has come.

    What is not received is refused by the studio itself, with a page that says why.
    """
    close_old_connections()
    try:
        rule = rule_of(resolve(path))
        if length > rule.max_body:
            return False
        return rule.who is Who.PUBLIC or _is_signed_in(cookies)
    except (Resolver404, KeyError, DatabaseError):
        return False


def _is_signed_in(cookies: str) -> bool:
    by_name = parse_cookie(cookies)
    carry_earlier(by_name)
    key = by_name.get(settings.SESSION_COOKIE_NAME)
    sessions = import_module(settings.SESSION_ENGINE)
    return bool(key) and SESSION_KEY in sessions.SessionStore(key)


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


class UnexpectedFile(SuspiciousOperation):
    """A file sent to an address that takes none."""


class NoFiles(SignedInUploads):
    """The one handler of addresses that take no files: the first byte of one ends the reading."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        raise UnexpectedFile("This address takes no files.")
