from __future__ import annotations

import io
import json
import re
import zipfile

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from studio.models import BulkRun, Chain, Tag
from tests.bulk import again, make_clips, press
from tests.factories import make_generation, make_previs

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def clips(cast):
    return make_clips(cast.project, 3)


@pytest.fixture
def url(cast):
    return f"/p/{cast.project.code}/bulk/"


def codes(clips):
    return {"clips": ",".join(str(clip.code) for clip in clips)}


def words_of(answer):
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


# ---- Pressing ------------------------------------------------------------------------------


def test_a_press_answers_with_a_toast_that_can_undo_it(client, cast, clips, url):
    client.force_login(cast.alice)
    answer = client.post(url, {"do": "rate:4", **codes(clips)}, headers=HTMX)
    assert answer.status_code == 200
    assert 'hx-swap-oob="beforeend:#toasts"' in answer.content.decode()
    assert words_of(answer) == "Rated 3 clips 4 of 5. Undo"
    assert {"closeDialog", "changed", "bulk"} <= json.loads(answer["HX-Trigger"]).keys()
    undo = re.search(r'hx-post="([^"]+/undo/)"', answer.content.decode())[1]
    answer = client.post(undo, headers=HTMX)
    assert words_of(answer) == "Undone for 3 clips."
    assert again(clips[0]).rating == 0


def test_without_script_the_boxes_are_enough(client, cast, clips, url):
    client.force_login(cast.alice)
    answer = client.post(url, {"do": "verdict:approved", "clip": [c.code for c in clips[:2]]})
    assert answer["Location"] == f"/p/{cast.project.code}/"
    assert [again(c).verdict for c in clips] == ["approved", "approved", ""]
    page = client.get("/account/").content.decode()
    assert "Approved 2 clips." in page
    assert 'action="/bulk/' in page


@pytest.mark.parametrize(
    ("do", "asks"),
    [
        ("verdict:needs_changes", 'name="note"'),
        ("tag", 'name="tag"'),
        ("untag", 'name="tag"'),
        ("collect", 'name="title"'),
        ("chain", 'action="/p/'),
        ("rate", 'name="rating"'),
    ],
)
@pytest.mark.parametrize("htmx", [True, False])
def test_what_an_action_needs_is_asked_for_with_the_choice_kept(
    client, cast, clips, url, do, asks, htmx
):
    client.force_login(cast.alice)
    answer = client.post(url, {"do": do, **codes(clips)}, headers=HTMX if htmx else {})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert asks in page
    assert str(clips[0].code) in page
    assert ("<dialog" in page) is htmx
    assert not BulkRun.objects.exists()


def test_a_refused_form_keeps_what_was_typed(client, cast, clips, url):
    client.force_login(cast.alice)
    answer = client.post(url, {"do": "tag", "tag": "a,b", **codes(clips)}, headers=HTMX)
    assert answer.status_code == 422
    assert "A tag has no comma in it" in words_of(answer)
    assert 'value="a,b"' in answer.content.decode()
    assert str(clips[2].code) in answer.content.decode()


def test_the_tag_form_knows_the_tags_there_are(client, cast, clips, url):
    Tag.objects.create(project=cast.project, name="night <b>")
    client.force_login(cast.alice)
    page = client.post(url, {"do": "tag", **codes(clips)}, headers=HTMX).content.decode()
    assert '<option value="night &lt;b&gt;">' in page


