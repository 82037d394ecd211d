"""What nobody should send, and somebody will: texts, files, headers, bodies."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib

from hypothesis import strategies as st
from PIL import Image

LONG = "x" * 2**20
NUMBERS = (
    "0", "-0", "-1", "1", "2", "1.5", "1e3", "1e400", "-1e400", "nan", "NaN", "inf", "-Infinity",
    "2147483647", "2147483648", "-2147483649", "9223372036854775807", "9223372036854775808",
    "-9223372036854775809", "9" * 40, "9" * 4300, "9" * 5000, "0x10", "1_000", " 7 ", "+3",
    "²", "٣", "½", "０", "1,5",
)  # fmt: skip
TEXTS = (
    "", " ", "\x00", "a\x00b", "\ud800", "a\udfffb", "\u202eabc\u202c", "\ufeff", "\u2028", "e\u0301",
    "👩‍👩‍👧‍👦" * 40, "ﷺ" * 300, "İ", "ß", "\r\n\r\nSet-Cookie: a=b", "\t\n\v\f\x1b[2J",
    "<script>alert(1)</script>", "'\";--", "%", "%%s", "%00", "{{ 7 }}", "{0}", "\\", "..", "../../etc/passwd",
    "//evil.example", "https://evil.example/", "http://[", "javascript:alert(1)", "null", "None", "true",
    "[]", "{}", "[[[[", '{"a": NaN}', "[" * 3000, '{"strokes": [[1e999, "x"]]}', "a=1&a=2", "on", "x" * 300, "x" * 5000,
    "00000000-0000-0000-0000-000000000000", "not-a-code", "a@b", "a@" + "b" * 300 + ".example",
    "0000-00", "2026-13", "2026-02-30", "99999-01", "1-1", "2026-11-21", "9999-12-31", "0001-01-01",
    "2026-11-21T25:61", "9999-12-31T23:59", "0001-01-01T00:00", "-", ",", ",,,", ":", "state:", "-created", "id,id",
)  # fmt: skip
RARE = (LONG, "\x00" * 1000, "é" * 2**18, "a " * 2**17)


def texts(more: list[str]) -> st.SearchStrategy[str]:
    """Values for one field; `more` are ones that mean something where they are sent."""
    known = st.sampled_from(more) if more else st.nothing()
    return st.one_of(
        known,
        known,
        # Together: the long ones are seldom drawn, because they are slow.
        st.sampled_from(NUMBERS + TEXTS + RARE),
        st.integers(-(2**70), 2**70).map(str),
        st.text(max_size=12),
    )


# ---- Files ---------------------------------------------------------------------------------------


def _picture(kind: str, size: tuple[int, int] = (8, 6), mode: str = "RGB") -> bytes:
    kept = io.BytesIO()
    Image.new(mode, size).save(kept, kind)
    return kept.getvalue()


def _png_of(width: int, height: int) -> bytes:
    """A PNG whose head promises this size, and whose body is a few bytes."""

    def part(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", body) + part(b"IEND", b"")


def _zip(files: dict[str, bytes]) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return kept.getvalue()


MANIFEST = "manifest.json"
FILES = (
    b"",
    b"\x00",
    b"not a picture at all",
    b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    _picture("PNG"),
    _picture("PNG")[:-20],
    _picture("PNG", (1, 1), "1"),
    _picture("PNG", (8, 8), "I;16"),
    _picture("JPEG", (8, 6), "CMYK"),
    _picture("JPEG")[:60],
    _picture("JPEG")[:2] + b"\xff\xe1\xff\xffExif\0\0" + b"\xff" * 70,
    _picture("GIF", (3, 3), "P"),
    _picture("WEBP")[:-4],
    _picture("TIFF"),
    _png_of(30_000, 30_000),
    _png_of(2**31 - 1, 2**31 - 1),
    _png_of(0, 0),
    _png_of(4096, 1),
    b"\x00\x00\x00\x20ftypisom" + b"\x00" * 30,
    b"\x00\x00\x00\x20ftypavif" + b"\xff" * 30,
    _zip({}),
    _zip({MANIFEST: b"{"}),
    _zip({MANIFEST: b"[]"}),
    _zip({MANIFEST: b'{"format": 1e999, "version": [], "project": null}'}),
    _zip({MANIFEST: b"[" * 100_000}),
    _zip({MANIFEST: b'"\\ud800"', "../../etc/passwd": b"x"}),
    _zip({MANIFEST: b"\0" * 2**24}),
    _zip({MANIFEST: b"{}"})[:-10],
)
FILE_NAMES = (
    "a.png",
    "a.zip",
    "../../a.png",
    "",
    ".",
    "a\x00b.png",
    "\u202egnp.exe",
    "x" * 400 + ".jpg",
    "a",
)


# ---- Headers -------------------------------------------------------------------------------------
HEADERS = {
    "HX-Request": ("true", "false", ""),
    "HX-Boosted": ("true",),
    "HX-History-Restore-Request": ("true",),
    "HX-Current-URL": ("http://[", "", "/", "http://testserver/p/x/?a=1", "javascript:1", "//[::", "http://a:b/"),
    "HX-Current-URL-URI-AutoEncoded": ("true",),
    "HX-Target": ("", "x" * 300, "<b>"),
    "HX-Trigger": ("\\", "a b"),
    "HX-Prompt": ("%00", "%ED%A0%80"),
    "Range": ("bytes=0-", "bytes=-1", "bytes=-0", "bytes=5-1", "bytes=999999-", "bytes=0-0,5-9", "bytes=",
              "bytes=a-b", "items=0-1", "bytes=" + "9" * 5000 + "-", "bytes=-" + "9" * 30, "bytes=²-", "bytes=0-" + "9" * 30,
              "bytes=" + ",".join(["0-"] * 2000)),
    "If-Range": ("", '"x"', "W/", "yesterday", "Sat, 21 Nov 2026 14:00:00 GMT"),
    "If-None-Match": ("*", "", '"', "W/\"", ",,,", '"a", "b', "x" * 5000),
    "If-Match": ("*", '"a"', "a"),
    "If-Modified-Since": ("0", "yesterday", "Sat, 99 Nov 99999 99:99:99 GMT", "Thu, 01 Jan 0001 00:00:00 GMT"),
    "If-Unmodified-Since": ("Thu, 01 Jan 1970 00:00:00 GMT", "x"),
    "Accept": ("", "*/*", "application/json", "text/html;q=x", ";;;,,,"),
    "Accept-Language": ("xx", "en;q=9e999"),
    "Accept-Encoding": ("gzip", "br;q=nan"),
    "Authorization": ("Basic", "Bearer \u00ff", "Basic //"),
    "Content-Type": ("", "text/plain", "application/json", "multipart/form-data", "multipart/form-data; boundary=",
                     "multipart/form-data; boundary=x", "application/x-www-form-urlencoded; charset=utf-16",
                     "application/x-www-form-urlencoded; charset=nonsense", "multipart/form-data; boundary=" + "x" * 300),
    "Cookie": ("sessionid=x", "sessionid=\u00ff", "csrftoken=", "messages=x", "=;=;", "density=\"<\"", "sessionid=" + "x" * 5000),
    "Host": ("testserver", "evil.example", "[", "a b", "testserver:99999999", "localhost:x"),
    "Origin": ("null", "http://[", "https://evil.example"),
    "Referer": ("http://[", "x", "https://evil.example/"),
    "User-Agent": ("", "\u00ff", "x" * 5000, "curl/8"),
    "X-Forwarded-For": ("x", "1.2.3.4, nonsense", "::1", ",,"),
    "X-Forwarded-Proto": ("https", "x"),
    "X-Request-ID": ("", "x" * 5000, "a\tb", "\u00ff", "../../x"),
    "X-Requested-With": ("XMLHttpRequest",),
}  # fmt: skip


def headers() -> st.SearchStrategy[dict[str, str]]:
    """None at all, those of htmx, or a few that say nonsense."""
    odd = st.sampled_from(sorted(HEADERS)).flatmap(
        lambda name: st.tuples(st.just(name), st.sampled_from(HEADERS[name]))
    )
    return st.one_of(
        st.just({}),
        st.just({"HX-Request": "true"}),
        st.lists(odd, min_size=1, max_size=3).map(dict),
    )


# ---- JSON ----------------------------------------------------------------------------------------
BODIES = (
    b"", b"null", b"0", b"[]", b"{}", b'""', b"{", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf{}", b"NaN", b"[NaN]",
    b"[" * 100_000, b'{"a":' * 50_000, b'{"id": "\\ud800"}', b'{"id": "a\\u0000b"}', b'{"id": null}', b'{"id": []}',
    b'{"id": {"id": {}}}', b'{"id": 1e999}', b'{"id": ' + b"9" * 5000 + b"}", b'{"id": true, "id": false}',
    b'{"id": "' + b"x" * 200_000 + b'"}', b"x" * 300_000, b'{"id": "job-1", "state": []}', b"id=1&state=2",
)  # fmt: skip


def bodies(names: list[str]) -> st.SearchStrategy[bytes]:
    """Bodies a receiver may be sent; `names` are the keys providers use."""
    leaf = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.sampled_from((*TEXTS, "job-1")),
        st.text(max_size=5),
    )
    value = st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(names), inner, max_size=4)
        ),
        max_leaves=8,
    )
    whole = st.dictionaries(st.sampled_from(names), value, max_size=6)
    return st.one_of(st.sampled_from(BODIES), whole.map(lambda said: json.dumps(said).encode()))
