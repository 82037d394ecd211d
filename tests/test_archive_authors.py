"""Nobody's account is given what an archive says; its people are names marked as the archive's."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from datetime import timedelta

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from studio import vault
from studio.models import (
    Activity,
    Collection,
    Comment,
    Generation,
    GivenVerdict,
    Guest,
    Notification,
    SavedView,
    User,
    Webhook,
    WebhookDelivery,
)
from studio.services.exchange import import_runs
from studio.services.exchange.archive_people import archive_name
from studio.services.exchange.imports import import_archive
from studio.services.news import digest
from studio.services.news.payloads import TYPES
from studio.services.review import comments
from tests.people import make_person
from tests.test_archive_review import cast, moved
from tests.test_archives import archived, changed

__all__ = ["cast"]

pytestmark = pytest.mark.django_db
AT = "2026-01-02T03:04:05+00:00"


def digest_of(email: str) -> str:
    """Return what archives of the first releases hold to know a person by; anybody can compute it."""
    return hashlib.sha256(f"ray-studio:{email}".encode()).hexdigest()


def forged(data: bytes, person: User) -> io.BytesIO:
    """Return the archive with everything in it said, decided and made by this person."""
    who = {"by": person.name, "by_address": digest_of(person.email), "guest": False}
    digest = digest_of(person.email)

    def change(manifest):
        for clip in manifest["clips"]:
            clip["answers_comment"] = None
            clip |= who | {"verdict": "approved", "verdict_at": AT, "verdict_by_address": digest}
            clip["verdicts"] = [{**who, "verdict": "approved", "at": AT, "current": True}]
            clip["comments"] = [
                {
                    **who,
                    "text": f"Ship it, @Bob @{{{person.pk}}}",
                    "created_at": AT,
                    "resolved": True,
                    "resolved_by_address": digest,
                }
            ]
        for item in manifest["collections"] + manifest.get("saved_views", []):
            item |= who

    return changed(data, change)


@pytest.mark.parametrize("whose", ["alice", "carol", "importer"])
def test_no_account_is_given_what_an_archive_says(cast, whose):
    importer = make_person("Erin")
    person = importer if whose == "importer" else getattr(cast, whose)
    report = import_archive(forged(moved(cast), person), by=importer)
    assert report.clips == 2 and not report.problems
    clips = Generation.objects.filter(project=report.project)
    assert {clip.by for clip in clips} == {importer}
    assert {clip.verdict_by for clip in clips} == {None}
    assert {clip.verdict for clip in clips} == {"approved"}
    said = Comment.objects.filter(generation__project=report.project)
    assert {(c.author, c.resolved_by) for c in said} == {(None, None)} and said.count() == 2
    assert {c.guest_name for c in said} == {f"{person.name} (from the archive)"}
    assert all(c.resolved_at and not c.mentions.exists() for c in said)
    given = GivenVerdict.objects.filter(generation__project=report.project)
    assert {(v.by, v.guest.name) for v in given} == {(None, f"{person.name} (from the archive)")}
    assert {c.created_by for c in Collection.objects.all()} == {importer}
    assert {view.owner for view in SavedView.objects.all()} == {importer}


def test_a_member_of_the_project_imported_into_is_not_spoken_for(cast):
    data = archived(cast.project)

    def add(manifest):
        first = manifest["clips"][0]
        first["code"] = "00000000-0000-4000-8000-000000000001"
        first["comments"][0] |= {"by": "Alice", "by_address": digest_of(cast.alice.email)}
        manifest["clips"] = [first]

    Generation.objects.filter(number=1).update(sha256="0" * 64)
    report = import_archive(changed(data, add), by=cast.bob)
    assert report.project == cast.project and report.clips == 1
    clip = Generation.objects.get(project=cast.project, number__gt=2)
    assert clip.by == cast.bob
    assert not clip.comments.exclude(author=None).exists()
    assert not clip.verdicts.exclude(by=None).exists()


def test_nobody_is_told_of_what_an_archive_says(cast, asked, settings):
    """Nobody's bell, feed, mail or webhook has what was imported: only that somebody imported it."""
    settings.EMAIL_URL, settings.PUBLIC_URL = "smtp://mail.example", "https://studio.example"
    User.objects.update(digest="daily", digest_at=timezone.now() - timedelta(days=7))
    Webhook.objects.create(
        project=cast.project, url="https://x.example", kinds=list(TYPES),
        created_by=cast.alice, secret_locked=vault.lock("whsec_x"),
    )  # fmt: skip
    data = archived(cast.project)
    Generation.objects.update(sha256="0" * 64)
    for model in (Activity, Notification, WebhookDelivery):
        model.objects.all().delete()
    asked.clear()
    upload = SimpleUploadedFile("winter.zip", forged(data, cast.alice).getvalue())
    run = import_runs.begin(file=upload, by=cast.bob)
    asked.run("work_import")
    assert run.project == cast.project and Generation.objects.count() == 4
    line = Activity.objects.get()
    assert (line.kind, line.actor, line.comment, line.generation) == ("bulk", None, None, None)
    note = Notification.objects.get()
    assert (note.user, note.activity) == (cast.bob, line)
    assert not WebhookDelivery.objects.exists()
    digest.send_due(now=timezone.now() + timedelta(days=1))
    assert [mail_.to for mail_ in mail.outbox] == [[cast.bob.email]]
    # Nor does an answer to such words go to whoever they name.
    comment = Comment.objects.filter(generation__number__gt=2, parent=None).first()
    Notification.objects.all().delete()
    comments.comment(generation=comment.generation, by=cast.carol, text="Why?", reply_to=comment)
    assert {row.user for row in Notification.objects.all()} == {cast.bob}


