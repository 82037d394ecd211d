from __future__ import annotations

import functools
import os
from datetime import timedelta

import httpx
import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import OperationalError
from django.utils import timezone

from studio import leases, lifecycle
from studio.media import download
from studio.models import Generation, LedgerEntry
from studio.models.generation import Charged, State, clip_path
from studio.services.doors import open_door
from studio.services.errors import StudioError
from studio.services.files import scratch_dir
from studio.services.work import clip_download, failover, patience, reconcile, recovery, storing
from studio.services.work.clip_download import MOST_ATTEMPTS
from studio.services.work.outcomes import read_job, watched
from studio.services.work.storing import BACKOFF_S, store_clip, store_next
from studio.services.work.submitting import submit_next
from tests.emulator import Emulator, Scripted
from tests.emulator.media import make_clip
from tests.factories import make_generation
from tests.paid import (
    account_at,
    again,
    assert_tidy,
    at_provider,
    lapse,
    make_due,
    queue_shot,
    reasons,
    sweep_once,
)

pytestmark = pytest.mark.django_db

# Whatever a media host answers may change: worth another try.
PASSES = ("media_500", "media_empty", "media_truncated", "media_404", "media_html")
# What the studio's own rules forbid: never followed, but the next answer may be another.
FORBIDDEN = ("media_redirect_private", "media_redirect_loop")
UNDOWNLOADED = "The clip was rendered and charged, but could not be downloaded."


@pytest.fixture(autouse=True)
def apart(settings, tmp_path):
    settings.DATA_DIR = tmp_path


def rendered(project, emulator: Emulator, dialect: str = "luma", **fields) -> Generation:
    """Return a shot in "storing", with the emulator's link to its clip."""
    emulator.configure(rates={"instant": 1.0})
    shot = queue_shot(project, account_at(emulator, dialect))
    submit_next(shot.account_id)
    emulator.configure(rates={})
    if again(shot).state == State.RUNNING:  # Apiframe's first answer has no link yet
        with open_door(shot.account) as provider:
            job = provider.fetch(again(shot).provider_job_id)
        lifecycle.move_many([read_job(watched(again(shot)), job)])
    Generation.objects.filter(pk=shot.pk).update(**fields)
    assert again(shot).state == State.STORING
    return again(shot)


def job_of(emulator: Emulator, shot: Generation) -> str:
    return next(job.id for job in emulator.jobs() if job.id == shot.provider_job_id)


def wait_over(shot: Generation) -> None:
    lapse(shot)
    make_due(shot)


def files_of(project) -> list[str]:
    folder = settings.MEDIA_ROOT / "projects"
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("dialect", ["apiframe", "aimlapi", "gmicloud", "luma"])
def test_a_finished_clip_is_fetched_measured_and_kept(project, emulator, asked, dialect):
    shot = rendered(project, emulator, dialect)
    assert store_clip(shot.pk) == "stored"
    row = again(shot)
    assert (row.state, row.progress) == (State.SUCCEEDED, 100)
    assert (row.width, row.height, row.duration_ms, row.fps) == (256, 144, 1000, 24.0)
    assert row.size_bytes == default_storage.size(row.clip.name)
    assert len(row.sha256) == 64
    names = (row.clip, row.poster, row.strip, row.preview)
    assert all(default_storage.exists(name.name) for name in names)
    assert_tidy()


@pytest.mark.django_db(transaction=True)
def test_a_clip_is_not_fetched_again_because_the_database_was_away_for_a_while(
    project, emulator, asked, monkeypatch
):
    shot = rendered(project, emulator)
    end, away = lifecycle.mark_succeeded, iter(range(2))

    def unsteady(*args, **media):
        if next(away, None) is not None:
            raise OperationalError("the connection is closed")
        return end(*args, **media)

    monkeypatch.setattr(lifecycle, "mark_succeeded", unsteady)
    monkeypatch.setattr(patience, "AGAIN_S", 0)
    assert store_clip(shot.pk) == "stored"
    assert again(shot).state == State.SUCCEEDED


def test_a_second_run_finds_it_stored(project, emulator, asked):
    shot = rendered(project, emulator)
    store_clip(shot.pk)
    assert store_clip(shot.pk).startswith("skipped")
    assert reasons(shot).count(State.SUCCEEDED) == 1


def test_what_somebody_else_fetches_is_left_alone(project, emulator, asked):
    shot = rendered(project, emulator)
    assert leases.claim_work(shot.pk, state=State.STORING)
    assert store_clip(shot.pk).startswith("skipped")


