"""Joining clips that do not agree, or that are to fade into one another: decoded and encoded anew."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from studio.media.facts import Colours
from studio.media.film import FilmKind, FilmWriter
from studio.media.normalising import SOUND_RATE, Look, Samples, Sound, mixed, pictures

_AHEAD = 6  # frames decoded before the encoder takes them

Moment = tuple[int, av.VideoFrame, "Samples | None"]  # segment's index, picture, sound


@dataclass(frozen=True, slots=True)
class Cut:
    """One clip's part in the film: its frames from `skip` to `count`, at the film's rate."""

    path: Path
    count: int
    skip: int = 0


def encode_cuts(
    cuts: Sequence[Cut],
    out: Path,
    kind: FilmKind,
    *,
    look: Look,
    colours: Colours,
    fps: Fraction,
    fade: int,
    sound: bool,
    on_frame: Callable[[int, int], None],
) -> int:
    """Write these clips as one film to `out`; each fades into the next for `fade` frames.

    At most two clips are open at a time. `on_frame` gets the segment's index and the frames
    written; what it raises ends the work. Returns the number of frames.
    """
    written = 0
    with (
        FilmWriter(out, kind, size=look.size, fps=fps, sound=sound, colours=colours) as writer,
        _ahead(_moments(cuts, look, fps, fade, sound=sound)) as moments,
    ):
        for index, picture, samples in moments:
            writer.write(picture, samples)
            written += 1
            on_frame(index, written)
    return written


def _moments(
    cuts: Sequence[Cut], look: Look, fps: Fraction, fade: int, *, sound: bool
) -> Generator[Moment]:
    """Yield the film frame by frame. Sound keeps to the frame's own start, so it never drifts."""
    frame_no = 0
    with contextlib.ExitStack() as stack:
        following: _Reel | None = None
        for index, cut in enumerate(cuts):
            reel = following or stack.enter_context(_Reel(cut, look, fps, sound=sound))
            following = None
            seen = cut.skip + (fade if index else 0)
            fades_from = cut.count - fade if index + 1 < len(cuts) else cut.count
            for at in range(seen, cut.count):
                heard = _samples_at(frame_no + 1, fps) - _samples_at(frame_no, fps)
                picture, samples = reel.take(heard)
                if at >= fades_from:
                    if following is None:
                        following = stack.enter_context(
                            _Reel(cuts[index + 1], look, fps, sound=sound)
                        )
                    share = (at - fades_from + 1) / (fade + 1)
                    other, other_samples = following.take(heard)
                    picture = mixed(picture, other, share)
                    if samples is not None and other_samples is not None:
                        samples = samples * (1 - share) + other_samples * share
                yield index, picture, samples
                frame_no += 1
            reel.close()


def _samples_at(frame_no: int, fps: Fraction) -> int:
    return round(frame_no * SOUND_RATE / fps)


class _Reel:
    """One clip being read: its pictures and its sound side by side."""

    def __init__(self, cut: Cut, look: Look, fps: Fraction, *, sound: bool) -> None:
        self._pictures = pictures(cut.path, look, fps=fps, count=cut.count, skip=cut.skip)
        self._sound = Sound(cut.path) if sound else None
        if self._sound and cut.skip:
            self._sound.read(_samples_at(cut.skip, fps))

    def take(self, samples: int) -> tuple[av.VideoFrame, Samples | None]:
        return next(self._pictures), self._sound.read(samples) if self._sound else None

    def close(self) -> None:
        self._pictures.close()
        if self._sound:
            self._sound.close()

    def __enter__(self) -> _Reel:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


@contextlib.contextmanager
def _ahead(moments: Generator[Moment]) -> Generator[Generator[Moment]]:
    """Read moments in a thread a little ahead, so that decoding and encoding overlap."""
    line: queue.Queue[Moment | BaseException | None] = queue.Queue(_AHEAD)
    stopped = threading.Event()

    def put(item: Moment | BaseException | None) -> bool:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                line.put(item, timeout=0.1)
                return True
        return False

    def read() -> None:
        try:
            for moment in moments:
                if not put(moment):
                    return
            put(None)
        except Exception as error:  # noqa: BLE001  # raised again where it is read
            put(error)
        finally:
            moments.close()

    def taken() -> Generator[Moment]:
        while (item := line.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    thread = threading.Thread(target=read, name="decoding", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        stopped.set()
        thread.join()
