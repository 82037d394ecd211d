"""What a downloaded clip says of itself to whom the link was sent: names of files, tags within."""

from __future__ import annotations

from studio.file_names import file_stem
from studio.media.tags import Provenance
from studio.models import Share
from studio.services.exchange.provenance import provenance_of
from studio.services.sharing.opening import SharedClip


def file_name(share: Share, clip: SharedClip) -> str:
    """Return a download's name: what the share and the clip are called here, and its place."""
    words = [file_stem(share.title, otherwise=""), f"{clip.number:02d}"]
    if clip.is_named:
        words.append(file_stem(clip.name, otherwise=""))
    return f"{'-'.join(filter(None, words))}.{clip.generation.container}"


def provenance_for(clip: SharedClip) -> Provenance:
    """Return how the clip was made as far as the link shows it.

    That a machine made it always stays, with nothing of who sold it or what it was made from.
    """
    whole = provenance_of(clip.generation)
    return Provenance(
        code=whole.code,
        title=clip.name,
        prompt=clip.prompt,
        model="",
        provider="",
        creator=clip.made_by,
        made_at=whole.made_at,
        source_type=whole.source_type,
    )
