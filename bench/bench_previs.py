"""Previs against FFmpeg's zoompan on the same machine, in the same run.

    python -m bench.bench_previs [--quick]

Both make 5 s of 1280 x 720 at 24 fps from the same picture, with the same encoder settings; the
recipe enlarges its input four times, without which zoompan steps by whole pixels. Each is timed
in a fresh process and again warm; jitter is measured on the finished files by following points.
Then time, processor time and memory of one render at every size. `--quick` leaves out 4K.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 3
SECONDS, RATE = 5, 24
SIZES = {"540p": "16:9", "720p": "16:9", "1080p": "16:9", "4k": "16:9"}

_CHILD = """
import json, sys, time
from pathlib import Path
began = time.perf_counter()
from bench.bench_previs import JOBS
job, still, out, option, rounds = sys.argv[1:6]
walls, cpus = [], []
for _ in range(int(rounds)):
    cpu, wall = time.process_time(), time.perf_counter()
    JOBS[job](Path(still), Path(out), option)
    walls.append(time.perf_counter() - wall)
    cpus.append(time.process_time() - cpu)
# Not ru_maxrss: a child starts with its parent's.
status = Path("/proc/self/status").read_text()
peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
print(json.dumps({"walls": walls, "cpus": cpus, "peak_mb": peak}))
"""


def previs(still: Path, out: Path, option: str) -> None:
    """Render one shot; `option` is "concept" or "concept@resolution"."""
    from studio.previs import PrevisShot, render_shot

    concept, _, resolution = option.partition("@")
    shot = PrevisShot("", (concept,), SECONDS, "16:9", resolution or "720p", start=still)
    render_shot(shot, out)


def zoompan(still: Path, out: Path, option: str) -> None:
    """Render the usual recipe: enlarge, then zoompan; `option` is the enlargement."""
    import av
    from PIL import Image

    from studio.media.encode import VideoWriter

    count, factor = SECONDS * RATE, int(option)
    with Image.open(still) as image:
        source = av.VideoFrame.from_image(image.convert("RGB"))
    graph = av.filter.Graph()
    # The same eased factor of 1.43 that zoom_in has, about the middle.
    ease = f"(on/{count - 1})*(on/{count - 1})*(3-2*on/{count - 1})"
    steps = [
        graph.add_buffer(
            width=source.width, height=source.height, format=source.format, time_base="1/24"
        ),
        graph.add("scale", f"{1280 * factor}:{720 * factor}:flags=bicubic"),
        graph.add(
            "zoompan",
            f"z=1+0.433*{ease}:x=iw/2-(iw/zoom/2):y=ih/2-(ih/zoom/2):d={count}:s=1280x720:fps={RATE}",
        ),
        graph.add("buffersink"),
    ]
    for one, following in zip(steps, steps[1:], strict=False):
        one.link_to(following)
    graph.configure()
    source.pts = 0
    graph.push(source)
    with VideoWriter(out, width=1280, height=720, fps=RATE) as video:
        while video.frames < count:
            video.write(graph.pull())


JOBS = {"previs": previs, "zoompan": zoompan}


def measure(job: str, still: Path, out: Path, option: str, rounds: int) -> dict[str, float]:
    """Run a job in a fresh process; return its figures, the cold one with start-up included."""
    began = time.perf_counter()
    command = [sys.executable, "-c", _CHILD, job, str(still), str(out), option, str(rounds)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    spent = time.perf_counter() - began
    figures = json.loads(answer.splitlines()[-1])
    return {
        "cold": spent - sum(figures["walls"][1:]),
        "warm": statistics.median(figures["walls"]),
        "cpu": statistics.median(figures["cpus"]),
        "peak_mb": figures["peak_mb"],
    }


def row(name: str, found: dict[str, float], extra: str = "") -> None:
    """Print one line of figures."""
    print(
        f"{name:34}{found['warm']:8.2f}{found['cold']:8.2f}{found['cpu']:8.2f}"
        f"{found['peak_mb']:8.0f}  {extra}",
        flush=True,
    )


def trembling(path: Path) -> str:
    """Return a file's jitter in words."""
    from tests.previs_motion import frames_of, jitter

    return f"jitter {jitter(frames_of(path)):.4f} px"


def main() -> None:
    """Print the comparison, then every size."""
    from PIL import Image

    from bench.previs_stills import landscape

    with tempfile.TemporaryDirectory() as scratch:
        still, out = Path(scratch) / "still.png", Path(scratch) / "clip.mp4"
        Image.fromarray(landscape()).save(still)
        print(f"{'5 s, 1280 x 720, 24 fps':34}{'warm s':>8}{'cold s':>8}{'cpu s':>8}{'MB':>8}")
        recipe = measure("zoompan", still, out, "4", ROUNDS)
        row("zoompan, enlarged 4x", recipe, trembling(out))
        row("zoompan, not enlarged", measure("zoompan", still, out, "1", 1), trembling(out))
        for concept in ("zoom_in", "push_in", "orbit_left", "handheld", "bolt_cam", "tiny_planet"):
            found = measure("previs", still, out, concept, ROUNDS if concept == "zoom_in" else 1)
            ratio = f"{found['warm'] / recipe['warm']:.2f}x wall, {found['cpu'] / recipe['cpu']:.2f}x cpu"
            row(f"previs, {concept}", found, f"{ratio}, {trembling(out)}")
        Image.fromarray(landscape(3840, 2160)).save(still)
        print("\npush_in from a 3840 x 2160 picture")
        for resolution in SIZES:
            if resolution == "4k" and "--quick" in sys.argv:
                continue
            row(resolution, measure("previs", still, out, f"push_in@{resolution}", 1))


if __name__ == "__main__":
    main()
