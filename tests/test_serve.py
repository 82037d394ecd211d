from __future__ import annotations

import io
import os

import pytest
from django.test import RequestFactory
from django.utils.http import http_date
from hypothesis import given
from hypothesis import strategies as st

from studio.media.serve import (
    MAX_PART,
    UNSATISFIABLE,
    ByteRange,
    Unsatisfiable,
    parse_range,
    ranged_file_response,
)

# Closing a response ends a request for Django: it looks at the connection that is open, if any.
pytestmark = [pytest.mark.django_db, pytest.mark.once]
BODY = bytes(range(256)) * 16
MTIME = 1_760_000_000


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(BODY)
    os.utime(path, (MTIME, MTIME))
    return path


def ask(source, method="get", headers=None, **options):
    request = getattr(RequestFactory(), method)("/media/clip.mp4", headers=headers or {})
    options.setdefault("content_type", "video/mp4")
    return ranged_file_response(request, source, **options)


def body_of(response):
    try:
        return b"".join(response.streaming_content) if response.streaming else response.content
    finally:
        response.close()


def test_a_plain_get_has_the_whole_file(clip):
    response = ask(clip)
    assert response.status_code == 200
    assert response["Content-Length"] == str(len(BODY))
    assert response["Content-Type"] == "video/mp4"
    assert response["Accept-Ranges"] == "bytes"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Last-Modified"] == http_date(MTIME)
    assert "Content-Disposition" not in response
    assert body_of(response) == BODY


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-", 0, 4095),
        ("bytes=0-0", 0, 0),
        ("bytes=100-199", 100, 199),
        ("bytes=4095-", 4095, 4095),
        ("bytes=4000-999999", 4000, 4095),
        ("bytes=-10", 4086, 4095),
        ("bytes=-99999", 0, 4095),
        ("BYTES = 5 - 9", 5, 9),
    ],
)
def test_a_range_is_answered_with_that_part(clip, asked, first, last):
    response = ask(clip, headers={"Range": asked})
    assert response.status_code == 206
    assert response["Content-Range"] == f"bytes {first}-{last}/4096"
    assert response["Content-Length"] == str(last - first + 1)
    assert body_of(response) == BODY[first : last + 1]


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=",
        "bytes=-",
        "bytes=9-5",
        "bytes=a-b",
        "bytes=0-1,5-6",
        "seconds=0-1",
        "bytes=0x1-",
        "bytes=\u0661-",
        "bytes=" + "9" * 5000 + "-",
        "0-5",
    ],
)
def test_a_range_that_is_not_understood_is_ignored(clip, asked):
    response = ask(clip, headers={"Range": asked})
    assert response.status_code == 200
    assert body_of(response) == BODY


