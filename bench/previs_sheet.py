"""Draw docs/previs: every concept on three pictures, four moments each.

python -m bench.previs_sheet [FOLDER]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from bench import previs_stills
from studio.concepts import CONCEPTS, groups
from studio.previs import PrevisShot
from studio.previs.lettering import face
from studio.previs.stage import Stage

FRAME = (208, 117)
MOMENTS = (0.0, 0.34, 0.62, 1.0)
PICTURES = ("landscape", "portrait", "architecture")
GAP, LABEL, EDGE = 3, 26, 28
PAPER, INK, QUIET = "#14161a", "#f3efe6", "#9a978f"


def write(image: Image.Image, corner: tuple[int, int], text: str, size_px: int, ink: str) -> None:
    """Draw text large and reduce it: hinting would crowd it at its own size."""
    font = face(0, 4 * size_px)
    mask = Image.new("L", (4 * (int(font.getlength(text)) // 4 + 2), 5 * size_px), 0)
    ImageDraw.Draw(mask).text((0, 4 * size_px), text, font=font, fill=255, anchor="ls")
    mask = mask.resize((mask.width // 4, mask.height // 4), Image.Resampling.BOX)
    image.paste(Image.new("RGB", mask.size, ink), corner, mask)


def strip(slug: str, still: Path) -> Image.Image:
    """Return four moments of one concept side by side under its name."""
    stage = Stage(PrevisShot("", (slug,), 5, "16:9", "540p", start=still), (416, 234))
    width = len(MOMENTS) * (FRAME[0] + GAP) - GAP
    image = Image.new("RGB", (width, FRAME[1] + LABEL), PAPER)
    write(image, (0, 4), CONCEPTS[slug].label, 17, INK)
    for index, t in enumerate(MOMENTS):
        frame = Image.fromarray(np.asarray(stage.frame(t))).resize(FRAME, Image.Resampling.LANCZOS)
        image.paste(frame, (index * (FRAME[0] + GAP), LABEL))
    return image


def sheet(name: str, still: Path) -> Image.Image:
    """Return all concepts on one picture, in the order of the picker."""
    strips = [strip(concept.slug, still) for _, _, chosen in groups() for concept in chosen]
    half = -(-len(strips) // 2)
    wide, tall = strips[0].size
    size = (2 * wide + 3 * EDGE, half * (tall + 10) + EDGE + 64)
    image = Image.new("RGB", size, PAPER)
    write(image, (EDGE, 20), f"Previs: {name}", 30, INK)
    note = "5 s moves at 0, 1.7, 3.1 and 5 s; the first frame is the picture as given"
    write(image, (EDGE + wide + EDGE, 29), note, 17, QUIET)
    for index, one in enumerate(strips):
        column, row = divmod(index, half)
        image.paste(one, (EDGE + column * (wide + EDGE), 64 + row * (tall + 10)))
    return image


def main() -> None:
    """Write one WebP sheet for each picture."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/previs")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name in PICTURES:
            still = Path(scratch) / f"{name}.png"
            Image.fromarray(getattr(previs_stills, name)()).save(still)
            out = folder / f"{name}.webp"
            sheet(name, still).save(out, "WEBP", quality=80, method=6)
            print(f"{out}  {out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
