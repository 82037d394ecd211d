"""docs/architecture.md says nothing of money and shots that no test proves."""

from __future__ import annotations

from tests.processes import ROOT
from tests.statements import named_tests, not_collected, sections, unproved

DOCUMENT = (ROOT / "docs" / "architecture.md").read_text()
HELD_TO_TESTS = {
    "The life of a shot",
    "Held accounts",
    "Where money settles",
    "What always holds",
}


def test_no_statement_stands_without_its_test():
    found = sections(DOCUMENT)
    assert found.keys() >= HELD_TO_TESTS
    wrong = {title: missing for title in HELD_TO_TESTS if (missing := unproved(found[title]))}
    assert wrong == {}


def test_each_named_test_is_collected():
    assert not_collected(named_tests(DOCUMENT)) == set()
