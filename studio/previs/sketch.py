"""A quick small render in a process of its own: `python -m studio.previs.sketch`.

Reads one JSON object from standard input: what `order` returns. Its own process, so that a web
server's threads never wait for it; niced, so that pages come first, and less than whole renders,
because somebody watches.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from studio.previs.render import render_shot
from studio.previs.shot import PrevisShot

_NICENESS = 2
_MOST_CPU_S = 30


def order(shot: PrevisShot, out: Path, size: tuple[int, int]) -> str:
    """Return the JSON that makes this process render `shot` to `out` at `size`."""
    return json.dumps({"shot": asdict(shot), "out": out, "size": size}, default=str)


def main(text: str) -> None:
    """Render what is asked for. Raises OSError and ValueError as `render_shot` does."""
    asked: dict[str, Any] = json.loads(text)
    fields = asked["shot"]
    for name in ("start", "end"):
        fields[name] = Path(fields[name]) if fields[name] else None
    shot = PrevisShot(**fields | {"concepts": tuple(fields["concepts"])})
    width, height = asked["size"]
    render_shot(shot, Path(asked["out"]), size=(width, height), preset="ultrafast")


if __name__ == "__main__":
    import resource  # not on Windows, where this module is still imported for `order`

    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_CPU_S, _MOST_CPU_S))
    main(sys.stdin.read())
