"""JSON without what a database cannot store: NUL, and halves of characters (lone surrogates)."""

from __future__ import annotations

from typing import Any

NUL = "\0"


def storable(value: Any) -> Any:
    """Return the value, its texts without NUL and with U+FFFD for each half of a character."""
    if isinstance(value, str):
        whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return whole.replace(NUL, "")
    if isinstance(value, list):
        return [storable(item) for item in value]
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    return value
