"""Answering requests for media files with byte ranges (RFC 9110, section 14). WSGI only."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import quote

from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, http_date

from studio.plain_text import one_line

MAX_PART = 2**20  # bytes in one 206; see ranged_file_response
DEFAULT_MAX_AGE_S = 3600
_BLOCK_BYTES = 64 * 1024

# ASCII digits, and few enough of them that int() stays cheap and legal.
_RANGE = re.compile(r"\s*bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", re.I | re.A)


def attachment(filename: str) -> str:
    """Return a Content-Disposition that saves the answer under this name, made one visible line.

    A line end would be refused as a header, and a direction override hides the ending.
    """
    return content_disposition_header(True, one_line(filename)) or "attachment"


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A part of a file: first byte and the byte after the last."""

    start: int
    stop: int


class Unsatisfiable:
    """A well-formed range that lies wholly outside the file."""


UNSATISFIABLE: Final = Unsatisfiable()


def parse_range(header: str, size: int) -> ByteRange | Unsatisfiable | None:
    """Read a Range header for a file of `size` bytes.

    None means: answer with the whole file. That covers other units, malformed values and several
    ranges at once, all of which RFC 9110 section 14.2 allows a server to ignore.
    """
    match = _RANGE.fullmatch(header)
    if not match or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start = int(first)
        stop = min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    return ByteRange(start, stop) if start < min(stop, size) else UNSATISFIABLE


def ranged_file_response(
    request: HttpRequest,
    source: Path | str | BinaryIO,
    *,
    content_type: str,
    size: int | None = None,
    mtime: float | None = None,
    etag: str | None = None,
    cap: int | None = MAX_PART,
    filename: str | None = None,
    accel: str | None = None,
    max_age: int = DEFAULT_MAX_AGE_S,
    immutable: bool = False,
) -> HttpResponseBase:
    """Answer GET or HEAD for a file: 200, 206, 304, 412 or 416, as the request's headers ask.

    `source` is a path, or an open seekable binary file (then `size` in bytes is required, and
    `mtime` in Unix seconds or `etag` is needed for caching). `etag` is the bare value, e.g. a
    SHA-256. A 206 carries at most `cap` bytes, since a paused player would otherwise hold a
    connection for as long as it likes; it asks for the rest by itself. None lifts the limit,
    for downloads. `filename` makes the browser save the file under that name. `accel` is the
    internal address of the file at the front server (prefix and stored name, unquoted): the
    body is then left to that server and `source` is not opened.
    Raises FileNotFoundError. An open `source` is closed in every case.
    """
    headers = {
        "Cache-Control": _cache_control(max_age, immutable=immutable),
        "X-Content-Type-Options": "nosniff",
    }
    if filename:
        headers["Content-Disposition"] = attachment(filename)
    if accel is not None:
        if not isinstance(source, (str, os.PathLike)):
            source.close()
        headers["X-Accel-Redirect"] = quote(accel)
        return HttpResponse(content_type=content_type, headers=headers)
    file = _open(source)
    try:
        if size is None:
            status = os.fstat(file.fileno())
            size, mtime = status.st_size, status.st_mtime if mtime is None else mtime
        headers |= _validators(size, mtime, etag)
        response = _bodiless(request, headers, size, mtime, content_type)
        if response is None:
            part = _wanted_part(request, headers, size)
            response = _with_body(file, part, headers, size, cap, content_type)
    except BaseException:
        file.close()
        raise
    if not response.streaming:
        file.close()
    return response


def _open(source: Path | str | BinaryIO) -> BinaryIO:
    if isinstance(source, (str, os.PathLike)):
        return Path(source).open("rb")
    return source


def _cache_control(max_age: int, *, immutable: bool) -> str:
    if max_age <= 0:
        return "private, no-cache"
    return f"private, max-age={max_age}" + (", immutable" if immutable else "")


def _validators(size: int, mtime: float | None, etag: str | None) -> dict[str, str]:
    validators = {"Accept-Ranges": "bytes"}
    if etag is not None:
        validators["ETag"] = f'"{etag}"'
    elif mtime is not None:
        validators["ETag"] = f'"{size:x}-{int(mtime * 1e6):x}"'
    if mtime is not None:
        validators["Last-Modified"] = http_date(mtime)
    return validators


def _bodiless(
    request: HttpRequest,
    headers: Mapping[str, str],
    size: int,
    mtime: float | None,
    content_type: str,
) -> HttpResponseBase | None:
    """Answer what needs no byte of the file: preconditions (304, 412) and HEAD."""
    # RFC 9110 section 13.2.2: preconditions come before Range; section 14.2: HEAD has no ranges.
    response = get_conditional_response(
        request, etag=headers.get("ETag"), last_modified=None if mtime is None else int(mtime)
    )
    if response is None and request.method == "HEAD":
        response = HttpResponse(content_type=content_type, headers={"Content-Length": str(size)})
    if response is not None:
        for name, value in headers.items():
            response[name] = value
        if response.status_code == 412:
            response["Cache-Control"] = "no-store"
    return response


def _wanted_part(
    request: HttpRequest, headers: Mapping[str, str], size: int
) -> ByteRange | Unsatisfiable | None:
    header = request.headers.get("Range")
    if header is None or request.method != "GET":
        return None
    # A weak tag never matches here, as section 13.1.5 asks, because ours are strong.
    if_range = request.headers.get("If-Range")
    if if_range is not None and if_range not in {headers.get("ETag"), headers.get("Last-Modified")}:
        return None
    return parse_range(header, size)


def _with_body(
    file: BinaryIO,
    part: ByteRange | Unsatisfiable | None,
    headers: dict[str, str],
    size: int,
    cap: int | None,
    content_type: str,
) -> HttpResponseBase:
    if isinstance(part, Unsatisfiable):
        headers |= {"Content-Range": f"bytes */{size}", "Cache-Control": "no-store"}
        return HttpResponse(status=416, headers=headers)
    if part is None:
        file.seek(0)
        response = FileResponse(file, content_type=content_type)
        length = size
    else:
        length = part.stop - part.start if cap is None else min(part.stop - part.start, cap)
        file.seek(part.start)
        response = FileResponse(_Window(file, length), status=206, content_type=content_type)
        last = part.start + length - 1
        response["Content-Range"] = f"bytes {part.start}-{last}/{size}"
    response.block_size = _BLOCK_BYTES
    # Django puts the name under which the file is stored here; that is nobody's business.
    del response["Content-Disposition"]
    for name, value in headers.items():
        response[name] = value
    response["Content-Length"] = str(length)
    return response


class _Window:
    """The next `length` bytes of a file, as a file: the web server sends it without a thread."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file = file
        self._start = file.tell()
        self._length = length

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._length - self.tell())
        return self._file.read(left if size < 0 else min(size, left))

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell() - self._start

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._length}[whence]
        return self._file.seek(self._start + max(0, base + offset)) - self._start

    def close(self) -> None:
        self._file.close()
