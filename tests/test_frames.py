"""Time as frames, in Python and in the browser's language: both count alike, at every rate."""

from __future__ import annotations

import json
import random
import re
import subprocess
from fractions import Fraction
from math import ceil
from pathlib import Path

import playwright
import pytest

from studio.media.frames import TIMECODE_RATES, exact_rate, frame_number, middle_of
from studio.templatetags.studio_tags import frame_rate, timecode

pytestmark = pytest.mark.once
ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / "static/studio/js"
RATES = [
    *TIMECODE_RATES, Fraction(120000, 1001), Fraction(15000, 1001),
    *map(Fraction, (1, 8, 12, 12.5, 15, 48, 72, 90, 100, 119.88, 120, 144, 240, 29.944, 23.5)),
]  # fmt: skip
COUNT = """
import { frameAt, frameLength, frameOf, middleAt, middleOf, momentAt, placeOf } from "%s";
import { timecode } from "%s";
let text = "";
for await (const part of process.stdin) text += part;
const answers = JSON.parse(text).map(({ rate, frames, moments }) => {
  const frame = frameLength(rate);
  return {
    of: moments.map((ms) => frameOf(ms, frame)),
    shown: moments.map((ms) => Math.floor(placeOf(ms, frame) / frame + 1e-9)),
    sent: frames.map((number) => middleAt(middleOf(number, frame), frame)),
    told: frames.map((number) => [0.01, 0.5, 0.98].map((part) => momentAt((number + part) * frame, frame))),
    begun: frames.map((number) => frameAt(number * frame, frame)),
    written: moments.map((ms) => timecode(ms / 1000)),
  };
});
console.log(JSON.stringify(answers));
"""


def in_javascript(asked: list[dict]) -> list[dict]:
    """What static/studio/js/frames.js says to the same questions."""
    node = Path(playwright.__file__).parent / "driver" / "node"  # Playwright brings its own
    script = COUNT % tuple((SCRIPTS / name).as_uri() for name in ("frames.js", "timecode.js"))
    ran = subprocess.run(
        [node, "--no-warnings", "--input-type=module", "-e", script],
        input=json.dumps(asked), capture_output=True, text=True, check=True,
    )  # fmt: skip
    answers: list[dict] = json.loads(ran.stdout)
    return answers


def test_python_and_the_browser_count_frames_alike():
    drawn = random.Random(7)
    asked = []
    for rate in RATES:
        kept = exact_rate(round(float(rate), 3))  # as a clip keeps it, and its page says it
        frames = [*range(200), *(drawn.randrange(10**6) for _ in range(200))]
        moments = [*range(300), *(drawn.randrange(10**7) for _ in range(300))]
        # Where rounding matters: each frame's own beginning, up and down.
        edges = [int(frame * 1000 / kept) for frame in frames]
        asked.append(
            {
                "rate": frame_rate(round(float(rate), 3)),
                "frames": frames,
                "moments": [*moments, *edges, *(edge + 1 for edge in edges)],
            }
        )
    for question, answer in zip(asked, in_javascript(asked), strict=True):
        rate, frames, moments = (question[key] for key in ("rate", "frames", "moments"))
        numbers = [frame_number(ms, Fraction(rate)) for ms in moments]
        assert answer["of"] == numbers, rate
        assert answer["shown"] == numbers, rate
        assert answer["begun"] == frames, rate
        assert [frame_number(ms, Fraction(rate)) for ms in answer["sent"]] == frames, rate
        for number, told in zip(frames, answer["told"], strict=True):
            assert {frame_number(ms, Fraction(rate)) for ms in told} == {number}, rate
        assert answer["written"] == [timecode(ms) for ms in moments], rate


@pytest.mark.parametrize("rate", RATES)
def test_a_frame_is_meant_by_its_middle_and_by_both_roundings_of_its_beginning(rate):
    rate = exact_rate(rate)
    for frame in (*range(500), 10**5, 10**6 + 1):
        begins = frame * 1000 / rate
        assert frame_number(middle_of(frame, rate), rate) == frame
        assert frame_number(int(begins), rate) == frame
        assert frame_number(ceil(begins), rate) == frame


def test_no_script_turns_time_into_frames_by_itself():
    """Frames are counted in frames.js, and moments leave for the server by its `momentAt`."""
    for script in SCRIPTS.glob("*.js"):
        if script.name == "frames.js":
            continue
        text = script.read_text()
        assert not re.search(r"Math\.(floor|ceil|round|trunc)\([^;]*/ (one\.)?frame", text), (
            script.name
        )
        assert not re.search(r"at_ms[^;]*(Math\.round|currentTime \*)", text), script.name