def test_the_longest_waiting_is_stored_next(project, emulator, asked):
    now = timezone.now()
    second = rendered(project, emulator, next_poll_at=now - timedelta(seconds=10))
    first = rendered(project, emulator, next_poll_at=now - timedelta(seconds=20))
    asked.clear()
    assert store_next() == "stored"
    assert (again(first).state, again(second).state) == (State.SUCCEEDED, State.STORING)
    assert ("store_next", ()) in asked
    asked.clear()
    assert store_next() == "stored"
    assert ("store_next", ()) not in asked
    assert store_next().startswith("skipped")


@pytest.mark.parametrize("fault", [*PASSES, "media_redirect_private"])
def test_trouble_that_may_pass_is_tried_again_later(project, emulator, asked, fault):
    shot = rendered(project, emulator)
    emulator.configure(script=[Scripted(fault)])
    assert store_clip(shot.pk).startswith("trying again in 2 s")
    row = again(shot)
    assert row.state == State.STORING
    assert "Downloading it failed and is tried again by itself" in row.waiting_text
    assert_tidy()
    assert files_of(project) == []
    assert store_next().startswith("skipped")
    wait_over(shot)
    assert store_next() == "stored"


def test_a_worker_that_slept_past_its_lease_writes_nothing_on_the_clip(
    project, emulator, asked, monkeypatch
):
    shot = rendered(project, emulator)

    def is_overtaken(*_: object) -> None:
        lapse(shot)
        assert leases.claim_work(shot.pk, state=State.STORING, seconds=60, most=MOST_ATTEMPTS)
        raise httpx.ReadTimeout("too late")

    monkeypatch.setattr(storing, "download_clip", is_overtaken)
    store_clip(shot.pk)
    row = again(shot)
    assert (row.waiting_text, row.next_poll_at) == (shot.waiting_text, shot.next_poll_at)


@pytest.mark.parametrize("fault", FORBIDDEN)
def test_trouble_that_does_not_pass_ends_with_words(project, emulator, asked, fault):
    shot = rendered(project, emulator)
    emulator.configure(rates={fault: 1.0})
    row = fail_to_store(shot)
    assert (row.state, row.failure_code, row.charged) == (State.FAILED, "media", Charged.YES)
    assert row.next_poll_at is not None, "tried hourly for a day"
    assert row.failure_text.startswith(UNDOWNLOADED)
    assert "no need to buy it again" in row.failure_text
    assert "Signature" not in row.failure_text
    assert_tidy()
    assert files_of(project) == []


def test_an_endless_body_is_cut_off(project, emulator, asked, monkeypatch):
    shot = rendered(project, emulator)
    emulator.configure(rates={"media_endless": 1.0})
    small = functools.partial(download.download_video, max_bytes=2 * 2**20)
    monkeypatch.setattr(clip_download, "download_video", small)
    store_clip(shot.pk)
    assert (again(shot).state, again(shot).failure_code) == (State.FAILED, "media")
    assert "larger than the allowed 2 MB" in again(shot).failure_text
    assert_tidy()


def test_a_slow_body_arrives(project, emulator, asked):
    shot = rendered(project, emulator)
    emulator.configure(rates={"media_slow": 1.0}, slow_s=0.2)
    assert store_clip(shot.pk) == "stored"


def test_the_pauses_grow_and_the_last_try_ends_it(project, emulator, asked):
    shot = rendered(project, emulator)
    emulator.configure(rates={"media_500": 1.0})
    waits = []
    for _ in range(MOST_ATTEMPTS):
        store_clip(shot.pk)
        row = again(shot)
        if row.state == State.STORING:
            waits.append(round((row.lease_until - timezone.now()).total_seconds()))
            wait_over(shot)
    assert tuple(waits) == BACKOFF_S
    assert (row.state, row.failure_code) == (State.FAILED, "media")
    assert_tidy()


def test_what_keeps_killing_its_worker_is_given_up(project, emulator, asked):
    shot = rendered(project, emulator)
    for _ in range(MOST_ATTEMPTS):
        assert leases.claim_work(shot.pk, state=State.STORING, most=MOST_ATTEMPTS)
        lapse(shot)
    recovery.revive()
    row = again(shot)
    assert (row.state, row.failure_code, row.charged) == (State.FAILED, "media", Charged.YES)


