"""A clip without the words in it: nothing of what a provider or a tool wrote into it is read.

What playing needs stays, box by box (studio.media.boxes) in MP4 and MOV, element by element in WebM
and Matroska (studio.media.bare_matroska); every other byte reads as zero. No byte of the media moves,
so the file can be served in parts as it lies on the disk.
"""

from __future__ import annotations

import io
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from studio.media import bare_matroska
from studio.media.blanking import Blanked, Patch, changes
from studio.media.boxes import (
    AUDIO,
    AUDIO_HEAD,
    BRANDS,
    CHILDREN,
    CODEC,
    VISUAL,
    VISUAL_HEAD,
    Box,
    NotReadable,
    boxes,
    inner_box,
    read,
    table_bytes,
)
from studio.media.fragments import Fragments

__all__ = ["NotReadable", "without_words"]

_PADDING = frozenset({b"free", b"skip", b"wide"})
# What our own encoder writes into every film: its version, and nothing besides. Such a film is served
# as it lies on the disk, by the front server where there is one.
_ONLY_THE_ENCODER = re.compile(
    rb".{4}udta.{4}meta\0{4}.{4}hdlr.{25}.{4}ilst.{4}\xa9too.{4}data.{8}Lavf[0-9.]+", re.DOTALL
)
_MOST_OF_IT = 256  # bytes
_MAX_LENGTH = 2**32 - 1  # that a box can give in four bytes
_PLAYED = frozenset({b"moov", b"mdat", b"moof"})
_HANDLER_NAMES = re.compile(rb"(VideoHandler|SoundHandler)?\0*")
_COMPRESSORS = re.compile(rb"(.Lavc[0-9.]+ libx26[45])?\0*", re.DOTALL)
_MAX_KNOWN = 500  # films whose silenced places are remembered
_known: OrderedDict[str, tuple[Patch, ...]] = OrderedDict()


def without_words(file: BinaryIO, *, known_as: str = "") -> BinaryIO:
    """Return what reads as this seekable file without its words; the file itself if it has none.

    `known_as` names the film's content, so that it is looked through once. Closing what is returned
    closes the file. Raises NotReadable, with the file left open.
    """
    size = file.seek(0, io.SEEK_END)
    patches = _known.get(f"{known_as}:{size}") if known_as else None
    if patches is None:
        patches = tuple(p for p in _patches(file, size) if changes(file, p))
        if known_as:
            _known[f"{known_as}:{size}"] = patches
            while len(_known) > _MAX_KNOWN:
                _known.popitem(last=False)
    file.seek(0)
    return io.BufferedReader(Blanked(file, size, patches)) if patches else file


# ---- What is silenced -----------------------------------------------------------------------------


def _patches(file: BinaryIO, size: int) -> Iterator[Patch]:
    file.seek(0)
    if file.read(len(bare_matroska.MAGIC)) == bare_matroska.MAGIC:
        return bare_matroska.patches(file, size)
    return _box_patches(file, size)


def _box_patches(file: BinaryIO, size: int) -> Iterator[Patch]:
    end, media = 0, []
    samples: list[tuple[int, int]] = []
    fragments = Fragments()
    for box in _until_garbage(file, size):
        end = box.end
        if box.kind in (b"ftyp", b"styp"):
            yield from _brands(file, box)
        elif box.kind == b"mdat":
            media.append(box)
        elif box.kind == b"sidx":
            yield from ()
        elif box.kind == b"moov":
            yield from _index(file, box, samples, fragments)
        elif box.kind == b"moof":
            samples += fragments.samples(file, box)
            yield from _fragment(file, box, fragments)
        else:
            yield from _emptied(box)
    if size - end >= 8:
        yield Patch(end, size, min(size - end, _MAX_LENGTH).to_bytes(4) + b"free")
    else:
        yield Patch(end, size)
    yield from _gaps(media, samples)


