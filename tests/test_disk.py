"""A disk that fills up stops new work with a sentence, and harms nothing."""

from __future__ import annotations

import errno
import io
import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.utils import timezone
from PIL import Image

from studio.models import Chain, Export, Generation, Keyframe, Project, ProviderAccount, Segment
from studio.models.generation import State
from studio.services import disk, sample
from studio.services.exchange import import_runs
from studio.services.files import scratch_dir
from studio.services.film import exports
from studio.services.film.stitching import stitch_export
from studio.services.shots import NewShot, create_shots
from studio.services.work import clip_download, rendering, storing, submitting
from studio.services.work.storing import store_clip
from tests.factories import make_generation, make_previs
from tests.paid import account_at, again, make_due, queue_shot, reasons
from tests.people import make_cast
from tests.test_storing import files_of, rendered

pytestmark = pytest.mark.django_db
PLENTY = 10**15


@pytest.fixture(autouse=True)
def apart(settings, tmp_path):
    settings.DATA_DIR = tmp_path


@pytest.fixture
def cast():
    make_previs()
    return make_cast()


@pytest.fixture
def short(settings):
    """Nearly full: nothing new is begun, and what is paid for still fits."""
    settings.DISK_LEAST_BYTES = PLENTY
    settings.DISK_LEAST_BYTES = disk.free_bytes() * 2


@pytest.fixture
def spent(settings):
    settings.DISK_LEAST_BYTES = PLENTY


def picture() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((80, 80), 60).save(out, "PNG")
    return out.getvalue()


def refuse_writes(monkeypatch, *names: str) -> None:
    """Let writing a file of these endings fail in its middle, as on a full disk."""
    write = Path.write_bytes

    def full(self, data):
        if self.suffix in names:
            write(self, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)


# ---- Nothing new ---------------------------------------------------------------------------


def test_no_shot_is_queued_and_nothing_typed_is_lost(client, cast, short):
    client.force_login(cast.bob)
    previs = ProviderAccount.objects.get(provider="previs", label="")
    answer = client.post(
        f"/p/{cast.project.code}/new/",
        {"prompt": "A boat under the aurora", "offer": f"{previs.pk}:previs-1", "do": "generate"},
    )
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "The studio’s disk is nearly full" in page
    assert "A boat under the aurora" in page
    assert not Generation.objects.exists()


def test_a_form_sent_twice_still_finds_what_it_made(cast, settings):
    new = NewShot(prompt="A boat", account=make_previs(), model="previs-1")
    (made,) = create_shots(project=cast.project, by=cast.bob, new=new)
    settings.DISK_LEAST_BYTES = PLENTY
    assert create_shots(project=cast.project, by=cast.bob, new=new) == [made]


def test_uploads_films_samples_and_imports_are_refused(client, cast, short):
    client.force_login(cast.bob)
    answer = client.post(
        f"/p/{cast.project.code}/stills/",
        {"stills": SimpleUploadedFile("dawn.png", picture())},
        headers={"Accept": "application/json"},
    )
    assert answer.status_code == 422
    assert "disk is nearly full" in answer.json()["errors"][0]["message"]
    clip = make_generation(cast.project, files=True)
    chain = Chain.objects.create(project=cast.project, title="Night", created_by=cast.bob)
    Segment.objects.create(chain=chain, position=0, generation=clip)
    answer = client.post(f"/chains/{chain.code}/exports/", headers={"HX-Request": "true"})
    assert answer.status_code == 422
    assert "disk is nearly full" in answer.content.decode()
    with pytest.raises(disk.NoRoom):
        sample.make_sample_project(by=cast.bob)
    with pytest.raises(disk.NoRoom):
        import_runs.begin(file=SimpleUploadedFile("a.zip", b""), by=cast.bob)
    assert not Keyframe.objects.exists()
    assert not Export.objects.exists()
    assert Project.objects.count() == 1


def test_where_no_form_says_it_a_page_does(client, cast, short):
    client.force_login(cast.bob)
    answer = client.post("/projects/sample/")
    assert answer.status_code == 507
    assert "disk is nearly full" in answer.content.decode()
    answer = client.post("/projects/sample/", headers={"HX-Request": "true"})
    assert answer.content.decode() == disk.shortage()


def test_nothing_waits_when_it_is_switched_off(cast, settings):
    settings.DISK_LEAST_BYTES = 0
    assert disk.shortage() == ""
    assert not disk.is_short() and not disk.is_spent()


# ---- What waits ------------------------------------------------------------------------------


def test_a_shot_in_line_is_not_sent_and_says_why(project, emulator, asked, settings, short):
    shot = queue_shot(project, account_at(emulator, "luma"))
    asked.clear()
    assert submitting.submit_next(shot.account_id).startswith("skipped")
    assert again(shot).waiting_text == disk.WAITS
    assert emulator.jobs() == []
    assert asked.tasks == [], "it is not asked for in a ring"
    settings.DISK_LEAST_BYTES = 0
    submitting.submit_next(shot.account_id)
    assert len(emulator.jobs()) == 1
    assert again(shot).waiting_text == ""


def test_a_render_waits_and_then_goes_on(project, asked, settings, short):
    shot = make_generation(project, state=State.RUNNING, next_poll_at=None, duration_s=1)
    rendering.render_previs(shot.pk)
    waiting = again(shot)
    assert (waiting.state, waiting.waiting_text) == (State.RUNNING, disk.WAITS)
    assert waiting.work_attempts == 0
    assert not rendering.ask_for_renders(timezone.now(), most=5), "not before a while"
    settings.DISK_LEAST_BYTES = 0
    make_due(shot)
    rendering.render_previs(shot.pk)
    assert again(shot).state == State.SUCCEEDED


