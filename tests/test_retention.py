"""What the studio lets go of by itself, and what it never touches."""

from __future__ import annotations

import os
import threading
import time
import uuid
from datetime import timedelta
from io import StringIO

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.utils import timezone

from studio import lifecycle
from studio.models import Generation, Keyframe
from studio.models.generation import State
from studio.services.files import scratch_dir
from studio.services.retention import media, routine
from studio.services.retention.routine import clear_up
from studio.services.sketches import sketch_dir
from tests.factories import make_generation, make_previs, make_project, make_still
from tests.people import make_cast

pytestmark = pytest.mark.django_db
LONG_AGO = 10 * 24 * 3600


@pytest.fixture(autouse=True)
def apart(settings, tmp_path):
    settings.DATA_DIR = tmp_path


@pytest.fixture
def cast():
    make_previs()
    return make_cast()


def write(name: str, *, age_s: float = LONG_AGO) -> str:
    """Put a file into the storage that was written so long ago."""
    kept = default_storage.save(name, ContentFile(b"x" * 1000))
    lie(default_storage.path(kept), age_s)
    return kept


def lie(path: object, age_s: float = LONG_AGO) -> None:
    at = time.time() - age_s
    os.utime(str(path), (at, at))


def stray(project, folder: str = "clips", code: object = "", ending: str = ".mp4", **age) -> str:
    return write(f"projects/{project.code}/{folder}/{code or uuid.uuid4()}{ending}", **age)


def age_all(clip: Generation) -> None:
    for field in ("clip", "poster", "strip", "preview"):
        lie(getattr(clip, field).path)


def left(name: str) -> bool:
    return default_storage.exists(name)


def heap(name: str, **how) -> routine.Heap:
    return next(h for h in clear_up(**how).heaps if h.part.name == name)


# ---- Files without a row ---------------------------------------------------------------------


def test_files_without_a_row_go_and_named_ones_stay(cast):
    clip = make_generation(cast.project, files=True)
    age_all(clip)
    still = make_still(cast.project)
    lie(still.file.path)
    alone = [
        stray(cast.project),
        stray(cast.project, ending="-poster.webp"),
        stray(cast.project, "stills", ending="-thumb.webp"),
        stray(cast.project, "exports", ending="-0a1b2c3d.mov"),
    ]
    of_no_project = write(f"projects/{uuid.uuid4()}/clips/{uuid.uuid4()}.mp4")
    found = heap("files without a row")
    assert {thing.name for thing in found.things} == {*alone, of_no_project}
    assert found.bytes == 5000
    assert not any(left(name) for name in [*alone, of_no_project])
    assert all(left(getattr(clip, f).name) for f in ("clip", "poster", "strip", "preview"))
    assert left(still.file.name) and left(still.thumbnail.name)


def test_young_files_foreign_names_and_files_in_flight_stay(cast):
    storing = make_generation(cast.project, state=State.STORING)
    kept = [
        stray(cast.project, age_s=3600),
        stray(cast.project, code=storing.code),
        stray(cast.project, code=storing.code, ending="-poster.webp"),
        write(f"projects/{cast.project.code}/clips/notes.txt"),
        write("elsewhere/film.mp4"),
    ]
    assert heap("files without a row").things == []
    assert all(left(name) for name in kept)


def test_a_file_another_project_names_stays(cast):
    name = stray(cast.project)
    make_generation(make_project(name="Elsewhere"), clip=name)
    assert heap("files without a row").things == []
    assert left(name)


def test_a_purged_clips_name_keeps_no_file(cast):
    clip = make_generation(cast.project, files=True)
    age_all(clip)
    now = timezone.now()
    Generation.objects.update(deleted_at=now, archived_at=now, purged_at=now)
    heap("files without a row")
    assert not left(clip.clip.name)


def test_what_is_used_by_the_time_it_would_go_stays(cast):
    name = stray(cast.project)
    (thing,) = media.unnamed_files()
    make_generation(cast.project, clip=name)
    assert not media.remove_unnamed(thing)
    assert left(name)


def test_what_is_written_anew_meanwhile_stays(cast):
    name = stray(cast.project)
    (thing,) = media.unnamed_files()
    default_storage.save(name, ContentFile(b"new"))
    assert not media.remove_unnamed(thing)
    assert left(name)


@pytest.mark.django_db(transaction=True)
def test_fetching_again_at_that_very_moment_keeps_its_file(cast, monkeypatch):
    failed = make_generation(cast.project, state=State.FAILED, result_url="https://x.example/a")
    name = stray(cast.project, code=failed.code)
    (thing,) = media.unnamed_files()
    moved = threading.Event()

    def fetch() -> None:
        try:
            assert lifecycle.move(failed.pk, State.STORING, reason="fetch again")
            default_storage.save(name, ContentFile(b"fetched"))
            moved.set()
        finally:
            connection.close()

    fetching = threading.Thread(target=fetch)
    delete = default_storage.delete

    def slowly(gone: str) -> None:
        fetching.start()
        assert not moved.wait(0.3), "it waits until the old file is gone"
        delete(gone)

    monkeypatch.setattr(default_storage, "delete", slowly)
    media.remove_unnamed(thing)
    fetching.join(20)
    assert moved.is_set()
    with default_storage.open(name) as file:
        assert file.read() == b"fetched"


