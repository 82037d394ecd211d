"""Saying in an MP4 or MOV how it was made, without touching its media.

The file is never rewritten: `tagged_file` reads as the file would with tags in its index (iTunes
keys, which players and editors show) and an XMP packet at its end, the media bytes in between as
they are on the disk. Only the index is held in memory.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import escape, quoteattr

from studio.media.seeking import Seeking

MOST_INDEX_BYTES = 64 * 2**20  # of an index that is worth rewriting in memory
XMP_BOX = uuid.UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes

# Where a clip's pixels come from; newscodes of the IPTC, 2025.1.
FROM_A_MODEL = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
FROM_AN_ALGORITHM = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"

_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}
_ITUNES = {
    "title": b"\xa9nam",
    "artist": b"\xa9ART",
    "comment": b"\xa9cmt",
    "description": b"desc",
    "synopsis": b"ldes",
    "encoder": b"\xa9too",
    "date": b"\xa9day",
}


class CannotTag(ValueError):
    """The file has no index that tags can be put in; it is served as it is."""


@dataclass(frozen=True, slots=True)
class Ingredient:
    """Something a clip was made from."""

    code: str
    title: str
    part: str  # such as "start", "end", "segment 3"


@dataclass(frozen=True, slots=True)
class Provenance:
    """How one film was made."""

    code: str  # the studio's own name of it
    title: str
    prompt: str
    model: str
    provider: str
    creator: str
    made_at: datetime
    source_type: str = FROM_A_MODEL
    ingredients: Sequence[Ingredient] = ()
    facts: Mapping[str, str] = field(default_factory=dict)  # further keys, such as "concepts"

    @property
    def maker(self) -> str:
        """Provider and model, as far as they are told."""
        return ", ".join(filter(None, (self.provider, self.model)))


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    start: int  # of its header
    body: int
    end: int


def tagged_file(path: Path, provenance: Provenance) -> BinaryIO:
    """Return a seekable file that reads as `path` with these tags; the caller closes it.

    Raises CannotTag for a file without a plain MP4 or MOV index. Source: ISO/IEC 14496-12, Apple's
    QuickTime file format (metadata), Adobe's XMP specification part 3 (2020), section on MPEG-4.
    """
    return tagged(path.open("rb"), provenance)


def tagged(file: BinaryIO, provenance: Provenance) -> BinaryIO:
    """As `tagged_file`, of an open seekable file, which is closed with what is returned."""
    return _spliced(
        file,
        lambda moov: _with_tags(moov, _user_data(provenance)),
        _xmp_box(xmp_packet(provenance)),
    )


def marked(file: BinaryIO, source_type: str) -> BinaryIO:
    """As `tagged`, with nothing in it but the digital source type: that a machine made the pixels."""
    return _spliced(file, lambda moov: _with_tags(moov, b""), _xmp_box(source_packet(source_type)))


def _spliced(file: BinaryIO, rewritten: Callable[[bytearray], bytearray], tail: bytes) -> BinaryIO:
    """Return a file with another index and a box behind its end. Raises CannotTag, the file closed."""
    try:
        size = file.seek(0, io.SEEK_END)
        boxes = list(_boxes(file, 0, size))
        index = next((box for box in boxes if box.kind == b"moov"), None)
        if index is None or index.end - index.start > MOST_INDEX_BYTES:
            raise CannotTag("the file has no index of a usable size")
        if any(box.kind == b"moof" for box in boxes):
            raise CannotTag("the file is fragmented")
        moov = rewritten(_read(file, index))
        grown = len(moov) - (index.end - index.start)
        if grown:
            _shift_offsets(moov, index.end, grown)
        return io.BufferedReader(_Spliced(file, size, index, bytes(moov), tail))
    except BaseException:
        file.close()
        raise


def tagged_size(file: BinaryIO) -> int:
    """Return the number of bytes of a file from `tagged_file`."""
    here = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(here)
    return size


def tag_values(provenance: Provenance) -> dict[str, str]:
    """Return the tags as a player names them; what a clip's own tags say is replaced."""
    lineage = "; ".join(f"{i.part}: {i.title} ({i.code})" for i in provenance.ingredients)
    lines = [
        provenance.prompt,
        *([f"Made with {provenance.model} at {provenance.provider}."] if provenance.maker else []),
        *([f"From {lineage}."] if lineage else []),
    ]
    return {
        "title": provenance.title,
        "artist": provenance.creator,
        "comment": "\n".join(filter(None, lines)),
        "description": provenance.prompt[:255],
        "synopsis": provenance.prompt,
        "encoder": provenance.maker,
        "date": provenance.made_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "prompt": provenance.prompt,
        "model": provenance.model,
        "provider": provenance.provider,
        "lineage": lineage,
        "code": provenance.code,
        **provenance.facts,
    }


