"""Answers that are made while they are read: ZIP and CSV. Each holds a thread until it is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase

from studio.http import StudioRequest
from studio.services.places import Places
from studio.views.operations.errors import too_many_downloads

# Of the 16 threads of a web process (studio.launcher.web): pages are left the others, however slowly
# these are read.
MAX_STREAMS = 4
# Of these, one person's: whoever reads slowly keeps nobody else from a download.
MAX_STREAMS_OF_A_PERSON = 2
_open = Places()


def streamed(
    request: StudioRequest,
    pieces: Iterable[bytes | str],
    *,
    content_type: str,
    headers: Mapping[str, str],
) -> HttpResponseBase:
    """Answer with these pieces, made one by one; 503 while as many others are being read as may be,
    of all people or of this one."""
    if request.method == "HEAD":
        return StreamingHttpResponse([], content_type=content_type, headers=headers)
    person = str(request.user.pk)
    if not _open.take(person, MAX_STREAMS_OF_A_PERSON, MAX_STREAMS):
        return too_many_downloads(request)
    return StreamingHttpResponse(
        _Counted(pieces, person, _open), content_type=content_type, headers=headers
    )


class _Counted:
    """Pieces that give their place back when they are closed, or forgotten unread."""

    def __init__(self, pieces: Iterable[bytes | str], person: str, places: Places) -> None:
        self._pieces, self._person, self._places = pieces, person, places
        self._is_open = True

    def __iter__(self) -> Iterator[bytes | str]:
        return iter(self._pieces)

    def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        self._places.give_back(self._person)
        if close := getattr(self._pieces, "close", None):
            close()

    __del__ = close
