"""Every page of the control room, one module per noun. Importing this registers them all."""

from __future__ import annotations

from studio.admin import (  # noqa: F401
    accounts,
    chains,
    events,
    finding,
    generations,
    imports,
    library,
    money,
    news,
    orphans,
    people,
    prices,
    projects,
    queue,
    review,
    sharing,
    stills,
)
