from __future__ import annotations

import os
import signal
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from studio import export_lifecycle, tasks
from studio.media import film
from studio.media.probing import probe_video
from studio.media.stitch import StitchCancelled
from studio.models import Chain, Export, Generation, Membership, Segment
from studio.services.errors import StudioError
from studio.services.files import scratch_dir
from studio.services.film import exports, stitching
from studio.services.film.exports import ExportOptions, create_export, revive_exports
from tests.factories import make_generation, make_member, make_project, make_user

pytestmark = pytest.mark.django_db
State = Export.State


@pytest.fixture
def alice():
    return make_user("Alice")


@pytest.fixture
def chain(alice):
    project = make_project(alice)
    return make_chain(project, [make_generation(project, by=alice, files=True) for _ in range(3)])


def make_chain(project, clips, title="The long night", **fields) -> Chain:
    chain = Chain.objects.create(
        project=project, title=title, created_by=project.created_by, **fields
    )
    for position, clip in enumerate(clips, 1):
        Segment.objects.create(chain=chain, position=position, generation=clip)
    return chain


def stitched(chain, **options) -> Export:
    export = create_export(chain=chain, by=chain.created_by, options=ExportOptions(**options))
    tasks.stitch_export(export.pk)
    export.refresh_from_db()
    return export


def stored(export) -> list[str]:
    folder = f"projects/{export.chain.project.code}/exports"
    try:
        return sorted(default_storage.listdir(folder)[1])
    except FileNotFoundError:
        return []


def left_in_scratch() -> list[str]:
    return [path.name for path in scratch_dir().glob("*export-*")]


def test_a_chain_becomes_a_film(chain):
    export = stitched(chain)
    assert export.state == State.SUCCEEDED and export.progress == 100
    assert export.note == "Copied without encoding: all segments agree."
    assert probe_video(Path(export.file.path)).frames == 72
    assert (export.duration_ms, export.size_bytes) == (3000, export.file.size)
    assert stored(export) == [export.file.name.rsplit("/", 1)[1]] and not left_in_scratch()


def test_films_are_named_after_the_chain_and_counted(chain):
    names = [exports.file_name(create_export(chain=chain, by=chain.created_by)) for _ in "ab"]
    assert names == ["the-long-night-v1.mp4", "the-long-night-v2.mp4"]
    mov = create_export(chain=chain, by=chain.created_by, options=ExportOptions(format="prores"))
    Chain.objects.filter(pk=chain.pk).update(title="Renamed")
    assert exports.file_name(mov) == "the-long-night-v3.mov"


def test_a_branch_is_exported_from_the_beginning(chain):
    ending = make_generation(chain.project, files=True, seconds=2)
    branch = Chain.objects.create(
        project=chain.project, title="Storm", created_by=chain.created_by, branched_from=chain,
        branched_position=2,
    )  # fmt: skip
    Segment.objects.create(chain=branch, position=3, generation=ending)
    assert stitched(branch).duration_ms == 4000


def test_the_clips_are_those_of_the_moment_it_was_asked_for(chain):
    export = create_export(chain=chain, by=chain.created_by)
    chain.segments.filter(position=3).delete()
    tasks.stitch_export(export.pk)
    export.refresh_from_db()
    assert export.duration_ms == 3000


def test_another_size_is_encoded_and_says_so(chain):
    export = stitched(chain, size="540p")
    assert export.note == "Encoded anew at 960 × 540 pixels."
    info = probe_video(Path(export.file.path))
    assert (info.width, info.height) == (960, 540)


def test_a_chain_with_an_unrendered_segment_is_refused(chain, alice):
    waiting = make_generation(chain.project, state=Generation.State.RUNNING, title="Salt flat")
    Segment.objects.create(chain=chain, position=4, generation=waiting)
    with pytest.raises(StudioError, match="Segment 4, “Salt flat”, is not rendered"):
        create_export(chain=chain, by=alice)
    assert not Export.objects.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"format": "avi"}, "Format is “avi”; it must be one of h264"),
        ({"size": "8k"}, "Size is “8k”; it must be empty or one of 540p"),
        ({"crossfade_s": 5}, "Cross-fade is 5 s; it must be from 0 to 2 s"),
    ],
)
def test_options_out_of_range_are_refused(chain, alice, options, words):
    with pytest.raises(StudioError, match=words):
        create_export(chain=chain, by=alice, options=ExportOptions(**options))


