"""Text from outside is clean before anything reads it, whatever way it comes in."""

from __future__ import annotations

import ast
import re
from io import BytesIO
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import get_commands, load_command_class
from django.db import models
from django.test import RequestFactory
from django.urls import get_resolver

from studio.incoming_text import LINES, clean, clean_line, clean_tree, cut, tidy_line
from studio.management.base import DJANGOS, StudioCommand
from studio.middleware import CleanTextMiddleware
from studio.models import (
    Chain,
    Collection,
    Comment,
    FavouritePrompt,
    Generation,
    Project,
    SavedView,
    Tag,
    User,
)
from tests.test_access import TABLE, things  # noqa: F401 (a fixture)
from tests.test_fuzz_pages import asker, client_of, where  # noqa: F401 (a fixture)

ROOT = Path(__file__).parents[1]
HOSTILE = "Rain\0 on\x08 gl\u202ea\u2066ss\u2069\ud800 e\u0301\r\nand\u2028snow\x85"
CLEAN = "Rain on glass\ufffd é\nand\nsnow\n"


@pytest.mark.pure
@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (HOSTILE, CLEAN),
        ("a\tb", "a\tb"),
        ("one\rtwo\r\nthree\vfour", "one\ntwo\nthree\nfour"),
        (
            "l’heure\u202fbleue, 東京\u3000夜景, a\u00a0b",
            "l’heure\u202fbleue, 東京\u3000夜景, a\u00a0b",
        ),
        ("👩\u200d🎤 می\u200cخواهم", "👩\u200d🎤 می\u200cخواهم"),
        ("\u200fשלום\u200e!", "\u200fשלום\u200e!"),
        ("\ud83d\ude00", "😀"),
        ("ｱ ﬁ Å", "ｱ ﬁ Å"),
        ("e\u202e\u0301", "é"),
        ("\ufeffNight\ufffe \uffffone\ufdd0 \u206ftwo", "Night one two"),
        ("Boat\U000e0041\U000e0042", "Boat"),
        (
            "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
            "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        ),
        ("ไทย\u200bคำ", "ไทย\u200bคำ"),
        ("\u200b \u2060\u200d", ""),
        ("\u3164\u2800\u00ad\u200e", ""),
        ("", ""),
    ],
)
def test_what_acts_goes_and_what_is_read_stays(said, kept):
    assert clean(said) == kept
    assert clean(kept) == kept


@pytest.mark.pure
def test_one_line_is_one_line():
    assert clean_line("Ridge \r\n at\tdawn\0  two") == "Ridge at dawn  two"
    assert clean_line("l’heure\u202fbleue") == "l’heure\u202fbleue"
    assert (
        tidy_line(" l’heure\u202fbleue \n  東京\u3000夜景 ") == "l’heure\u202fbleue 東京\u3000夜景"
    )


@pytest.mark.pure
def test_a_tree_is_clean_to_its_leaves():
    assert clean_tree({"a\0": ["b\0", 1, None, {"c": "d\x1b"}]}) == {
        "a": ["b", 1, None, {"c": "d"}]
    }


@pytest.mark.pure
@pytest.mark.parametrize(
    ("text", "most", "kept"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "abc"),
        ("ab👩\u200d🎤", 4, "ab"),
        ("ab👍🏽", 3, "ab"),
        ("abé", 3, "ab"),
        ("ab🇳🇴🇸🇪", 3, "ab"),
        ("ab🇳🇴🇸🇪", 4, "ab🇳🇴"),
        ("ab🇳🇴🇸🇪", 5, "ab🇳🇴"),
        ("กำ", 1, "กำ"[:1]),
        ("xกำ", 2, "x"),
        ("a" + "\u0301" * 9, 4, "a" + "\u0301" * 3),
    ],
)  # fmt: skip
def test_a_letter_or_an_emoji_is_never_cut_in_two(text, most, kept):
    text = text.replace("é", "e\u0301") if most == 3 else text
    assert cut(text, most) == kept