def test_a_storage_of_another_database_is_left_alone(cast, monkeypatch):
    monkeypatch.setattr(media, "ALWAYS_FEW", 3)
    names = [stray(cast.project) for _ in range(4)]
    clip = make_generation(cast.project, files=True)
    assert "4 of 8 stored files" not in heap("files without a row").trouble
    names = [stray(cast.project) for _ in range(9)]
    age_all(clip)
    found = heap("files without a row")
    assert "9 of 13 stored files have no row" in found.trouble
    assert all(left(name) for name in names)
    with pytest.raises(CommandError, match="Not finished: files without a row"):
        call_command("retention", stdout=StringIO())
    call_command("retention", "--even-so", stdout=StringIO())
    assert not any(left(name) for name in names)
    assert left(clip.clip.name)


# ---- Rows without files -------------------------------------------------------------------------


def test_rows_whose_files_are_gone_are_named_and_kept(cast):
    clip = make_generation(cast.project, files=True)
    make_generation(cast.project, files=True)
    default_storage.delete(clip.poster.name)
    (gone,) = clear_up().missing
    assert (gone.name, gone.whose) == (clip.poster.name, f"clip {clip.number}")
    assert Generation.objects.get(pk=clip.pk).poster.name == gone.name
    said = StringIO()
    call_command("retention", stdout=said)
    assert f"  {gone.name}  (clip {clip.number})" in said.getvalue()


# ---- Leftovers --------------------------------------------------------------------------------------


def test_half_files_and_old_sketches_go(cast):
    half, young = scratch_dir() / "half.mp4", scratch_dir() / "young.mp4"
    sketch, lock = sketch_dir() / "a.webp", sketch_dir() / "slot-0.lock"
    for path in (half, young, sketch, lock):
        path.write_bytes(b"12345")
    for path in (half, sketch, lock):
        lie(path)
    archive = write("imports/a.zip")
    waits = write("imports/b.zip", age_s=24 * 3600)
    found = clear_up()
    assert not half.exists() and not sketch.exists()
    assert young.exists() and lock.exists()
    assert not left(archive) and left(waits)
    assert found.bytes == 1010


def test_stills_stay_unless_a_number_of_days_is_set(
    cast, settings, django_capture_on_commit_callbacks
):
    unused, used, young = (make_still(cast.project, shade=shade) for shade in (10, 20, 30))
    make_generation(cast.project, start_keyframe=used)
    Keyframe.objects.exclude(pk=young.pk).update(created_at=timezone.now() - timedelta(days=100))
    assert heap("unused stills").things == []
    settings.STILL_DAYS = 90
    assert heap("unused stills", dry_run=True).count == 1
    with django_capture_on_commit_callbacks(execute=True):
        assert heap("unused stills").count == 1
    assert set(Keyframe.objects.all()) == {used, young}
    assert not left(unused.file.name) and not left(unused.thumbnail.name)


def test_expired_sessions_go(cast, client):
    client.force_login(cast.bob)
    old = Session.objects.create(session_key="old", expire_date=timezone.now() - timedelta(days=1))
    UserSession.objects.create(user=cast.bob, session_key="old", ip="::1")
    assert heap("old rows").count == 2
    assert not Session.objects.filter(pk=old.pk).exists()
    assert UserSession.objects.get().session_key == client.session.session_key
    assert Session.objects.count() == 1


# ---- The command ----------------------------------------------------------------------------------------


def test_a_dry_run_lists_what_and_how_much_and_changes_nothing(cast):
    clip = make_generation(cast.project, files=True)
    long_ago = timezone.now() - timedelta(days=40)
    Generation.objects.update(deleted_at=long_ago, archived_at=long_ago)
    name = stray(cast.project)
    said = StringIO()
    call_command("retention", "--dry-run", stdout=said)
    lines = said.getvalue().splitlines()
    assert f"  {name}  1000 bytes" in lines
    assert any(f"clip {clip.number} “{clip.title}” of {cast.project}" in line for line in lines)
    assert lines[-1].startswith("Would free ")
    assert left(name) and left(clip.clip.name)
    call_command("retention", stdout=StringIO())
    assert not left(name) and not left(clip.clip.name)
    again = StringIO()
    call_command("retention", stdout=again)
    assert again.getvalue().endswith("Freed 0 bytes.\n")