def test_a_missing_file_fails_with_the_segment_and_can_be_tried_again(chain):
    clip = chain.segments.get(position=2).generation
    content = clip.clip.read()
    clip.clip.close()
    default_storage.delete(clip.clip.name)
    export = stitched(chain)
    assert export.state == State.FAILED
    assert export.failure_text == (
        f"The file of segment 2, “{clip.title}”, is not in the studio any more."
    )
    default_storage.save(clip.clip.name, ContentFile(content))
    assert exports.try_again(export=export) and not exports.try_again(export=export)
    tasks.stitch_export(export.pk)
    export.refresh_from_db()
    assert export.state == State.SUCCEEDED and export.failure_text == ""


def test_a_fade_too_long_for_a_clip_says_which(chain):
    export = stitched(chain, crossfade_s=1.0)
    assert export.state == State.FAILED
    assert export.failure_text.startswith("Segment 1 lasts 1.0 s, too short for cross-fades")


@pytest.mark.parametrize("options", [{}, {"format": "h264"}, {"format": "unheard of"}])
def test_a_row_that_does_not_say_what_film_it_is_fails_with_a_sentence(chain, page, options):
    export = Export.objects.create(chain=chain, created_by=chain.created_by, options=options)
    tasks.stitch_export(export.pk)
    export.refresh_from_db()
    assert export.state == State.FAILED
    assert export.failure_text == exports.NO_OPTIONS
    html = page.get(f"/chains/{chain.code}/exports/").content.decode()
    assert "This export does not say which film to make." in html


def test_two_workers_stitch_it_once(chain):
    export = create_export(chain=chain, by=chain.created_by)
    assert tasks.stitch_export(export.pk).startswith("stitched")
    assert tasks.stitch_export(export.pk) == "skipped: not waiting to be stitched"
    assert export_lifecycle.claim(export.pk, seconds=20, most=3) is None


def test_progress_names_the_segment(chain, monkeypatch):
    seen = []

    def watched(sources, out, *, on_progress, **options):
        monkeypatch.setattr(stitching, "BEAT_S", 0)
        assert on_progress(stitching.Progress(58, 2, 3))
        seen.append(Export.objects.values_list("state", "progress", "note").get())
        raise StitchCancelled

    monkeypatch.setattr(stitching, "stitch_clips", watched)
    stitched(chain)
    assert seen == [(State.RUNNING, 58, "Stitching segment 2 of 3")]


def test_cancelling_stops_the_work_and_leaves_no_file(chain, monkeypatch):
    monkeypatch.setattr(stitching, "BEAT_S", 0)
    real = stitching.stitch_clips

    def cancelled_midway(sources, out, **options):
        assert exports.cancel(export=Export.objects.get())
        return real(sources, out, **options)

    monkeypatch.setattr(stitching, "stitch_clips", cancelled_midway)
    export = stitched(chain, size="540p")
    assert export.state == State.CANCELLED and not export.file
    assert not stored(export) and not left_in_scratch()


def test_cancelling_as_it_finishes_leaves_no_file(chain, monkeypatch):
    real = stitching.keep

    def kept_too_late(path, name):
        exports.cancel(export=Export.objects.get())
        return real(path, name)

    monkeypatch.setattr(stitching, "keep", kept_too_late)
    export = stitched(chain)
    assert export.state == State.CANCELLED and not stored(export)


def test_a_killed_worker_leaves_an_export_that_starts_again(
    chain, django_capture_on_commit_callbacks
):
    export = create_export(chain=chain, by=chain.created_by)
    token = export_lifecycle.claim(export.pk, seconds=20, most=3)
    folder = f"projects/{chain.project.code}/exports"
    default_storage.save(f"{folder}/{export.code}-{token[:8]}.mp4", ContentFile(b"half"))
    (scratch_dir() / f"export-{export.code}-{token[:8]}.mp4").write_bytes(b"half")
    long_ago = timezone.now() - timedelta(minutes=5)
    assert revive_exports() == 0
    Export.objects.update(lease_until=long_ago, created_at=long_ago)
    with django_capture_on_commit_callbacks() as asked:
        assert revive_exports() == 2
    assert len(asked) == 1 and not left_in_scratch()
    export.refresh_from_db()
    assert (export.state, export.attempts) == (State.QUEUED, 1)
    tasks.stitch_export(export.pk)
    export.refresh_from_db()
    assert export.state == State.SUCCEEDED
    assert stored(export) == [export.file.name.rsplit("/", 1)[1]]


def test_an_export_that_kills_its_workers_ends(chain):
    export = create_export(chain=chain, by=chain.created_by)
    long_ago = timezone.now() - timedelta(minutes=5)
    for attempt in range(3):
        assert export_lifecycle.claim(export.pk, seconds=20, most=3), attempt
        Export.objects.update(lease_until=long_ago)
        revive_exports()
    export.refresh_from_db()
    assert export.state == State.FAILED
    assert export.failure_text == "Stitching stopped its worker 3 times. Try a smaller size."