def test_a_film_waits_in_line(cast, asked, settings):
    clip = make_generation(cast.project, files=True)
    chain = Chain.objects.create(project=cast.project, title="Night", created_by=cast.bob)
    Segment.objects.create(chain=chain, position=0, generation=clip)
    export = exports.create_export(chain=chain, by=cast.bob)
    settings.DISK_LEAST_BYTES = PLENTY
    asked.run("stitch_export", most=3)
    export.refresh_from_db()
    assert (export.state, export.note, export.attempts) == ("queued", disk.WAITS, 0)
    settings.DISK_LEAST_BYTES = 0
    assert stitch_export(export.pk).startswith("stitched")


def test_a_paid_clip_may_use_the_last_of_the_room(project, emulator, asked, settings):
    shot = rendered(project, emulator)
    settings.DISK_LEAST_BYTES = disk.free_bytes() * 2
    assert disk.is_short() and not disk.is_spent()
    assert store_clip(shot.pk) == "stored"


def test_a_paid_clip_waits_for_room_and_is_fetched_then(project, emulator, asked, settings):
    shot = rendered(project, emulator)
    settings.DISK_LEAST_BYTES = PLENTY
    for _ in range(10):
        assert store_clip(shot.pk).startswith("waits")
    waiting = again(shot)
    assert (waiting.state, waiting.waiting_text) == (State.STORING, disk.WAITS_HOME)
    assert waiting.work_attempts == 0, "waiting is no try"
    assert not storing.due(timezone.now()).exists()
    assert storing.due(timezone.now() + timedelta(seconds=disk.LOOK_AGAIN_S + 1)).exists()
    settings.DISK_LEAST_BYTES = 0
    make_due(shot)
    assert store_clip(shot.pk) == "stored"
    assert again(shot).waiting_text == ""


# ---- Full in the middle -----------------------------------------------------------------------


@pytest.mark.parametrize("step", ["_store", "make_preview", "keep"])
def test_a_disk_that_fills_up_under_a_download_loses_nothing(
    project, emulator, asked, monkeypatch, step
):
    shot = rendered(project, emulator)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fail(*args, **kwargs):
        raise full

    where = "studio.media.download" if step == "_store" else "studio.services.work.arrival"
    with monkeypatch.context() as patch:
        patch.setattr(f"{where}.{step}", fail)
        for _ in range(clip_download.MOST_ATTEMPTS + 1):
            assert store_clip(shot.pk).startswith("waits")
            Generation.objects.filter(pk=shot.pk).update(lease_until=None)
            make_due(shot)
    waiting = again(shot)
    assert (waiting.state, waiting.work_attempts) == (State.STORING, 0)
    assert waiting.waiting_text == disk.WAITS_HOME
    assert list(scratch_dir().iterdir()) == []
    assert store_clip(shot.pk) == "stored"
    assert again(shot).charged != "no"
    assert len(reasons(shot)) == len(set(reasons(shot))), "no move was made twice"


def test_a_render_that_does_not_fit_is_tried_again(project, asked, monkeypatch):
    shot = make_generation(project, state=State.RUNNING, next_poll_at=None, duration_s=1)

    def fail(shot, out, *, on_progress):
        out.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(rendering, "render_shot", fail)
    for _ in range(rendering.MOST_ATTEMPTS + 1):
        rendering.render_previs(shot.pk)
    waiting = again(shot)
    assert (waiting.state, waiting.work_attempts) == (State.RUNNING, 0)
    assert waiting.waiting_text == disk.WAITS
    assert list(scratch_dir().iterdir()) == []


def test_a_picture_that_does_not_fit_leaves_no_half_file(client, cast, monkeypatch):
    client.force_login(cast.bob)
    refuse_writes(monkeypatch, ".png")
    answer = client.post(
        f"/p/{cast.project.code}/stills/", {"stills": SimpleUploadedFile("dawn.png", picture())}
    )
    assert answer.status_code == 507
    assert "disk" in answer.content.decode()
    assert files_of(cast.project) == []
    assert not Keyframe.objects.exists()


def test_a_film_that_does_not_fit_ends_with_a_reason_and_no_file(cast, asked, monkeypatch):
    clip = make_generation(cast.project, files=True)
    chain = Chain.objects.create(project=cast.project, title="Night", created_by=cast.bob)
    Segment.objects.create(chain=chain, position=0, generation=clip)
    export = exports.create_export(chain=chain, by=cast.bob)

    def fail(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("studio.services.film.stitching.keep", fail)
    stitch_export(export.pk)
    export.refresh_from_db()
    assert export.state == "failed"
    assert "disk was full" in export.failure_text
    assert not default_storage.exists(f"projects/{cast.project.code}/exports")
    assert list(scratch_dir().iterdir()) == []


# ---- Who says so --------------------------------------------------------------------------------


def test_readyz_tells_a_balancer_from_an_alarm(client, cast, spent):
    said = client.get("/readyz")
    assert said.status_code == 200
    assert said.json()["disk"] == "full: finished clips wait outside"
    assert said.json()["workers"] == "no worker has run yet"
    assert client.get("/readyz?strict").status_code == 503


def test_strict_is_content_when_all_is_well(client, cast):
    ProviderAccount.objects.filter(provider="previs").update(swept_at=timezone.now())
    said = client.get("/readyz?strict")
    assert said.status_code == 200
    assert set(said.json().values()) == {True, "ok"}


def test_a_database_without_room_is_known():
    assert disk.ran_out(OperationalError("database or disk is full"))
    assert not disk.ran_out(OperationalError("database is locked"))
    try:
        try:
            raise OSError(errno.ENOSPC, "full")
        except OSError as error:
            raise ValueError("cannot be read") from error
    except ValueError as error:
        assert disk.ran_out(error)
