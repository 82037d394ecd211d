from __future__ import annotations

import re

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from studio import search as index
from studio.models import Comment, Generation, SearchText
from studio.search.words import read_terms
from studio.services.gallery import search
from studio.services.gallery.passing import filtered
from tests.factories import make_comment, make_generation, make_project

pytestmark = pytest.mark.django_db
on_sqlite = pytest.mark.skipif("connection.vendor != 'sqlite'", reason="FTS5 is SQLite's")
on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="PostgreSQL's")


@pytest.fixture
def clip(project, owner):
    def make(title="Clip", prompt="x", said="", **fields):
        made = make_generation(project, title=title, prompt=prompt, **fields)
        if said:
            make_comment(made, owner, said)
        return made

    return make


@pytest.fixture
def found(project):
    """The titles found, best match first."""

    def look(q):
        finding = search.find(project, q)
        page = search.best_page(Generation.objects.filter(project=project), finding, 60)
        titles = dict(Generation.objects.values_list("pk", "title"))
        return [titles[pk] for pk in page.keys]

    return look


# ---- What is found, and in which order ---------------------------------------------------------


def test_a_title_leads_a_prompt_and_that_a_comment(clip, found):
    clip("In the talk", said="is this the canyon?")
    clip("In the prompt", "a canyon")
    clip("Canyon")
    clip("Dunes", "sand")
    assert found("canyon") == ["Canyon", "In the prompt", "In the talk"]


def test_every_word_is_wanted_and_each_may_be_a_beginning(clip, found):
    clip("Lighthouse", "waves at dusk")
    clip("Lightning", "waves")
    assert found("light wave") == ["Lightning", "Lighthouse"] or found("light wave") == [
        "Lighthouse",
        "Lightning",
    ]
    assert found("light dusk") == ["Lighthouse"]


def test_a_quoted_phrase_stands_in_this_order_and_a_minus_leaves_out(clip, found):
    clip("Together", "a slot canyon at dawn")
    clip("Apart", "a canyon with a slot")
    assert found('"slot canyon"') == ["Together"]
    assert found('canyon -"slot canyon"') == ["Apart"]
    assert found("canyon -dawn") == ["Apart"]
    assert found("-dawn") == ["Apart"]


def test_words_together_lead_words_apart(clip, found):
    clip("One", "slot canyon walls")
    clip("Two", "canyon, and far below another slot")
    assert found("slot canyon") == ["One", "Two"]


@pytest.mark.parametrize(
    ("prompt", "typed"),
    [
        ("Café at dawn", "cafe"),
        ("cafe at dawn", "CAFÉ"),
        ("東京タワーの夜", "タワー"),
        ("東京タワーの夜", "東京"),
        ("東京タワーの夜", "ﾀﾜｰ"),
        ("東京ﾀﾜｰの夜", "タワー"),
        ("東京ﾀﾜｰの夜", "タワ"),
        ("東京ﾀﾜｰの夜", "ﾜ"),
        ("夜のｶﾞｰﾄﾞ下", "ガー"),
        ("서울의 밤하늘", "하늘"),
        ("สวัสดีครับ", "สวัสดี"),
        ("นี่คือแมวดำ", "แมว"),
        ("маяк на скале", "МАЯК"),
        ("منارة على الصخر", "منارة"),
        ("हिन्दी में", "हिन्दी"),
        ("서울의 밤", "서울"),
    ],
)
def test_any_script_is_found(clip, found, prompt, typed):
    clip("Hit", prompt)
    clip("Miss", "low cloud")
    assert found(typed) == ["Hit"]


@pytest.mark.parametrize(
    "typed",
    ['"', '"unclosed', "AND", "a OR", "NOT", "NEAR(a b)", "*", "%", "_", "-", "--", "title:x",
     "{title} : x", "^x", "a'b", "\\", "' OR 1=1 --", "(", "):*", "x" * 500, "\0", "&|!<->", "😀"],
)  # fmt: skip
def test_no_sign_is_an_error(client, owner, project, clip, typed):
    clip("Ordinary")
    client.force_login(owner)
    response = client.get(f"/p/{project.code}/", {"q": typed})
    assert response.status_code == 200
    filtered(project, f"q={typed}", owner).count()


def test_punctuation_alone_finds_nothing(clip, found):
    clip("Clip", "100% cotton")
    assert found("%") == []
    assert found("100%") == ["Clip"]


def test_another_projects_clips_are_not_found(clip, found):
    make_generation(make_project(), title="Canyon")
    assert found("canyon") == []


@on_postgresql
def test_a_misspelt_word_finds_what_is_like_it(client, owner, project, clip, found):
    clip("Lighthouse")
    clip("Dunes")
    assert found("lighthose") == ["Lighthouse"]
    client.force_login(owner)
    html = client.get(f"/p/{project.code}/?q=lighthose").content.decode()
    assert "Nothing says lighthose as it is written." in html


# ---- The index is true, whoever writes -------------------------------------------------------------


def agrees():
    """Whether every text is as its clip and comments say, and the database's index as the texts."""
    for g in Generation.objects.all():
        text = SearchText.objects.get(generation=g)
        said = "\n".join(g.comments.order_by("pk").values_list("text", flat=True))
        assert (text.title, text.prompt, text.comments) == (g.title, g.prompt, said)
    assert SearchText.objects.count() == Generation.objects.count()
    assert index.standing(connection).problem == ""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            for table in ("fts", "tri"):
                cursor.execute(
                    f"INSERT INTO studio_search_{table}(studio_search_{table}) VALUES ('integrity-check')"
                )
    return True