def test_what_it_says_shows_as_the_archives(client, cast):
    """On the clip's page, and in the archive made of it again: one mark, the name still there."""
    project = import_archive(io.BytesIO(moved(cast)), by=make_person("Erin")).project
    erin = User.objects.get(name="Erin")
    client.force_login(erin)
    first = project.generations.get(number=1)
    page = client.get(f"/clips/{first.code}/").content.decode()
    for name in ("Carol", "Bob", "Clara Client"):
        assert f"{name} (from the archive)" in page
    assert "Imported by" in page
    record = json.loads(zipfile.ZipFile(io.BytesIO(archived(project))).read("manifest.json"))[
        "clips"
    ][0]
    assert record["by"] == "Bob (from the archive)"
    again = import_archive(io.BytesIO(archived(project)), by=make_person("Frank")).project
    names = set(Comment.objects.filter(generation__project=again).values_list("guest_name"))
    assert names == {(f"{name} (from the archive)",) for name in ("Carol", "Bob", "Clara Client")}


def test_an_archive_holds_nothing_to_know_an_address_by(cast):
    text = zipfile.ZipFile(io.BytesIO(archived(cast.project))).read("manifest.json").decode()
    for person in (cast.alice, cast.bob, cast.carol):
        assert digest_of(person.email) not in text and person.email not in text


def test_two_people_of_one_name_stay_two(cast):
    for name in ("Bob", "Carol"):
        User.objects.filter(name=name).update(name="Sam")
    report = import_archive(io.BytesIO(moved(cast)), by=make_person("Erin"))
    sams = Guest.objects.filter(share__project=report.project, name="Sam (from the archive)")
    assert sams.count() == 2


def test_names_come_marked_once_and_clean():
    assert archive_name("Carol") == "Carol (from the archive)"
    assert archive_name("Carol (from the archive)") == "Carol (from the archive)"
    assert archive_name(" Car\u202eol\x1b[31m\n\u200bX ") == "Carol [31m X (from the archive)"
    assert archive_name("\u202e\n") == "Somebody (from the archive)"
    long = archive_name("x" * 80)
    assert len(long) == 60 and long.endswith("… (from the archive)")
    assert archive_name("سی\u200cنا") == "سی\u200cنا (from the archive)"