# ---- Boxes -----------------------------------------------------------------------------------


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[_Box]:
    at = start
    while at + 8 <= end:
        file.seek(at)
        head = file.read(16)
        length, kind, body = int.from_bytes(head[:4]), head[4:8], at + 8
        if length == 1:
            length, body = int.from_bytes(head[8:16]), at + 16
        if length < body - at or at + length > end:
            raise CannotTag("the file's boxes do not fit in it")
        yield _Box(kind, at, body, at + length)
        at += length


def _read(file: BinaryIO, box: _Box) -> bytearray:
    file.seek(box.start)
    return bytearray(file.read(box.end - box.start))


def _box(kind: bytes, body: bytes) -> bytes:
    return (len(body) + 8).to_bytes(4) + kind + body


def _with_tags(moov: bytearray, user_data: bytes) -> bytearray:
    """Return the index with our tags in the place of those it has."""
    view = io.BytesIO(moov)
    (top,) = _boxes(view, 0, len(moov))
    kept = bytearray()
    for box in _boxes(view, top.body, top.end):
        if box.kind == b"udta":
            for inner in _boxes(view, box.body, _without_terminator(moov, box)):
                if inner.kind != b"meta":
                    raise CannotTag("the file has user data of its own")
        elif box.kind != b"meta":
            kept += moov[box.start : box.end]
    return bytearray(_box(b"moov", bytes(kept) + user_data))


def _without_terminator(moov: bytearray, box: _Box) -> int:
    """QuickTime may end user data with four zero bytes."""
    ended = box.end - box.body >= 4 and moov[box.end - 4 : box.end] == b"\0\0\0\0"
    return box.end - 4 if ended else box.end


def _user_data(provenance: Provenance) -> bytes:
    handler = _box(b"hdlr", bytes(8) + b"mdir" + b"appl" + bytes(9))
    entries = b"".join(
        _box(_ITUNES[name], _text(value)) if name in _ITUNES else _own_key(name, value)
        for name, value in tag_values(provenance).items()
        if value
    )
    return _box(b"udta", _box(b"meta", bytes(4) + handler + _box(b"ilst", entries)))


def _text(value: str) -> bytes:
    return _box(b"data", (1).to_bytes(4) + bytes(4) + value.encode())


def _own_key(name: str, value: str) -> bytes:
    mean = _box(b"mean", bytes(4) + b"studio.ray")
    return _box(b"----", mean + _box(b"name", bytes(4) + name.encode()) + _text(value))


def _shift_offsets(moov: bytearray, moved_from: int, by: int) -> None:
    """Add `by` to every chunk offset that lies behind the old index."""
    view = io.BytesIO(moov)
    pending = [_Box(b"", 0, 0, len(moov))]
    while pending:
        parent = pending.pop()
        for box in _boxes(view, parent.body, parent.end):
            if box.kind in _CONTAINERS:
                pending.append(box)
            elif box.kind in {b"stco", b"co64"}:
                _shift_table(moov, box, moved_from, by)


def _shift_table(moov: bytearray, box: _Box, moved_from: int, by: int) -> None:
    width = 4 if box.kind == b"stco" else 8
    count = int.from_bytes(moov[box.body + 4 : box.body + 8])
    if box.body + 8 + count * width > box.end:
        raise CannotTag("the file's chunk table does not fit in it")
    for at in range(box.body + 8, box.body + 8 + count * width, width):
        offset = int.from_bytes(moov[at : at + width])
        if offset >= moved_from:
            if offset + by >= 1 << 8 * width:
                raise CannotTag("the file's offsets would not fit any more")
            moov[at : at + width] = (offset + by).to_bytes(width)


# ---- XMP ---------------------------------------------------------------------------------------