def test_bulk_writes_raw_updates_and_deletions_are_followed(clip, found, owner):
    first, second = clip("Alpha", "東京 tower"), clip("Beta")
    Generation.objects.filter(pk=first.pk).update(title="Gamma")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE studio_generation SET prompt = 'zebra' WHERE id = %s", [second.pk])
    Comment.objects.bulk_create(
        [Comment(generation=first, author=owner, text=f"note {n} okapi") for n in range(3)]
    )
    assert found("alpha") == []
    assert found("gamma") == ["Gamma"]
    assert found("zebra") == ["Beta"]
    assert found("okapi") == ["Gamma"]
    assert agrees()
    Comment.objects.filter(text__startswith="note 1").update(text="quagga")
    assert found("quagga") == ["Gamma"]
    Comment.objects.all().delete()
    assert found("okapi") == []
    assert agrees()
    second.delete()
    assert found("zebra") == []
    assert agrees()


def test_replies_are_searched_too(clip, found, owner):
    made = clip("Talked about", said="first")
    make_comment(made, owner, "an albatross", parent=made.comments.get())
    assert found("albatross") == ["Talked about"]


@pytest.mark.django_db(transaction=True)
def test_the_index_can_be_filled_anew(clip, found, capsys):
    clip("Canyon", said="with a zebra")
    index.take_off(connection)
    clip("Missed by the index")
    call_command("search")
    assert "out of date" in capsys.readouterr().out
    call_command("search", "--rebuild")
    assert "Search covers every title, prompt and comment." in capsys.readouterr().out
    assert found("missed") == ["Missed by the index"]
    assert found("zebra") == ["Canyon"]
    assert agrees()


@pytest.mark.django_db(transaction=True)
def test_the_index_goes_and_comes_back_with_its_clips(clip, found):
    clip("Canyon")
    index.remove(connection)
    index.install(connection)
    assert found("canyon") == ["Canyon"]
    assert agrees()


# ---- On the page ---------------------------------------------------------------------------------


def test_the_page_marks_what_was_found(client, owner, project, clip):
    clip("Canyon walls", "dust")
    clip("Dunes", "far beyond the last canyon there is sand")
    clip("Sea", said="not this canyon, <b>please</b>")
    client.force_login(owner)
    html = client.get(f"/p/{project.code}/?q=canyon").content.decode()
    assert "<mark>Canyon</mark> walls" in html
    assert "far beyond the last <mark>canyon</mark>" in html
    assert "not this <mark>canyon</mark>, &lt;b&gt;please" in html
    assert "Best match first" in html
    assert "3 of 3 clips" in html


def test_what_was_typed_and_what_was_found_is_escaped(client, owner, project, clip):
    clip('<img src=x onerror="alert(1)"> canyon', "<script>alert(1)</script> canyon")
    client.force_login(owner)
    html = client.get(f"/p/{project.code}/", {"q": "<script>alert(1)</script>"}).content.decode()
    html += client.get(f"/p/{project.code}/?q=canyon+onerror").content.decode()
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "&lt;img" in html


def test_marks_keep_their_place_among_letters_that_fold():
    terms = read_terms("strasse cafe")
    from studio.search.words import marked, spans

    text = "Straße? CAFÉ ﬁn café"
    assert str(marked(text, spans(text, terms))).count("<mark>") == 3
    assert re.sub("</?mark>", "", str(marked(text, spans(text, terms)))) == text


def test_a_search_costs_the_same_however_much_it_finds(client, owner, project, clip):
    client.force_login(owner)

    def queries(q):
        client.get(f"/p/{project.code}/", {"q": q})
        with CaptureQueriesContext(connection) as captured:
            client.get(f"/p/{project.code}/", {"q": q})
        return len(captured)

    for number in range(4):
        clip(f"Canyon {number}", said="ridge")
    few = queries("canyon"), queries("ridge")
    for number in range(40):
        clip(f"Canyon {number}", said="ridge")
    assert (queries("canyon"), queries("ridge")) == few
    assert max(few) <= 18  # with the savepoints of a test's own transaction


def test_pages_of_matches_neither_repeat_nor_skip_while_clips_arrive(
    client, owner, project, clip, settings, monkeypatch
):
    monkeypatch.setattr(search, "MOST", 7)  # several windows
    monkeypatch.setattr(search, "MOST_GATHERED", 8)
    settings.GALLERY_PAGE_SIZE = 3
    client.force_login(owner)
    for number in range(25):
        clip("Canyon" if number % 3 else "Clip", "a canyon" if number % 2 else "canyon canyon")
    before = set(Generation.objects.values_list("number", flat=True))
    seen, query = [], "?q=canyon"
    while query:
        html = client.get(f"/p/{project.code}/{query}").content.decode()
        seen += [int(n) for n in re.findall(r'<article class="clip[^>]*data-n="(\d+)"', html)]
        clip("Canyon again")
        more = re.search(r'class="more" hx-get="[^"?]*([^"]+)"', html)
        query = more and more[1].replace("&amp;", "&")
        assert len(seen) < 80
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


@pytest.mark.parametrize("sort", ["", "&sort=newest", "&sort=rating", "&sort=oldest"])
def test_a_common_word_with_a_filter_finds_what_a_rare_one_would(
    client, owner, project, clip, monkeypatch, sort
):
    client.force_login(owner)
    for number in range(24):
        found = clip("Canyon" if number % 4 else "Clip")
        Generation.objects.filter(pk=found.pk).update(rating=number % 3)

    def shown():
        cache.clear()
        html = client.get(f"/p/{project.code}/?q=canyon&rating=1{sort}").content.decode()
        return re.findall(r'<article class="clip[^>]*data-n="(\d+)"', html)

    rare = shown()
    assert len(rare) == 12
    monkeypatch.setattr(search, "MOST", 15)
    monkeypatch.setattr(search, "MOST_GATHERED", 16)
    assert shown() == rare
