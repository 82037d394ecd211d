from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from studio.models import Chain, Generation, Membership, Segment
from studio.models.generation import State, Verdict
from studio.services import chains
from tests.factories import (
    make_generation,
    make_member,
    make_project,
    make_still,
    make_user,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def chain(project):
    clips = [make_generation(project, title=f"Shot {n}", duration_ms=5000) for n in (1, 2, 3)]
    return chains.create(
        project=project, by=project.created_by, title="The long night", clips=clips
    )


def segments(chain):
    return list(chain.segments.order_by("position"))


def branch_of(chain, after=1, title="City ending", **fields):
    """A branch of one clip that leaves after this position."""
    branch = Chain.objects.create(
        project=chain.project,
        title=title,
        created_by=chain.created_by,
        branched_from=chain,
        branched_position=after,
    )
    clip = make_generation(chain.project, title="Wet street", **fields)
    Segment.objects.create(chain=branch, position=after + 1, generation=clip)
    return branch


def read(client, url, **headers):
    response = client.get(url, headers=headers)
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def words(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def order(chain):
    return [segment.generation.title for segment in chains.path_of(chain)]


# ---- The list -----------------------------------------------------------------------------


def test_the_list_shows_each_chain_once_with_what_hangs_on_it(me, project, chain):
    branch_of(chain, state=State.RUNNING)
    html = read(me, f"/p/{project.code}/chains/")
    assert html.count('class="reelcard"') == 1
    said = words(html)
    assert "The long night" in said
    assert "15 s, 3 segments, 1 branch, 16:9" in said
    assert "1 in flight" in said


def test_an_empty_list_says_how_a_chain_begins(me, project):
    said = words(read(me, f"/p/{project.code}/chains/"))
    assert "No chains yet" in said
    assert "Extend any finished clip" in said


def test_deleted_chains_are_not_listed(me, project, chain):
    chains.archive(chain=chain)
    assert "The long night" not in read(me, f"/p/{project.code}/chains/")


def test_the_list_takes_the_same_queries_for_many(me, project, chain):
    def count():
        with CaptureQueriesContext(connection) as queries:
            read(me, f"/p/{project.code}/chains/")
        return len(queries)

    few = count()
    for _ in range(5):
        clips = [make_generation(project) for _ in range(4)]
        branch_of(chains.create(project=project, by=project.created_by, title="x", clips=clips))
    assert count() == few <= 8


def test_the_list_comes_in_pages(me, project, monkeypatch):
    monkeypatch.setattr("studio.services.film.reels.PAGE_SIZE", 2)
    clip = make_generation(project)
    for n in range(3):
        chains.create(project=project, by=project.created_by, title=f"Chain {n}", clips=[clip])
    html = read(me, f"/p/{project.code}/chains/")
    assert "Chain 2" in html and "Chain 1" in html and "Chain 0" not in html
    more = re.search(r'href="(\?before=\d+)"', html)[1]
    rest = read(me, f"/p/{project.code}/chains/{more}", **HTMX)
    assert "Chain 0" in rest and "Chain 1" not in rest
    assert "<html" not in rest


def test_the_list_polls_for_changes(me, project, chain):
    project.refresh_from_db()
    url = f"/p/{project.code}/chains/?since="
    assert me.get(f"{url}{project.version}", headers=HTMX).status_code == 204
    html = read(me, f"{url}{project.version - 1}", **HTMX)
    assert 'id="chains"' in html and 'hx-swap-oob="morph"' in html


def test_the_tab_counts_chains_and_not_their_branches(me, project, chain):
    branch_of(chain)
    html = read(me, f"/p/{project.code}/")
    assert re.search(r'Chains <span class="n">1</span>', html)


# ---- The timeline -------------------------------------------------------------------------


def test_the_page_says_what_the_chain_is(me, chain):
    branch_of(chain, title="City ending")
    branch_of(chain, after=2, title="Storm ending")
    Generation.objects.filter(title="Shot 1").update(verdict=Verdict.APPROVED)
    said = words(read(me, f"/chains/{chain.code}/"))
    assert "3 segments, 15 s, 16:9. Two other endings kept as branches." in said
    assert "1 approved" in said


def test_branches_are_lists_inside_the_segment_they_leave(me, chain):
    branch = branch_of(chain, after=2)
    html = read(me, f"/chains/{chain.code}/")
    second, third = segments(chain)[1:]
    inside = html[html.index(f'id="seg-{second.pk}"') : html.index(f'id="seg-{third.pk}"')]
    assert f'aria-label="Branch: {branch.title}"' in inside
    assert 'data-label="3a"' in inside


def test_widths_are_whole_seconds_without_script_and_exact_with_it(me, project):
    clip = make_generation(project, duration_ms=5480)
    chain = chains.create(project=project, by=project.created_by, title="x", clips=[clip])
    html = read(me, f"/chains/{chain.code}/")
    assert 'data-sec="5" data-ms="5480"' in html
    assert 'style="' not in html


def test_a_branch_has_an_address_and_plays_its_own_path(me, chain):
    branch = branch_of(chain, after=1)
    html = read(me, f"/chains/{branch.code}/")
    assert f'data-chain="{branch.code}" data-seconds' in html
    assert "2 segments, 6 s" in words(html)
    one, two, three = segments(chain)
    off = re.findall(r'<li class="seg-li ([^"]*)" id="seg-(\d+)"', html)
    assert {int(pk): "off" in css for css, pk in off} == {
        one.pk: False,
        two.pk: True,
        three.pk: True,
        branch.segments.get().pk: False,
    }


def test_a_segment_in_flight_shows_its_progress_in_its_place(me, project, chain):
    shot = make_generation(project, state=State.RUNNING, progress=64, title="Above the weather")
    chains.insert_segment(chain=chain, generation=shot, position=4)
    html = read(me, f"/chains/{chain.code}/")
    segment = chain.segments.get(position=4)
    place = html[html.index(f'id="seg-{segment.pk}"') :]
    assert '<progress value="64"' in place
    assert "1 rendering" in words(html)


def test_a_failed_segment_keeps_its_place_with_the_way_out(me, project, chain):
    shot = make_generation(project, state=State.FAILED, failure_text="The prompt was refused.")
    chains.insert_segment(chain=chain, generation=shot, position=4)
    segment = chain.segments.get(position=4)
    html = read(me, f"/chains/{chain.code}/?segment={segment.pk}")
    strip = html[html.index(f'id="seg-{segment.pk}"') :]
    assert f'action="/clips/{shot.code}/retry/"' in strip
    assert "Not rendered" in words(strip)
    assert "The prompt was refused." in words(html)
    assert f'id="extend-{chain.code}"' not in html  # nothing can continue it


def test_the_last_segment_in_flight_can_be_extended_already(me, project, chain):
    shot = make_generation(project, state=State.RUNNING)
    chains.insert_segment(chain=chain, generation=shot, position=4)
    html = read(me, f"/chains/{chain.code}/")
    assert f"/new/?after={shot.code}&amp;chain={chain.code}" in html


def test_each_way_to_grow_names_the_clip_and_the_chain(me, project, chain):
    branch = branch_of(chain, after=2)
    one, _, three = (segment.generation for segment in segments(chain))
    html = read(me, f"/chains/{chain.code}/")
    new = f"/p/{project.code}/new/"
    assert f"{new}?before={one.code}&amp;chain={chain.code}" in html
    assert f"{new}?after={three.code}&amp;chain={chain.code}" in html
    end = branch.segments.get().generation
    assert f"{new}?after={end.code}&amp;chain={branch.code}" in html
    assert f"{new}?branch={one.code}&amp;chain={chain.code}" in html


def test_the_panel_says_how_a_segment_follows(me, project, chain):
    third = segments(chain)[2]
    page = f"/chains/{chain.code}/?segment={third.pk}"
    before = third.chain.segments.get(position=2).generation
    assert f"A plain cut: it was not made to follow clip {before.number}." in read(me, page)
    Generation.objects.filter(pk=third.generation_id).update(start_generation=before)
    assert f"Continues clip {before.number} from its last frame." in read(me, page)


def test_reviewers_see_the_chain_and_change_nothing(client, project, chain):
    carol = make_user("Carol")
    make_member(project, carol, Membership.Role.REVIEWER)
    client.force_login(carol)
    html = read(client, f"/chains/{chain.code}/")
    assert "Branch from here" not in html and "Make main" not in html and "/new/" not in html
    segment = segments(chain)[1]
    for url in (
        f"/chains/{chain.code}/title/",
        f"/chains/{chain.code}/duplicate/",
        f"/chains/{chain.code}/join/",
        f"/chains/{chain.code}/main/",
        f"/chains/{chain.code}/delete/",
        f"/chains/{chain.code}/restore/",
        f"/chains/{chain.code}/put-back/{segment.generation.code}/2/",
        f"/segments/{segment.pk}/move/",
        f"/segments/{segment.pk}/remove/",
        f"/segments/{segment.pk}/replace/",
        f"/p/{project.code}/chains/new/",
    ):
        assert client.post(url).status_code == 403, url
    assert order(chain) == ["Shot 1", "Shot 2", "Shot 3"]


def test_outsiders_learn_nothing(client, project, chain):
    client.force_login(make_user("Dave"))
    segment = segments(chain)[1]
    assert client.get(f"/p/{project.code}/chains/").status_code == 404
    assert client.get(f"/chains/{chain.code}/").status_code == 404
    assert client.get(f"/chains/{chain.code}/changes/").status_code == 404
    assert client.post(f"/segments/{segment.pk}/remove/").status_code == 404
    assert client.get(f"/chains/{uuid4()}/").status_code == 404


def test_nobody_sees_a_chain_signed_out(client, chain):
    response = client.get(f"/chains/{chain.code}/")
    assert response.status_code == 302
    assert response["Location"].startswith("/login/")


def test_the_page_takes_the_same_queries_for_a_long_chain(me, project, chain):
    def count():
        with CaptureQueriesContext(connection) as queries:
            read(me, f"/chains/{chain.code}/")
        return len(queries)

    few = count()
    for _ in range(8):
        clip = make_generation(project)
        chains.insert_segment(chain=chain, generation=clip, position=99)
        branch_of(chain, after=2)
    assert count() == few <= 13


def test_a_poll_is_empty_until_something_changed(me, project, chain):
    project.refresh_from_db()
    url = f"/chains/{chain.code}/changes/?since="
    assert me.get(f"{url}{project.version}").status_code == 204
    chains.rename(chain=chain, title="The short night")
    html = read(me, f"{url}{project.version}")
    assert "The short night" in html
    for piece in ("crumb", "chain-head", "selected", "timeline", "live", "queue-pill"):
        assert f'id="{piece}"' in html
    assert "<video" not in html  # what plays goes on playing


# ---- What people do ------------------------------------------------------------------------


def test_renaming_answers_with_the_head_or_the_reason(me, chain):
    url = f"/chains/{chain.code}/title/"
    assert "Nightfall" in me.post(url, {"title": "Nightfall"}, headers=HTMX).content.decode()
    refused = me.post(url, {"title": ""}, headers=HTMX)
    assert refused.status_code == 422
    assert "1 to 120 are allowed" in refused.content.decode()
    assert me.post(url, {"title": "Dusk"}).status_code == 302
    chain.refresh_from_db()
    assert chain.title == "Dusk"


def test_moving_answers_with_the_new_order(me, chain):
    third = segments(chain)[2]
    response = me.post(f"/segments/{third.pk}/move/", {"to": "earlier"}, headers=HTMX)
    assert response.status_code == 200
    assert response["HX-Replace-Url"] == f"/chains/{chain.code}/?segment={third.pk}"
    assert order(chain) == ["Shot 1", "Shot 3", "Shot 2"]
    me.post(f"/segments/{third.pk}/move/", {"to": "later"})
    assert order(chain) == ["Shot 1", "Shot 2", "Shot 3"]
    refused = me.post(f"/segments/{third.pk}/move/", {"to": "sideways"}, headers=HTMX)
    assert refused.status_code == 409
    assert order(chain) == ["Shot 1", "Shot 2", "Shot 3"]


def test_removing_offers_undo_and_undo_puts_it_back(me, chain):
    second = segments(chain)[1]
    html = me.post(f"/segments/{second.pk}/remove/", headers=HTMX).content.decode()
    assert order(chain) == ["Shot 1", "Shot 3"]
    undo = re.search(r'action="(/chains/[^"]+/put-back/[^"]+)"', html)[1]
    assert me.post(undo).status_code == 302
    assert order(chain) == ["Shot 1", "Shot 2", "Shot 3"]
    me.post(undo)  # a second click changes nothing
    assert order(chain) == ["Shot 1", "Shot 2", "Shot 3"]


def test_a_refused_removal_says_why(me, chain):
    branch_of(chain, after=2)
    second = segments(chain)[1]
    response = me.post(f"/segments/{second.pk}/remove/", headers=HTMX)
    assert response.status_code == 409
    assert "leaves after this segment" in response["HX-Trigger"]
    page = me.post(f"/segments/{second.pk}/remove/", follow=True)
    assert "leaves after this segment" in page.content.decode()


def test_another_take_is_offered_and_replaces(me, project, chain):
    second = segments(chain)[1]
    take = make_generation(project, shot=second.generation.shot, take=2, title="Shot 2 again")
    html = read(me, f"/chains/{chain.code}/?segment={second.pk}")
    assert f'<option value="{take.code}">Take 2' in html
    me.post(f"/segments/{second.pk}/replace/", {"clip": str(take.code)}, headers=HTMX)
    assert order(chain) == ["Shot 1", "Shot 2 again", "Shot 3"]
    foreign = make_generation(make_project())
    refused = me.post(f"/segments/{second.pk}/replace/", {"clip": str(foreign.code)}, headers=HTMX)
    assert refused.status_code == 409


def test_make_main_goes_to_the_main_cut(me, chain):
    branch = branch_of(chain, after=1)
    response = me.post(f"/chains/{branch.code}/main/")
    assert response["Location"] == f"/chains/{chain.code}/"
    assert order(chain) == ["Shot 1", "Wet street"]


def test_joining_asks_which_and_does_it(me, project, chain):
    other = chains.create(
        project=project,
        by=project.created_by,
        title="The morning",
        clips=[make_generation(project, title="Dawn")],
    )
    assert "The morning" in read(me, f"/chains/{chain.code}/join/", **HTMX)
    assert "<html" in read(me, f"/chains/{chain.code}/join/")
    response = me.post(f"/chains/{chain.code}/join/", {"other": str(other.code)}, headers=HTMX)
    assert "closeDialog" in response["HX-Trigger"]
    assert order(chain) == ["Shot 1", "Shot 2", "Shot 3", "Dawn"]
    assert me.post(f"/chains/{chain.code}/join/", {"other": "x"}, headers=HTMX).status_code == 409


def test_duplicating_opens_the_copy(me, chain):
    response = me.post(f"/chains/{chain.code}/duplicate/")
    copy = Chain.objects.exclude(pk=chain.pk).get()
    assert response["Location"] == f"/chains/{copy.code}/"
    assert order(copy) == order(chain)


def test_deleting_offers_undo(me, project, chain):
    page = me.post(f"/chains/{chain.code}/delete/", follow=True)
    html = page.content.decode()
    assert "is deleted. Its clips stay in the gallery." in html
    assert f'action="/chains/{chain.code}/restore/"' in html
    assert "No chains yet" in html
    me.post(f"/chains/{chain.code}/restore/")
    assert "The long night" in read(me, f"/p/{project.code}/chains/")


def test_deleting_a_branch_goes_back_to_the_chain(me, chain):
    branch = branch_of(chain)
    response = me.post(f"/chains/{branch.code}/delete/")
    assert response["Location"] == f"/chains/{chain.code}/"


def test_a_chain_is_made_of_chosen_clips(me, project):
    clips = [make_generation(project, title=name) for name in ("B", "A")]
    response = me.post(
        f"/p/{project.code}/chains/new/", {"clip": [str(c.code) for c in clips], "title": "Mine"}
    )
    made = Chain.objects.get()
    assert response["Location"] == f"/chains/{made.code}/"
    assert order(made) == ["B", "A"]
    for bad in ({}, {"clip": str(uuid4())}, {"clip": str(make_generation(make_project()).code)}):
        assert me.post(f"/p/{project.code}/chains/new/", bad, headers=HTMX).status_code == 409
    assert Chain.objects.count() == 1


@pytest.mark.parametrize("action", ["title", "duplicate", "main", "delete", "restore"])
def test_actions_are_not_links(me, chain, action):
    assert me.get(f"/chains/{chain.code}/{action}/").status_code == 405


# ---- Where chains show elsewhere -----------------------------------------------------------


def test_a_card_links_to_its_place_in_the_chain(me, project, chain):
    second = segments(chain)[1]
    html = read(me, f"/p/{project.code}/")
    assert f'href="/chains/{chain.code}/?segment={second.pk}"' in html
    assert "2 of 3" in words(html)


def test_the_clip_page_offers_every_way_to_go_on(me, project, chain):
    clip = segments(chain)[1].generation
    html = read(me, f"/clips/{clip.code}/")
    assert "Part 2 of 3, The long night" in words(html)
    new = f"/p/{project.code}/new/"
    for way in ("after", "before", "branch"):
        assert f"{new}?{way}={clip.code}&amp;chain={chain.code}" in html
    assert f"/clips/{clip.code}/bridge/?chain={chain.code}" in html
    loose = make_generation(project)
    html = read(me, f"/clips/{loose.code}/")
    assert f"{new}?after={loose.code}" in html
    assert "?branch=" not in html and "Part " not in words(html)


def test_a_bridge_leads_to_clips_of_the_shape_and_stills(me, project, chain):
    clip, other = (segment.generation for segment in segments(chain)[:2])
    tall = make_generation(project, aspect_ratio="9:16")
    still = make_still(project)
    html = read(me, f"/clips/{clip.code}/bridge/", **HTMX)
    new = f"/p/{project.code}/new/?bridge={clip.code}&amp;to="
    assert f"{new}{other.code}" in html and f"{new}{still.code}" in html
    assert f"{new}{tall.code}" not in html and f"{new}{clip.code}" not in html
