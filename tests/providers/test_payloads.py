"""What the catalogue lets through is valid on the wire; what it refuses, it refuses in words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.concepts import CONCEPTS
from studio.providers.base import EndUnusable, ImageEnd, JobEnd, Refused, ShotRequest
from studio.providers.catalog import (
    PREVIS,
    SPECS,
    ModelSpec,
    Wish,
    adapt,
    hint,
    problems,
    refusals,
    resolve_ends,
    sent_prompt,
)
from studio.providers.registry import make_provider
from tests.emulator import contracts

JOB = "0f3ea4aa-10e7-4dae-af0b-263ab4ac45f9"
PICTURE = "https://studio.example/stills/1.jpg?token=abc"
REMOTE = [spec for spec in SPECS.values() if not spec.local]
MODELS = st.sampled_from(list(SPECS.values()))
REMOTE_MODELS = st.sampled_from(REMOTE)
ENDS = st.sampled_from([None, "image", "generation"])
PROMPTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["A fox.", "ab", "x" * 2047, "x" * 2049, "x" * 4000, "x" * 5000, "x" * 6001]),
)
WISHES = st.builds(
    Wish,
    prompt=PROMPTS,
    concepts=st.lists(st.sampled_from([*CONCEPTS, "spin"]), max_size=4, unique=True).map(tuple),
    duration_s=st.sampled_from([0, 4, 5, 7, 9, 10, 60]),
    aspect_ratio=st.sampled_from(["16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "9:21", "2:1", "x"]),
    resolution=st.sampled_from(["360p", "540p", "720p", "1080p", "4k", "8k"]),
    loop=st.booleans(),
    start=ENDS,
    end=ENDS,
    start_by_id=st.booleans(),
    end_by_id=st.booleans(),
    public_url_available=st.booleans(),
)


def request_for(spec: ModelSpec, wish: Wish) -> ShotRequest:
    made: dict[str, Any] = {"": None, "image": ImageEnd(PICTURE), "job": JobEnd(JOB)}
    start, end = resolve_ends(spec, wish)
    return ShotRequest(
        model=spec.id,
        prompt=sent_prompt(spec, wish.prompt, wish.concepts),
        duration_s=wish.duration_s,
        aspect_ratio=wish.aspect_ratio,
        resolution=wish.resolution,
        loop=wish.loop,
        concepts=wish.concepts,
        start=made[start],
        end=made[end],
        idempotency_key="5f0c",
        callback_url="https://studio.example/hooks/x/y" if spec.webhook else "",
    )


def payload_of(spec: ModelSpec, wish: Wish) -> Any:
    provider = make_provider(spec.provider, api_key="key-0123456789", dialect=spec.dialect)
    return provider.payload(request_for(spec, wish))


def breach(spec: ModelSpec, wish: Wish) -> tuple[str, str]:
    return contracts.breach(spec.dialect or spec.provider, payload_of(spec, wish))


@given(REMOTE_MODELS, WISHES)
@settings(max_examples=600, deadline=None)
def test_what_is_let_through_keeps_the_published_schema(spec: ModelSpec, wish: Wish) -> None:
    if not refusals(spec, wish):
        assert breach(spec, wish) == ("", "")


@given(REMOTE_MODELS, WISHES)
@settings(max_examples=600, deadline=None)
def test_an_adapted_wish_keeps_the_published_schema(spec: ModelSpec, wish: Wish) -> None:
    near = adapt(spec, wish)
    if not refusals(spec, near):
        assert breach(spec, near) == ("", "")


@given(MODELS, WISHES)
@settings(max_examples=600, deadline=None)
def test_every_problem_says_what_is_wrong_and_what_helps(spec: ModelSpec, wish: Wish) -> None:
    for problem in problems(spec, wish):
        assert problem.field in Wish.__slots__
        assert problem.message[0].isupper() or not problem.message[0].isalpha()
        assert problem.message.endswith((".", "”"))
        assert problem.fix == "" or problem.fix.startswith("would ")


@given(MODELS, WISHES)
@settings(max_examples=600, deadline=None)
def test_after_adapting_only_a_person_can_help(spec: ModelSpec, wish: Wish) -> None:
    near = adapt(spec, wish)
    for problem in refusals(spec, near):
        assert problem.fix == ""
        assert problem.field in ("prompt", "start", "end")
    assert adapt(spec, near) == near


@given(MODELS, WISHES)
@settings(max_examples=600, deadline=None)
def test_adapting_changes_nothing_that_is_possible(spec: ModelSpec, wish: Wish) -> None:
    if not any(problem.fix for problem in problems(spec, wish)):
        assert adapt(spec, wish) == wish


@given(MODELS, WISHES)
@settings(max_examples=400, deadline=None)
def test_a_hint_is_one_short_caption(spec: ModelSpec, wish: Wish) -> None:
    caption, is_warning = hint(spec, wish)
    assert caption and "\n" not in caption and "  " not in caption
    fixable = [problem for problem in refusals(spec, wish) if problem.fix]
    if fixable:
        assert is_warning


@given(MODELS, PROMPTS, st.lists(st.sampled_from(list(CONCEPTS)), max_size=4))
@settings(max_examples=300, deadline=None)
def test_the_camera_words_are_added_once(spec: ModelSpec, prompt: str, slugs: list[str]) -> None:
    once = sent_prompt(spec, prompt, slugs)
    assert sent_prompt(spec, once, slugs) == once
    assert once.startswith(prompt.strip())
    if spec.native_concepts or not slugs:
        assert once == prompt.strip()


@pytest.mark.parametrize("spec", REMOTE, ids=lambda spec: f"{spec.provider}-{spec.id}")
def test_every_offered_choice_is_valid_on_the_wire(spec: ModelSpec) -> None:
    for duration_s in spec.durations_s:
        for shape in spec.aspect_ratios:
            for size in spec.resolutions:
                wish = Wish("A fox", ("pov",), duration_s, shape, size)
                assert problems(spec, wish) == [
                    problem for problem in problems(spec, wish) if problem.severity == "adapt"
                ]
                assert breach(spec, wish) == ("", "")


@pytest.mark.parametrize("spec", REMOTE, ids=lambda spec: f"{spec.provider}-{spec.id}")
def test_unset_fields_are_left_out_never_null(spec: ModelSpec) -> None:
    def walk(value: Any) -> None:
        assert value is not None and value != ""
        for part in value.values() if isinstance(value, dict) else ():
            walk(part)

    walk(payload_of(spec, Wish("A fox")))


@pytest.mark.parametrize("spec", REMOTE, ids=lambda spec: f"{spec.provider}-{spec.id}")
def test_an_end_by_id_is_refused_where_it_cannot_be(spec: ModelSpec) -> None:
    provider = make_provider(spec.provider, api_key="key-0123456789", dialect=spec.dialect)
    request = ShotRequest(model=spec.id, prompt="A fox", start=JobEnd(JOB), end=JobEnd(JOB))
    if spec.extend_by_id:
        assert JOB in str(provider.payload(request))
        return
    with pytest.raises(EndUnusable) as caught:
        provider.payload(request)
    assert set(caught.value.fields) == {"start", "end"}
    assert isinstance(caught.value, Refused)


def test_previs_takes_everything_a_paid_model_takes() -> None:
    for spec in REMOTE:
        assert set(spec.durations_s) <= set(PREVIS.durations_s)
        assert set(spec.aspect_ratios) <= set(PREVIS.aspect_ratios)
        assert set(spec.resolutions) - {"360p"} <= set(PREVIS.resolutions)
