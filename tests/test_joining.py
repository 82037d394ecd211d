"""The compose page for a shot that joins a clip."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from studio.models import Chain, Generation, ProviderAccount
from studio.models.generation import State
from studio.services import chains
from studio.services.money.offers import offer_value
from tests.factories import make_generation, make_project, make_still

pytestmark = pytest.mark.django_db


@pytest.fixture
def new(client, owner, project):
    client.force_login(owner)
    return f"/p/{project.code}/new/"


@pytest.fixture
def clip(project):
    return make_generation(project, aspect_ratio="9:16", resolution="540p", duration_s=9)


def with_key(provider):
    account = ProviderAccount(provider=provider)
    account.set_key("k-1")
    account.save()
    return account


def page(client, url):
    response = client.get(url)
    assert response.status_code == 200
    return response


def send(client, url, opened, **changes):
    """Post the form as it was opened, with a prompt."""
    draft = opened.context["draft"]
    joining = draft.joining
    data = {
        "prompt": "Snow falls",
        "do": "generate",
        "offer": draft.offer,
        "request_token": draft.request_token,
        "aspect_ratio": draft.aspect_ratio,
        "resolution": draft.resolution,
        "duration_s": draft.duration_s,
        "loop": 0,
        "takes": 1,
    }
    for name, end in (("start", draft.start), ("end", draft.end)):
        data[name] = end.keyframe.code if end.keyframe else ""
        data[f"{name}_clip"] = end.generation.code if end.generation else ""
    hidden = {
        "chain": joining.chain and joining.chain.code,
        "branching": "1" if joining.branching else "",
        "segment": joining.segment and joining.segment.pk,
        "follows": joining.follows and joining.follows.code,
        "take_of": draft.take_of and draft.take_of.code,
    }
    data |= {name: value for name, value in hidden.items() if value}
    for name, value in hidden.items():
        assert not value or f'name="{name}"' in opened.content.decode()
    response = client.post(url, data | changes)
    assert response.status_code == 302, response.context["errors"]
    return Generation.objects.latest("pk"), response["Location"]


def order(chain):
    return [segment.generation for segment in chains.path_of(chain)]


def test_extending_fills_the_start_and_keeps_the_clips_settings(client, new, clip):
    opened = page(client, f"{new}?after={clip.code}")
    draft = opened.context["draft"]
    assert (draft.start.generation, draft.aspect_ratio) == (clip, "9:16")
    assert (draft.resolution, draft.duration_s) == ("540p", 9)
    assert draft.offer == offer_value(clip.account, clip.model)
    assert f"Continues clip {clip.number}" in opened.content.decode()
    made, went = send(client, new, opened)
    chain = Chain.objects.get()
    assert order(chain) == [clip, made]
    assert went == f"/chains/{chain.code}/?segment={chain.segments.get(generation=made).pk}"


def test_the_shape_is_locked_with_the_reason(client, new, clip):
    html = page(client, f"{new}?after={clip.code}").content.decode()
    assert f"9:16 like clip {clip.number}: a chain has one shape." in html
    shapes = re.findall(r'name="aspect_ratio"[^>]*value="([^"]+)"[^>]*?(disabled)?>', html)
    assert [shape for shape, disabled in shapes if not disabled] == ["9:16"]


def test_a_posted_shape_does_not_break_the_lock(client, new, clip):
    opened = page(client, f"{new}?after={clip.code}")
    response = client.post(
        new,
        {
            "prompt": "Snow", "do": "generate", "offer": opened.context["draft"].offer,
            "start_clip": clip.code, "aspect_ratio": "16:9", "request_token": uuid4(),
        },
    )  # fmt: skip
    assert response.status_code == 422
    assert "a chain has one shape" in response.content.decode()
    assert Generation.objects.count() == 1


def test_prepending_fills_the_end(client, new, clip):
    opened = page(client, f"{new}?before={clip.code}")
    assert f"Leads into clip {clip.number}" in opened.content.decode()
    made, _ = send(client, new, opened)
    assert made.end_generation == clip
    assert order(Chain.objects.get()) == [made, clip]


def test_a_branch_leaves_even_where_the_chain_could_go_on(client, new, project, clip):
    chain = chains.create(project=project, by=project.created_by, title="Night", clips=[clip])
    opened = page(client, f"{new}?branch={clip.code}&chain={chain.code}")
    made, went = send(client, new, opened)
    branch = Chain.objects.get(branched_from=chain)
    assert order(branch) == [clip, made]
    assert order(chain) == [clip]
    assert went.startswith(f"/chains/{branch.code}/")


def test_a_bridge_has_both_ends(client, new, project, clip):
    other = make_generation(project, aspect_ratio="9:16")
    made, _ = send(client, new, page(client, f"{new}?bridge={clip.code}&to={other.code}"))
    assert order(Chain.objects.get()) == [clip, made, other]
    still = make_still(project)
    opened = page(client, f"{new}?bridge={clip.code}&to={still.code}")
    assert opened.context["draft"].end.keyframe == still
    assert f"Bridge from clip {clip.number} to a still" in opened.content.decode()


def test_another_take_stands_in_the_segments_place(client, new, project, clip):
    second = make_generation(project, aspect_ratio="9:16", start_generation=clip)
    chain = chains.create(
        project=project, by=project.created_by, title="Night", clips=[clip, second]
    )
    segment = chain.segments.get(position=2)
    made, _ = send(client, new, page(client, f"{new}?take_of={second.code}&segment={segment.pk}"))
    assert (made.shot, made.take) == (second.shot, 2)
    assert order(chain) == [clip, made]


def test_another_take_of_a_clip_in_a_chain_is_no_branch(client, new, project, clip):
    second = make_generation(project, aspect_ratio="9:16", start_generation=clip)
    chain = chains.create(
        project=project, by=project.created_by, title="Night", clips=[clip, second]
    )
    send(client, new, page(client, f"{new}?take_of={second.code}"))
    assert Chain.objects.get() == chain
    assert order(chain) == [clip, second]


def test_only_what_can_join_is_offered_and_says_how(client, new, clip):
    luma, gmi = with_key("luma"), with_key("gmicloud")
    with_key("aimlapi")
    Generation.objects.filter(pk=clip.pk).update(account=luma, provider="luma", model="ray-2")
    opened = page(client, f"{new}?after={clip.code}")
    said = {o.value: o.hint for o in opened.context["offers"]}
    assert said[offer_value(luma, "ray-2")].endswith("Continues the clip by its own id.")
    assert said[offer_value(gmi, "Luma-Ray2")].endswith("last frame, sent as a picture.")
    # It fetches pictures from the web, and this studio has no public address.
    assert not any(o.spec.provider == "aimlapi" for o in opened.context["offers"])
    assert all(o.able for o in opened.context["offers"] if o.spec.id == "ray-2")


def test_an_offer_without_the_shape_is_not_offered(client, new, project):
    with_key("apiframe")
    wide = make_generation(project, aspect_ratio="9:21")
    offers = page(client, f"{new}?after={wide.code}").context["offers"]
    assert {o.spec.provider for o in offers} == {"previs"}
    square = make_generation(project, aspect_ratio="1:1")
    offers = page(client, f"{new}?after={square.code}").context["offers"]
    assert {o.spec.provider for o in offers} == {"previs", "apiframe"}


def test_a_clip_in_flight_can_be_extended_and_the_page_says_so(client, new, project):
    shot = make_generation(project, state=State.RUNNING)
    opened = page(client, f"{new}?after={shot.code}")
    assert "waits for it and starts by itself" in opened.content.decode()
    made, _ = send(client, new, opened)
    assert (made.start_generation, made.state) == (shot, State.QUEUED)


@pytest.mark.parametrize("way", ["after", "before", "branch", "bridge"])
def test_what_was_not_rendered_cannot_be_joined(client, new, project, way):
    lost = make_generation(project, state=State.FAILED)
    opened = page(client, f"{new}?{way}={lost.code}")
    assert f"Clip {lost.number} was not rendered, so nothing can join it." in (
        opened.content.decode()
    )
    assert opened.context["draft"].neighbour is None


@pytest.mark.parametrize("way", ["after", "before", "branch", "bridge"])
def test_clips_of_other_projects_are_not_joined(client, new, way):
    foreign = make_generation(make_project())
    opened = page(client, f"{new}?{way}={foreign.code}")
    assert opened.context["draft"].neighbour is None
    assert "not in this project any more" in opened.content.decode()


def drifted(project, steps, **fields):
    made = [make_generation(project, **fields)]
    for _ in range(steps):
        made.append(make_generation(project, start_generation=made[-1], **fields))
    return made


def test_drift_is_said_from_the_fourth_step_by_frame(client, new, project):
    made = drifted(project, 3)
    assert page(client, f"{new}?after={made[2].code}").context["drift"] is None
    opened = page(client, f"{new}?after={made[3].code}")
    assert opened.context["drift"].first == made[0]
    assert "4th segment in a row" in opened.content.decode()


def test_continuing_by_id_does_not_drift(client, new, project):
    luma = with_key("luma")
    made = drifted(project, 5, account=luma, provider="luma", model="ray-2")
    assert page(client, f"{new}?after={made[-1].code}").context["drift"] is None


def test_an_earlier_frame_takes_over_where_it_was_cut(client, new, project, monkeypatch):
    monkeypatch.setattr("studio.media.images.MIN_SIDE", 16)  # the drawn clips are small
    clip = make_generation(project, files=True)
    opened = page(client, f"{new}?after={clip.code}")
    edited = client.post(
        new, {"do": "earlier-4", "start_clip": clip.code, "follows": clip.code, "prompt": ""}
    )
    start = edited.context["draft"].start
    assert start.generation == clip
    assert start.keyframe.grabbed_at_ms == round(1000 - 4.5 * 1000 / 24)
    made, _ = send(client, new, opened, start=start.keyframe.code)
    assert made.start_keyframe == start.keyframe
    assert order(Chain.objects.get()) == [clip, made]


def test_a_fresh_still_keeps_the_place_in_the_chain(client, new, project, clip):
    opened = page(client, f"{new}?after={clip.code}")
    still = make_still(project, size=(36, 64))
    made, _ = send(client, new, opened, start=still.code, start_clip="")
    assert (made.start_generation, made.start_keyframe) == (None, still)
    assert order(Chain.objects.get()) == [clip, made]
