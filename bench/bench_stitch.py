"""Stitching against the ffmpeg command line, on the same clips in the same run.

    make bench-stitch

20 clips of 5 s (1280 × 720, 24 frames a second, sound) joined by copying: target at most 1.2
times ffmpeg's concat demuxer with `-c copy`. 3 of them encoded anew with the same settings:
target at most 1.1 times. And the most memory used for 5, 20 and 40 clips. Each figure is the
best of several runs that take turns. Where there is no ffmpeg, only our own figures are printed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from studio.media.probing import probe_video
from studio.media.stitch import Source, stitch_clips

WIDTH, HEIGHT, FPS, SECONDS, RATE = 1280, 720, 24, 5, 48_000
CLIPS = 20
ENCODED = 3
COPY_RUNS = 7
ENCODE_RUNS = 2


def main() -> None:
    ffmpeg = shutil.which("ffmpeg")
    with tempfile.TemporaryDirectory(prefix="bench-stitch-") as name:
        folder = Path(name)
        clips = [draw_clip(folder / "clip-0.mp4", 0)]
        for index in range(1, CLIPS):
            # Other bytes are not needed: every copy is read and written on its own.
            clips.append(Path(shutil.copy(clips[0], folder / f"clip-{index}.mp4")))
        print(f"{CLIPS} clips of {SECONDS} s, {sum(c.stat().st_size for c in clips) / 1e6:.0f} MB")
        if ffmpeg is None:
            print("There is no ffmpeg here, so there is nothing to compare with.")
        compare_copying(clips, folder, ffmpeg)
        compare_encoding(clips[:ENCODED], folder, ffmpeg)
        show_memory(clips)


def compare_copying(clips: list[Path], folder: Path, ffmpeg: str | None) -> None:
    out = folder / "ours.mp4"
    # As in the studio, where a clip is measured when it arrives.
    sources = [Source(clip, media=probe_video(clip)) for clip in clips]

    def ours() -> None:
        assert stitch_clips(sources, out).copied

    show(f"copy {len(clips)} clips", ours, ffmpeg_concat(clips, folder, ffmpeg, "-c", "copy"),
         runs=COPY_RUNS, most=1.2)  # fmt: skip


def compare_encoding(clips: list[Path], folder: Path, ffmpeg: str | None) -> None:
    out = folder / "ours.mp4"
    sources = [Source(clip, media=probe_video(clip)) for clip in clips]

    def ours() -> None:
        assert not stitch_clips(sources, out, size=(960, 540)).copied

    theirs = ffmpeg_concat(
        clips, folder, ffmpeg, "-vf", "scale=960:540:flags=bicubic", "-c:v", "libx264",
        "-preset", "veryfast", "-crf", "18", "-g", str(FPS), "-pix_fmt", "yuv420p",
        "-c:a", "aac", "-b:a", "192k", "-movflags", "+faststart",
    )  # fmt: skip
    show(f"encode {len(clips)} clips anew", ours, theirs, runs=ENCODE_RUNS, most=1.1)


def ffmpeg_concat(
    clips: list[Path], folder: Path, ffmpeg: str | None, *how: str
) -> Callable[[], None] | None:
    """Return a call of ffmpeg's concat demuxer on these clips."""
    if ffmpeg is None:
        return None
    listed = folder / f"list-{len(clips)}.txt"
    listed.write_text("".join(f"file '{clip}'\n" for clip in clips))
    command = [
        ffmpeg, "-v", "error", "-y", "-f", "concat", "-safe", "0", "-i", str(listed),
        *how, str(folder / "theirs.mp4"),
    ]  # fmt: skip

    def call() -> None:
        subprocess.run(command, check=True)

    return call


def show(
    what: str,
    ours: Callable[[], None],
    theirs: Callable[[], None] | None,
    *,
    runs: int,
    most: float,
) -> None:
    """Time both in turns and print the best of each."""
    spent: dict[str, list[float]] = {"ours": [], "ffmpeg": []}
    for _ in range(runs):
        for name, call in (("ours", ours), ("ffmpeg", theirs)):
            if call is not None:
                began = time.perf_counter()
                call()
                spent[name].append(time.perf_counter() - began)
    mine = min(spent["ours"])
    if not spent["ffmpeg"]:
        print(f"{what}: {mine:.3f} s")
        return
    other = min(spent["ffmpeg"])
    verdict = "met" if mine <= most * other else "MISSED"
    print(f"{what}: ours {mine:.3f} s, ffmpeg {other:.3f} s, ratio {mine / other:.2f} "
          f"(target {most:g}: {verdict})")  # fmt: skip


def show_memory(clips: list[Path]) -> None:
    """Print the peak memory of fresh processes that stitch more and more clips (Linux only)."""
    if not Path("/proc/self/status").exists():
        return
    for label, extra in (("copied", ""), ("encoded at 320 × 180", ", size=(320, 180)")):
        peaks = []
        for count in (5, 20, 40):
            many = (clips * 2)[:count]
            script = (
                "import resource\nfrom pathlib import Path\n"
                "from studio.media.stitch import Source, stitch_clips\n"
                f"stitch_clips([Source(Path(p)) for p in {[str(c) for c in many]!r}], "
                f"Path({str(clips[0].parent / 'memory.mp4')!r}){extra})\n"
                "lines = Path('/proc/self/status').read_text().splitlines()\n"
                "print(next(int(i.split()[1]) // 1024 for i in lines if i.startswith('VmHWM')))"
            )
            done = subprocess.run(
                [sys.executable, "-c", script], check=True, capture_output=True, text=True
            )
            peaks.append(f"{count} clips {done.stdout.strip()} MB")
        print(f"most memory, {label}: {', '.join(peaks)}")


def draw_clip(path: Path, seed: int) -> Path:
    """Draw a clip with movement, grain and a tone: what clips cost to join and to encode."""
    grain = np.random.default_rng(seed).integers(0, 20, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    across, down = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as output:
        options = {"crf": "20", "preset": "veryfast"}
        video = output.add_stream("libx264", rate=FPS, options=options)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.gop_size = FPS
        audio = output.add_stream("aac", rate=RATE, layout="stereo")
        for index in range(FPS * SECONDS):
            planes = [across + index * 6, down * 2 + index * 3, across + down - index * 4]
            picture = np.stack(planes, axis=-1).astype(np.uint8) // 2 + grain
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            output.mux(video.encode(frame))
            tone = np.sin(np.arange(index * 2000, index * 2000 + 2000) * 0.0576)
            samples = np.tile(tone.astype(np.float32) * 0.2, (2, 1))
            block = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
            block.sample_rate, block.pts, block.time_base = RATE, index * 2000, Fraction(1, RATE)
            output.mux(audio.encode(block))
        output.mux(video.encode(None))
        output.mux(audio.encode(None))
    return path


if __name__ == "__main__":
    main()