def fail_to_store(shot: Generation) -> Generation:
    """Let every try in a row fail."""
    for _ in range(MOST_ATTEMPTS):
        store_clip(shot.pk)
        if again(shot).state == State.STORING:
            wait_over(shot)
    return again(shot)


def test_a_person_may_have_it_fetched_again(project, emulator, asked):
    shot = rendered(project, emulator)
    emulator.configure(rates={"media_html": 1.0})
    assert fail_to_store(shot).state == State.FAILED
    emulator.configure(rates={})
    asked.clear()
    reconcile.fetch_again(generation=again(shot), by=project.created_by)
    assert (again(shot).state, again(shot).failure_text) == (State.STORING, "")
    asked.run("store_clip")
    assert again(shot).state == State.SUCCEEDED


def test_there_is_nothing_to_fetch_again_for_a_refused_shot(project, emulator, asked):
    made = make_generation(project, state=State.FAILED, account=account_at(emulator, "luma"))
    with pytest.raises(StudioError, match="nothing to fetch"):
        reconcile.fetch_again(generation=made, by=project.created_by)


def test_a_dead_link_is_renewed_at_the_provider(project, emulator, asked):
    shot = rendered(project, emulator)
    stale = f"{emulator.url}/media/gone.mp4?Signature=old"
    Generation.objects.filter(pk=shot.pk).update(result_url=stale)
    assert store_clip(shot.pk) == "stored"
    assert again(shot).result_url != stale


def test_a_success_that_was_told_is_not_undone_by_a_later_failure(project, emulator, asked):
    """Neither made free, nor bought elsewhere: its link may work again."""
    shot = rendered(project, emulator)
    charged = again(shot).charged
    (job,) = emulator.jobs()
    job.outcome = "failed"
    dead = f"{emulator.url}/media/gone.mp4?Signature=old"
    Generation.objects.filter(pk=shot.pk).update(result_url=dead)
    while again(shot).state == State.STORING:
        store_clip(shot.pk)
        wait_over(shot)
    row = again(shot)
    assert (row.state, row.failure_code, row.charged) == (State.FAILED, "media", charged)
    assert charged != Charged.NO and row.next_poll_at is not None, "tried hourly for a day"
    assert not failover.can_fail_over(row)


def test_a_clip_kept_by_a_worker_that_died_is_not_lost_with_its_link(project, emulator, asked):
    shot = rendered(project, emulator)
    default_storage.save(clip_path(shot, ""), ContentFile(make_clip("16:9", 1)))
    (job,) = emulator.jobs()
    job.outcome = "expired"
    dead = f"{emulator.url}/media/gone.mp4?Signature=old"
    Generation.objects.filter(pk=shot.pk).update(result_url=dead)
    assert store_clip(shot.pk) == "stored"
    assert again(shot).size_bytes == default_storage.size(clip_path(shot, ""))


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 410, 418, 429, 451, 500, 503])
def test_no_answer_of_a_media_host_is_final_while_the_clip_is_young(
    project, emulator, asked, monkeypatch, status
):
    shot = rendered(project, emulator)
    whole = download.download_video
    answers = iter([httpx.Response(status)] * 2)

    def flapping(url, destination, **options):
        answer = next(answers, None)
        transport = httpx.MockTransport(lambda request: answer) if answer else None
        return whole(url, destination, transport=transport, **options)

    monkeypatch.setattr(clip_download, "download_video", flapping)
    while again(shot).state == State.STORING:
        store_clip(shot.pk)
        wait_over(shot)
    assert again(shot).state == State.SUCCEEDED
    assert reasons(shot).count(State.STORING) == 1
    assert len(emulator.jobs()) == 1


def test_what_is_no_whole_video_is_fetched_anew(project, emulator, asked, monkeypatch):
    shot = rendered(project, emulator)
    broken = make_clip("16:9", 1)[:700]
    whole, tries = download.download_video, []

    def truncated(url, destination, **options):
        tries.append(url)
        if len(tries) > 2:
            return whole(url, destination, **options)
        return destination.write_bytes(broken)

    monkeypatch.setattr(clip_download, "download_video", truncated)
    for _ in range(2):
        assert store_clip(shot.pk).startswith("trying again")
        wait_over(shot)
    assert store_clip(shot.pk) == "stored"
    assert_tidy()


def test_every_try_after_the_first_asks_for_a_fresh_link(project, emulator, asked):
    shot = rendered(project, emulator)
    before = emulator.stats["requests"].get("luma.fetch", 0)
    emulator.configure(rates={"media_500": 1.0})
    fail_to_store(shot)
    assert emulator.stats["requests"]["luma.fetch"] - before == MOST_ATTEMPTS - 1


