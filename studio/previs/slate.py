"""The slate: shot, take, move and running time, small in the corner."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from studio.concepts import label
from studio.previs.lettering import Run, face, mono, runs, width
from studio.previs.raster import Pixels
from studio.previs.shot import PrevisShot

_FINER = 3
# Off on the first and last frames, which must be the given pictures: another shot may join there.
_CLEAR_S = 0.25
_FADE_S = 0.25
_NAMED = 3  # moves named before the rest become a number


class Slate:
    """Burns the slate of one shot into its frames; the words are drawn once."""

    def __init__(self, shot: PrevisShot, size: tuple[int, int]) -> None:
        self._fps = shot.fps
        self._seconds = shot.duration_s
        # Drawn larger and reduced: at the final size hinting would crowd the words.
        self._type_px = _FINER * max(9, round(min(size) / 38))
        self._clock_px = mono(self._type_px).getlength("00:00:00")
        pad = 0.62 * self._type_px
        self._inset = round(1.1 * self._type_px / _FINER)
        room = _FINER * (size[0] - 2 * self._inset) - 2 * pad - 1.2 * self._clock_px
        line = _line(shot, room, self._type_px)
        text_px = width(line, self._type_px)
        self._clock_x = pad + text_px + (self._type_px if text_px else 0)
        box = (self._clock_x + self._clock_px + pad, 2.1 * self._type_px)
        self._size = (round(box[0] / _FINER), round(box[1] / _FINER))
        self._plain = Image.new("L", (self._size[0] * _FINER, self._size[1] * _FINER), 0)
        self._baseline = self._plain.height / 2 + 0.35 * self._type_px
        pen, x = ImageDraw.Draw(self._plain), pad
        for run in line:
            font = face(run.face, self._type_px)
            pen.text((x, self._baseline), run.text, font=font, fill=255, anchor="ls")
            x += font.getlength(run.text)

    def over(self, frame: Pixels, t: float) -> Pixels:
        """Return `frame` with the slate at the top left, its clock at `t` (0 to 1)."""
        shown = self._shown(t)
        if shown <= 0:
            return frame
        count = min(round(t * self._seconds * self._fps), round(self._seconds * self._fps) - 1)
        seconds, rest = divmod(count, self._fps)
        image = self._plain.copy()
        clock = f"{seconds // 60:02d}:{seconds % 60:02d}:{rest:02d}"
        ImageDraw.Draw(image).text(
            (self._clock_x, self._baseline), clock, font=mono(self._type_px), fill=205, anchor="ls"
        )
        left = top = self._inset
        small = image.resize(self._size, Image.Resampling.BOX)
        mask = np.asarray(small, dtype=np.float32)[:, : frame.shape[1] - left, None] / 255.0
        part = frame[top : top + mask.shape[0], left : left + mask.shape[1]]
        dark = part * 0.34
        out = frame.copy()
        burned = dark + (244.0 - dark) * mask[: part.shape[0]]
        out[top : top + part.shape[0], left : left + part.shape[1]] = np.rint(
            part + (burned - part) * shown
        )
        return out

    def _shown(self, t: float) -> float:
        """Return how much of the slate shows at `t`: 0 at both ends, 1 between."""
        edge = min(t, 1.0 - t) * self._seconds
        return min(1.0, max(0.0, (edge - _CLEAR_S) / _FADE_S))


def _line(shot: PrevisShot, room: float, type_px: int) -> tuple[Run, ...]:
    """Return the words of the slate, cut to `room` pixels."""
    named = [label(slug) for slug in dict.fromkeys(shot.concepts)]
    moves = ", ".join(named[:_NAMED])
    if len(named) > _NAMED:
        moves += f" +{len(named) - _NAMED}"
    words = " \u00b7 ".join(part for part in (shot.slate.strip(), moves) if part)
    line = runs(words)
    while words and width(line, type_px) > room:
        words = words[:-1]
        line = runs(words.rstrip(" ,\u00b7") + "\u2026")
    return line
