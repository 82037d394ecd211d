from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from studio import tasks
from studio.models import (
    BlindPair,
    BlindTest,
    Chain,
    Generation,
    Segment,
    Share,
)
from studio.services import shots
from studio.services.errors import StudioError
from studio.services.gallery import bin as bin_
from studio.services.money.budgets import month_budget
from tests.bulk import again, make_clips, press, reasons, take_back
from tests.factories import make_generation, make_previs

pytestmark = pytest.mark.django_db


@pytest.fixture
def clip(cast):
    make_previs()
    return make_generation(cast.project, files=True, by=cast.bob)


def files_of(clip):
    return [name for field in bin_.FILES if (name := getattr(clip, field).name)]


def delete(cast, *clips, who="alice"):
    return press(getattr(cast, who), cast.project, "delete", list(clips))


def lie_long(*clips, days=31):
    past = timezone.now() - timedelta(days=days)
    Generation.objects.filter(pk__in=[c.pk for c in clips]).update(deleted_at=past)


# ---- Deleting ------------------------------------------------------------------------------


def test_a_deleted_clip_keeps_its_files_and_comes_back_whole(cast, clip):
    run = delete(cast, clip)
    gone = again(clip)
    assert (gone.deleted_by, gone.archived_at) == (cast.alice, gone.deleted_at)
    assert all(default_storage.exists(name) for name in files_of(clip))
    take_back(cast.alice, run)
    assert (again(clip).deleted_at, again(clip).archived_at) == (None, None)


def test_undo_leaves_an_archived_clip_archived(cast, clip):
    press(cast.bob, cast.project, "archive", [clip])
    archived = again(clip).archived_at
    run = delete(cast, clip)
    assert again(clip).archived_at == archived
    take_back(cast.alice, run)
    assert (again(clip).archived_at, again(clip).deleted_at) == (archived, None)


def test_editors_delete_their_own_and_owners_everybodys(cast, clip):
    (foreign,) = make_clips(cast.project, 1)
    run = delete(cast, clip, foreign, who="bob")
    assert again(clip).deleted_at
    assert list(reasons(run)) == [foreign.number]
    assert "takes an owner" in reasons(run)[foreign.number]
    assert delete(cast, foreign).done == 1


def test_what_is_not_over_is_not_deleted(cast):
    waits = make_clips(cast.project, 1, state="uncertain", finished_at=None, clip="")
    moves = make_clips(cast.project, 1, state="queued", finished_at=None, clip="")
    assert delete(cast, *waits, *moves).skipped == 2


def test_what_others_show_is_not_deleted_and_says_where(cast, clip):
    chained, shared, blind, other = make_clips(cast.project, 4)
    chain = Chain.objects.create(project=cast.project, title="Night", created_by=cast.alice)
    Segment.objects.create(chain=chain, position=1, generation=chained)
    share = Share.objects.create(
        project=cast.project, title="For Ada", token_hash="x", created_by=cast.alice
    )
    share.generations.add(shared)
    test = BlindTest.objects.create(project=cast.project, title="Ray", created_by=cast.alice)
    BlindPair.objects.create(test=test, left=blind, right=other)
    run = delete(cast, chained, shared, blind, clip)
    assert run.done == 1
    assert reasons(run) == {
        chained.number: "It is part of the chain “Night”. Take it out of there first.",
        shared.number: "A guest can open it through the share “For Ada”. "
        "Revoke or change that first.",
        blind.number: "It is in the blind test “Ray”. Close the test first.",
    }
    Chain.objects.update(archived_at=timezone.now())
    Share.objects.update(revoked_at=timezone.now())
    BlindTest.objects.update(closed_at=timezone.now())
    assert delete(cast, chained, shared, blind).done == 3


def test_uses_are_asked_for_in_a_constant_number_of_queries(cast):
    clips = make_clips(cast.project, 50)
    with CaptureQueriesContext(connection) as found:
        bin_.uses_of([clip.pk for clip in clips])
    assert len(found) == 3


