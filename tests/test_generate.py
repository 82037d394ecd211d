"""`manage.py generate` without a running studio, on data folders of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from studio.media.probing import probe_video
from tests.emulator import Emulator
from tests.processes import run_manage

STILL = Path(__file__).resolve().parent.parent / "static/studio/samples/dawn.webp"
# On data folders of its own, which are SQLite's.
pytestmark = [pytest.mark.processes, pytest.mark.once]


@pytest.fixture(scope="module")
def folder(prepared, tmp_path_factory):
    """One data folder for all of these, but for a paid clip's, which is made by its command."""
    return shutil.copytree(prepared.folder, tmp_path_factory.mktemp("shell") / "data")


def generate(folder: Path, *arguments: str, **more: str):
    environment = {"STUDIO_DATA_DIR": str(folder), **more}
    return run_manage(
        "generate", "--project", "From the shell", "--prompt", "A ridge at dawn",
        "--resolution", "540p", *arguments, environment=environment,
    )  # fmt: skip


def test_it_prints_a_playable_clip_and_nothing_else(folder):
    done = generate(folder, "--start", str(STILL), "--concept", "push_in", "--wait")

    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert Path(line).is_absolute()
    info = probe_video(Path(line))
    assert (info.width, info.height, info.fps) == (960, 540, 24)
    assert abs(info.duration_ms - 5000) < 50


def test_a_paid_clip_needs_no_studio_either(tmp_path):
    # Not the others' folder: it gets an account of every provider. It is empty, as at a first start.
    with Emulator(finish_after_s=0.5, clip_s=1) as emulator:
        done = generate(tmp_path, "--provider", "gmicloud", "--wait", **emulator.environment)
        assert sum(emulator.stats["accepted"].values()) == 1

    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert Path(line).is_file()
    assert "No studio is running" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--concept", "sideways"], "--concept is sideways"),
        (["--provider", "nobody"], "--provider is nobody"),
        (["--provider", "luma"], "LUMA_API_KEY"),
        (["--duration", "7"], "Length 7 s"),
        (["--start", "missing.jpg"], "missing.jpg"),
        (["--loop", "--end", str(STILL)], "Loop and an end frame"),
    ],
)
def test_it_refuses_in_one_sentence(folder, arguments, sentence):
    refused = generate(folder, *arguments, "--wait")

    assert refused.returncode != 0
    assert refused.stdout == ""
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr
