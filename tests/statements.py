"""Documents that say nothing without the test that proves it.

Each sentence of a list, and each row of a table, ends with the tests that prove it. Whether they do is
for readers to judge; that they are there, and are collected, is held by tests.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable

from tests.processes import ROOT

TEST = re.compile(r"`(tests/[\w/]+\.py::test_\w+)`")
CLAIMS_NOTHING = {"✗", "–"}


def sections(text: str) -> dict[str, str]:
    """Return the text under each heading of the second level."""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def unproved(text: str) -> list[str]:
    """Return what a section says without a test behind it."""
    wrong = []
    for block in re.split(r"\n\n+|\n(?=- )", text.strip()):
        if block.startswith("|"):
            wrong += [row for row in block.splitlines()[2:] if not _is_proved_row(row)]
        elif block.startswith("- "):
            wrong += _unproved_sentences(block[2:])
        elif not re.fullmatch(r"[^.!?]*(?:\.\d[^.!?]*)*:", block):
            wrong.append(block)
    return wrong


def _is_proved_row(row: str) -> bool:
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    claims = not any(cell in CLAIMS_NOTHING for cell in cells)
    return not claims or TEST.search(cells[-1]) is not None


def _unproved_sentences(text: str) -> list[str]:
    text = re.sub(r"\s+", " ", TEST.sub("§", text))
    sentences = re.findall(r".+?[.!?](?:\s§)*(?=\s[A-Z*_`]|$)", text) or [text]
    return [one for one in sentences if not one.endswith("§")]


def named_tests(text: str) -> list[str]:
    return sorted(set(TEST.findall(text)))


def not_collected(names: Iterable[str]) -> set[str]:
    """Return those of these tests that pytest does not find."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *names],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    missing = re.findall(r"^ERROR: (?:not found|file or directory not found): (.*)", done.stdout + done.stderr, re.M)  # fmt: skip
    if missing:
        return set(missing)
    return set(names) - {
        line.partition("[")[0] for line in done.stdout.splitlines() if "::" in line
    }
