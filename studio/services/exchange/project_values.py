"""What an archive says of its project; a value that cannot be is left out and said."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from studio.models.project import ASPECT_RATIOS, RESOLUTIONS
from studio.plain_text import one_line
from studio.services.exchange.records import BadValue, Record


@dataclass(frozen=True)
class ProjectValues:
    """`settings` are columns of a new project; `problems` name what is not among them."""

    code: uuid.UUID | None
    name: str
    description: str
    settings: dict[str, Any]
    problems: list[str]


def project_values(record: Record) -> ProjectValues:
    """Read the project of a manifest. Raises nothing: a new project has defaults for everything."""
    problems: list[str] = []

    def read(reader: Callable[..., Any], *args: Any) -> Any:
        try:
            return reader(*args)
        except BadValue as error:
            problems.append(f"The project came in without one value: {error.message}")
            return None

    code = read(record.code, "code")
    name, description = read(record.text, "name", 80), read(record.text, "description", 200)
    settings = {
        "aspect_ratio": read(record.choice, "aspect_ratio", ASPECT_RATIOS),
        "resolution": read(record.choice, "resolution", RESOLUTIONS),
        "duration_s": read(record.number, "duration_s", 1, 60, 5),
        "style_notes": read(record.text, "style_notes", 500),
    }
    return ProjectValues(
        code=code,
        name=one_line(name or "") or "Imported project",
        description=one_line(description or ""),
        settings={column: value for column, value in settings.items() if value},
        problems=problems,
    )