def test_all_that_match_go_by_their_filter(client, cast, clips, url):
    make_clips(cast.project, 2, rating=5)
    client.force_login(cast.alice)
    told = client.get(f"{url}count/?query=rating%3D5").json()
    cast.project.refresh_from_db()
    assert told == {"count": 2, "version": cast.project.version, "newest": 5}
    data = {"do": "verdict:approved", "query": "?rating=5", "version": told["version"]}
    page = client.post(url, data | {"do": "tag"}, headers=HTMX).content.decode()
    assert '<input type="hidden" name="query" value="rating=5">' in page
    assert f'<input type="hidden" name="version" value="{told["version"]}">' in page
    answer = client.post(url, data, headers=HTMX)
    assert "Approved 2 clips." in words_of(answer)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"do": "rate:4"}, "Choose at least one clip"),
        ({"do": "fly", "clips": ""}, "Action is “fly”"),
        ({"do": "rate:4", "clips": "x"}, "could not be read"),
        ({"do": "rate:4", "version": "x"}, "could not be read"),
        ({"do": "compare"}, "Choose two to four clips"),
        ({"do": "share"}, "Choose at least one clip"),
        ({"do": "download"}, "nothing to archive"),
    ],
)
def test_bad_input_gets_a_sentence(client, cast, url, data, said):
    client.force_login(cast.alice)
    if data["do"] == "download":
        client.post(url, data)
        assert said in client.get("/account/").content.decode()
        return
    answer = client.post(url, data, headers=HTMX)
    assert answer.status_code == 409
    assert said in json.loads(answer["HX-Trigger"])["toast"]["text"]
    assert client.post(url, data)["Location"] == f"/p/{cast.project.code}/"


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/admin/", "/clips/..//x"]
)
def test_nobody_is_sent_elsewhere_afterwards(client, cast, clips, url, back):
    client.force_login(cast.alice)
    answer = client.post(url, {"do": "rate:4", "back": back, **codes(clips)})
    assert answer["Location"] == f"/p/{cast.project.code}/"


def test_comparing_and_sharing_go_there_with_the_clips_in_the_order_chosen(
    client, cast, clips, url
):
    client.force_login(cast.alice)
    order = [clips[2], clips[0]]
    answer = client.post(url, {"do": "compare", **codes(order)}, headers=HTMX)
    query = "&".join(f"clip={clip.code}" for clip in order)
    assert answer["HX-Redirect"] == f"/p/{cast.project.code}/compare/?{query}"
    assert client.post(url, {"do": "share", **codes(order)})["Location"].endswith(
        f"/shares/new/?{query}"
    )


def test_chosen_clips_become_a_chain_in_the_order_chosen(client, cast, clips, url):
    client.force_login(cast.bob)
    order = [clips[2], clips[0]]
    page = client.post(url, {"do": "chain", **codes(order)}, headers=HTMX).content.decode()
    form = page[page.index("/chains/new/") :]
    sent = re.findall(r'name="clip" value="([^"]+)"', form)
    assert sent == [str(c.code) for c in order]
    client.post(f"/p/{cast.project.code}/chains/new/", {"clip": sent, "title": "New"})
    assert [s.generation for s in Chain.objects.get().segments.all()] == order


def test_the_chosen_clips_come_as_one_zip(client, cast, url):
    make_previs()
    clips = [make_generation(cast.project, files=True, title=f"Clip {n}") for n in range(3)]
    client.force_login(cast.bob)
    answer = client.post(url, {"do": "download", **codes(clips[:2])})
    assert answer["Content-Type"] == "application/zip"
    names = zipfile.ZipFile(io.BytesIO(answer.getvalue())).namelist()
    assert sorted(name for name in names if name.endswith(".mp4")) == [
        "clips/0001-clip-0-take-1.mp4",
        "clips/0002-clip-1-take-1.mp4",
    ]


# ---- Progress and the list -------------------------------------------------------------------


def test_progress_asks_for_itself_until_it_is_over(client, cast, asked, url):
    make_clips(cast.project, 60)
    client.force_login(cast.alice)
    cast.project.refresh_from_db()
    data = {"do": "rate:4", "version": cast.project.version}
    answer = client.post(url, data, headers=HTMX)
    run = BulkRun.objects.get()
    assert f'hx-get="/bulk/{run.code}/" hx-trigger="every 1s"' in answer.content.decode()
    assert "Rating 60 clips 0 of 60" in words_of(answer)
    asked.run("work_bulk")
    answer = client.get(f"/bulk/{run.code}/", headers=HTMX)
    assert "hx-trigger" not in answer.content.decode()
    assert "Rated 60 clips 4 of 5." in words_of(answer)
    assert answer["HX-Reswap"] == "outerHTML"


