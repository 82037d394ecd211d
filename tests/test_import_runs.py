"""An import from its upload to its end: killed, refused, waiting, and what people see of it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import zipfile
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connections
from django.utils import timezone

from studio import lifecycle, tasks
from studio.models import (
    Activity,
    Chain,
    Comment,
    Generation,
    ImportRun,
    Keyframe,
    Membership,
    Notification,
    Project,
    User,
)
from studio.services import disk
from studio.services.errors import StudioError
from studio.services.exchange import import_runs, imports
from studio.services.projects import archive_project
from studio.services.retention.routine import clear_up
from tests.factories import make_member, make_user
from tests.test_archives import alice, archived, changed, elsewhere, project

__all__ = ["alice", "elsewhere", "project"]

pytestmark = pytest.mark.django_db
FIRST = "clips/0001-ridge-at-first-light-take-1.mp4"


@pytest.fixture
def bob():
    return make_user("Bob")


def upload(by: User, data: bytes | io.BytesIO) -> ImportRun:
    content = data if isinstance(data, bytes) else data.getvalue()
    return import_runs.begin(file=SimpleUploadedFile("winter.zip", content), by=by)


def lapse(run: ImportRun) -> None:
    past = timezone.now() - timedelta(seconds=1)
    ImportRun.objects.filter(pk=run.pk).update(lease_until=past)


def again(run: ImportRun) -> ImportRun:
    return ImportRun.objects.get(pk=run.pk)


def put_aside() -> list[str]:
    return default_storage.listdir("imports")[1]


# ---- From the upload to the end --------------------------------------------------------------


def test_it_is_uploaded_and_brought_in_by_a_worker(client, elsewhere, bob, asked):
    client.force_login(bob)
    assert "Archive" in client.get("/projects/import/").content.decode()
    answer = client.post(
        "/projects/import/", {"archive": SimpleUploadedFile("winter.zip", elsewhere)}
    )
    assert answer["Location"] == "/projects/import/"
    run = ImportRun.objects.get()
    assert ("work_import", (run.pk,)) in asked
    going = client.get("/projects/import/").content.decode()
    assert "0 of 4 clips" in going and "winter.zip" in going and "every 2s" in going

    asked.run("work_import")

    over = client.get("/projects/import/", headers={"HX-Request": "true"}).content.decode()
    assert "4 clips and 2 stills came in." in over and "every 2s" not in over
    assert run.project.get_absolute_url() in over and "<html" not in over
    assert not put_aside() and Generation.objects.count() == 4
    assert tasks.work_import(run.pk).startswith("skipped")


def test_whoever_asked_for_it_is_told(elsewhere, bob, asked):
    run = upload(bob, elsewhere)
    asked.run("work_import")
    note = Notification.objects.get(user=bob)
    assert note.activity.text == "Bob’s import of “winter.zip” is done: 4 clips"
    assert note.activity.project == run.project and note.reason == "finished"


def test_what_was_left_out_is_named_on_the_page(client, elsewhere, bob, asked):
    client.force_login(bob)
    upload(bob, changed(elsewhere, files={FIRST: b"something else"}))
    asked.run("work_import")
    page = client.get("/projects/import/").content.decode()
    assert "3 clips and 2 stills came in. 3 things were left out." in page
    assert f"“{FIRST}” is not the file the manifest describes." in page
    assert "“The long night” was left out" in page


def test_a_bad_value_is_named_on_the_page_and_the_rest_comes_in(client, elsewhere, bob, asked):
    def spoil(manifest):
        manifest["clips"][2]["duration_s"] = 0

    client.force_login(bob)
    upload(bob, changed(elsewhere, spoil))
    asked.run("work_import")
    page = client.get("/projects/import/").content.decode()
    assert "duration_s is 0; it must be a whole number from 1 to 3,600." in page
    assert "3 clips and 2 stills came in." in page
    assert Notification.objects.get(user=bob).reason == "finished"
    assert not put_aside()


def test_one_sees_ones_own_imports_and_a_project_that_is_open_to_one(client, elsewhere, bob, asked):
    run = upload(bob, elsewhere)
    client.force_login(make_user("Dave"))
    assert "winter.zip" not in client.get("/projects/import/").content.decode()
    Membership.objects.all().delete()
    client.force_login(bob)
    page = client.get("/projects/import/").content.decode()
    assert "winter.zip" in page and run.project.name not in page


def test_again_into_the_same_project_adds_nothing(project, alice, asked):
    run = upload(alice, archived(project))
    asked.run("work_import")
    assert import_runs.told(again(run)) == "4 clips were here already."
    assert Generation.objects.count() == 5


def test_an_archived_project_is_not_imported_into(project, alice, asked):
    data = archived(project)
    archive_project(project=project, by=alice)
    with pytest.raises(StudioError, match="is archived. Bring it back"):
        upload(alice, data)
    assert not put_aside() and not ImportRun.objects.exists()


def test_a_task_of_the_version_before_is_brought_in_too(elsewhere, bob, asked):
    default_storage.save("imports/old.zip", SimpleUploadedFile("old.zip", elsewhere))
    into = Project.objects.create(name="Winter", created_by=bob)
    make_member(into, bob, "owner")
    assert "4 clips" in tasks.import_archive("imports/old.zip", bob.pk, into.pk)
    assert tasks.import_archive("imports/old.zip", bob.pk, into.pk).startswith("skipped")
    assert Generation.objects.filter(project=into).count() == 4 and not put_aside()


# ---- Killed ----------------------------------------------------------------------------------


def die(*args, **options):
    os.kill(os.getpid(), signal.SIGKILL)


def at_the_third(owner, name):
    """Let this be called twice, and kill its process at the third time."""
    call, calls = getattr(owner, name), []

    def third(*args, **options):
        calls.append(1)
        return die() if len(calls) == 3 else call(*args, **options)

    setattr(owner, name, third)


POINTS = {
    "before its files": lambda: at_the_third(imports, "keep_media"),
    "before its row": lambda: at_the_third(lifecycle, "import_clip"),
    "before its comments": lambda: setattr(imports.Comment.objects, "create", die),
    "before it is counted": lambda: at_the_third(import_runs._Kept, "flush"),
    "between the chains": lambda: setattr(imports.Segment.objects, "bulk_create", die),
    "before the end": lambda: setattr(import_runs, "_end", die),
}


def killed_at(point: str, run: ImportRun) -> None:
    """Work on this run in a process that dies by SIGKILL at the point."""
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        try:
            POINTS[point]()
            tasks.work_import(run.pk)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] & 0x7F == signal.SIGKILL


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_workers_import_is_finished_by_the_next(elsewhere, bob, asked, point):
    run = upload(bob, elsewhere)
    killed_at(point, run)
    assert put_aside(), "it is needed still"
    assert tasks.work_import(run.pk).startswith("skipped"), "the dead worker's lease still runs"
    asked.clear()
    assert import_runs.resume_left() == 0
    lapse(run)
    tasks.resume_bulk()
    asked.run("work_import")
    run = again(run)
    assert (run.state, run.done, run.clips + run.known, run.problems) == ("done", 4, 4, [])
    assert_all_came_in_once(run.project)
    assert not put_aside()


def assert_all_came_in_once(project: Project) -> None:
    first, second, third, fourth = project.generations.order_by("number")
    assert (first.number, second.number, third.number) == (1, 2, 3)
    for clip in (first, second, third, fourth):
        assert clip.events.count() == 1
        with clip.clip.open("rb") as file:
            assert hashlib.sha256(file.read()).hexdigest() == clip.sha256
    assert (fourth.start_generation, fourth.shot, fourth.take) == (second, second.shot, 2)
    assert first.start_keyframe.name == "Dawn" and third.end_keyframe.grabbed_from == first
    assert Keyframe.objects.filter(project=project).count() == 2
    assert Comment.objects.filter(generation__project=project).count() == 1
    night, storm = Chain.objects.filter(project=project).order_by("pk")
    assert (night.title, storm.title, storm.branched_from) == ("The long night", "Storm", night)
    assert [s.generation for s in storm.segments.all()] == [third]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("point", ["before its row", "between the chains", "before the end"])
def test_a_copy_beside_the_original_comes_in_once_too(project, bob, asked, point):
    """Its codes are taken, so its clips, shots and chains get others: at each try the same."""
    run = upload(bob, archived(project))
    killed_at(point, run)
    lapse(run)
    tasks.work_import(run.pk)
    assert again(run).state == "done" and run.project != project
    assert_all_came_in_once(run.project)
    assert project.generations.count() == 5 and project.chains.count() == 2


@pytest.mark.django_db(transaction=True)
def test_the_same_film_twice_in_an_archive_is_two_clips_after_a_crash_too(elsewhere, bob, asked):
    def twice(manifest):
        first, second = manifest["clips"][:2]
        second |= {key: first[key] for key in ("sha256", "size_bytes")}

    with zipfile.ZipFile(io.BytesIO(elsewhere)) as source:
        first, second = [c["file"] for c in json.loads(source.read("manifest.json"))["clips"][:2]]
        film = source.read(first)
    run = upload(bob, changed(elsewhere, twice, files={second: film}))
    killed_at("before its row", run)
    # As when the count was lost as well: the rows alone say what came in.
    ImportRun.objects.update(done=0)
    lapse(run)
    tasks.work_import(run.pk)
    films = list(Generation.objects.filter(project=run.project).values_list("sha256", flat=True))
    assert len(films) == 4 and len(set(films)) == 3


def test_two_workers_never_bring_in_one_archive(elsewhere, bob, asked, monkeypatch):
    run = upload(bob, elsewhere)
    assert import_runs._claim(run.pk)
    assert tasks.work_import(run.pk).startswith("skipped")
    assert not Generation.objects.exists()


def test_a_worker_whose_lease_was_taken_writes_nothing_more(elsewhere, bob, asked, monkeypatch):
    run = upload(bob, elsewhere)
    write = lifecycle.import_clip

    def taken(clip, *, actor):
        if Generation.objects.count() == 2:
            ImportRun.objects.update(lease_token="another")
        write(clip, actor=actor)

    monkeypatch.setattr(lifecycle, "import_clip", taken)
    assert tasks.work_import(run.pk).startswith("stopped")
    assert Generation.objects.count() == 2 and again(run).clips == 2 and put_aside()


def test_what_the_queue_lost_is_asked_for_again_and_not_too_often(elsewhere, bob, asked):
    run = upload(bob, elsewhere)
    asked.clear()
    assert import_runs.resume_left() == 0, "it was asked for just now"
    ImportRun.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    tasks.resume_bulk()
    assert ("work_import", (run.pk,)) in asked
    assert import_runs.resume_left() == 0, "a long queue gets no second one"
    asked.run("work_import")
    assert again(run).state == "done"


def test_a_database_that_is_away_ends_nothing(elsewhere, bob, asked, monkeypatch):
    def away(*args, **options):
        raise OperationalError("the connection is lost")

    run = upload(bob, elsewhere)
    with monkeypatch.context() as patch, pytest.raises(OperationalError):
        patch.setattr(lifecycle, "import_clip", away)
        tasks.work_import(run.pk)
    assert put_aside() and again(run).is_going
    lapse(run)
    tasks.work_import(run.pk)
    assert again(run).clips == 4


def test_what_stops_every_worker_ends_with_a_sentence(elsewhere, bob, asked):
    run = upload(bob, elsewhere)
    for _ in range(import_runs.MOST_ATTEMPTS):
        assert import_runs._claim(run.pk)
        lapse(run)
    assert import_runs._claim(run.pk) is None
    assert import_runs.resume_left() == 0
    said = "It stopped its worker 5 times, after 0 of 4 clips. Nothing came in."
    assert import_runs.told(again(run)) == said and not put_aside()


def test_what_breaks_says_so(elsewhere, bob, asked, monkeypatch):
    def oops(*args, **options):
        raise RuntimeError("oops")

    monkeypatch.setattr(imports, "keep_media", oops)
    run = upload(bob, elsewhere)
    assert tasks.work_import(run.pk).startswith("Something went wrong in the studio.")
    assert again(run).state == "failed"


# ---- Waiting its turn ------------------------------------------------------------------------


def test_a_long_import_hands_over_now_and_then(elsewhere, bob, asked, monkeypatch):
    monkeypatch.setattr(import_runs, "SLICE_S", 0)
    run = upload(bob, elsewhere)
    said = []
    while again(run).is_going:
        said.append(tasks.work_import(run.pk))
    assert len(said) > 4 and said[3].startswith("goes on: ")
    assert asked.count("work_import") == len(said)
    assert again(run).attempts == 0 and again(run).problems == []
    assert_all_came_in_once(run.project)


def test_imports_into_one_project_come_one_after_the_other(elsewhere, bob, asked):
    first, second = upload(bob, elsewhere), upload(bob, elsewhere)
    assert first.project == second.project
    assert tasks.work_import(second.pk).startswith("skipped")
    assert again(second).waiting_text == "Waits for the import before it."
    asked.clear()
    tasks.work_import(first.pk)
    asked.run("work_import")
    assert import_runs.told(again(second)) == "4 clips were here already."
    assert Generation.objects.count() == 4


def test_with_a_full_disk_it_waits(elsewhere, bob, asked, monkeypatch):
    run = upload(bob, elsewhere)
    with monkeypatch.context() as patch:
        patch.setattr(disk, "free_bytes", lambda: 1000)
        tasks.work_import(run.pk)
        assert again(run).waiting_text == disk.WAITS and put_aside()

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(imports, "keep_media", full)
        tasks.work_import(run.pk)
    assert (again(run).state, again(run).attempts) == ("running", 0) and put_aside()
    tasks.work_import(run.pk)
    assert again(run).clips == 4


def test_a_storage_that_fails_is_tried_again_some_times(elsewhere, bob, asked, monkeypatch):
    def gone(*args, **options):
        raise OSError("the bucket does not answer")

    run = upload(bob, elsewhere)
    monkeypatch.setattr(imports, "keep_media", gone)
    # Two stills came in at the first try, so that one does not count.
    for _ in range(import_runs.MOST_ATTEMPTS):
        assert tasks.work_import(run.pk).startswith("waits") and put_aside()
    tasks.work_import(run.pk)
    assert again(run).failure_text == import_runs.UNREADABLE


# ---- What ends it ----------------------------------------------------------------------------


def test_an_archive_that_is_gone_says_so(elsewhere, bob, asked):
    run = upload(bob, elsewhere)
    default_storage.delete(run.archive)
    assert tasks.work_import(run.pk) == f"{import_runs.GONE} Nothing came in."


def while_it_comes_in(run: ImportRun, change, monkeypatch) -> ImportRun:
    """Do this after two clips came in, and return the run at its end."""
    write = imports.keep_media

    def later(clip, path):
        if again(run).clips == 2:
            change()
        return write(clip, path)

    monkeypatch.setattr(imports, "keep_media", later)
    tasks.work_import(run.pk)
    return again(run)


def test_a_project_archived_meanwhile_ends_it(elsewhere, bob, asked, monkeypatch):
    run = upload(bob, elsewhere)
    over = while_it_comes_in(run, lambda: archive_project(project=run.project, by=bob), monkeypatch)
    assert (over.state, over.clips, over.failure_text) == ("failed", 2, import_runs.ARCHIVED)
    assert Generation.objects.count() == 2 and not put_aside()


def test_who_may_not_add_any_more_adds_no_more(elsewhere, bob, asked, monkeypatch):
    run = upload(bob, elsewhere)
    over = while_it_comes_in(run, lambda: Membership.objects.update(role="reviewer"), monkeypatch)
    assert over.clips == 2 and over.failure_text == "Bob may not add to the project any more."


def test_a_person_deactivated_meanwhile_ends_it(elsewhere, bob, asked, monkeypatch):
    run = upload(bob, elsewhere)
    over = while_it_comes_in(run, lambda: User.objects.update(is_active=False), monkeypatch)
    assert over.state == "failed" and over.clips == 2
    assert Activity.objects.filter(text__contains="stopped early").exists()


@pytest.mark.django_db(transaction=True)
def test_a_project_deleted_meanwhile_takes_its_import_along(elsewhere, bob, asked, monkeypatch):
    run = upload(bob, elsewhere)
    write = imports.keep_media

    def later(clip, path):
        Project.objects.all().delete()
        return write(clip, path)

    monkeypatch.setattr(imports, "keep_media", later)
    assert tasks.work_import(run.pk).startswith("stopped")
    assert not ImportRun.objects.exists() and not Generation.objects.exists()


# ---- Its file --------------------------------------------------------------------------------


def test_an_archive_that_waits_is_kept_and_others_go(elsewhere, bob, asked):
    waits, over = upload(bob, elsewhere), upload(make_user("Carl"), elsewhere)
    ImportRun.objects.filter(pk=over.pk).update(state="done", finished_at=timezone.now())
    default_storage.save("imports/nobodys.zip", SimpleUploadedFile("a.zip", b"x"))
    clear_up()
    assert len(put_aside()) == 3, "young: one may be between its file and its row"
    long_ago = (timezone.now() - timedelta(days=30)).timestamp()
    for name in put_aside():
        os.utime(default_storage.path(f"imports/{name}"), (long_ago, long_ago))
    clear_up()
    assert [f"imports/{name}" for name in put_aside()] == [waits.archive]