def test_a_worker_that_lost_its_lease_harms_nothing(chain, monkeypatch):
    real = stitching.keep

    def overtaken(path, name):
        monkeypatch.setattr(stitching, "keep", real)
        Export.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        revive_exports()
        assert tasks.stitch_export(Export.objects.get().pk).startswith("stitched")
        path.write_bytes(b"late")
        return real(path, name)

    monkeypatch.setattr(stitching, "keep", overtaken)
    export = create_export(chain=chain, by=chain.created_by)
    assert tasks.stitch_export(export.pk) == "stopped: cancelled as it finished"
    export.refresh_from_db()
    assert export.state == State.SUCCEEDED and export.attempts == 2
    assert probe_video(Path(export.file.path)).frames == 72
    assert len(stored(export)) == 1


def test_a_lost_task_is_asked_for_again_but_not_too_often(
    chain, django_capture_on_commit_callbacks
):
    create_export(chain=chain, by=chain.created_by)
    Export.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    with django_capture_on_commit_callbacks() as asked:
        revive_exports()
        revive_exports()
    assert len(asked) == 1
    assert export_lifecycle.claim(Export.objects.get().pk, seconds=20, most=3)


def test_a_deleted_export_can_be_brought_back_for_a_day(chain):
    export = stitched(chain)
    exports.delete(export=export)
    assert not exports.listed_exports([chain]).exists()
    revive_exports()
    assert exports.restore(export=export) and exports.listed_exports([chain]).count() == 1
    exports.delete(export=export)
    Export.objects.update(deleted_at=timezone.now() - timedelta(days=2))
    revive_exports()
    assert not Export.objects.exists() and not stored(export)


# ---- The block on the page -------------------------------------------------------------------


@pytest.fixture
def page(chain, alice):
    client = Client(headers={"hx-request": "true"})
    client.force_login(alice)
    return client


def test_the_block_offers_every_path_and_polls_only_while_something_moves(chain, page):
    branch = Chain.objects.create(
        project=chain.project, title="Storm ending", created_by=chain.created_by,
        branched_from=chain, branched_position=1,
    )  # fmt: skip
    Segment.objects.create(
        chain=branch, position=2, generation=make_generation(chain.project, files=True, seconds=2)
    )
    at_rest = page.get(f"/chains/{chain.code}/exports/").content.decode()
    assert 'id="export"' in at_rest and "every 2s" not in at_rest
    assert "Main cut, 3 s" in at_rest and "Storm ending, 3 s" in at_rest
    answer = page.post(
        f"/chains/{chain.code}/exports/", {"path": branch.code, "drop_repeated": "1"}
    ).content.decode()
    assert "every 2s" in answer and "Waiting to be stitched" in answer
    assert Export.objects.get().chain == branch


def test_a_finished_film_is_listed_and_downloaded(chain, page):
    export = stitched(chain)
    shown = page.get(f"/chains/{chain.code}/exports/").content.decode()
    assert "the-long-night-v1.mp4" in shown and "Today, 3 s" in shown
    response = page.get(f"/media/exports/{export.code}?download")
    assert response["Content-Disposition"] == 'attachment; filename="the-long-night-v1.mp4"'
    body = b"".join(response.streaming_content)
    assert b"segment 3" in body and len(body) > export.size_bytes
    played = page.get(f"/media/exports/{export.code}", headers={"range": "bytes=0-99"})
    assert played.status_code == 206 and played["Content-Type"] == "video/mp4"


def test_failed_says_why_and_offers_another_try(chain, page):
    export = stitched(chain, crossfade_s=1.0)
    shown = page.get(f"/chains/{chain.code}/exports/").content.decode()
    assert "too short for cross-fades" in shown and "Try again" in shown
    page.post(f"/exports/{export.code}/retry/")
    export.refresh_from_db()
    assert export.state == State.QUEUED
    page.post(f"/exports/{export.code}/cancel/")
    export.refresh_from_db()
    assert export.state == State.CANCELLED


def test_deleting_offers_undo(chain, page):
    export = stitched(chain)
    answer = page.post(f"/exports/{export.code}/delete/").content.decode()
    assert f"/exports/{export.code}/restore/" in answer and "is deleted" in answer
    assert page.get(f"/media/exports/{export.code}").status_code == 404
    assert "is back" in page.post(f"/exports/{export.code}/restore/").content.decode()


def test_a_refusal_keeps_what_was_chosen(chain, page):
    answer = page.post(
        f"/chains/{chain.code}/exports/", {"format": "prores", "crossfade_s": "soon"}
    )
    text = answer.content.decode()
    assert answer.status_code == 422 and "Cross-fade is “soon”" in text
    assert '<option value="prores" selected>' in text


