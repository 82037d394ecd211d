"""CSV as spreadsheets read it: UTF-8 with a mark, and nothing in a cell that acts."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from io import StringIO

BYTE_ORDER_MARK = "\ufeff"  # without it Excel takes UTF-8 for the system's own code
CONTENT_TYPE = "text/csv; charset=utf-8"
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
# Spreadsheets look past blanks, and take full-width signs for the plain ones.
_ACTING = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield rows as CSV (RFC 4180), a line at a time; a byte order mark stands before the first."""
    mark = BYTE_ORDER_MARK
    for row in rows:
        out = StringIO()
        csv.writer(out).writerow([_harmless(str(cell)) for cell in row])
        yield mark + out.getvalue()
        mark = ""


def _harmless(cell: str) -> str:
    """A cell that a spreadsheet would run as a formula becomes text; numbers stay numbers."""
    if cell.startswith(_ACTING) or cell.lstrip().startswith(_ACTING):
        return cell if _NUMBER.fullmatch(cell) else f"'{cell}"
    return cell
