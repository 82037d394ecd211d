"""Handing a chain over to an editing program: OpenTimelineIO, FCPXML and EDL beside the media."""

from __future__ import annotations

from studio.file_names import file_stem
from studio.media.zipping import Entry
from studio.models import Chain
from studio.services.exchange.archives import file_entry, text_entry
from studio.services.film.edit_shots import shots_of
from studio.services.film.edl import write_edl
from studio.services.film.fcpxml import write_fcpxml
from studio.services.film.otio_writing import write_otio


def handover_entries(chain: Chain) -> tuple[str, list[Entry]]:
    """Return the archive's name and files: three timelines and the media they point to."""
    shots = shots_of(chain)
    name = file_stem(chain.title, otherwise="film")
    texts = {
        f"{name}.otio": write_otio(chain, shots),
        f"{name}.fcpxml": write_fcpxml(chain, shots),
        f"{name}.edl": write_edl(chain, shots),
    }
    entries = [text_entry(f"{name}/{file}", text) for file, text in texts.items()]
    entries += [
        file_entry(f"{name}/{shot.media}", shot.clip.clip, shot.clip.finished_at) for shot in shots
    ]
    return f"{name}.zip", entries