def test_a_deleted_clip_is_nowhere_but_in_the_bin(client, cast, clip):
    delete(cast, clip)
    client.force_login(cast.alice)
    for query in ("", "?archived=only", "?archived=with"):
        page = client.get(f"/p/{cast.project.code}/{query}").content.decode()
        assert f"clip-{clip.code}" not in page
    page = client.get(f"/p/{cast.project.code}/bin/").content.decode()
    assert clip.title in page
    assert "Deleted by Alice" in page
    assert "In the bin." in client.get(f"/clips/{clip.code}/").content.decode()


def test_archives_leave_out_what_is_in_the_bin(client, cast, clip):
    make_generation(cast.project, files=True)
    delete(cast, clip)
    lie_long(clip)
    tasks.clear_up()
    client.force_login(cast.alice)
    answer = client.get(f"/p/{cast.project.code}/archive.zip")
    assert answer.status_code == 200
    assert b"0001-" not in answer.getvalue()


def test_the_old_restore_button_does_not_empty_the_bin(client, cast, clip):
    delete(cast, clip)
    client.force_login(cast.bob)
    client.post(f"/clips/{clip.code}/restore/")
    assert again(clip).deleted_at
    assert "is in the bin" in client.get("/account/").content.decode()


def test_nothing_new_is_made_from_a_deleted_clip(cast, clip):
    delete(cast, clip)
    new = shots.same_shot(again(clip))
    from dataclasses import replace

    with pytest.raises(StudioError, match="The start clip is in the bin"):
        shots.create_shots(
            project=cast.project, by=cast.bob, new=replace(new, start_generation=again(clip))
        )


# ---- Purging -------------------------------------------------------------------------------


def test_after_thirty_days_the_files_go_and_the_row_stays(cast, clip):
    Generation.objects.filter(pk=clip.pk).update(charged="yes", actual_microusd=1_600_000)
    spent = month_budget(cast.project).spent
    delete(cast, clip)
    lie_long(clip, days=29)
    tasks.clear_up()
    assert again(clip).purged_at is None
    lie_long(clip)
    names = files_of(clip)
    assert "1 × clip" in tasks.clear_up()
    assert not any(default_storage.exists(name) for name in names)
    assert again(clip).purged_at is not None
    assert again(clip).actual_microusd == 1_600_000
    assert month_budget(cast.project).spent == spent
    assert "clip" not in tasks.clear_up(), "once"


def test_a_purged_clip_does_not_come_back(client, cast, clip):
    run = delete(cast, clip)
    lie_long(clip)
    tasks.clear_up()
    assert press(cast.alice, cast.project, "restore", [clip]).done == 0
    run = take_back(cast.alice, run)
    assert list(reasons(run).values()) == ["It was deleted for good since."]
    client.force_login(cast.alice)
    assert clip.title not in client.get(f"/p/{cast.project.code}/bin/").content.decode()
    page = client.get(f"/clips/{clip.code}/")
    assert page.status_code == 200
    assert "Deleted for good." in page.content.decode()
    assert client.get(f"/media/clips/{clip.code}.mp4").status_code == 404


def test_a_clip_that_another_was_made_from_keeps_its_files(client, cast, clip):
    (child,) = make_clips(cast.project, 1, start_generation=clip)
    delete(cast, clip)
    lie_long(clip)
    tasks.clear_up()
    assert again(clip).purged_at is None
    assert all(default_storage.exists(name) for name in files_of(clip))
    client.force_login(cast.alice)
    page = client.get(f"/p/{cast.project.code}/bin/").content.decode()
    assert f"Its files stay while clip {child.number} is there" in page
    client.post(f"/clips/{clip.code}/purge/")
    assert again(clip).purged_at is None, "not by an owner either"
    delete(cast, child)
    tasks.clear_up()
    assert again(clip).purged_at is not None


def test_a_file_two_rows_share_goes_with_the_last_of_them(cast, clip):
    (twin,) = make_clips(cast.project, 1, clip=clip.clip.name)
    delete(cast, clip)
    lie_long(clip)
    tasks.clear_up()
    assert default_storage.exists(clip.clip.name)
    delete(cast, twin)
    lie_long(twin)
    tasks.clear_up()
    assert not default_storage.exists(clip.clip.name)


