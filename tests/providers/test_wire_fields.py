"""The exact body each dialect sends for the same shot."""

from __future__ import annotations

from typing import Any

import pytest

from studio.providers.base import ImageEnd, JobEnd
from tests.providers.accounts import AIMLAPI, APIFRAME, GMI, LEGACY, LUMA, Account

START = ImageEnd("https://studio.example/a.jpg")
END = ImageEnd("https://studio.example/b.jpg")
JOB = "0f3ea4aa-10e7-4dae-af0b-263ab4ac45f9"
FRAMES = {
    "frame0": {"type": "image", "url": START.url},
    "frame1": {"type": "image", "url": END.url},
}

FULL: list[tuple[Account, dict[str, Any]]] = [
    (
        APIFRAME,
        {
            "model": "luma-ray-2",
            "prompt": "A fox.",
            "lumaParams": {
                "duration": 9,
                "aspect_ratio": "21:9",
                "start_image": START.url,
                "end_image": END.url,
                "concepts": ["push_in", "low_angle"],
            },
            "webhookUrl": "https://studio.example/hooks/1",
            "webhookEvents": ["completed", "failed"],
        },
    ),
    (
        AIMLAPI,
        {
            "model": "luma/ray-2",
            "prompt": "A fox.",
            "aspect_ratio": "21:9",
            "resolution": "1080p",
            "duration": 9,
            "keyframes": FRAMES,
        },
    ),
    (
        LEGACY,
        {
            "generation_type": "video",
            "model": "ray-2",
            "prompt": "A fox.",
            "aspect_ratio": "21:9",
            "resolution": "1080p",
            "duration": "9s",
            "keyframes": FRAMES,
            "callback_url": "https://studio.example/hooks/1",
        },
    ),
    (
        GMI,
        {
            "model": "Luma-Ray2",
            "payload": {
                "prompt": "A fox.",
                "resolution": "1080p",
                "duration": "9s",
                "aspect_ratio": "21:9",
                "loop": False,
                "frame0_image": START.url,
                "frame1_image": END.url,
            },
        },
    ),
    (
        LUMA,
        {
            "generation_type": "video",
            "model": "ray-2",
            "prompt": "A fox.",
            "aspect_ratio": "21:9",
            "resolution": "1080p",
            "duration": "9s",
            "keyframes": FRAMES,
            "concepts": [{"key": "push_in"}, {"key": "low_angle"}],
            "callback_url": "https://studio.example/hooks/1",
        },
    ),
]


@pytest.mark.parametrize(("account", "expected"), FULL, ids=[row[0].name for row in FULL])
def test_a_full_shot(account: Account, expected: dict[str, Any]) -> None:
    request = account.shot(
        "A fox.",
        duration_s=9,
        aspect_ratio="21:9",
        resolution="1080p",
        concepts=("push_in", "low_angle"),
        start=START,
        end=END,
        callback_url="https://studio.example/hooks/1",
    )
    assert account.answering(200).payload(request) == expected


@pytest.mark.parametrize("account", [AIMLAPI, LEGACY, LUMA], ids=lambda account: account.name)
def test_extend_prepend_and_interpolate_by_id(account: Account) -> None:
    provider = account.answering(200)
    by_id = {"type": "generation", "id": JOB}
    for ends, expected in (
        ({"start": JobEnd(JOB)}, {"frame0": by_id}),
        ({"end": JobEnd(JOB)}, {"frame1": by_id}),
        ({"start": JobEnd(JOB), "end": JobEnd(JOB)}, {"frame0": by_id, "frame1": by_id}),
        ({"start": JobEnd(JOB), "end": END}, {"frame0": by_id, "frame1": FRAMES["frame1"]}),
    ):
        assert provider.payload(account.shot(**ends))["keyframes"] == expected


@pytest.mark.parametrize(
    ("account", "path"),
    [
        (APIFRAME, ("lumaParams", "loop")),
        (AIMLAPI, ("loop",)),
        (LEGACY, ("loop",)),
        (GMI, ("payload", "loop")),
        (LUMA, ("loop",)),
    ],
    ids=lambda value: value.name if isinstance(value, Account) else "",
)
def test_loop(account: Account, path: tuple[str, ...]) -> None:
    value: Any = account.answering(200).payload(account.shot(loop=True))
    for key in path:
        value = value[key]
    assert value is True


def test_ray_1_6_takes_no_length_and_no_resolution() -> None:
    for account, model in ((AIMLAPI, "luma/ray-1-6"), (LEGACY, "ray-1-6"), (LUMA, "ray-1-6")):
        body = account.answering(200).payload(account.shot(model=model, concepts=("pov",)))
        assert not {"duration", "resolution", "concepts"} & set(body)
        assert body["prompt"] == account.shot().prompt


def test_ray_3_2_has_its_own_picture_fields() -> None:
    shot = AIMLAPI.shot(model="luma/ray-3.2", start=START, end=END)
    body = AIMLAPI.answering(200).payload(shot)
    assert (body["image_url"], body["last_image_url"]) == (START.url, END.url)
    assert "keyframes" not in body
    newer = GMI.shot(model="luma-ray-3-2-generate", start=START, end=END)
    payload = GMI.answering(200).payload(newer)["payload"]
    assert (payload["start_frame_url"], payload["end_frame_url"]) == (START.url, END.url)


def test_luma_takes_a_picture_without_a_prompt() -> None:
    assert "prompt" not in LUMA.answering(200).payload(LUMA.shot("", start=START))
