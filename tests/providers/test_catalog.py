from __future__ import annotations

from dataclasses import replace

import pytest

from studio.concepts import CONCEPTS
from studio.providers.catalog import (
    PRICES,
    SPECS,
    ModelSpec,
    Wish,
    adapt,
    get_spec,
    hint,
    price_for,
    problems,
    refusals,
    resolve_ends,
    sent_prompt,
    specs_for,
)

RAY_2 = get_spec("luma", "ray-2")
APIFRAME = get_spec("apiframe", "luma-ray-2")
AIMLAPI = get_spec("aimlapi", "luma/ray-2")
GMI = get_spec("gmicloud", "Luma-Ray2")
GMI_32 = get_spec("gmicloud", "luma-ray-3-2-generate")
PREVIS = get_spec("previs", "previs-1")
FOX = Wish("A fox in the snow.")
ALL = pytest.mark.parametrize("spec", SPECS.values(), ids=lambda s: f"{s.provider}-{s.id}")


def messages(spec: ModelSpec, **changes: object) -> list[tuple[str, str, str]]:
    found = problems(spec, replace(FOX, **changes))  # type: ignore[arg-type]
    return [(problem.field, problem.message, problem.fix) for problem in found]


def test_an_unknown_model_is_a_key_error_that_names_what_exists() -> None:
    with pytest.raises(KeyError) as caught:
        get_spec("luma", "ray-9")
    expected = "Luma has no model “ray-9”. Choose one of: ray-2, ray-flash-2, ray-1-6."
    assert str(caught.value) == expected
    with pytest.raises(KeyError, match="no provider “sora”"):
        get_spec("sora", "x")


def test_a_dialect_has_its_own_models() -> None:
    assert [s.id for s in specs_for("aimlapi", "legacy")] == ["ray-2", "ray-flash-2", "ray-1-6"]
    assert "ray-2" not in [s.id for s in specs_for("aimlapi")]
    assert specs_for("sora") == ()


@ALL
def test_a_plain_shot_goes_everywhere(spec: ModelSpec) -> None:
    assert refusals(spec, adapt(spec, FOX)) == []


@ALL
def test_all_34_concepts_go_everywhere(spec: ModelSpec) -> None:
    wish = replace(FOX, concepts=tuple(CONCEPTS))
    if spec.native_concepts:
        assert sent_prompt(spec, wish.prompt, wish.concepts) == wish.prompt
    else:
        assert "Camera: " in sent_prompt(spec, wish.prompt, wish.concepts)
    assert refusals(spec, adapt(spec, wish)) == []


@ALL
@pytest.mark.parametrize("end", ["image", "generation"])
@pytest.mark.parametrize("start", [None, "image", "generation"])
def test_loop_and_an_end_exclude_each_other_everywhere(
    spec: ModelSpec, start: str | None, end: str
) -> None:
    wish = adapt(spec, FOX)
    wish = replace(wish, loop=True, start=start, end=end, public_url_available=True)  # type: ignore[arg-type]
    (problem,) = refusals(spec, wish)
    assert (problem.field, problem.fix) == ("loop", "would turn loop off")
    assert refusals(spec, adapt(spec, wish)) == []


@ALL
def test_loop_goes_with_a_start(spec: ModelSpec) -> None:
    wish = replace(adapt(spec, FOX), loop=True, start="image", public_url_available=True)
    assert refusals(spec, wish) == []


def test_choices_that_are_not_offered_name_field_value_and_what_is() -> None:
    assert messages(APIFRAME, resolution="4k") == [
        (
            "resolution",
            "Resolution 4K is not offered: Apiframe, Ray 2 makes 720p.",
            "would switch to 720p",
        )
    ]
    assert messages(APIFRAME, aspect_ratio="9:21") == [
        (
            "aspect_ratio",
            "Shape 9:21 is not offered: Apiframe, Ray 2 makes 16:9, 9:16, 1:1, 4:3, 3:4 or 21:9.",
            "would switch to 9:16",
        )
    ]
    assert messages(RAY_2, duration_s=10) == [
        (
            "duration_s",
            "Length 10 s is not offered: Luma, Ray 2 makes 5 or 9 s.",
            "would switch to 9 s",
        )
    ]


def test_adapting_never_asks_for_more_pixels_than_wished() -> None:
    assert adapt(GMI_32, replace(FOX, resolution="4k")).resolution == "1080p"
    assert adapt(GMI, replace(FOX, resolution="360p")).resolution == "540p"


def test_ray_3_2_at_gmi_takes_pictures_with_5_s_only() -> None:
    assert messages(GMI_32, duration_s=10, start="image") == [
        (
            "duration_s",
            "Length 10 s is not offered with a start or end frame: GMI Cloud, Ray 3.2 makes 5 s.",
            "would switch to 5 s",
        )
    ]
    assert messages(GMI_32, duration_s=10) == []


def test_the_prompt_limit_counts_the_camera_words() -> None:
    long = replace(FOX, prompt="x" * 4990, concepts=("push_in",))
    (problem,) = refusals(GMI, long)
    assert problem.field == "prompt"
    assert "with the 38 of the camera words" in problem.message
    assert "at most 5000" in problem.message
    assert refusals(RAY_2, long) == []


def test_an_empty_or_short_prompt_is_refused_in_words() -> None:
    assert messages(GMI, prompt=" ") == [
        ("prompt", "The prompt is empty. Write what happens in the shot.", "")
    ]
    assert messages(RAY_2, prompt="ab") == [
        ("prompt", "The prompt has 2 characters; Luma, Ray 2 takes 3 or more.", "")
    ]


