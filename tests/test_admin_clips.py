from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from studio.models import Generation, GenerationEvent
from studio.models.generation import State
from tests.control_room import make_staff
from tests.factories import make_generation, make_project, make_still

pytestmark = pytest.mark.django_db
LIST = "/admin/studio/generation/"


def listed(client, **query):
    return {row.title for row in client.get(LIST, query).context["cl"].result_list}


def test_a_posted_form_writes_nothing(client, root, cast):
    for state in State:
        row = make_generation(cast.project, state=state)
        before = Generation.objects.filter(pk=row.pk).values().get()
        answer = client.post(f"{LIST}{row.pk}/change/", {"state": "succeeded", "title": "Mine"})
        assert answer.status_code == 403
        assert Generation.objects.filter(pk=row.pk).values().get() == before
    event = GenerationEvent.objects.create(generation=row, new="queued")
    assert client.post(f"/admin/studio/generationevent/{event.pk}/change/", {}).status_code == 403


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"stands": "moving"}, {"running"}),
        ({"stands": "person"}, {"uncertain"}),
        ({"stands": "over"}, {"failed", "ready"}),
        ({"state__exact": "failed"}, {"failed"}),
        ({"paid": "yes"}, {"ready"}),
        ({"paid": "pending"}, {"running", "uncertain"}),
        ({"archived": "yes"}, {"failed"}),
        ({"at": "luma"}, {"ready"}),
        ({"age": "1d"}, {"ready"}),
        ({"stands": "nonsense"}, {"running", "uncertain", "failed", "ready"}),
    ],
)
def test_filters_find_the_right_clips(client, root, cast, query, found):
    make_generation(cast.project, state="running", title="running")
    make_generation(cast.project, state="uncertain", title="uncertain")
    make_generation(cast.project, state="failed", title="failed", archived_at=timezone.now())
    make_generation(
        cast.project, title="ready", charged="yes", provider="luma", model="ray-2",
        created_at=timezone.now() - timedelta(days=2),
    )  # fmt: skip
    assert listed(client, **query) == found


def test_a_project_filter_knows_archived_projects_too(client, root, cast):
    make_generation(cast.project, title="here")
    type(cast.project).objects.filter(pk=cast.project.pk).update(archived_at=timezone.now())
    make_generation(make_project(), title="there")
    assert listed(client, project__id__exact=cast.project.pk) == {"here"}


def test_filters_count_when_asked_and_cells_name_their_column(client, root, cast):
    make_generation(cast.project, state="failed", failure_text="<No>.")
    make_generation(cast.project)
    page = client.get(LIST, {"_facets": "True"}).content.decode()
    assert "Finished (2)" in page
    assert "Failed (1)" in page
    assert 'data-heading="State"' in page
    assert "&lt;No&gt;." in page and "<No>" not in page


def test_search_reads_title_prompt_job_and_whole_code(client, root, cast):
    wanted = make_generation(
        cast.project, title="Keeper", prompt="A lamp over the sea", provider_job_id="job-4711"
    )
    make_generation(cast.project, title="Other")
    for term in ("keeper", "lamp", "job-4711", str(wanted.code), wanted.code.hex, str(wanted.shot)):
        assert listed(client, q=term) == {"Keeper"}, term


def test_the_page_links_to_everything_around_the_clip(client, root, cast):
    parent = make_generation(cast.project)
    still = make_still(cast.project)
    clip = make_generation(
        cast.project, start_generation=parent, end_keyframe=still,
        raw_answer={"status": "<script>alert(1)</script>"},
    )  # fmt: skip
    GenerationEvent.objects.create(generation=clip, old="storing", new="succeeded", reason="stored")
    page = client.get(f"{LIST}{clip.pk}/change/").content.decode()
    for path in (
        f"studio/project/{cast.project.pk}", f"studio/user/{clip.by_id}",
        f"studio/provideraccount/{clip.account_id}", f"studio/generation/{parent.pk}",
        f"studio/keyframe/{still.pk}",
    ):  # fmt: skip
        assert f'href="/admin/{path}/change/"' in page
    assert "stored" in page
    assert "&lt;script&gt;alert(1)" in page and "<script>alert" not in page


