"""`manage.py extend`, on the database of the tests."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from studio.management.commands import generate
from studio.models import Chain, Generation
from studio.models.generation import State
from studio.services import chains
from tests.factories import make_generation, make_previs, make_project, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def on_this_database(monkeypatch):
    monkeypatch.setattr(generate, "prepare", make_previs)


@pytest.fixture
def clip():
    project = make_project(make_user(is_superuser=True))
    return make_generation(project, aspect_ratio="9:16", resolution="540p", duration_s=9)


def extend(clip, *arguments):
    call_command("extend", str(clip.code), "--prompt", "Snow falls", *arguments)
    return Generation.objects.latest("pk")


def test_it_continues_the_clip_in_its_own_shape(clip):
    made = extend(clip)
    assert made.start_generation == clip
    assert (made.aspect_ratio, made.resolution, made.duration_s) == ("9:16", "540p", 9)
    assert made.account == clip.account
    assert [s.generation for s in chains.path_of(Chain.objects.get())] == [clip, made]


def test_before_leads_into_it(clip):
    made = extend(clip, "--before", "--duration", "5")
    assert (made.end_generation, made.start_generation, made.duration_s) == (clip, None, 5)
    assert [s.generation for s in chains.path_of(Chain.objects.get())] == [made, clip]


def test_branch_starts_another_continuation(clip):
    extend(clip)
    extend(Generation.objects.latest("pk"), "--branch")
    assert Chain.objects.filter(branched_from__isnull=False).count() == 1


def test_the_clips_address_will_do(clip):
    call_command("extend", f"http://127.0.0.1:8000/clips/{clip.code}/", "--prompt", "Snow")
    assert Generation.objects.latest("pk").start_generation == clip


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--aspect-ratio", "1:1"], "a chain has one shape"),
        (["--duration", "7"], "Length 7 s"),
        (["--provider", "nobody"], "--provider is nobody"),
        (["--concept", "sideways"], "--concept is sideways"),
    ],
)
def test_it_refuses_in_one_sentence(clip, arguments, sentence):
    with pytest.raises(CommandError, match=sentence):
        extend(clip, *arguments)
    assert Generation.objects.count() == 1


def test_a_clip_that_is_not_there_is_named(clip):
    with pytest.raises(CommandError, match="There is no clip nonsense"):
        call_command("extend", "nonsense", "--prompt", "Snow")


def test_what_was_not_rendered_cannot_be_extended(clip):
    failed = make_generation(clip.project, state=State.FAILED)
    with pytest.raises(CommandError, match="was not rendered"):
        extend(failed)
