"""docs/security.md says nothing that no test proves.

Outside its guides each sentence of a list, and each row of a table, ends with the tests that prove
it. Whether they do is for readers to judge; that they are there, and are collected, is held here.
"""

from __future__ import annotations

import pytest

from tests.processes import ROOT
from tests.statements import named_tests, not_collected, sections, unproved

DOCUMENT = (ROOT / "docs" / "security.md").read_text()
# Said in words, so that a new guide is noticed: nothing in one is held to a test.
GUIDES = {
    "Report a vulnerability (guide)",
    "Threat model (guide)",
    "Known limits (guide)",
    "A lost phone (guide)",
    "Setting up single sign-on (guide)",
    "Changing the encryption key (guide)",
    "Keeping it up to date (guide)",
}
STATES = {"✓", "◐", "✗", "–"}


def test_no_statement_stands_without_its_test():
    wrong = {
        title: missing
        for title, text in sections(DOCUMENT).items()
        if title not in GUIDES and (missing := unproved(text))
    }
    assert wrong == {}
    assert len(named_tests(DOCUMENT)) > 150


def test_guides_are_these():
    assert {title for title in sections(DOCUMENT) if "guide" in title} == GUIDES


@pytest.mark.parametrize(
    "text",
    [
        "- Nobody comes in.",
        "- Nobody comes in. `tests/test_x.py::test_y` Nobody goes out.",
        "- Nobody comes in. Nobody goes out. `tests/test_x.py::test_y`",
        "Nobody comes in.",
        "| what | tests |\n| --- | --- |\n| Nobody comes in | |",
        "| 1.1 | ✓ | tests |\n| --- | --- | --- |\n| 1.2 | ◐ | |",
    ],
)
def test_a_statement_without_a_test_is_noticed(text):
    assert unproved(text)


def test_each_named_test_is_collected():
    assert not_collected(named_tests(DOCUMENT)) == set()


def test_each_requirement_has_a_state_and_no_other():
    rows = [row for row in sections(DOCUMENT)["ASVS 4.0.3, level 2"].splitlines() if row[:3] > "| 0" and row[2].isdigit()]  # fmt: skip
    assert len(rows) > 60
    points = [row.split("|")[1].strip() for row in rows]
    assert len(points) == len(set(points))
    assert {row.split("|")[2].strip() for row in rows} <= STATES