@pytest.mark.parametrize("asked", ["bytes=4096-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_outside_the_file_is_416(clip, asked):
    response = ask(clip, headers={"Range": asked})
    assert response.status_code == 416
    assert response["Content-Range"] == "bytes */4096"
    assert response["Cache-Control"] == "no-store"
    assert body_of(response) == b""


def test_an_empty_file_has_no_ranges(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    assert ask(tmp_path / "empty", headers={"Range": "bytes=0-"}).status_code == 416
    assert ask(tmp_path / "empty", headers={"Range": "bytes=-5"}).status_code == 416
    assert ask(tmp_path / "empty")["Content-Length"] == "0"


def test_a_part_is_capped_and_the_rest_can_be_asked_for(tmp_path):
    data = os.urandom(2 * MAX_PART + 5)
    (tmp_path / "big").write_bytes(data)
    received, next_byte = b"", 0
    while next_byte < len(data):
        response = ask(tmp_path / "big", headers={"Range": f"bytes={next_byte}-"})
        part = body_of(response)
        assert len(part) <= MAX_PART
        next_byte += len(part)
        received += part
    assert received == data


def test_a_download_is_not_capped_and_has_a_name(tmp_path):
    (tmp_path / "big").write_bytes(bytes(MAX_PART + 5))
    response = ask(
        tmp_path / "big", headers={"Range": "bytes=0-"}, cap=None, filename="Düne «1».mp4"
    )
    assert response["Content-Length"] == str(MAX_PART + 5)
    assert response["Content-Disposition"].startswith("attachment; filename*=utf-8''D%C3%BCne")
    response.close()


def test_a_file_name_cannot_break_out_of_its_header(clip):
    response = ask(clip, filename='a"; x="y.mp4')
    assert response["Content-Disposition"] == 'attachment; filename="a\\"; x=\\"y.mp4"'
    response.close()


def test_if_range_decides_between_part_and_whole(clip):
    etag = ask(clip, "head")["ETag"]
    for value, status in [
        (etag, 206),
        (http_date(MTIME), 206),
        ('"other"', 200),
        ("W/" + etag, 200),
        (http_date(MTIME - 60), 200),
        (http_date(MTIME + 60), 200),
    ]:
        response = ask(clip, headers={"Range": "bytes=0-9", "If-Range": value})
        assert (value, response.status_code) == (value, status)
        response.close()


def test_head_tells_the_size_and_ignores_ranges(clip):
    response = ask(clip, "head", headers={"Range": "bytes=0-9"})
    assert (response.status_code, response["Content-Length"]) == (200, "4096")
    assert response["Accept-Ranges"] == "bytes"
    assert body_of(response) == b""


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_known_file_is_304(clip, method):
    etag = ask(clip, "head")["ETag"]
    for headers in (
        {"If-None-Match": etag},
        {"If-None-Match": f'"x", W/{etag}'},
        {"If-None-Match": "*"},
        {"If-None-Match": etag, "Range": "bytes=0-9"},
        {"If-Modified-Since": http_date(MTIME)},
    ):
        response = ask(clip, method, headers=headers)
        assert (headers, response.status_code) == (headers, 304)
        assert response["ETag"] == etag
        assert response["Cache-Control"] == "private, max-age=3600"


def test_a_changed_file_is_sent_again(clip):
    etag = ask(clip, "head")["ETag"]
    clip.write_bytes(BODY + b"x")
    response = ask(clip, headers={"If-None-Match": etag})
    assert response.status_code == 200
    assert response["ETag"] != etag
    response.close()


def test_a_precondition_that_fails_is_412(clip):
    assert ask(clip, headers={"If-Match": '"other"'}).status_code == 412


def test_the_etag_can_be_given(clip):
    assert ask(clip, "head", etag="abc")["ETag"] == '"abc"'
    assert ask(clip, etag="abc", headers={"If-None-Match": '"abc"'}).status_code == 304


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({}, "private, max-age=3600"),
        ({"max_age": 0}, "private, no-cache"),
        ({"max_age": 60, "immutable": True}, "private, max-age=60, immutable"),
    ],
)
def test_caching_is_always_private(clip, options, value):
    assert ask(clip, "head", **options)["Cache-Control"] == value


def test_the_front_server_can_send_the_file(tmp_path):
    response = ask(
        tmp_path / "elsewhere.mp4",
        headers={"Range": "bytes=0-9"},
        accel="/_media/clips/a b?ü.mp4",
        filename="shot.mp4",
    )
    assert (response.status_code, response.content) == (200, b"")
    assert response["X-Accel-Redirect"] == "/_media/clips/a%20b%3F%C3%BC.mp4"
    assert response["Content-Type"] == "video/mp4"
    assert response["Content-Disposition"] == 'attachment; filename="shot.mp4"'
    assert "Content-Length" not in response


def test_an_open_file_without_a_date_has_no_validator():
    response = ask(io.BytesIO(BODY), size=len(BODY), headers={"Range": "bytes=-3"})
    assert "ETag" not in response
    assert "Last-Modified" not in response
    assert body_of(response) == BODY[-3:]


@pytest.mark.parametrize(
    ("method", "headers", "options"),
    [
        ("get", {}, {}),
        ("get", {"Range": "bytes=1-2"}, {}),
        ("get", {"Range": "bytes=9999-"}, {}),
        ("get", {"If-None-Match": "*"}, {}),
        ("head", {}, {}),
        ("get", {}, {"accel": "/_media/x"}),
    ],
)
def test_the_file_is_closed_in_every_case(clip, method, headers, options):
    with clip.open("rb") as file:
        ask(file, method, headers=headers, **options).close()
        assert file.closed


def test_a_missing_file_is_an_ordinary_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        ask(tmp_path / "none.mp4")


@given(header=st.text(max_size=60) | st.from_regex(r"bytes=\d{0,25}-\d{0,25}(,\d*-\d*)?"))
def test_any_header_parses_to_a_part_inside_the_file(header):
    part = parse_range(header, 1000)
    if isinstance(part, ByteRange):
        assert 0 <= part.start < part.stop <= 1000
    else:
        assert part is None or part is UNSATISFIABLE


@given(size=st.integers(0, 10**12), first=st.integers(0, 10**12), more=st.integers(0, 10**12))
def test_first_and_last_byte_are_honoured(size, first, more):
    part = parse_range(f"bytes={first}-{first + more}", size)
    if first >= size:
        assert isinstance(part, Unsatisfiable)
    else:
        assert part == ByteRange(first, min(first + more + 1, size))


@given(size=st.integers(0, 10**12), count=st.integers(0, 10**12))
def test_a_suffix_is_the_end_of_the_file(size, count):
    part = parse_range(f"bytes=-{count}", size)
    if size == 0 or count == 0:
        assert isinstance(part, Unsatisfiable)
    else:
        assert part == ByteRange(max(0, size - count), size)
