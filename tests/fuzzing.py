"""Every address of the studio, asked as nobody should ask.

Nothing here knows an address or a field by name. The addresses are those of the table; a view's
fields are the ones it reaches for, heard while it is asked, and those of the forms on its pages.
A new address, or a new field, is fuzzed without anybody adding it.

STUDIO_TEST_FUZZ=20 asks twenty times as often, and otherwise each time (`make fuzz`).
"""

from __future__ import annotations

import os
import re
import traceback
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from io import BytesIO
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import pytest
from django.db import transaction
from django.http import QueryDict
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import Resolver404, resolve
from django.utils.datastructures import MultiValueDict
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests import hostile

TIMES = int(os.environ.get("STUDIO_TEST_FUZZ") or 1)


# ---- What a view asks for ------------------------------------------------------------------------


@dataclass
class Heard:
    """The names a view reached for, in its form or query, and among its files."""

    fields: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)

    def note(self, kept: object, name: object) -> None:
        if isinstance(name, str) and len(name) < 100 and "\x00" not in name:
            (self.fields if isinstance(kept, QueryDict) else self.files).add(name)


@contextmanager
def listening() -> Iterator[dict[str, Heard]]:
    """Give what views reach for: under the key "now" put where it is to be noted."""
    ears: dict[str, Heard] = {"now": Heard()}
    once, listed = MultiValueDict.__getitem__, MultiValueDict._getlist

    def get_one(self: Any, name: Any) -> Any:
        ears["now"].note(self, name)
        return once(self, name)

    def get_list(self: Any, name: Any, *args: Any, **kwargs: Any) -> Any:
        ears["now"].note(self, name)
        return listed(self, name, *args, **kwargs)

    def has(self: Any, name: Any) -> bool:
        ears["now"].note(self, name)
        return dict.__contains__(self, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MultiValueDict, "__getitem__", get_one)
        patch.setattr(MultiValueDict, "_getlist", get_list)
        patch.setattr(MultiValueDict, "__contains__", has, raising=False)
        yield ears


# ---- What a page offers --------------------------------------------------------------------------
VERBS = "action", "hx-post", "hx-get", "formaction"


