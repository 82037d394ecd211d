"""The audit fails for known vulnerabilities, and says what it could not look up."""

from __future__ import annotations

import pytest

from tests import audit

FINE = {"name": "fine", "version": "1.0", "vulns": []}
UNKNOWN = {"name": "unknown", "skip_reason": "not found"}
HOLED = {"name": "holed", "version": "2.0", "vulns": [
    {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fix_versions": ["2.1"]},
]}  # fmt: skip


def program(tmp_path, text, code=0):
    path = tmp_path / "pip-audit"
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {code}\n")
    path.chmod(0o755)
    return str(path)


def test_a_known_vulnerability_fails_and_is_named():
    assert audit.read([FINE, HOLED, UNKNOWN]) == (
        1,
        "holed 2.0: PYSEC-2026-1, fixed in 2.1\n"
        "1 known vulnerability in 2 of 3 packages that could be looked up.",
    )


def test_an_accepted_one_does_not(monkeypatch):
    monkeypatch.setattr(audit, "ACCEPTED", {"CVE-2026-1": "the studio never calls it"})
    assert audit.read([HOLED])[0] == 0


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ("no network", 0, "Not audited"),
        ('{"dependencies": [{"name": "x", "skip_reason": "?"}]}', 0, "in 0 of 1 packages"),
        ('{"dependencies": [{"name": "x", "version": "1", "vulns": '
         '[{"id": "A", "fix_versions": []}]}]}', 1, "no version yet"),
    ],
)  # fmt: skip
def test_without_the_list_nothing_fails_and_it_is_said(tmp_path, capsys, said, code, words):
    assert audit.main(program(tmp_path, said)) == code
    assert words in capsys.readouterr().out