def test_pictures_and_clips_play_for_staff_who_are_no_members(client, root, cast):
    clip = make_generation(cast.project, files=True)
    still = make_still(cast.project)
    assert f"{LIST}{clip.pk}/file/poster/?v={clip.sha256[:8]}" in client.get(LIST).content.decode()
    assert client.get(f"{LIST}{clip.pk}/file/poster/")["Content-Type"] == "image/webp"
    part = client.get(f"{LIST}{clip.pk}/file/clip/", headers={"Range": "bytes=0-99"})
    assert (part.status_code, part["Content-Type"]) == (206, "video/mp4")
    for kind in ("thumbnail", "full"):
        assert client.get(f"/admin/studio/keyframe/{still.pk}/file/{kind}/").status_code == 200
    assert client.get(f"{LIST}{clip.pk}/file/raw_answer/").status_code == 404


def test_files_follow_the_right_to_see_the_row(client, cast):
    clip = make_generation(cast.project, files=True)
    person = make_staff()
    client.force_login(person)
    assert client.get(f"{LIST}{clip.pk}/file/poster/").status_code == 404
    client.force_login(cast.dave)
    assert client.get(f"{LIST}{clip.pk}/file/poster/").status_code == 404


def test_retry_makes_one_new_take_however_often_it_is_pressed(client, root, cast):
    row = make_generation(cast.project, state="failed")
    for _ in range(2):
        client.post(f"{LIST}{row.pk}/do/retry/", {"confirmed": "1"})
    fresh = Generation.objects.get(retry_of=row)
    assert (fresh.state, fresh.by, fresh.take) == ("queued", root, 2)
    row.refresh_from_db()
    assert row.state == "failed"
    assert row.archived_at


def test_cancel_stops_what_waits_and_says_so_of_what_does_not(client, root, cast):
    waiting = make_generation(cast.project, state="queued")
    ready = make_generation(cast.project)
    chosen = {"action": "cancel", "_selected_action": [waiting.pk, ready.pk]}
    answer = client.post(LIST, chosen, follow=True)
    said = [str(message) for message in answer.context["messages"]]
    assert said[0] == "Cancelled: 1."
    assert said[1].startswith(f"Clip {ready.number}: ")
    waiting.refresh_from_db()
    ready.refresh_from_db()
    assert (waiting.state, ready.state) == ("cancelled", "succeeded")
    assert waiting.events.get().actor == root


def test_archive_and_restore_move_the_gallerys_cursor(client, root, cast):
    row = make_generation(cast.project)
    client.post(f"{LIST}{row.pk}/do/archive/")
    archived = Generation.objects.get(pk=row.pk)
    assert archived.archived_at and archived.version > row.version
    client.post(f"{LIST}{row.pk}/do/restore/")
    back = Generation.objects.get(pk=row.pk)
    assert back.archived_at is None and back.version > archived.version


def test_a_shot_in_flight_is_not_archived(client, root, cast):
    row = make_generation(cast.project, state="running")
    answer = client.post(f"{LIST}{row.pk}/do/archive/", follow=True)
    assert "still in flight" in str(list(answer.context["messages"])[0])
    assert Generation.objects.get(pk=row.pk).archived_at is None


def test_buttons_fit_the_state(client, root, cast):
    offered = {}
    for state in ("queued", "failed", "succeeded", "uncertain"):
        row = make_generation(cast.project, state=state)
        actions = client.get(f"{LIST}{row.pk}/change/").context["page_actions"]
        offered[state] = {name for name, _ in actions}
    assert offered == {
        "queued": {"cancel"},
        "failed": {"retry", "archive"},
        "succeeded": {"archive"},
        "uncertain": {"archive", "arrived", "send_again"},
    }


def test_seeing_clips_gives_no_actions(client, cast):
    row = make_generation(cast.project, state="failed")
    person = make_staff("view_generation")
    client.force_login(person)
    assert client.get(f"{LIST}{row.pk}/change/").context["page_actions"] == []
    assert client.post(f"{LIST}{row.pk}/do/retry/").status_code == 403
    client.post(LIST, {"action": "retry", "_selected_action": [row.pk]})
    assert not Generation.objects.filter(retry_of=row).exists()