class FormReader(HTMLParser):
    """The forms of a page: for each address a form goes to, its fields and their values; its links."""

    def __init__(self, here: str) -> None:
        super().__init__(convert_charrefs=True)
        self.here = here
        self.found: dict[str, dict[str, list[str]]] = defaultdict(dict)
        self.links: set[str] = set()
        self._forms: list[list[str]] = []
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {key: value or "" for key, value in attrs}
        targets = [urlsplit(said[verb]).path or self.here for verb in VERBS if said.get(verb)]
        self.links |= {urljoin(self.here, way) for way in (*targets, said.get("href", "")) if way}
        if tag == "form":
            self._forms.append(targets or [self.here])
        elif targets and self._forms:
            self._forms[-1].extend(targets)
        name = said.get("name", "")
        if tag == "select":
            self._select = name
        if tag == "option":
            self._offer(self._select, said.get("value", ""))
        elif name and tag in {"input", "button", "textarea", "select"}:
            self._offer(name, said.get("value", "on" if said.get("type") == "checkbox" else ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._forms:
            self._forms.pop()

    def _offer(self, name: str, value: str) -> None:
        for target in self._forms[-1] if self._forms else [self.here]:
            values = self.found[target].setdefault(name, [])
            if name and value not in values and len(values) < 12:
                values.append(value)


def place_of(path: str) -> str:
    """The name or route an address belongs to; "" for none."""
    try:
        match = resolve(path)
    except Resolver404:
        return ""
    return match.view_name or match.route


FORM = "application/x-www-form-urlencoded"
UNREADY = "/readyz"  # says 503 by design


# ---- Asking --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ask:
    """One request: fields by name in order, files likewise (name, file name, body), headers."""

    fields: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str, bytes], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        fields = [
            (name, value if len(value) < 80 else f"{value[:40]}…{len(value)}")
            for name, value in self.fields
        ]
        files = [(name, title, body[:20], len(body)) for name, title, body in self.files]
        return f"Ask({fields}, {files}, {dict(self.headers)})"

    @property
    def encoded(self) -> bytes:
        """The fields as a browser would send them; half a surrogate as the bytes it is."""
        parts = (f"{_quoted(name)}={_quoted(value)}" for name, value in self.fields)
        return "&".join(parts).encode()

    @property
    def multipart(self) -> tuple[bytes, str]:
        """The fields and files in one body, and its type."""
        border, kept = "hostile-border", BytesIO()
        for name, value in self.fields:
            kept.write(
                f'--{border}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
            )
            kept.write(value.encode(errors="surrogatepass") + b"\r\n")
        for name, title, body in self.files:
            head = f'--{border}\r\nContent-Disposition: form-data; name="{name}"; filename="{title}"\r\n'
            kept.write(head.encode() + b"Content-Type: image/png\r\n\r\n" + body + b"\r\n")
        kept.write(f"--{border}--\r\n".encode())
        return kept.getvalue(), f"multipart/form-data; boundary={border}"


def said_of(error: Exception, where: str) -> str:
    """What broke, where, and the request that did it; short enough to read."""
    notes = re.sub(r"(.)\1{50,}", r"\1…", " ".join(getattr(error, "__notes__", ())))
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{where[:150]}: {type(error).__name__}: {str(error)[:200]} at {last.filename}:{last.lineno}\n    {notes[:1500]}"


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


@st.composite
def asks(draw: Any, heard: Heard, offered: dict[str, list[str]], known: list[str]) -> Ask:
    """Requests a view may get: what its form offers, with some of it gone wrong."""
    names = sorted(heard.fields | set(offered))
    form = {name: [values[0]] if values else [""] for name, values in offered.items()}
    kept = form if form and draw(st.integers(0, 3)) else {}
    fields = [(name, value) for name, values in kept.items() for value in values]
    if names:
        for name in draw(st.lists(st.sampled_from(names), max_size=3, unique=True)):
            wrong = hostile.texts([*offered.get(name, []), *known])
            fields = [pair for pair in fields if pair[0] != name]
            fields += [(name, value) for value in draw(st.lists(wrong, max_size=2))]
    files = []
    if heard.files and draw(st.booleans()):
        name = draw(st.sampled_from(sorted(heard.files)))
        title, body = st.sampled_from(hostile.FILE_NAMES), st.sampled_from(hostile.FILES)
        files = [(name, draw(title), draw(body))]
    return Ask(tuple(fields), tuple(files), tuple(draw(hostile.headers()).items()))


@dataclass
class Asker:
    """Asks as one person, and leaves everything as it was. `wrong` collects what broke."""

    client: Client
    ears: dict[str, Heard]
    known: list[str]
    heard: dict[str, Heard] = field(default_factory=lambda: defaultdict(Heard))
    offered: dict[str, dict[str, list[str]]] = field(default_factory=lambda: defaultdict(dict))
    refused: set[tuple[str, str]] = field(default_factory=set)
    met: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def look(self, url: str) -> set[str]:
        """Read a page's forms, and return where it leads."""
        answer = self.ask_plainly("GET", url)
        if answer is None or answer.streaming or "html" not in answer.get("Content-Type", ""):
            return set()
        reader = FormReader(url)
        reader.feed(answer.content.decode())  # type: ignore[attr-defined]
        for target, fields in reader.found.items():
            for name, values in fields.items():
                if name and name != "csrfmiddlewaretoken":
                    self.offered[place_of(target)].setdefault(name, values)
        return reader.links

    def send(self, method: str, url: str, ask: Ask) -> HttpResponseBase:
        """Send one request and read the answer whole; all it changed is undone."""
        said, how = dict(ask.headers), {}
        if method == "GET":
            url = f"{url}?{ask.encoded.decode()}" if ask.fields else url
        else:
            body, kind = ask.multipart if ask.files else (ask.encoded, FORM)
            how = {"data": body, "content_type": said.pop("Content-Type", kind)}
        cookies = {key: kept.value for key, kept in self.client.cookies.items()}
        try:
            with transaction.atomic():
                answer = self.client.generic(method, url, headers=said, **how)
                for _ in answer if answer.streaming else ():
                    pass
                transaction.set_rollback(True)
        finally:
            self.client.cookies.clear()
            self.client.cookies.load(cookies)
        assert answer.status_code < 500 or url.startswith(UNREADY), f"answered {answer.status_code}"
        return answer

    def fuzz(self, method: str, place: str, url: str, times: int) -> None:
        """Ask so often for one address; what breaks is noted with the smallest request that does it."""
        if (method, place) in self.refused:
            return
        heard = self.ears["now"] = self.heard[place]
        first = self.ask_plainly(method, url)
        if first is not None and first.status_code == 405:
            self.refused.add((method, place))
        # Not found, and nothing asked for: no field can change that.
        lost = first is not None and first.status_code == 404 and not (heard.fields or heard.files)
        if first is None or first.status_code == 405 or lost:
            return
        # Who asks first hears the names that all later rounds use.
        if place in self.met or self._round(method, place, url, 1):
            self._round(method, place, url, times)
        self.met.add(place)

    def _round(self, method: str, place: str, url: str, times: int) -> bool:
        heard = self.heard[place]

        @settings(
            max_examples=times * TIMES,
            derandomize=TIMES == 1,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink],
        )
        @given(asks(Heard(set(heard.fields), set(heard.files)), self.offered[place], self.known))
        def try_it(ask: Ask) -> None:
            self.send(method, url, ask)

        try:
            try_it()
        except Exception as error:
            self.wrong.append(said_of(error, f"{method} {url} ({place})"))
            return False
        return True

    def ask_plainly(self, method: str, url: str) -> HttpResponseBase | None:
        """Ask once with nothing; None where that breaks already, which is noted."""
        try:
            return self.send(method, url, Ask())
        except Exception as error:
            self.wrong.append(said_of(error, f"{method} {url}"))
            return None


# ---- Filling addresses in ------------------------------------------------------------------------
NUMBERS = ("0", "2147483648", "9223372036854775808", "9" * 40)
WORDS = (
    "%00",
    "x" * 400,
    "%ED%A0%80",
    "%F0%9F%8E%AC",
    "..",
    "%2e%2e%2f",
    "a:b:c",
    "-",
    "%0d%0a",
    "%25",
)
CODES = ("00000000-0000-0000-0000-000000000000", str(uuid.UUID(int=2**128 - 1)))
PIECE = re.compile(r"<(\w+):\w+>|\(\?P<\w+>[^)]*\)")


def wrong_addresses(route: str) -> Iterator[str]:
    """The addresses of a pattern with each of its pieces gone wrong, one after the other."""
    pieces = list(PIECE.finditer(route))
    plain = route.strip("^$").replace("\\.", ".").replace("\\Z", "")
    fillings = {"int": NUMBERS, "uuid": CODES}
    for number, piece in enumerate(pieces):
        for wrong in fillings.get(piece[1] or "", WORDS):
            counted = iter(range(len(pieces)))

            def fill(
                found: re.Match[str],
                here: int = number,
                wrong: str = wrong,
                counted: Iterator[int] = counted,
            ) -> str:
                right = fillings.get(found[1] or "", ("x",))[0]
                return wrong if next(counted) == here else right

            yield "/" + PIECE.sub(fill, plain)
