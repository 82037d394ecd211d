"""A mention is kept as a person's key; wherever a comment is quoted it is read as their name."""

from __future__ import annotations

import pytest
from django.core import mail

from studio.forms.shot import draft_answering
from studio.models import Activity, Guest, Notification, WebhookDelivery
from studio.services import chains, review
from studio.services.exchange.archives import write_manifest
from studio.services.film.edit_shots import shots_of
from studio.services.film.fcpxml import write_fcpxml
from studio.services.film.otio_writing import make_timeline
from studio.services.news import digest, feed, notifications, webhooks
from studio.services.review.mentions import TOKEN, asked_for, words_of
from studio.services.review.reading import talk_on
from studio.services.sharing import guests
from tests.factories import make_generation
from tests.sharing import browser, share_clips

pytestmark = pytest.mark.django_db
SAID = "@Bob the horizon is too low"


@pytest.fixture
def clip(cast):
    return make_generation(cast.project, by=cast.bob, title="Aurora")


def speak(cast, clip, text=SAID):
    return review.comment(generation=clip, by=cast.carol, text=text)


def test_the_feed_the_bell_and_the_mail_say_the_name(cast, clip, settings):
    speak(cast, clip)
    assert Activity.objects.get().text == SAID
    days, _ = feed.page(cast.project, feed.Narrowed(), None)
    assert days[0].lines[0].quote == SAID
    assert notifications.notes(cast.bob)[0].line.quote == SAID
    settings.PUBLIC_URL = "https://studio.example"
    rows = notifications.with_all(Notification.objects.filter(user=cast.bob))
    assert SAID in digest.make_mail(cast.bob, notifications.digest_notes(rows), 0).body
    assert mail.outbox == []


def test_other_words_and_a_verdicts_reason_say_the_name_too(cast, clip):
    said = speak(cast, clip, "Too low")
    review.edit(comment=said, by=cast.carol, text=SAID)
    assert Activity.objects.get().text == SAID
    review.decide(generation=clip, by=cast.carol, verdict="needs_changes", note=SAID)
    assert Activity.objects.get(kind="verdict").text == SAID


def test_a_webhook_says_the_name(cast, clip, settings):
    settings.WEBHOOK_HOSTS = frozenset({"hooks.example"})
    webhooks.create_webhook(
        project=cast.project, by=cast.alice, url="https://hooks.example/ray", kinds=["comment"]
    )
    speak(cast, clip)
    assert WebhookDelivery.objects.get().payload["data"]["comment"]["text"] == SAID


def test_archives_and_editing_programs_get_the_name(cast, clip, django_assert_num_queries):
    for _ in range(3):
        speak(cast, make_generation(cast.project))
    speak(cast, clip)
    chain = chains.create(project=cast.project, by=cast.bob, title="Film", clips=[clip])
    shots = shots_of(chain)
    with django_assert_num_queries(0):
        [marker] = make_timeline(chain, shots).tracks[0][0].markers
        assert marker.name == f"Carol: {SAID}"
        assert f"Carol: {SAID}" in write_fcpxml(chain, shots)
    clips = list(cast.project.generations.select_related("by", "project"))
    manifest = write_manifest(cast.project, clips, [], [])
    assert [one["text"] for said in manifest["clips"] for one in said["comments"]] == [SAID] * 4


def test_a_line_of_an_older_version_says_the_name_too(cast, clip):
    said = speak(cast, clip)
    Activity.objects.update(text=said.text)
    days, _ = feed.page(cast.project, feed.Narrowed(), None)
    assert days[0].lines[0].quote == SAID
    assert notifications.notes(cast.bob)[0].line.quote == SAID


def test_who_types_a_key_learns_no_name(cast, clip):
    said = speak(cast, clip, f"@{{{cast.alice.pk}}} hello")
    assert words_of(said) == "@someone hello"


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        (SAID, "the horizon is too low"),
        ("@Bob, @Alice: lift it\nand slower", "lift it\nand slower"),
        ("lift it @Bob", "lift it"),
        ("lift it", "lift it"),
        ("@Bob", ""),
    ],
)
def test_the_next_take_is_not_asked_for_with_a_colleagues_name(cast, clip, said, asked):
    made = speak(cast, clip, said)
    assert asked_for(made) == asked
    prompt = draft_answering(made).prompt
    assert prompt == "\n\n".join(filter(None, [clip.prompt, asked]))
    assert not TOKEN.search(prompt)


def test_a_search_that_found_it_in_a_comment_says_the_name(client, cast, clip):
    speak(cast, clip)
    client.force_login(cast.alice)
    html = client.get(f"/p/{cast.project.code}/?q=horizon").content.decode()
    assert "@Bob the <mark>horizon</mark> is too low" in html


# ---- Keys that somebody typed ------------------------------------------------------------------
@pytest.fixture
def typed(cast, clip):
    """A member's and a guest's comment with the typed key of somebody outside the project."""
    share, token = share_clips(cast.project, cast.bob, clip, shows_names=True)
    key = f"@{{{cast.dave.pk}}}"
    cast.dave.name = "Dagfinn Outsider"
    cast.dave.save()
    review.comment(generation=clip, by=cast.carol, text=f"{key} lower the ridge")
    guest, _ = guests.introduce(share=share, name="Ingrid")
    review.comment(generation=clip, guest=guest, text=f"{key} raise the ridge")
    return token


def test_a_typed_key_names_nobody_outside_the_project_on_any_page(client, cast, clip, typed):
    pages = [
        browser().get(f"/s/{typed}/clips/{clip.code}/"),
        browser().get(f"/s/{typed}/", follow=True),
    ]
    client.force_login(cast.alice)
    project = f"/p/{cast.project.code}/"
    pages += [
        client.get(url)
        for url in (f"/clips/{clip.code}/", f"{project}?q=ridge", f"{project}review/", f"{project}activity/")
    ]  # fmt: skip
    cast.alice.is_staff = cast.alice.is_superuser = True
    cast.alice.save()
    pages += [client.get("/admin/studio/comment/"), client.get("/admin/studio/activity/")]
    for page in pages:
        assert page.status_code == 200
        assert "Dagfinn" not in page.content.decode(), page.request["PATH_INFO"]
    assert "@someone lower the ridge" in pages[0].content.decode()


def test_a_typed_key_names_nobody_in_what_is_sent_or_handed_over(cast, clip, typed, settings):
    settings.WEBHOOK_HOSTS = frozenset({"hooks.example"})
    webhooks.create_webhook(
        project=cast.project, by=cast.alice, url="https://hooks.example/ray", kinds=["comment"]
    )
    speak(cast, clip, f"@{{{cast.dave.pk}}} again")
    chain = chains.create(project=cast.project, by=cast.bob, title="Film", clips=[clip])
    clips = list(cast.project.generations.select_related("by", "project"))
    sent = [
        str(WebhookDelivery.objects.get().payload),
        write_fcpxml(chain, shots_of(chain)),
        str(write_manifest(cast.project, clips, [], [])),
        *Activity.objects.values_list("text", flat=True),
    ]
    assert all("lower the ridge" in text for text in sent[1:3])
    assert not any("Dagfinn" in text for text in sent)


def test_a_guests_key_is_quoted_as_typed_even_where_its_person_is_mentioned(cast, clip, typed):
    guest = Guest.objects.get()
    speak(cast, clip)
    typed_key = f"@{{{cast.bob.pk}}} please"
    said = review.comment(generation=clip, guest=guest, text=typed_key)
    assert words_of(said) == typed_key
    html = [one.html for one in talk_on(clip, reader=cast.alice).threads]
    assert typed_key in html
