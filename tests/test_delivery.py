"""A clip of another size, shape or length than was ordered says so quietly."""

from __future__ import annotations

import html

import pytest

from studio.models import Generation
from studio.models.generation import State
from studio.services.delivery import delivery_note
from tests.factories import make_generation
from tests.paid import account_at


def clip(width: int, height: int, seconds: float, ordered: str, **fields: object) -> Generation:
    resolution, aspect_ratio, length = ordered.split()
    return Generation(
        **{
            "state": State.SUCCEEDED, "provider": "luma", "model": "ray-2", "resolution": resolution,
            "aspect_ratio": aspect_ratio, "duration_s": int(length), "width": width,
            "height": height, "duration_ms": round(seconds * 1000),
        }
        | fields
    )  # fmt: skip


@pytest.mark.parametrize(
    ("made", "note"),
    [
        (clip(1920, 1080, 5.0, "1080p 16:9 5"), ""),
        (clip(1920, 1088, 5.04, "1080p 16:9 5"), ""),
        (clip(3840, 2160, 9.4, "4k 16:9 9"), ""),
        (clip(4096, 1756, 5, "4k 21:9 5"), ""),
        (clip(1680, 720, 5, "720p 21:9 5"), ""),
        (clip(1470, 630, 5, "720p 21:9 5"), ""),  # the pixels of 1280 x 720
        (clip(960, 960, 5, "720p 1:1 5"), ""),
        (clip(720, 1280, 4.6, "720p 9:16 5"), ""),
        (clip(1104, 832, 5, "720p 4:3 5"), ""),
        (clip(1280, 720, 5, "1080p 16:9 5"), "Delivered 1280 × 720, 1080p was ordered."),
        (clip(1920, 1080, 5, "4k 16:9 5"), "Delivered 1920 × 1080, 4k was ordered."),
        (clip(1920, 1080, 5, "720p 16:9 5"), "Delivered 1920 × 1080, 720p was ordered."),
        (clip(1280, 720, 5, "720p 9:16 5"), "Delivered 1280 × 720, 9:16 was ordered."),
        (clip(1280, 720, 5.1, "720p 16:9 9"), "Delivered 5.1 s, 9 s was ordered."),
        (clip(1280, 720, 4.4, "720p 16:9 5"), "Delivered 4.4 s, 5 s was ordered."),
        (
            clip(640, 360, 5, "1080p 9:16 9"),
            "Delivered 640 × 360 and 5.0 s, 1080p and 9:16 and 9 s were ordered.",
        ),
        # Ray 1.6 takes neither size nor length: about 5 s at about 720p.
        (clip(1360, 752, 5.2, "720p 16:9 5", model="ray-1-6"), ""),
        (clip(1168, 656, 5.9, "720p 16:9 5", model="ray-1-6"), ""),
        (
            clip(640, 360, 5, "720p 16:9 5", model="ray-1-6"),
            "Delivered 640 × 360, 720p was ordered.",
        ),
        (clip(64, 36, 1, "1080p 16:9 9", provider="previs", model="previs-1"), ""),
        (clip(1280, 720, 5, "1080p 16:9 5", state=State.FAILED), ""),
        (clip(1280, 720, 5, "720p 16:9 5", model="ray-0"), ""),  # gone from the catalogue
    ],
)
def test_what_differs_from_the_order_is_named(made, note):
    assert delivery_note(made) == note


@pytest.mark.django_db
def test_card_and_page_say_it(me, project, emulator):
    made = make_generation(
        project, account=account_at(emulator, "luma"), model="ray-2", resolution="1080p",
        width=1280, height=720, duration_ms=5000,
    )  # fmt: skip
    note = "Delivered 1280 × 720, 1080p was ordered."
    gallery = html.unescape(me.get(f"/p/{project.code}/").content.decode())
    assert f'aria-label="{note}"' in gallery
    page = html.unescape(me.get(f"/clips/{made.code}/").content.decode())
    assert f">{note}<" in page