def test_a_link_signed_anew_between_two_tries_is_used(project, emulator, asked, monkeypatch):
    shot = rendered(project, emulator)
    whole, fresh = download.download_video, again(shot).result_url
    stale = f"{emulator.url}/media/gone.mp4?Signature=old"
    Generation.objects.filter(pk=shot.pk).update(result_url=stale)
    emulator.configure(script=[Scripted("error_503", kind="fetch")])
    assert store_clip(shot.pk).startswith("trying again"), "nobody answers for a fresh link"
    tried = []
    monkeypatch.setattr(
        clip_download,
        "download_video",
        lambda url, path, **options: (tried.append(url), whole(url, path, **options)),
    )
    wait_over(shot)
    assert store_clip(shot.pk) == "stored"
    assert tried == [fresh]


def test_a_host_that_asks_for_a_day_is_asked_before_its_links_are_gone(
    project, emulator, asked, monkeypatch
):
    shot = rendered(project, emulator)

    def busy(*args, **options):
        raise download.DownloadFailed("busy", retry_after_s=86_400)

    monkeypatch.setattr(clip_download, "download_video", busy)
    store_clip(shot.pk)
    assert again(shot).next_poll_at <= timezone.now() + timedelta(seconds=BACKOFF_S[-1])


def test_a_clip_nobody_thought_of_harms_only_itself(project, emulator, asked, monkeypatch, caplog):
    now = timezone.now()
    odd = rendered(project, emulator, next_poll_at=now - timedelta(seconds=20))
    other = rendered(project, emulator, next_poll_at=now - timedelta(seconds=10))
    keep = storing.keep_media

    def keep_most(generation, source):
        media = keep(generation, source)
        return media | {"size_bytes": 10**30} if generation.pk == odd.pk else media

    monkeypatch.setattr(storing, "keep_media", keep_most)
    for _ in range(2):
        store_next()
    assert again(other).state == State.SUCCEEDED
    row = again(odd)
    assert (row.state, row.work_attempts) == (State.STORING, 1)
    assert "OverflowError" in caplog.text or "DataError" in caplog.text


# ---- The end of the tries in a row ---------------------------------------------


def test_a_charged_clip_is_never_passed_on_by_itself(project, emulator, asked):
    shot = rendered(project, emulator)
    emulator.configure(rates={"media_404": 1.0})
    row = fail_to_store(shot)
    account_at(emulator, "apiframe")
    row.project.failover_microusd = 10_000_000
    row.project.save(update_fields=["failover_microusd"])
    assert failover.fail_over_by_itself(row.pk).startswith("skipped")
    assert ("fail_over", (row.pk,)) not in asked
    assert len(emulator.jobs()) == 1


@pytest.mark.parametrize("at_once", [True, False])
def test_a_clip_called_removed_is_asked_for_as_long_as_any_other(project, emulator, asked, at_once):
    """One answer of "expired" is only one answer: the next may bring a link again."""
    emulator.configure(script=[Scripted("expired", kind="outcome")] if at_once else [])
    shot = rendered(project, emulator, "apiframe")
    (job,) = emulator.jobs()
    job.outcome = "expired"
    row = fail_to_store(shot)
    assert (row.state, row.failure_code, row.charged) == (State.FAILED, "media", Charged.YES)
    assert row.failure_text.startswith(UNDOWNLOADED)
    assert "says that it has removed the clip" in row.failure_text
    assert row.next_poll_at is not None, "tried hourly for a day"
    assert not failover.can_fail_over(row)
    assert reconcile.can_fetch(row)
    job.outcome = "done"
    reconcile.fetch_again(generation=row, by=project.created_by)
    asked.run("store_clip")
    assert again(shot).state == State.SUCCEEDED
    assert len(emulator.jobs()) == 1


@pytest.mark.parametrize("status", ["running", "failed"])
def test_a_rendered_clip_without_a_link_is_not_undone_by_what_is_said_later(
    project, emulator, asked, status
):
    shot = rendered(project, emulator, "apiframe")
    (job,) = emulator.jobs()
    job.outcome = "expired"
    Generation.objects.filter(pk=shot.pk).update(result_url="")
    store_clip(shot.pk)
    if status == "failed":
        job.outcome = "failed"
    else:
        job.finishes_at += 3600
    wait_over(shot)
    row = fail_to_store(shot)
    assert (row.state, row.failure_code, row.charged) == (State.FAILED, "media", Charged.YES)
    assert row.next_poll_at is not None