def _until_garbage(file: BinaryIO, size: int) -> Iterator[Box]:
    """Yield the boxes of a file, up to bytes behind its end that are none; players pass over them.

    Raises NotReadable where the file makes no sense before its index and media, and where it is cut
    short in them.
    """
    seen: set[bytes] = set()
    try:
        for box in boxes(file, 0, size):
            yield box
            seen.add(box.kind)
    except NotReadable as error:
        if not {b"moov", b"mdat"} <= seen or error.kind in _PLAYED:
            raise


def _emptied(box: Box) -> Iterator[Patch]:
    """A box becomes free space of the same size; its length stays."""
    if box.kind not in _PADDING:
        yield Patch(box.start + 4, box.start + 8, b"free")
    yield Patch(box.body, box.end)


def _brands(file: BinaryIO, box: Box) -> Iterator[Patch]:
    body = read(file, box)
    for at in (0, *range(8, len(body), 4)):
        if body[at : at + 4] not in BRANDS:
            yield Patch(box.body + at, min(box.body + at + 4, box.end), b"isom")


def _index(
    file: BinaryIO, moov: Box, samples: list[tuple[int, int]], fragments: Fragments
) -> Iterator[Patch]:
    for box in boxes(file, moov.body, moov.end):
        if box.kind == b"trak" and _handler(file, box) not in (b"vide", b"soun"):
            yield from _emptied(box)  # chapters, subtitles, time codes: its samples are words
        elif box.kind == b"trak":
            samples += _samples(file, box)
            fragments.plays(file, box)
            yield from _inside(file, box)
        elif box.kind == b"udta" and _only_the_encoder(file, box):
            continue
        else:
            if box.kind == b"mvex":
                fragments.read_defaults(file, box)
            yield from _judged(file, box, b"moov")
    yield from _tail(file, moov)


def _fragment(file: BinaryIO, moof: Box, fragments: Fragments) -> Iterator[Patch]:
    for box in boxes(file, moof.body, moof.end):
        if box.kind == b"traf" and not fragments.is_played(file, box):
            yield from _emptied(box)
        else:
            yield from _judged(file, box, b"moof")
    yield from _tail(file, moof)


def _inside(file: BinaryIO, parent: Box) -> Iterator[Patch]:
    for box in boxes(file, parent.body, parent.end):
        yield from _judged(file, box, parent.kind)
    yield from _tail(file, parent)


def _tail(file: BinaryIO, parent: Box) -> Iterator[Patch]:
    """What is behind a box's last one and too short to be one."""
    end = max((box.end for box in boxes(file, parent.body, parent.end)), default=parent.body)
    yield Patch(end, parent.end)


def _judged(file: BinaryIO, box: Box, parent: bytes) -> Iterator[Patch]:
    if box.kind not in CHILDREN[parent]:
        yield from _emptied(box)
    elif box.kind in CHILDREN:
        yield from _inside(file, box)
    elif box.kind == b"hdlr":
        yield from _beyond(file, box, 24, _HANDLER_NAMES)
        yield Patch(box.body + 12, box.body + 24)
    elif box.kind == b"dref":
        for entry in boxes(file, box.body + 8, box.end):
            yield from _beyond(file, entry, 4, None)
    elif box.kind == b"stsd":
        yield from _descriptions(file, box)
    else:
        wanted = table_bytes(box.kind, read(file, box))
        if wanted is not None:
            yield Patch(min(box.body + wanted, box.end), box.end)


def _beyond(
    file: BinaryIO, box: Box, kept: int, harmless: re.Pattern[bytes] | None
) -> Iterator[Patch]:
    """A box's body behind its first bytes, unless it holds something harmless."""
    rest = read(file, box)[kept:]
    if harmless is None or not harmless.fullmatch(rest):
        yield Patch(min(box.body + kept, box.end), box.end)


