"""A project's archive carries what was said, decided and ordered, and its import brings it back."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from studio.incoming_text import clean
from studio.media.zipping import stream_zip
from studio.models import (
    Chain,
    Collection,
    CollectionItem,
    Comment,
    Generation,
    GivenVerdict,
    Guest,
    ImportRun,
    Membership,
    Project,
    ProviderAccount,
    SavedView,
    Share,
    Tag,
    User,
)
from studio.services.errors import StudioError
from studio.services.exchange import archives, import_runs
from studio.services.exchange.archive_people import IMPORTED_TITLE, MARK
from studio.services.exchange.archives import project_entries
from studio.services.exchange.imports import import_archive
from studio.services.gallery.views import save_view
from studio.services.review import comments, verdicts
from studio.services.sharing import guests
from tests.factories import make_generation, make_project, make_user
from tests.people import make_cast
from tests.processes import ROOT
from tests.test_archives import archived, changed

pytestmark = pytest.mark.django_db
OLD = ROOT / "tests" / "fixtures" / "project-cfae6a0.zip"
ARROW = [{"kind": "arrow", "colour": "amber", "points": [[0.1, 0.2], [0.5, 0.5]]}]


@pytest.fixture
def cast():
    """Two takes with everything that can be said of them."""
    cast = make_cast()
    Project.objects.filter(pk=cast.project.pk).update(style_notes="35 mm, grain")
    cast.project.refresh_from_db()
    first = make_generation(cast.project, by=cast.bob, files=True, rating=4, style_notes="35 mm")
    second = make_generation(
        cast.project, by=cast.alice, files=True, seconds=2, shot=first.shot, take=2
    )
    said = comments.comment(
        generation=first, by=cast.carol, text="Lower @Bob\nplease", at_ms=400, drawing=ARROW
    )
    comments.comment(generation=first, by=cast.bob, text="Done.", reply_to=said)
    comments.resolve(comment=said, by=cast.alice, resolved=True)
    Generation.objects.filter(pk=second.pk).update(answers_comment=said)
    verdicts.decide(generation=first, by=cast.carol, verdict="needs_changes", note="Too dark")
    verdicts.decide(generation=first, by=cast.carol, verdict="approved")
    share = Share.objects.create(
        project=cast.project, token_hash="x", created_by=cast.alice, title="Client"
    )
    guest, _ = guests.introduce(share=share, name="Clara Client")
    comments.comment(generation=first, guest=guest, text="Love it")
    verdicts.decide(generation=second, guest=guest, verdict="approved")
    for name in ("Über", "night"):
        Tag.objects.create(project=cast.project, name=name).generations.add(first)
    collection = Collection.objects.create(
        project=cast.project, title="Shortlist", note="For the client", created_by=cast.bob
    )
    for position, clip in enumerate((second, first)):
        CollectionItem.objects.create(collection=collection, generation=clip, position=position)
    save_view(project=cast.project, owner=cast.bob, name="Best", query="rating=4", shared=True)
    save_view(project=cast.project, owner=cast.carol, name="Mine", query="rating=3")
    return cast


def moved(cast, *, without=()):
    """Export the project, then remove it, and the accounts of these people."""
    data = archived(cast.project)
    GivenVerdict.objects.all().delete()
    Generation.objects.update(answers_comment=None)
    Comment.objects.all().delete()
    Generation.objects.all().delete()
    Collection.objects.all().delete()
    Share.objects.all().delete()
    Project.objects.all().delete()
    User.objects.filter(name__in=without).delete()
    return data


def told_of(project):
    """Everything that was said and decided, with who did."""
    first, second = project.generations.order_by("number")
    threads = [
        (
            c.author.name if c.author else f"{c.guest_name} (guest)",
            c.text,
            c.at_ms,
            c.drawing,
            c.parent.text if c.parent else None,
            c.resolved_by.name if c.resolved_by else None,
            c.created_at,
            c.resolved_at,
        )
        for c in Comment.objects.filter(generation__project=project).order_by("created_at")
    ]
    given = [
        (
            v.generation.number,
            v.by.name if v.by else f"{v.guest.name} (guest)",
            v.verdict,
            v.current,
            v.at,
            v.comment.text if v.comment else None,
        )
        for v in GivenVerdict.objects.filter(generation__project=project).order_by("pk")
    ]
    return {
        "style": (project.style_notes, first.style_notes),
        "makers": (first.by.name, second.by.name),
        "rating": first.rating,
        "verdict": (first.verdict, first.verdict_by, first.verdict_at, second.verdict),
        "answers": second.answers_comment.text if second.answers_comment else None,
        "threads": threads,
        "given": given,
        "tags": [(t.name, t.generations.count()) for t in project.tags.order_by("name")],
        "collections": [
            (c.title, c.note, c.created_by.name, [i.generation.number for i in c.items.all()])
            for c in project.collections.all()
        ],
    }


def views_of(project):
    rows = project.saved_views.order_by("name")
    return [(v.name, v.query, v.shared, v.owner.name) for v in rows]


def marked(name):
    return f"{name.removesuffix(' (guest)')}{MARK} (guest)"


def test_everything_said_decided_and_ordered_comes_back(cast):
    before, views = told_of(cast.project), views_of(cast.project)
    token = f"@{{{cast.bob.pk}}}"
    assert before["threads"][0][1] == f"Lower {token}\nplease"
    erin = make_user("Erin")
    report = import_archive(io.BytesIO(moved(cast)), by=erin)
    assert report.problems == []
    after = told_of(report.project)
    threads = [
        (marked(row[0]), clean(row[1].replace(token, "@Bob")), *row[2:4])
        for row in before["threads"]
    ]
    assert [row[:4] for row in after["threads"]] == threads
    parents = [clean((row[4] or "").replace(token, "@Bob")) for row in before["threads"]]
    assert [row[4] or "" for row in after["threads"]] == parents
    assert [row[6:] for row in after["threads"]] == [row[6:] for row in before["threads"]]
    assert {row[5] for row in after["threads"]} == {None}
    assert after["given"] == [(row[0], marked(row[1]), *row[2:]) for row in before["given"]]
    assert after["answers"] == "Lower @Bob\nplease"
    for name in ("style", "rating", "tags"):
        assert after[name] == before[name], name
    assert after["verdict"] == (before["verdict"][0], None, *before["verdict"][2:])
    assert after["makers"] == ("Erin", "Erin")
    assert after["collections"] == [(*row[:2], "Erin", row[3]) for row in before["collections"]]
    assert views_of(report.project) == [(*row[:3], "Erin") for row in views]
    share = Share.objects.get(project=report.project)
    assert share.title == IMPORTED_TITLE and not share.is_open
    assert set(share.guests.values_list("name", flat=True)) == {
        f"{name}{MARK}" for name in ("Carol", "Bob", "Clara Client")
    }
    assert Membership.objects.filter(project=report.project).count() == 1


def test_a_verdict_from_before_they_were_kept_a_person_comes_in_with_its_name(cast):
    GivenVerdict.objects.all().delete()
    report = import_archive(io.BytesIO(moved(cast)), by=make_user("Erin"))
    given = GivenVerdict.objects.get(generation__project=report.project)
    assert (given.guest.name, given.verdict) == (f"Carol{MARK}", "approved")


def test_doing_it_again_adds_nothing(cast):
    data = moved(cast, without=["Carol"])
    erin = make_user("Erin")
    project = import_archive(io.BytesIO(data), by=erin).project
    before = told_of(project), views_of(project), Guest.objects.count(), Share.objects.count()
    again = import_archive(io.BytesIO(data), by=erin)
    assert (again.clips, again.known_clips) == (0, 2)
    now = told_of(project), views_of(project), Guest.objects.count(), Share.objects.count()
    assert now == before


def test_a_copy_beside_the_original_has_everything_too(cast):
    before = told_of(cast.project)
    report = import_archive(io.BytesIO(archived(cast.project)), by=cast.dave)
    assert report.project != cast.project
    after = told_of(report.project)
    assert after["given"] == [(row[0], marked(row[1]), *row[2:]) for row in before["given"]]
    assert [row[3] for row in after["collections"]] == [row[3] for row in before["collections"]]
    assert len(after["threads"]) == len(before["threads"])
    assert after["answers"] == "Lower @Bob\nplease"
    assert told_of(cast.project) == before


def test_nobodys_address_is_in_an_archive(cast):
    with zipfile.ZipFile(io.BytesIO(archived(cast.project))) as archive:
        text = archive.read("manifest.json").decode()
    assert "@example.com" not in text and "Clara Client" in text


def test_a_person_takes_their_own_and_the_projects_views(cast):
    def names(by):
        _, entries = project_entries(cast.project, by=by)
        with entries[0].open() as file:
            return [view["name"] for view in json.loads(file.read())["saved_views"]]

    assert names(cast.alice) == ["Best"]
    assert names(cast.carol) == ["Best", "Mine"]


def test_an_archive_of_the_first_release_comes_in_as_before():
    report = import_archive(OLD, by=make_user("Erin"))
    assert (report.clips, report.stills, report.problems) == (3, 2, [])
    first = report.project.generations.order_by("number").first()
    assert first.verdict == "approved" and first.rating == 4 and first.by.name == "Erin"
    assert first.prompt == "Low cloud.\nThen the ridge.\nSnow\nwind\ndark\nend"
    names = {c.guest_name for c in Comment.objects.filter(generation__project=report.project)}
    assert names == {f"{name}{MARK}" for name in ("Carol", "Bob", "Clara Client")}
    assert Chain.objects.filter(project=report.project).exists()


def test_what_is_not_in_an_archive_is_said_before_and_after(client, cast, asked):
    client.force_login(cast.alice)
    page = client.get(f"/p/{cast.project.code}/settings/").content.decode()
    assert "Not in it: members, links for guests, budgets and the ledger" in page
    data = moved(cast, without=["Carol"])
    erin = make_user("Erin")
    client.force_login(erin)
    page = client.get("/projects/import/").content.decode()
    for line in archives.NOT_INCLUDED:
        assert line in page
    import_runs.begin(file=SimpleUploadedFile("winter.zip", data), by=erin)
    asked.run("work_import")
    run = ImportRun.objects.get()
    assert import_runs.told(run) == (
        "2 clips came in. What Bob, Carol, Clara Client said and decided is shown under these "
        "names, marked “(from the archive)”."
    )


def test_a_clip_whose_file_is_gone_is_left_out_and_named(cast):
    project = make_project(cast.alice, name="Left")
    gone, kept = (make_generation(project, files=True, title=t) for t in ("Ridge", "Harbour"))
    gone.clip.delete(save=False)
    Generation.objects.filter(pk=gone.pk).update(clip=gone.clip.name or "clips/gone.mp4")
    lost = f"clips/{gone.number:04d}-ridge-take-1.mp4"
    _, entries = archives.project_entries(project)
    packed = zipfile.ZipFile(io.BytesIO(b"".join(stream_zip(entries))))
    assert lost not in packed.namelist()
    said = packed.read(archives.LEFT_OUT).decode()
    assert said == f"{lost}: its file is not in the studio any more.\n"
    manifest = json.loads(packed.read("manifest.json"))
    assert [clip["title"] for clip in manifest["clips"]] == ["Harbour"]
    assert said.strip() in manifest["not_included"]
    report = import_archive(io.BytesIO(packed.fp.getvalue()), by=make_user("Erin"))
    assert (report.clips, report.problems) == (1, [])
    Generation.objects.filter(pk=kept.pk).update(clip="clips/gone.mp4")
    with pytest.raises(StudioError, match="no file of it is in the studio any more"):
        archives.project_entries(project)


# ---- What somebody else wrote into a manifest --------------------------------------------------


def spoiled(cast, change):
    return changed(moved(cast), change)


def test_a_provider_that_is_not_known_makes_no_account(cast):
    def other(manifest):
        manifest["clips"][0]["provider"] = "provider-9"

    report = import_archive(spoiled(cast, other), by=make_user("Erin"))
    assert report.clips == 1
    assert "does not know its provider “provider-9”" in report.problems[0]
    assert not ProviderAccount.objects.filter(provider="provider-9").exists()


@pytest.mark.parametrize(
    ("change", "words", "clips"),
    [
        (lambda c: c.update(number=2_147_483_646), "number is 2147483646;", 1),
        (lambda c: c.update(tags="night"), "tags is 'night'; it must be a list", 2),
        (lambda c: c.update(tags=["x" * 41]), "must be a list of at most 200 texts", 2),
        (lambda c: c["verdicts"][0].update(at="soon"), "verdicts[0].at is 'soon'", 2),
        (lambda c: c["comments"][0].update(at_ms=-1), "comments[0].at_ms is -1", 2),
        (lambda c: c.update(style_notes="x" * 501), "style_notes", 1),
    ],
)
def test_values_out_of_range_are_left_out_by_name(cast, change, words, clips):
    data = spoiled(cast, lambda manifest: change(manifest["clips"][0]))
    report = import_archive(data, by=make_user("Erin"))
    assert words in report.problems[0]
    assert report.clips == clips


def test_a_drawing_or_a_tag_that_cannot_be_is_left_out_and_named(cast):
    def change(manifest):
        clip = manifest["clips"][0]
        clip["comments"][0]["drawing"] = [{"kind": "bomb"}]
        clip["tags"] = ["a, b", "fine"]
        manifest["collections"][0]["clips"] = []

    report = import_archive(spoiled(cast, change), by=make_user("Erin"))
    assert report.clips == 2
    assert sorted(text.split(" ")[1] for text in report.problems) == [
        "collection",
        "drawing",
        "tag",
    ]
    assert list(Tag.objects.values_list("name", flat=True)) == ["fine"]


def test_two_people_who_are_one_here_have_one_verdict_that_counts(cast):
    def same(manifest):
        clip = manifest["clips"][0]
        clip["verdicts"] = [
            clip["verdicts"][0] | {"current": True, "verdict": verdict}
            for verdict in ("needs_changes", "approved")
        ]

    report = import_archive(spoiled(cast, same), by=make_user("Erin"))
    given = GivenVerdict.objects.filter(generation__number=1, generation__project=report.project)
    assert list(given.filter(current=True).values_list("verdict", flat=True)) == ["approved"]
    assert given.count() == 2


def test_a_verdict_long_ago_keeps_its_time(cast):
    long_ago = timezone.now() - timedelta(days=400)
    GivenVerdict.objects.update(at=long_ago)
    project = import_archive(io.BytesIO(moved(cast)), by=make_user("Erin")).project
    times = GivenVerdict.objects.filter(generation__project=project).values_list("at", flat=True)
    assert set(times) == {long_ago} and SavedView.objects.count() == 2