def test_luma_and_previs_need_no_prompt_beside_a_picture() -> None:
    bare = Wish(start="image", public_url_available=True)
    assert refusals(RAY_2, bare) == []
    assert refusals(PREVIS, bare) == []
    assert refusals(AIMLAPI, bare)[0].field == "prompt"


def test_a_prompt_ai_ml_api_may_refuse_is_only_noted() -> None:
    found = problems(AIMLAPI, replace(FOX, prompt="x" * 2100))
    assert [(problem.field, problem.severity) for problem in found] == [("prompt", "adapt")]


def test_unreachable_pictures_are_said_before_not_after() -> None:
    for spec in (AIMLAPI, RAY_2):
        (problem,) = refusals(spec, replace(FOX, start="image"))
        assert problem.field == "start"
        assert "STUDIO_PUBLIC_URL" in problem.message
        assert refusals(spec, replace(FOX, start="image", public_url_available=True)) == []
        (problem,) = refusals(spec, replace(FOX, end="generation"))
        assert "cannot reach the end clip" in problem.message
    for spec in (APIFRAME, GMI, PREVIS):
        assert refusals(spec, replace(FOX, start="image", end="image")) == []


def test_a_clip_continues_by_id_within_its_account_else_by_its_frame() -> None:
    by_id = replace(FOX, start="generation", start_by_id=True)
    elsewhere = replace(FOX, start="generation", public_url_available=True)
    assert resolve_ends(RAY_2, by_id) == ("job", "")
    assert resolve_ends(RAY_2, elsewhere) == ("image", "")
    assert resolve_ends(APIFRAME, by_id) == ("image", "")
    assert problems(RAY_2, by_id) == []
    (note,) = problems(APIFRAME, by_id)
    assert (note.severity, note.message) == (
        "adapt",
        "Continues from the clip's last frame, sent as a picture.",
    )
    (note,) = problems(APIFRAME, replace(FOX, end="generation", end_by_id=True))
    assert note.message == "Leads into the clip's first frame, sent as a picture."


def test_gmi_mixes_no_job_with_a_picture() -> None:
    mixed = replace(FOX, start="generation", start_by_id=True, end="image")
    assert resolve_ends(GMI_32, mixed) == ("image", "image")
    assert resolve_ends(AIMLAPI, mixed) == ("job", "image")


def test_an_unknown_concept_is_refused_by_name() -> None:
    (problem,) = refusals(RAY_2, replace(FOX, concepts=("pov", "spin")))
    assert problem.field == "concepts"
    assert "“spin”" in problem.message
    assert adapt(RAY_2, replace(FOX, concepts=("pov", "spin"))).concepts == ("pov",)


@pytest.mark.parametrize(
    ("spec", "changes", "expected"),
    [
        (
            GMI,
            {"concepts": ("push_in",)},
            ("Up to 4K, both frames, loop. Concepts go into the prompt.", False),
        ),
        (
            APIFRAME,
            {"concepts": ("push_in",), "resolution": "1080p"},
            ("Native concepts, but 720p only: would switch resolution", True),
        ),
        (
            APIFRAME,
            {"aspect_ratio": "9:21", "resolution": "4k"},
            ("No 9:21 and 720p only: would switch shape and resolution", True),
        ),
        (
            get_spec("aimlapi", "luma/ray-flash-2"),
            {},
            ("Faster draft, up to 4K, both frames, loop, can extend clips.", False),
        ),
        (
            GMI_32,
            {"resolution": "4k", "duration_s": 10, "start": "image"},
            ("5 s only with frames and up to 1080p: would switch length and resolution", True),
        ),
        (
            PREVIS,
            {"loop": True, "end": "image"},
            ("No loop with an end frame: would turn loop off", True),
        ),
        (
            APIFRAME,
            {"start": "generation"},
            (
                "720p, both frames, loop, native concepts. "
                "Continues from the clip's last frame, sent as a picture.",
                False,
            ),
        ),
    ],
)
def test_hints(spec: ModelSpec, changes: dict[str, object], expected: tuple[str, bool]) -> None:
    assert hint(spec, replace(FOX, **changes)) == expected  # type: ignore[arg-type]


def test_an_empty_prompt_is_no_reason_to_warn_about_a_provider() -> None:
    assert hint(GMI, Wish()) == ("Up to 4K, both frames, loop.", False)


def test_every_price_is_about_an_offered_clip_and_says_where_it_is_from() -> None:
    for row in PRICES:
        spec = get_spec(row.provider, row.model)
        assert row.duration_s in spec.durations_s
        assert row.resolution in spec.resolutions
        assert row.source
        assert row.microusd is not None or row.credits is not None
    keys = {(row.provider, row.model, row.duration_s, row.resolution) for row in PRICES}
    assert len(keys) == len(PRICES)


@pytest.mark.parametrize(
    ("model", "duration_s", "resolution", "dollars"),
    [
        ("ray-2", 5, "540p", "0.40"),
        ("ray-2", 9, "720p", "1.27"),
        ("ray-2", 5, "1080p", "1.59"),
        ("ray-2", 9, "4k", "11.47"),
        ("ray-flash-2", 5, "720p", "0.24"),
        ("ray-flash-2", 9, "4k", "3.94"),
    ],
)
def test_luma_prices_follow_the_published_table(
    model: str, duration_s: int, resolution: str, dollars: str
) -> None:
    row = price_for("luma", model, duration_s, resolution)
    assert row is not None and row.microusd is not None
    assert f"{row.microusd / 1e6:.2f}" == dollars


def test_previs_is_free_and_unknown_prices_are_unknown() -> None:
    for size in PREVIS.resolutions:
        row = price_for("previs", "previs-1", 5, size)
        assert row is not None and row.microusd == 0
    assert price_for("gmicloud", "Luma-Ray2", 5, "720p") is None
