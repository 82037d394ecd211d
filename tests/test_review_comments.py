"""Comments: replies, changes, taking away with undo, mentions, what is unread, and what they cost."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from studio.models import Comment, Seen
from studio.models.generation import Verdict
from studio.services import review
from studio.services.errors import StudioError
from studio.services.gallery.beside import look_up
from studio.services.review import talk_on
from studio.services.review.comments import EDIT_FOR
from studio.services.review.drawing import MAX_POINTS, MAX_SHAPES, describe_drawing, read_drawing
from studio.views.review.reviewing import review_context
from tests.factories import make_comment, make_generation

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
BOX = {"kind": "box", "colour": "amber", "points": [[0.1, 0.1], [0.4, 0.5]]}


@pytest.fixture
def clip(cast):
    return make_generation(cast.project)


def say(clip, by, text="Lower the ridge", **fields):
    return review.comment(generation=clip, by=by, text=text, **fields)


# ---- Replies ---------------------------------------------------------------------------------


def test_replies_are_one_level_deep_and_have_no_moment(cast, clip):
    first = say(clip, cast.alice, at_ms=400)
    second = say(clip, cast.bob, "Agreed", reply_to=first, at_ms=900)
    third = say(clip, cast.carol, "Me too", reply_to=second)
    assert (second.parent, third.parent) == (first, first)
    assert second.at_ms is None
    (thread,) = talk_on(clip).threads
    assert [reply.html for reply in thread.replies] == ["Agreed", "Me too"]


def test_a_reply_belongs_to_the_clip_of_its_comment(client, cast, clip):
    elsewhere = say(make_generation(cast.project), cast.alice)
    client.force_login(cast.carol)
    answer = client.post(
        f"/clips/{clip.code}/comments/",
        {"text": "My words", "reply_to": str(elsewhere.code)},
        headers=HTMX,
    )
    assert answer.status_code == 422
    assert "My words" in answer.content.decode()
    assert not clip.comments.exists()


# ---- Changing and taking away -----------------------------------------------------------------


def test_ones_own_words_can_be_changed_for_a_while(client, cast, clip):
    said = say(clip, cast.carol)
    client.force_login(cast.carol)
    form = client.get(f"/clips/{clip.code}/say/?edit={said.code}", headers=HTMX).content.decode()
    assert ">Lower the ridge</textarea>" in form
    url = f"/clips/{clip.code}/comments/"
    client.post(url, {"text": "Raise it", "edits": str(said.code)}, headers=HTMX)
    said.refresh_from_db()
    assert said.text == "Raise it"
    Comment.objects.update(created_at=timezone.now() - EDIT_FOR)
    late = client.post(url, {"text": "Too late", "edits": str(said.code)}, headers=HTMX)
    assert late.status_code == 422
    assert "for 15 minutes" in late.content.decode()
    assert "Too late" in late.content.decode()


def test_nobody_changes_or_deletes_the_words_of_another(client, cast, clip):
    said = say(clip, cast.carol)
    client.force_login(cast.alice)
    url = f"/clips/{clip.code}/comments/"
    assert client.post(url, {"text": "x", "edits": str(said.code)}, headers=HTMX).status_code == 422
    assert client.post(f"/comments/{said.code}/delete/", headers=HTMX).status_code == 409
    said.refresh_from_db()
    assert said.text == "Lower the ridge"


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "plain"])
def test_a_deleted_comment_comes_back_as_it_was(client, cast, clip, headers):
    said = say(clip, cast.carol, "Look, @Bob", at_ms=300, drawing=[BOX])
    client.force_login(cast.carol)
    client.post(f"/comments/{said.code}/delete/", headers=headers)
    assert not Comment.objects.exists()
    for _ in range(2):
        client.post(f"/comments/{said.code}/bring-back/", headers=headers)
    back = Comment.objects.get()
    assert (back.code, back.text, back.at_ms, back.drawing, back.author, back.created_at) == (
        said.code, said.text, 300, [BOX], cast.carol, said.created_at,
    )  # fmt: skip
    assert list(back.mentions.all()) == [cast.bob]


def test_only_who_deleted_it_can_bring_it_back(client, cast, clip):
    said = say(clip, cast.carol)
    client.force_login(cast.carol)
    client.post(f"/comments/{said.code}/delete/", headers=HTMX)
    client.force_login(cast.alice)
    assert client.post(f"/comments/{said.code}/bring-back/", headers=HTMX).status_code == 404


def test_what_others_built_on_stays(cast, clip):
    said = say(clip, cast.carol)
    reply = say(clip, cast.bob, "Done", reply_to=said)
    with pytest.raises(StudioError, match="has replies"):
        review.delete(comment=said, by=cast.carol)
    reply.delete()
    take = make_generation(cast.project, shot=clip.shot, take=2, answers_comment=said)
    with pytest.raises(StudioError, match="Take 2 answers it"):
        review.delete(comment=said, by=cast.carol)
    take.delete()
    review.decide(generation=clip, by=cast.bob, verdict=Verdict.NEEDS_CHANGES, note="Darker")
    with pytest.raises(StudioError, match="why you asked for changes"):
        review.delete(comment=clip.comments.get(author=cast.bob), by=cast.bob)


# ---- Mentions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "who"),
    [
        ("@Bob look", "bob"),
        ("see @bob.", "bob"),
        ("@carol@example.com", "carol"),
        ("@Dave, an outsider", None),
        ("mail@Bob", None),
        ("@Bobby", None),
        ("@{1} typed", None),
    ],
)
def test_a_members_name_behind_an_at_is_a_mention(cast, clip, typed, who):
    said = say(clip, cast.alice, typed)
    assert list(said.mentions.all()) == ([getattr(cast, who)] if who else [])


def test_a_mention_shows_the_name_of_today_and_stands_out_to_whom_it_means(cast, clip):
    say(clip, cast.alice, "Nice <b>, @Bob")
    cast.bob.name = "Robert <Berg>"
    cast.bob.save()
    html = talk_on(clip, reader=cast.bob).threads[0].html
    assert html == ('Nice &lt;b&gt;, <span class="mention me">@Robert &lt;Berg&gt;</span>')
    assert 'class="mention"' in talk_on(clip, reader=cast.carol).threads[0].html


def test_a_shared_name_means_nobody_and_the_list_offers_the_address(client, cast, clip):
    cast.carol.name = "Bob"
    cast.carol.save()
    assert not say(clip, cast.alice, "@Bob").mentions.exists()
    client.force_login(cast.alice)
    people = client.get(f"/p/{cast.project.code}/people/").json()["people"]
    assert [one["handle"] for one in people] == ["Alice", "bob@example.com", "carol@example.com"]


# ---- Drawings ---------------------------------------------------------------------------------


def test_a_drawing_is_kept_with_the_words_and_said_to_who_cannot_see_it(client, cast, clip):
    client.force_login(cast.carol)
    answer = client.post(
        f"/clips/{clip.code}/comments/",
        {"text": "Here", "at_ms": "500", "drawing": '[{"kind": "arrow", "colour": "blue", "points": [[0.12345678, 0], [1, 1]]}]'},
        headers=HTMX,
    )  # fmt: skip
    assert clip.comments.get().drawing[0]["points"] == [[0.1235, 0.0], [1.0, 1.0]]
    assert "Go to 0:00.50, with an arrow drawn on the frame" in answer.content.decode()


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ("{", "could not be read"),
        ("[" * 30_000, "could not be read"),
        ("x" * 70_000, "characters"),
        ("{}", "not a list"),
        ("[1]", "Shape 1 of the drawing is not a shape"),
        ([BOX | {"kind": "star"}], "is “star”"),
        ([BOX | {"colour": "red;x"}], "The colour of shape 1 is “red;x”"),
        ([BOX | {"points": [[0, 0]]}], "lacks its points"),
        ([BOX | {"points": [[0, 0], [1.2, 0]]}], "outside the frame"),
        ("[{\"kind\":\"box\",\"colour\":\"amber\",\"points\":[[NaN,0],[1,1]]}]", "outside the frame"),
        ([BOX | {"points": [[0, 0], [True, 0]]}], "outside the frame"),
        ([BOX | {"points": [[0, 0], "ab"]}], "not two numbers"),
        ([BOX] * (MAX_SHAPES + 1), f"{MAX_SHAPES} are allowed"),
        ([BOX | {"kind": "pen", "points": [[0, 0]] * (MAX_POINTS + 1)}], f"{MAX_POINTS} are allowed"),
    ],
)  # fmt: skip
def test_what_is_no_drawing_is_refused_with_a_sentence(raw, sentence):
    with pytest.raises(StudioError, match=re.escape(sentence)) as refused:
        read_drawing(raw)
    assert refused.value.field == "drawing"


def test_drawings_in_words():
    shapes = [BOX, BOX, BOX | {"kind": "pen"}, BOX | {"kind": "ellipse"}]
    assert describe_drawing(shapes) == "a line, 2 boxes and an ellipse"
    assert describe_drawing([]) == ""


def test_a_drawing_needs_a_few_words(cast, clip):
    with pytest.raises(StudioError, match="what the drawing is about"):
        say(clip, cast.carol, " ", drawing=[BOX])


# ---- Unread -----------------------------------------------------------------------------------


def test_unread_is_what_others_said_since_the_last_look(client, cast, clip):
    def unread(user):
        return look_up([clip.pk], reader=user).unread

    say(clip, cast.alice)
    assert (unread(cast.alice), unread(cast.carol)) == ({}, {clip.pk: 1})
    client.force_login(cast.carol)
    assert "class=unread" not in client.get(f"/clips/{clip.code}/").content.decode()
    assert unread(cast.carol) == {}
    say(clip, cast.bob, "And darker")
    gallery = client.get(f"/p/{cast.project.code}/").content.decode()
    assert 'aria-label="1 unread comment"' in gallery
    page = client.get(f"/clips/{clip.code}/").content.decode()
    assert page.count("class=unread") == 1
    assert unread(cast.carol) == {}
    # The open page asks again with the look its marks are from: they stay.
    live = re.search(r'data-from="([^"]+)since=', page)[1].replace("&amp;", "&")
    assert "class=unread" in client.get(f"{live}since=0", headers=HTMX).content.decode()


def test_what_was_said_before_somebody_joined_is_not_unread_to_them(cast, clip):
    make_comment(clip, cast.alice, created_at=timezone.now() - timedelta(days=1))
    assert look_up([clip.pk], reader=cast.carol).unread == {}


# ---- Rights and cost ----------------------------------------------------------------------------


def test_who_may_do_what(client, cast, clip):
    said = say(clip, cast.alice, at_ms=100)
    addresses = {
        f"/clips/{clip.code}/comments/": {"text": "Words"},
        f"/clips/{clip.code}/verdict/": {"verdict": "approved"},
        f"/clips/{clip.code}/rating/": {"rating": "3"},
        f"/comments/{said.code}/resolve/": {"resolved": "1"},
        f"/clips/{clip.code}/say/": None,
        f"/p/{cast.project.code}/people/": None,
        f"/p/{cast.project.code}/review/": None,
        f"/p/{cast.project.code}/review/changes/": None,
    }
    creating = {f"/clips/{clip.code}/grab/": {}, f"/comments/{said.code}/redo/": {}}
    for name in ("alice", "bob", "carol", "dave"):
        client.force_login(getattr(cast, name))
        for url, fields in addresses.items():
            answer = client.get(url) if fields is None else client.post(url, fields, headers=HTMX)
            assert (answer.status_code == 404) == (name == "dave"), (name, url)
            assert answer.status_code in (200, 204, 404), (name, url)
        for url, fields in creating.items():
            # The file of this clip is made up: who gets that far is let in.
            wanted = {"carol": 403, "dave": 404}.get(name, 409)
            assert client.post(url, fields, headers=HTMX).status_code == wanted, (name, url)
        kept = client.post(f"/comments/{said.code}/delete/", headers=HTMX).status_code
        assert kept == {"alice": 200, "dave": 404}.get(name, 409)
        if name == "alice":
            client.post(f"/comments/{said.code}/bring-back/", headers=HTMX)


def hundred(cast, clip, count):
    made = [
        Comment(
            generation=clip, author=(cast.alice, cast.bob, cast.carol)[n % 3], at_ms=n * 10,
            text=f"Comment {n}: the ridge, @{{{cast.bob.pk}}}", drawing=[BOX] if n % 10 == 0 else [],
        )
        for n in range(count)
    ]  # fmt: skip
    Comment.objects.bulk_create(made)


def draw_part(rf, cast, clip):
    request = rf.get("/")
    request.user, request.membership = cast.carol, cast.member("carol")
    ctx = review_context(request, clip) | {"g": clip, "can_create": False}
    return "".join(
        render_to_string(name, ctx) for name in ("_comments.html", "_verdict.html", "_pins.html")
    )


def test_a_hundred_comments_cost_no_more_queries_than_one(rf, cast, clip):
    hundred(cast, clip, 1)
    with CaptureQueriesContext(connection) as few:
        draw_part(rf, cast, clip)
    hundred(cast, clip, 99)
    Seen.objects.all().delete()
    with CaptureQueriesContext(connection) as many:
        html = draw_part(rf, cast, clip)
    assert html.count("<article") == 100
    assert len(many) == len(few) <= 6
