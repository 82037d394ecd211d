"""Clips of unusual kinds in the player: it shows the frame that its comments and stills are of."""

from __future__ import annotations

import numpy as np
import pytest
from django.core.files import File
from PIL import Image
from playwright.sync_api import expect

from studio.media.probing import probe_video
from studio.models import Comment, Generation, Keyframe
from studio.services.clip_facts import measured_columns
from tests.browser.conftest import DESKTOP, PHONE, overflow, ready, soon
from tests.factories import make_generation
from tests.odd_clips import grey, write_odd

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
RATE, COUNT = 24, 48
KINDS = {
    # What FFmpeg writes into a pipe: the first frame appears as late as frames are reordered.
    "late": {"bframes": 2, "options": {"movflags": "frag_keyframe+empty_moov"}},
    "live": {"kind": "webm", "codec": "libvpx-vp9", "options": {"live": "1"}},  # of no known length
    "webm": {"kind": "webm", "codec": "libvpx-vp9"},
}
SHOWN = """() => {
  const video = document.querySelector("#player video");
  const context = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
  context.drawImage(video, 0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data[0];
}"""


def level(frame: int) -> int:
    return 20 + 4 * frame


@pytest.fixture(params=KINDS)
def clip(request, project, tmp_path):
    clip = make_generation(project, title="Aurora over the fjord", files=True, seconds=2)
    source = write_odd(
        tmp_path / "clip",
        draw=lambda at: grey(level(at), 160, 90),
        count=COUNT,
        **KINDS[request.param],
    )
    with source.open("rb") as file:
        clip.clip.save("odd.mp4", File(file))
    facts = probe_video(source)
    assert (float(facts.starts) > 1 / RATE) == (request.param == "late")
    Generation.objects.filter(pk=clip.pk).update(**measured_columns(facts), sha256="b" * 64)
    clip.refresh_from_db()
    return clip


def shows(page, frame: int) -> None:
    page.wait_for_function(f"() => Math.abs(({SHOWN})() - {level(frame)}) < 2", timeout=5000)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_frame_on_screen_is_the_one_commented_and_kept(open_as, owner, clip, viewport):
    page = ready(open_as(owner, f"/clips/{clip.code}/", viewport=viewport))
    page.wait_for_function("() => document.querySelector('#player video').readyState > 1")
    for _ in range(7):
        page.keyboard.press(".")
        page.wait_for_function("() => !document.querySelector('#player video').seeking")
    shows(page, 7)
    expect(page.locator("#now")).to_have_text("0:00.31")
    page.keyboard.press("c")
    page.keyboard.type("The ridge")
    page.locator("#say-it").click()
    expect(page.locator(".comment")).to_contain_text("The ridge")
    page.evaluate("document.getElementById('grab').requestSubmit()")  # it is in a menu
    soon(page, Keyframe.objects.filter(grabbed_from=clip).count, 1)
    page.keyboard.press("Escape")
    page.locator("#player video").focus()
    page.keyboard.press("ArrowRight")
    shows(page, 7 + RATE)
    if float(clip.media_facts["starts"].split("/")[0]) == 0:  # else the browser cuts its end off
        page.keyboard.press("End")
        shows(page, COUNT - 1)
    page.locator(".comment .tcbtn").click()
    shows(page, 7)
    assert Comment.objects.get().at_ms * RATE // 1000 == 7
    with Image.open(Keyframe.objects.get(grabbed_from=clip).file) as still:
        assert np.asarray(still.convert("L")).mean() == pytest.approx(level(7), abs=2)
    assert overflow(page) <= 0
