"""The boxes of an MP4 or MOV, and which of them a player needs (ISO/IEC 14496-12, 14496-15)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAX_TABLE_BYTES = 64 * 2**20  # of one table that is read into memory


class NotReadable(ValueError):
    """The file's boxes make no sense, so what they say is not known. `kind`: of the one that does not."""

    def __init__(self, message: str, kind: bytes = b"") -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Box:
    kind: bytes
    start: int  # of its header
    body: int
    end: int


def boxes(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes between two places. Raises NotReadable where they do not fit."""
    at = start
    while at + 8 <= end:
        file.seek(at)
        head = file.read(16)
        length, kind, body = int.from_bytes(head[:4]), head[4:8], at + 8
        if length == 1:
            length, body = int.from_bytes(head[8:16]), at + 16
        elif length == 0:
            length = end - at
        if length < body - at or at + length > end:
            raise NotReadable("the file's boxes do not fit in it", kind)
        yield Box(kind, at, body, at + length)
        at += length


def read(file: BinaryIO, box: Box) -> bytes:
    """Return a box's body."""
    if box.end - box.body > MAX_TABLE_BYTES:
        raise NotReadable("a table of the file's index is too large")
    file.seek(box.body)
    return file.read(box.end - box.body)


def inner_box(file: BinaryIO, parent: Box, *path: bytes) -> Box | None:
    """Return the first box at the end of a path of kinds; None where there is none."""
    for kind in path:
        inner = next((b for b in boxes(file, parent.body, parent.end) if b.kind == kind), None)
        if inner is None:
            return None
        parent = inner
    return parent


# What each box of the index holds that a player reads: a box that is not listed is not played.
CHILDREN: dict[bytes, frozenset[bytes]] = {
    b"moov": frozenset({b"mvhd", b"trak", b"mvex"}),
    b"trak": frozenset({b"tkhd", b"edts", b"mdia"}),
    b"edts": frozenset({b"elst"}),
    b"mdia": frozenset({b"mdhd", b"hdlr", b"minf"}),
    b"minf": frozenset({b"vmhd", b"smhd", b"nmhd", b"dinf", b"stbl"}),
    b"dinf": frozenset({b"dref"}),
    b"stbl": frozenset(
        {b"stsd", b"stts", b"ctts", b"cslg", b"stsc", b"stsz", b"stz2", b"stco", b"co64", b"stss"}
    ),
    b"mvex": frozenset({b"mehd", b"trex"}),
    b"moof": frozenset({b"mfhd", b"traf"}),
    b"traf": frozenset({b"tfhd", b"tfdt", b"trun"}),
}
VISUAL = frozenset(
    {
        b"avc1", b"avc3", b"hvc1", b"hev1", b"dvh1", b"dvhe", b"av01", b"vp08", b"vp09", b"mp4v",
        b"apco", b"apcs", b"apcn", b"apch", b"ap4h", b"ap4x",
    }
)  # fmt: skip
AUDIO = frozenset(
    {
        b"mp4a", b"Opus", b"ac-3", b"ec-3", b"fLaC", b"alac", b".mp3", b"sowt", b"twos", b"lpcm",
        b"in24", b"in32", b"fl32", b"fl64", b"ipcm", b"fpcm",
    }
)  # fmt: skip
CODEC = frozenset(
    {
        b"avcC", b"hvcC", b"av1C", b"vpcC", b"dvcC", b"dvvC", b"esds", b"dOps", b"dac3", b"dec3", b"dfLa",
        b"alac", b"pcmC", b"pasp", b"clap", b"btrt", b"fiel", b"mdcv", b"clli", b"SmDm", b"CoLL",
    }
)  # fmt: skip
VISUAL_HEAD, AUDIO_HEAD = 78, 28  # bytes of a sample's description before its boxes
BRANDS = frozenset(
    {
        b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"iso7", b"iso8", b"iso9", b"mp41", b"mp42",
        b"avc1", b"hvc1", b"hev1", b"av01", b"qt  ", b"M4V ", b"M4A ", b"dash", b"msdh", b"msix", b"cmfc",
        b"cmf2", b"mp71", b"3gp4", b"3gp5", b"3gp6", b"MSNV",
    }
)  # fmt: skip


def table_bytes(kind: bytes, body: bytes) -> int | None:
    """Return how much of a box's body its own counts ask for; None where it is read as it stands."""
    version, count = body[:1], int.from_bytes(body[4:8])
    large = version == b"\1"
    match kind:
        case b"stts" | b"ctts" | b"co64":
            return 8 + 8 * count
        case b"stco" | b"stss":
            return 8 + 4 * count
        case b"stsc":
            return 8 + 12 * count
        case b"stsz":
            return 12 if count else 12 + 4 * int.from_bytes(body[8:12])
        case b"elst":
            return 8 + (20 if large else 12) * count
        case b"mvhd":
            return 112 if large else 100
        case b"tkhd":
            return 96 if large else 84
        case b"mdhd":
            return 36 if large else 24
        case b"cslg":
            return 44 if large else 24
        case b"mehd":
            return 12 if large else 8
        case b"vmhd":
            return 12
        case b"smhd" | b"mfhd":
            return 8
        case b"nmhd":
            return 4
        case b"trex":
            return 24
    return None