def _descriptions(file: BinaryIO, stsd: Box) -> Iterator[Patch]:
    """How samples are coded: the name of the compressor, and what is no codec's configuration, go."""
    for entry in boxes(file, stsd.body + 8, stsd.end):
        if entry.kind in VISUAL:
            name = Box(b"", entry.body, entry.body + 42, min(entry.body + 74, entry.end))
            yield from _beyond(file, name, 0, _COMPRESSORS)
            yield Patch(entry.body + 8, entry.body + 24)
            head = VISUAL_HEAD
        elif entry.kind in AUDIO:
            head = AUDIO_HEAD + _quicktime_head(read(file, entry))
        else:
            yield Patch(min(entry.body + 8, entry.end), entry.end)
            continue
        inner = Box(entry.kind, entry.start, min(entry.body + head, entry.end), entry.end)
        for box in boxes(file, inner.body, inner.end):
            if box.kind == b"colr":
                if read(file, box)[:4] not in (b"nclx", b"nclc"):
                    yield from _emptied(box)
                else:
                    yield Patch(min(box.body + 11, box.end), box.end)
            elif box.kind not in CODEC and box.kind != b"wave":
                yield from _emptied(box)
        yield from _tail(file, inner)


def _quicktime_head(entry: bytes) -> int:
    """How much longer QuickTime's description of sound is, by its version."""
    return {1: 16, 2: 36}.get(int.from_bytes(entry[8:10]), 0)


def _only_the_encoder(file: BinaryIO, box: Box) -> bool:
    if box.end - box.start > _MOST_OF_IT:
        return False
    file.seek(box.start)
    return _ONLY_THE_ENCODER.fullmatch(file.read(box.end - box.start)) is not None


# ---- The media -------------------------------------------------------------------------------------


def _handler(file: BinaryIO, trak: Box) -> bytes:
    box = inner_box(file, trak, b"mdia", b"hdlr")
    return read(file, box)[8:12] if box else b""


def _samples(file: BinaryIO, trak: Box) -> list[tuple[int, int]]:
    """Return where each chunk of a track's samples begins and ends."""
    table = inner_box(file, trak, b"mdia", b"minf", b"stbl")
    if table is None:
        return []
    found = {box.kind: read(file, box) for box in boxes(file, table.body, table.end)}
    sizes = _sizes(found.get(b"stsz", b""))
    if b"stsz" not in found and b"stz2" in found:
        raise NotReadable("the file's samples are listed in a form that is not read")
    width = 8 if b"co64" in found else 4
    offsets = _numbers(found.get(b"co64", found.get(b"stco", b"")), 8, width)
    runs = _numbers(found.get(b"stsc", b""), 8, 4)
    chunks, sample = [], 0
    counts = dict(zip(runs[0::3], runs[1::3], strict=False))
    count = 0
    for number, offset in enumerate(offsets, start=1):
        count = counts.get(number, count)
        length = sum(sizes[sample : sample + count])
        sample += count
        chunks.append((offset, offset + length))
    return chunks


def _sizes(stsz: bytes) -> list[int]:
    one, count = int.from_bytes(stsz[4:8]), int.from_bytes(stsz[8:12])
    return [one] * min(count, 10**7) if one else _numbers(stsz, 12, 4)


def _numbers(table: bytes, first: int, width: int) -> list[int]:
    """Return a table's numbers, as many as its own count and length allow."""
    rest = table[first:]
    return [int.from_bytes(rest[at : at + width]) for at in range(0, len(rest) - width + 1, width)]


def _gaps(media: Iterable[Box], samples: list[tuple[int, int]]) -> Iterator[Patch]:
    """Yield what lies among the samples and is none of a picture's or sound's."""
    ordered = sorted(samples)
    for box in media:
        at = box.body
        for start, end in ordered:
            if end <= at or start >= box.end:
                continue
            if start > at:
                yield Patch(at, start)
            at = max(at, end)
        if at < box.end:
            yield Patch(at, box.end)