def test_without_script_the_page_comes_back(chain, alice):
    client = Client()
    client.force_login(alice)
    answer = client.post(f"/chains/{chain.code}/exports/", {"drop_repeated": "1"})
    assert answer.status_code == 302 and answer["Location"] == f"/chains/{chain.code}/"
    assert client.get(f"/chains/{chain.code}/exports/").status_code == 302


def test_reviewers_watch_and_outsiders_learn_nothing(chain):
    export = stitched(chain)
    carol, dave = make_user("Carol"), make_user("Dave")
    make_member(chain.project, carol, Membership.Role.REVIEWER)
    for person, see, do in ((carol, 200, 403), (dave, 404, 404)):
        client = Client(headers={"hx-request": "true"})
        client.force_login(person)
        assert client.get(f"/chains/{chain.code}/exports/").status_code == see
        assert client.get(f"/media/exports/{export.code}").status_code == see
        assert client.post(f"/chains/{chain.code}/exports/").status_code == do
        for action in ("cancel", "retry", "delete", "restore"):
            assert client.post(f"/exports/{export.code}/{action}/").status_code == do
    assert Client().get(f"/media/exports/{export.code}").status_code == 302


# ---- The command -----------------------------------------------------------------------------


@pytest.fixture
def alone(monkeypatch):
    from studio.management.commands import stitch

    monkeypatch.setattr(stitch, "PICKED_UP_WITHIN_S", 0.0)


def test_the_command_stitches_by_itself_and_prints_the_path(chain, alone, capsys):
    call_command("stitch", str(chain.code))
    (path,) = capsys.readouterr().out.split()
    assert probe_video(Path(Export.objects.get().file.path)).frames == 72
    assert path == Export.objects.get().file.path


def test_the_command_writes_where_it_is_told(chain, alone, capsys, tmp_path):
    out = tmp_path / "film.mp4"
    call_command("stitch", str(chain.code), out=str(out))
    assert capsys.readouterr().out.strip() == str(out)
    assert probe_video(out).frames == 72


def test_the_command_says_why_not(chain, alone, tmp_path):
    with pytest.raises(CommandError, match="is not a chain"):
        call_command("stitch", "6d6f1fc7-79d0-4c70-93a4-93f2d04df2a8")
    with pytest.raises(CommandError, match="is not a chain"):
        call_command("stitch", "the-long-night")
    with pytest.raises(CommandError, match="no folder"):
        call_command("stitch", str(chain.code), out=str(tmp_path / "none" / "film.mp4"))
    with pytest.raises(CommandError, match="too short for cross-fades"):
        call_command("stitch", str(chain.code), crossfade=1.0)


@pytest.mark.django_db(transaction=True)
def test_the_command_leaves_the_work_to_a_running_studio(chain, capsys, monkeypatch):
    from studio.management.commands import stitch

    done, workers = [], []

    def worker(pk):
        try:
            done.append(tasks.stitch_export(pk))
        finally:
            connection.close()

    def created(**options):
        export = create_export(**options)
        workers.append(threading.Thread(target=worker, args=[export.pk]))
        workers[0].start()
        return export

    monkeypatch.setattr(stitch, "create_export", created)
    monkeypatch.setattr(stitch, "PICKED_UP_WITHIN_S", 120.0)  # a thread may begin late
    call_command("stitch", str(chain.code))
    workers[0].join()
    assert done[0].startswith("stitched")
    assert "No worker is free" not in capsys.readouterr().err


# ---- Killed for real ---------------------------------------------------------------------------


def killed_at(owner, name, pk) -> None:
    """Stitch in a process of its own that dies by SIGKILL when it gets to `owner.name`."""
    connections.close_all()
    child = os.fork()
    if not child:
        setattr(owner, name, lambda *args, **options: os.kill(os.getpid(), signal.SIGKILL))
        tasks.stitch_export(pk)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (stitching, "stitch_clips"),
        (stitching._Beat, "renew"),
        (film.FilmWriter, "_finish"),
        (stitching, "keep"),
        (export_lifecycle, "finish"),
    ],
)
def test_a_worker_killed_anywhere_costs_no_film_and_leaves_no_file(chain, owner, name):
    export = create_export(chain=chain, by=chain.created_by, options=ExportOptions(size="540p"))
    killed_at(owner, name, export.pk)
    export.refresh_from_db()
    assert (export.state, export.attempts) == (State.RUNNING, 1)
    Export.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    revive_exports()
    assert not left_in_scratch()
    assert tasks.stitch_export(export.pk).startswith("stitched")
    export.refresh_from_db()
    assert probe_video(Path(export.file.path)).frames == 72
    assert stored(export) == [export.file.name.rsplit("/", 1)[1]] and not left_in_scratch()
