"""The published schemas, and what a body breaks in them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match

SCHEMAS = Path(__file__).parent / "schemas"

# (dialect, model) -> schema file
BY_MODEL = {
    ("apiframe", "luma-ray-2"): "apiframe-generate",
    ("apiframe", "luma-ray-flash-2"): "apiframe-generate",
    ("aimlapi", "luma/ray-2"): "aimlapi-ray-2",
    ("aimlapi", "luma/ray-flash-2"): "aimlapi-ray-2",
    ("aimlapi", "luma/ray-1-6"): "aimlapi-ray-1-6",
    ("aimlapi", "luma/ray-3.2"): "aimlapi-ray-3-2",
    ("legacy", "ray-2"): "aimlapi-legacy",
    ("legacy", "ray-flash-2"): "aimlapi-legacy",
    ("legacy", "ray-1-6"): "aimlapi-legacy",
    ("gmicloud", "Luma-Ray2"): "gmicloud-luma-ray2",
    ("gmicloud", "luma-ray-3-2-generate"): "gmicloud-ray-3-2",
    ("luma", "ray-2"): "luma-generate",
    ("luma", "ray-flash-2"): "luma-generate",
    ("luma", "ray-1-6"): "luma-generate",
}


@cache
def validator(name: str, *, check_ids: bool = True) -> Draft202012Validator:
    """Return the validator of one schema file; `check_ids` False leaves uuid formats unchecked."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    checker = FormatChecker(["uuid"]) if check_ids else None
    return Draft202012Validator(schema, format_checker=checker)


def breach(dialect: str, body: Any, *, check_ids: bool = True) -> tuple[str, str]:
    """Return (dotted field path, sentence) of the clearest breach, or two empty strings.

    A model that does not exist is no breach but is named too: the path is then "model".
    """
    model = body.get("model") if isinstance(body, dict) else None
    name = BY_MODEL.get((dialect, str(model)))
    if name is None:
        return "model", f"unknown model {model!r}"
    error = best_match(validator(name, check_ids=check_ids).iter_errors(body))
    if error is None:
        return "", ""
    # An unexpected property is named by the message, not by the path.
    return ".".join(str(part) for part in error.absolute_path), error.message[:300]