def seen_by_a_view(request):
    seen = CleanTextMiddleware(lambda request: request)
    seen(request)
    seen.process_view(request, lambda request: None, (), {})
    return request


@pytest.mark.pure
def test_forms_queries_and_file_names_are_clean_before_a_view_reads_them():
    file = BytesIO(b"x")
    file.name = "e\u0301\u202e.png"
    sent = {
        "title": f" {HOSTILE}", "prompt": HOSTILE, "shot-note": HOSTILE, "password": "e\u0301\x08",
        "new_password1": " e\u0301", "tag": ["a\0", "b"], "still": file,
    }  # fmt: skip
    sent = {
        key: value.replace("\ud800", "") if isinstance(value, str) else value
        for key, value in sent.items()
    }
    request = seen_by_a_view(RequestFactory().post("/?q=%00a%0db&q=%ff&ok=1", sent))
    words = CLEAN.replace("\ufffd", "")
    assert request.POST["prompt"] == request.POST["shot-note"] == words
    assert request.POST["title"] == f" {words.rstrip().replace(chr(10), ' ')} "
    assert request.POST.getlist("tag") == ["a", "b"]
    assert (request.POST["password"], request.POST["new_password1"]) == ("e\u0301\x08", " e\u0301")
    assert request.FILES["still"].name == "é.png"
    assert request.GET.getlist("q") == ["a b", "\ufffd"]
    with pytest.raises(AttributeError):
        request.POST["title"] = "changed"


@pytest.mark.pure
def test_a_body_of_bytes_is_left_to_its_view():
    request = RequestFactory().post("/", b"\0\1", content_type="application/octet-stream")
    assert seen_by_a_view(request).body == b"\0\1"


# ---- No way in that skips it --------------------------------------------------------------------


@pytest.mark.pure
def test_every_field_of_many_lines_is_known_by_its_name():
    """A field of one line would lose its line ends."""
    names = set()
    for template in (ROOT / "templates").rglob("*.html"):
        for tag in re.findall(r"<textarea[^>]*", template.read_text()):
            names |= set(re.findall(r'name="([^"{]+)"', tag))
    for form in (ROOT / "studio/forms").glob("*.py"):
        for node in ast.walk(ast.parse(form.read_text())):
            target, value = None, None
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                target, value = node.targets[0].id, node.value
            elif isinstance(node, ast.Dict):
                for key, item in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and "Textarea" in ast.dump(item):
                        names.add(key.value)
                continue
            if isinstance(value, ast.Call) and "Textarea" in ast.dump(value):
                names.add(target)
    assert {name for name in names if isinstance(name, str)} - {"widgets"} == LINES


# What reads the bytes of a request, or text of a program's, and how that is clean or none of people's.
READERS = {
    "studio/views/operations/hooks.py": "a webhook's body, read by studio/providers/calls.py",
    "studio/views/projects/uploads.py": "parts of an archive, which is read as one",
    "studio/providers/calls.py": "answers, read value by value by studio/providers/answers.py",
    "studio/services/review/drawing.py": "numbers and kinds of shapes",
    "studio/services/exchange/manifest_json.py": "clean",
    "studio/services/exchange/backup_rows.py": "the studio's own rows, as they were",
    "studio/services/exchange/backup_reading.py": "the studio's own list of a backup",
    "studio/services/exchange/upload_parts.py": "the studio's own record, of a clean name",
    "studio/services/exchange/kept_backups.py": "the studio's own list of its files",
    "studio/services/exchange/restored_media.py": "the studio's own list of its files",
    "studio/previs/sketch.py": "what the studio asks of itself",
}


@pytest.mark.pure
def test_nothing_else_reads_text_from_outside():
    reads = re.compile(
        r"request\.(body|read|_?stream\b)|json\.loads?\(|csv\.(reader|DictReader)|sys\.stdin\b|\binput\("
        r"|\.read\([^)]*\)\.decode\("
    )
    assert {place for place, text in sources() if reads.search(text)} == set(READERS)