def test_what_was_restored_just_now_is_not_purged(cast, clip):
    delete(cast, clip)
    stale = again(clip)
    press(cast.alice, cast.project, "restore", [clip])
    assert bin_.purge([stale]) == 0
    assert all(default_storage.exists(name) for name in files_of(clip))


def test_a_file_that_is_gone_already_stops_nothing(cast, clip):
    default_storage.delete(clip.clip.name)
    delete(cast, clip)
    lie_long(clip)
    tasks.clear_up()
    assert again(clip).purged_at is not None


# ---- The page ------------------------------------------------------------------------------


def test_owners_delete_for_good_after_being_asked(client, cast, clip, asked):
    delete(cast, clip)
    client.force_login(cast.alice)
    address = f"/clips/{clip.code}/purge/"
    assert "cannot be undone" in client.get(address).content.decode()
    assert again(clip).purged_at is None
    client.post(address)
    assert again(clip).purged_at is not None
    client.post(address)


def test_the_bin_is_emptied_of_what_was_in_it_then(client, cast, clip, asked):
    delete(cast, clip)
    client.force_login(cast.alice)
    address = f"/p/{cast.project.code}/bin/empty/"
    assert "The files of 1 clip are removed" in client.get(address).content.decode()
    client.post(address)
    late = make_clips(cast.project, 1)
    delete(cast, *late)
    asked.run("empty_bin")
    assert again(clip).purged_at is not None
    assert again(late[0]).purged_at is None


def test_restoring_from_the_bin_comes_back_to_it(client, cast, clip):
    delete(cast, clip)
    client.force_login(cast.bob)
    back = f"/p/{cast.project.code}/bin/"
    url = f"/p/{cast.project.code}/bulk/"
    answer = client.post(url, {"do": "restore", "clip": clip.code, "back": back})
    assert answer["Location"] == back
    assert again(clip).deleted_at is None


def test_editors_restore_what_they_made_or_deleted(client, cast, clip):
    (foreign,) = make_clips(cast.project, 1)
    delete(cast, clip, foreign)
    client.force_login(cast.bob)
    page = client.get(f"/p/{cast.project.code}/bin/").content.decode()
    assert page.count('value="restore"') == 1
    run = press(cast.bob, cast.project, "restore", [clip, foreign])
    assert list(reasons(run)) == [foreign.number]


def test_the_page_has_pages_and_a_constant_number_of_queries(client, cast, monkeypatch):
    monkeypatch.setattr("studio.views.gallery.bin.PAGE", 2)
    clips = make_clips(cast.project, 5)
    client.force_login(cast.alice)
    for clip in clips[:2]:
        delete(cast, clip)
    address = f"/p/{cast.project.code}/bin/"
    with CaptureQueriesContext(connection) as few:
        client.get(address)
    delete(cast, *clips[2:])
    seen, query = [], ""
    while True:
        with CaptureQueriesContext(connection) as found:
            answer = client.get(address + query)
        assert len(found) <= len(few) + 2 * bool(query)
        seen += [line.generation.pk for line in answer.context["lines"]]
        query = answer.context["more"]
        if not query:
            break
    assert sorted(seen) == [c.pk for c in clips]


def test_who_may_do_what_in_the_bin(client, cast, clip):
    delete(cast, clip)
    page, empty = f"/p/{cast.project.code}/bin/", f"/p/{cast.project.code}/bin/empty/"
    purge = f"/clips/{clip.code}/purge/"
    expected = {"alice": (200, 200, 200), "bob": (200, 403, 403), "carol": (403, 403, 403),
                "dave": (404, 404, 404)}  # fmt: skip
    for name, codes in expected.items():
        client.force_login(getattr(cast, name))
        assert tuple(client.get(a).status_code for a in (page, empty, purge)) == codes, name
    for name in ("bob", "carol", "dave"):
        client.force_login(getattr(cast, name))
        assert client.post(purge).status_code in (403, 404)
        assert client.post(empty).status_code in (403, 404)
    assert again(clip).purged_at is None