def test_the_list_and_a_runs_page_say_what_was_done(client, cast, clips, url):
    failed = make_clips(cast.project, 1, state="failed", clip="", title="Lost <b>")
    run = press(cast.bob, cast.project, "rate", clips + failed, rating="2")
    client.force_login(cast.alice)
    assert "Rate 2 of 5 3 Bob now Done 1 left as it was Undo" in words_of(client.get(url))
    page = client.get(f"/bulk/{run.code}/")
    assert "Lost &lt;b&gt;" in page.content.decode()
    assert "It is not a finished clip." in words_of(page)
    client.force_login(cast.carol)
    assert "/undo/" not in client.get(url).content.decode()


def test_the_list_asks_a_constant_number_of_queries(client, cast, clips, url):
    client.force_login(cast.alice)
    press(cast.bob, cast.project, "rate", clips, rating="2")

    def queries():
        with CaptureQueriesContext(connection) as found:
            assert client.get(url).status_code == 200
        return len(found)

    few = queries()
    for _ in range(6):
        press(cast.alice, cast.project, "archive", clips)
        press(cast.alice, cast.project, "restore", clips)
    assert queries() == few


def test_the_list_has_pages(client, cast, clips, url, monkeypatch):
    monkeypatch.setattr("studio.views.gallery.bulk.PAGE", 2)
    for rating in "123":
        press(cast.alice, cast.project, "rate", clips, rating=rating)
    client.force_login(cast.alice)
    page = client.get(url).content.decode()
    assert re.findall(r"Rate (\d) of 5</a>", page) == ["3", "2"]
    more = re.search(r'href="(\?after=\d+)"', page)[1]
    assert re.findall(r"Rate (\d) of 5</a>", client.get(url + more).content.decode()) == ["1"]


# ---- Who may -------------------------------------------------------------------------------


def test_every_address_keeps_outsiders_out(client, cast, clips, url):
    run = press(cast.alice, cast.project, "rate", clips, rating="2")
    addresses = [("get", url), ("post", url), ("get", f"{url}count/"), ("get", f"/bulk/{run.code}/"),
                 ("post", f"/bulk/{run.code}/undo/")]  # fmt: skip
    for method, address in addresses:
        assert getattr(client, method)(address).status_code == 302, "a stranger signs in first"
    client.force_login(cast.dave)
    for method, address in addresses:
        assert getattr(client, method)(address).status_code == 404, address
    assert again(clips[0]).rating == 2


@pytest.mark.parametrize("do", ["tag", "untag", "collect", "chain", "archive", "restore", "delete",
                                "retry", "download"])  # fmt: skip
def test_what_takes_an_editor_is_refused_to_reviewers(client, cast, clips, url, do):
    client.force_login(cast.carol)
    assert client.post(url, {"do": do, **codes(clips)}).status_code == 403


def test_reviewers_rate_judge_and_see_only_such_buttons(client, cast, clips, url):
    client.force_login(cast.carol)
    assert client.post(url, {"do": "rate:3", **codes(clips)}).status_code == 302
    run = BulkRun.objects.get()
    client.force_login(cast.bob)
    assert client.post(f"/bulk/{run.code}/undo/").status_code == 403


def test_the_card_carries_a_box_unless_it_is_in_flight(client, cast, clips):
    make_clips(cast.project, 1, state="queued", finished_at=None, clip="")
    client.force_login(cast.alice)
    page = client.get(f"/p/{cast.project.code}/").content.decode()
    boxes = re.findall(r'<input class="check pick"[^>]*value="([^"]+)"[^>]*form="picked"', page)
    assert set(boxes) == {str(clip.code) for clip in clips}
    assert 'value="delete"' in page
    client.force_login(cast.carol)
    page = client.get(f"/p/{cast.project.code}/").content.decode()
    assert 'value="verdict:approved"' in page
    assert 'value="delete"' not in page