def test_a_shot_given_up_too_early_is_fetched_once_it_is_there(project, emulator, asked):
    emulator.configure(finish_after_s=60)
    shot = queue_shot(project, account_at(emulator, "luma"))
    asked.tasks = [("submit_next", (shot.account_id,))]
    asked.run("submit_next")
    reconcile.give_up(generation=again(shot), by=project.created_by)
    reconcile.fetch_again(generation=again(shot), by=project.created_by)
    asked.run("store_clip")
    row = again(shot)
    assert row.state == State.RUNNING, "it is still rendered there, so it is watched again"
    assert row.next_poll_at and row.deadline_at
    emulator.finish_all()
    make_due(shot)
    sweep_once()
    asked.run("store_next")
    assert again(shot).state == State.SUCCEEDED
    assert len(emulator.jobs()) == 1


@pytest.mark.parametrize("dialect", ["apiframe", "aimlapi", "gmicloud", "luma"])
def test_a_clip_fetched_after_it_was_given_up_costs_what_its_answer_says(
    project, emulator, asked, dialect
):
    emulator.configure(finish_after_s=60)
    account = account_at(emulator, dialect, credit_nanousd=10_000_000)
    shot = queue_shot(project, account, estimated_microusd=5_000_000)
    submit_next(account.pk)
    reconcile.give_up(generation=again(shot), by=project.created_by)
    emulator.finish_all()
    reconcile.fetch_again(generation=again(shot), by=project.created_by)
    assert store_clip(shot.pk) == "stored"
    row = again(shot)
    told = {"apiframe": 500_000, "aimlapi": 700_000}.get(dialect)
    assert (row.state, row.charged) == (State.SUCCEEDED, Charged.YES)
    assert row.actual_microusd == told
    rows = LedgerEntry.objects.filter(generation=shot)
    assert sum(rows.values_list("microusd", flat=True)) == (told or 5_000_000)


# ---- Local renders -----------------------------------------------------------------------


@pytest.fixture
def local(project, asked) -> Generation:
    path = scratch_dir() / "render-of-a-test.mp4"
    path.write_bytes(make_clip("16:9", 1))
    return make_generation(
        project, state=State.STORING, result_url=path.as_uri(), charged=Charged.NO
    )


def test_a_local_render_is_moved_into_the_storage(local):
    assert store_clip(local.pk) == "stored"
    assert default_storage.exists(clip_path(again(local), ""))
    assert_tidy()


def test_a_render_moved_by_a_worker_that_died_is_found(local):
    source = scratch_dir() / "render-of-a-test.mp4"
    default_storage.save(clip_path(local, ""), source.open("rb"))
    source.unlink()
    assert store_clip(local.pk) == "stored"
    row = again(local)
    assert row.size_bytes == default_storage.size(row.clip.name)


def test_a_render_whose_file_is_gone_is_made_again(local, asked):
    (scratch_dir() / "render-of-a-test.mp4").unlink()
    assert store_clip(local.pk).startswith("rendering it again")
    assert again(local).state == State.RUNNING
    assert ("render_previs", (local.pk,)) in asked


def test_no_file_of_this_machine_but_a_render_is_stored(local, tmp_path):
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(make_clip("16:9", 1))
    Generation.objects.filter(pk=local.pk).update(result_url=secret.as_uri())
    store_clip(local.pk)
    assert again(local).state == State.FAILED
    assert secret.exists()


def test_a_file_that_is_no_video_ends_unkept(local):
    (scratch_dir() / "render-of-a-test.mp4").write_bytes(b"not a video at all")
    store_clip(local.pk)
    assert (again(local).state, again(local).charged) == (State.FAILED, Charged.NO)


def test_what_a_killed_worker_left_is_cleared_a_day_later(project, tmp_path):
    old, fresh = (scratch_dir() / name for name in ("old.part", "fresh.part"))
    for path in (old, fresh):
        path.write_bytes(b"half")
    day_ago = timezone.now().timestamp() - 86_500
    os.utime(old, (day_ago, day_ago))
    recovery.tidy_scratch()
    assert [path.name for path in scratch_dir().iterdir()] == ["fresh.part"]


def test_a_running_shot_is_not_stored(project, emulator):
    shot = at_provider(project, account_at(emulator, "luma"))
    assert store_clip(shot.pk).startswith("skipped")