def xmp_packet(provenance: Provenance) -> str:
    """Return the XMP packet: Dublin Core, XMP Media Management and IPTC Extension properties."""
    plain = {
        "xmp:CreateDate": provenance.made_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "xmp:CreatorTool": provenance.maker,
        "xmpMM:DocumentID": f"urn:uuid:{provenance.code}",
        "Iptc4xmpExt:DigitalSourceType": provenance.source_type,
        "Iptc4xmpExt:AISystemUsed": provenance.maker,
        "Iptc4xmpExt:AIPromptInformation": provenance.prompt,
        "Iptc4xmpExt:AIPromptWriterName": provenance.creator,
        "ray:model": provenance.model,
        "ray:provider": provenance.provider,
        **{f"ray:{name}": value for name, value in provenance.facts.items()},
    }
    attributes = "".join(f"\n   {name}={quoteattr(_legal(v))}" for name, v in plain.items() if v)
    sources = "".join(
        '<rdf:li rdf:parseType="Resource">'
        f"<stRef:documentID>urn:uuid:{escape(i.code)}</stRef:documentID>"
        f"<stRef:fromPart>{escape(_legal(i.part))}</stRef:fromPart>"
        f"<stRef:alternatePaths><rdf:Seq><rdf:li>{escape(_legal(i.title))}</rdf:li></rdf:Seq>"
        "</stRef:alternatePaths></rdf:li>"
        for i in provenance.ingredients
    )
    if sources:
        sources = f"<xmpMM:Ingredients><rdf:Bag>{sources}</rdf:Bag></xmpMM:Ingredients>"
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        '<rdf:Description rdf:about=""\n'
        '   xmlns:dc="http://purl.org/dc/elements/1.1/"\n'
        '   xmlns:xmp="http://ns.adobe.com/xap/1.0/"\n'
        '   xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"\n'
        '   xmlns:stRef="http://ns.adobe.com/xap/1.0/sType/ResourceRef#"\n'
        '   xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"\n'
        f'   xmlns:ray="urn:ray-studio:1"{attributes}>\n'
        f"{_alternative('dc:title', provenance.title)}"
        f"{_alternative('dc:description', provenance.prompt)}"
        f"<dc:creator><rdf:Seq><rdf:li>{escape(_legal(provenance.creator))}</rdf:li></rdf:Seq>"
        f"</dc:creator>{sources}\n"
        "</rdf:Description>\n</rdf:RDF>\n</x:xmpmeta>\n"
        '<?xpacket end="r"?>'
    )


def _alternative(name: str, text: str) -> str:
    inner = f'<rdf:Alt><rdf:li xml:lang="x-default">{escape(_legal(text))}</rdf:li></rdf:Alt>'
    return f"<{name}>{inner}</{name}>"


def _legal(text: str) -> str:
    """Leave out what XML cannot hold."""
    return "".join(
        c
        for c in text
        if c in "\t\n\r" or " " <= c < "\ud800" or "\ue000" <= c < "\ufffe" or c > "\uffff"
    )


def source_packet(source_type: str) -> str:
    """Return an XMP packet with the IPTC digital source type alone."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        '<rdf:Description rdf:about=""\n'
        '   xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"\n'
        f"   Iptc4xmpExt:DigitalSourceType={quoteattr(source_type)}/>\n"
        '</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="r"?>'
    )


def _xmp_box(packet: str) -> bytes:
    return _box(b"uuid", XMP_BOX + packet.encode())


# ---- The file that is read -----------------------------------------------------------------------


class _Spliced(Seeking):
    """A file with another index in the old one's place and a box behind its end."""

    def __init__(self, file: BinaryIO, size: int, index: _Box, moov: bytes, tail: bytes) -> None:
        first = index.start
        # (first byte here, its piece: bytes in memory, or where it begins in the file)
        self._pieces: list[tuple[int, bytes | int]] = [(0, 0), (first, moov)]
        after = first + len(moov)
        self._pieces += [(after, index.end), (after + size - index.end, tail)]
        super().__init__(after + size - index.end + len(tail))
        self._file = file

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        ends = [start for start, _ in self._pieces[1:]] + [self._size]
        for (start, piece), end in zip(self._pieces, ends, strict=True):
            if start <= self._at < end:
                count = min(len(buffer), end - self._at)
                if isinstance(piece, bytes):
                    data = piece[self._at - start :][:count]
                else:
                    self._file.seek(piece + self._at - start)
                    data = self._file.read(count)
                buffer[: len(data)] = data
                self._at += len(data)
                return len(data)
        return 0

    def close(self) -> None:
        self._file.close()
        super().close()