# What of a request's other parts is read, and how that is clean or none of people's words.
PARTS_READ = {
    '"User-Agent"': "cleaned by studio/services/sessions.py; elsewhere only searched",
    '"X-Forwarded-For"': "addresses, read as such",
    '"REMOTE_ADDR"': "an address, of the web server",
    '"CONTENT_LENGTH"': "digits", '"Content-Length"': "digits",
    '"Transfer-Encoding"': "only searched",
    '"Authorization"': "only compared", '"Sec-Fetch-Site"': "only compared",
    '"Range"': "digits", '"If-Range"': "only compared",
    '"HX-Request"': "whether it is there", '"HX-Boosted"': "whether it is there",
    "HEADER": "a request's number, matched by its pattern",
    '"density"': "digits",
    "cookie_name(": "signed or compared",
}  # fmt: skip


@pytest.mark.pure
def test_no_other_header_or_cookie_is_read():
    part = re.compile(
        r"""request\.(?:headers|META|COOKIES)(?:\.get\(|\[)\s*("[^"]*"|\w+\(?)"""
        r"""|("[^"]*"|\w+\([^)]*\)) (?:not )?in request\.(?:headers|META|COOKIES)\b(?![.\[])"""
    )
    found = set()
    for _, text in sources():
        for read, asked in part.findall(text):
            found.add(read or re.sub(r"\(.*", "(", asked))
    assert found == set(PARTS_READ)


def sources():
    """Return the place and text of each module of the studio but those that start it."""
    for path in (ROOT / "studio").rglob("*.py"):
        if "launcher" not in path.parts:
            yield str(path.relative_to(ROOT)), path.read_text()


@pytest.mark.pure
def test_views_that_are_left_out_are_the_signed_ones():
    exempt = {
        str(one.pattern)
        for one in _patterns(get_resolver().url_patterns)
        if getattr(one.callback, "csrf_exempt", False)
    }
    # A provider's answer is signed; the other one reads nothing but its address.
    assert exempt == {"hooks/<slug:provider>/<uuid:token>/", "digest/off/<str:token>/"}


def _patterns(patterns):
    for one in patterns:
        if hasattr(one, "url_patterns"):
            yield from _patterns(one.url_patterns)
        else:
            yield one


@pytest.mark.pure
@pytest.mark.parametrize(
    "name", sorted(name for name, app in get_commands().items() if app == "studio")
)
def test_what_a_command_is_given_is_clean(name):
    command = load_command_class("studio", name)
    if not isinstance(command, StudioCommand):
        return
    for action in command.create_parser("manage.py", name)._actions:
        if action.nargs != 0 and not action.choices and action.metavar != "FILE":
            assert action.type is not None or action.dest in DJANGOS, action.dest


# ---- Every address ------------------------------------------------------------------------------

NAMES = re.compile(r'name="([a-z][a-z0-9_-]*)"')
ACTS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def names_of_fields():
    found = set()
    for template in (ROOT / "templates").rglob("*.html"):
        found |= set(NAMES.findall(template.read_text()))
    return found - {"csrfmiddlewaretoken"}


def stored_text():
    """Return (table, column, text) of every text in the database that acts."""
    for model in apps.get_app_config("studio").get_models():
        columns = [
            one.attname for one in model._meta.concrete_fields
            if isinstance(one, models.CharField | models.TextField | models.JSONField)
        ]  # fmt: skip
        for row in model._default_manager.values_list(*columns) if columns else ():
            for column, value in zip(columns, row, strict=True):
                for text in texts_in(value):
                    if ACTS.search(text):
                        yield model.__name__, column, text


