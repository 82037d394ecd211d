from __future__ import annotations

import re
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from studio.models import Generation
from studio.models.generation import Charged, State
from tests.factories import make_generation, make_project, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return make_project(make_user("Maja Aas"))


@pytest.fixture
def compare(client, project):
    client.force_login(project.created_by)

    def ask(*clips, more="", status=200):
        query = "&".join(f"clip={getattr(clip, 'code', clip)}" for clip in clips)
        response = client.get(f"/p/{project.code}/compare/?{query}{more}")
        assert response.status_code == status
        return response.content.decode()

    return ask


def shown(html):
    return re.findall(r'id="pane-([A-D])" data-code="([^"]+)"', html)


def test_two_to_four_clips_stand_in_the_order_they_were_chosen(compare, project):
    clips = [make_generation(project) for _ in range(4)]
    for some in (clips[:2], clips[:3], clips[::-1]):
        assert shown(compare(*some)) == [
            (letter, str(clip.code)) for letter, clip in zip("ABCD", some, strict=False)
        ]


def test_a_clip_named_twice_is_one(compare, project):
    one, two = make_generation(project), make_generation(project)
    assert len(shown(compare(one, two, one))) == 2
    assert "One clip is chosen" in compare(one, one, status=400)


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (0, "No clip is chosen. Comparing takes two to four"),
        (1, "One clip is chosen. Comparing takes two to four"),
        (5, "5 clips are too many to compare at once; choose two to four."),
        (400, "400 clips are too many to compare at once; choose two to four."),
    ],
)
def test_another_number_of_clips_gets_a_sentence(compare, project, count, sentence):
    clips = [make_generation(project) for _ in range(min(count, 5))]
    clips += [uuid.uuid4() for _ in range(count - len(clips))]
    html = compare(*clips, status=400)
    assert sentence in html
    assert "<video" not in html


@pytest.mark.parametrize("other", ["foreign", "running", "binned", "unknown", "nonsense"])
def test_what_cannot_be_compared_is_said(compare, project, other):
    now = timezone.now()
    there = {
        "foreign": lambda: make_generation(make_project()),
        "running": lambda: make_generation(project, state=State.RUNNING),
        "binned": lambda: make_generation(project, archived_at=now, deleted_at=now),
        "unknown": uuid.uuid4,
        "nonsense": lambda: "x%27",
    }[other]()
    html = compare(make_generation(project), there, status=400)
    assert "One of these clips is not in this project, or cannot be played." in html


def test_each_is_labelled_with_take_provider_and_cost(compare, project):
    one = make_generation(project, title="Ridge")
    two = make_generation(
        project,
        shot=one.shot,
        take=2,
        estimated_microusd=1_600_000,
        actual_microusd=1_700_000,
        charged=Charged.YES,
    )
    html = compare(one, two)
    assert "Takes of Ridge" in html
    first, second = html.split('id="pane-')[1:3]
    assert "Take 1" in first
    assert "Free" in first
    assert "Take 2" in second
    assert "$1.70" in second
    assert "Previs" in second


def test_one_can_be_taken_out_down_to_two_and_other_takes_added_up_to_four(compare, project):
    one = make_generation(project)
    takes = [one] + [make_generation(project, shot=one.shot, take=n) for n in (2, 3, 4)]
    html = compare(*takes[:2])
    assert "Remove" not in html
    assert f"clip={takes[0].code}&amp;clip={takes[1].code}&amp;clip={takes[3].code}" in html
    html = compare(*takes[:3], more="&view=difference")
    without = f"clip={takes[1].code}&amp;clip={takes[2].code}&amp;view=difference"
    assert without in html
    full = compare(*takes)
    assert "More takes" not in full


@pytest.mark.parametrize(
    ("asked", "view"), [("flip", "flip"), ("difference", "difference"), ("x", "side"), ("", "side")]
)
def test_the_view_is_in_the_address(compare, project, asked, view):
    html = compare(make_generation(project), make_generation(project), more=f"&view={asked}")
    assert f'data-view="{view}"' in html


def test_shapes_that_differ_are_said(compare, project):
    wide, tall = make_generation(project), make_generation(project, aspect_ratio="9:16")
    assert "Their shapes differ" in compare(wide, tall)
    assert "Their shapes differ" not in compare(wide, make_generation(project))


def test_the_number_of_queries_is_the_same_for_two_and_four(compare, project):
    def count(*clips):
        with CaptureQueriesContext(connection) as queries:
            compare(*clips)
        return len(queries)

    clips = [make_generation(project) for _ in range(4)]
    for clip in clips:
        for take in range(2, 5):
            make_generation(project, shot=clip.shot, take=take)
    # Four leave no room for another take, so those are not asked for.
    assert count(*clips[:2]) == count(*clips[:3]) == count(*clips) + 1 <= 10


def test_the_clip_page_offers_to_compare_takes_that_play(client, project):
    client.force_login(project.created_by)

    def page(generation):
        return client.get(f"/clips/{generation.code}/").content.decode()

    one = make_generation(project)
    make_generation(project, shot=one.shot, take=2, state=State.FAILED)
    assert "Compare takes" not in page(one)
    others = [make_generation(project, shot=one.shot, take=n) for n in range(3, 8)]
    newest = "&amp;clip=".join(str(g.code) for g in (one, *others[:1:-1]))
    assert f'href="/p/{project.code}/compare/?clip={newest}"' in page(one)
    Generation.objects.filter(pk__in=[g.pk for g in others]).update(archived_at=timezone.now())
    assert "Compare takes" not in page(one)