def texts_in(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in (*value, *value.values()):
            yield from texts_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts_in(one)


@pytest.mark.django_db
@pytest.mark.parametrize("person", ["alice", "guest"])
def test_no_address_stores_or_stumbles_over_text_that_acts(things, asker, person):  # noqa: F811
    """Each is asked with every field there is, and with a query: NUL ended in an error on PostgreSQL."""
    said = "Ri\0dge \u202e\x1b\x85 é \r\n x"
    fields = dict.fromkeys(names_of_fields(), said)
    query = dict.fromkeys(("q", "tag", "view", "sort", "month", "page", "by", "chain"), said)
    wrong, client = [], client_of(person, things)
    for name in sorted(set(TABLE) - {"sign-out", "readyz"}):
        url = where(name, things)
        for answer in (client.get(url, query), client.post(f"{url}?tag=%00", fields)):
            for _ in answer if answer.streaming else ():
                pass  # an open download would hold a place
            if answer.status_code >= 500:
                wrong.append((name, answer.status_code))
        if person == "alice":
            client.force_login(things["cast"].alice)
    assert wrong == []
    assert list(stored_text()) == []


BLANK = [
    ("clips/{clip}/comments/", {"text": ..., "at": "0"}),
    ("clips/{clip}/tags/", {"tag": ...}),
    ("chains/{chain}/title/", {"title": ...}),
    ("p/{p}/collections/", {"title": ...}),
    ("p/{p}/views/", {"name": ..., "query": "rating=5"}),
    ("p/{p}/library/prompts/", {"text": ...}),
    ("projects/", {"name": ...}),
    ("account/", {"name": ...}),
    ("p/{p}/settings/", {"name": ...}),
]


@pytest.mark.django_db
@pytest.mark.parametrize("blank", ["\u200b", "\u2060\u200d\ufeff", "\u3164", "\u2800 \u3000"])
def test_nothing_is_called_what_nobody_sees(things, client, blank):  # noqa: F811
    client.force_login(things["cast"].alice)
    codes = {"clip": things["clip"], "p": things["code"]["p"], "chain": things["code"]["chains"]}
    before = names_kept()
    for place, sent in BLANK:
        body = {name: blank if value is ... else value for name, value in sent.items()}
        assert client.post(f"/{place.format(**codes)}", body).status_code < 500
        assert names_kept() == before, place


def names_kept():
    kept = (
        (Chain, "title"), (Collection, "title"), (Comment, "text"), (FavouritePrompt, "text"),
        (Project, "name"), (SavedView, "name"), (Tag, "name"), (User, "name"),
    )  # fmt: skip
    return [sorted(model.objects.values_list(name, flat=True)) for model, name in kept]


MEMBERS = [
    ("clips/{clip}/title/", {"title": ...}),
    ("clips/{clip}/comments/", {"text": ..., "at": "0"}),
    ("clips/{clip}/judge/", {"verdict": "changes", "text": ...}),
    ("clips/{clip}/tags/", {"tag": ...}),
    ("chains/{chain}/title/", {"title": ...}),
    ("p/{p}/collections/", {"title": ...}),
    ("p/{p}/library/prompts/", {"text": ...}),
]


@pytest.mark.django_db
def test_what_is_typed_with_a_nul_is_kept_without_it(things, client):  # noqa: F811
    client.force_login(things["cast"].alice)
    codes = {"clip": things["clip"], "p": things["code"]["p"], "chain": things["code"]["chains"]}
    for place, sent in MEMBERS:
        body = {
            name: "Quay\0 \u202eat\x07 dawn" if value is ... else value
            for name, value in sent.items()
        }
        answer = client.post(f"/{place.format(**codes)}", body)
        assert answer.status_code < 400, (place, answer.status_code)
    texts = {
        text
        for model in (Generation, Comment, Tag, Chain, Collection, FavouritePrompt)
        for row in model.objects.values()
        for text in texts_in(row)
    }
    assert "Quay at dawn" in texts
    assert Generation.objects.filter(title="Quay at dawn").exists()
    assert Comment.objects.filter(text="Quay at dawn").exists()
    for model, name in (
        (Tag, "name"),
        (Chain, "title"),
        (Collection, "title"),
        (FavouritePrompt, "text"),
    ):
        assert model.objects.filter(**{name: "Quay at dawn"}).exists(), model
