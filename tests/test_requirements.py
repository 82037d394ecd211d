"""What is installed is locked: every version with its hashes, as requirements.txt asks for."""

from __future__ import annotations

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.processes import ROOT

PAIRS = [
    ("requirements.txt", "requirements-lock.txt"),
    ("requirements-dev.txt", "requirements-dev-lock.txt"),
    (".ci/requirements-audit.txt", ".ci/requirements-audit-lock.txt"),
]
LOCKS = [lock for _, lock in PAIRS]
ENTRY = re.compile(
    r"^([\w.-]+)==(\S+)(?: ; .+?)? \\\n((?:    --hash=.+\n)+)((?:    #.*\n?)*)", re.M
)


def asked(path: Path) -> list[Requirement]:
    """What a file asks for, and what the files it includes ask for."""
    found = []
    for raw in path.read_text().splitlines():
        line = raw.partition("#")[0].strip()
        if line.startswith("-r "):
            found += asked(path.parent / line[3:])
        elif line:
            found.append(Requirement(line))
    return found


def locked(name: str) -> dict[str, str]:
    """The version of each package in a lock file."""
    return {canonicalize_name(one[1]): one[2] for one in ENTRY.finditer((ROOT / name).read_text())}


@pytest.mark.parametrize(("requirements", "lock"), PAIRS)
def test_the_lock_holds_what_is_asked_for_and_nothing_that_no_longer_is(requirements, lock):
    wanted = {canonicalize_name(one.name): one.specifier for one in asked(ROOT / requirements)}
    versions = locked(lock)
    wrong = {
        name: (str(specifier), versions.get(name))
        for name, specifier in wanted.items()
        if name not in versions or not specifier.contains(versions[name])
    }
    assert not wrong, f"make lock: {wrong}"
    # The lock says of each package who asks for it.
    direct = {
        canonicalize_name(one[1])
        for one in ENTRY.finditer((ROOT / lock).read_text())
        if re.search(r"-r \S*requirements", one[4])
    }
    assert direct == set(wanted), "make lock"


@pytest.mark.parametrize("requirements", ["requirements.txt", "requirements-dev.txt"])
def test_the_lock_holds_what_the_packages_need(requirements):
    versions = locked(requirements.replace(".txt", "-lock.txt"))
    waiting = [(one.name, tuple(one.extras)) for one in asked(ROOT / requirements)]
    seen = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        assert canonicalize_name(name) in versions, f"make lock: {name} is missing"
        for line in distribution(name).requires or ():
            need = Requirement(line)
            if need.marker is None or any(
                need.marker.evaluate({"extra": extra}) for extra in ("", *extras)
            ):
                waiting.append((need.name, tuple(need.extras)))
    assert len(seen) > 30


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_is_a_pinned_hashed_package_and_names_no_index(lock):
    text = (ROOT / lock).read_text()
    rest = ENTRY.sub("", text)
    assert not [line for line in rest.splitlines() if line and not line.startswith("#")]
    assert "://" not in text and "--index" not in text and "find-links" not in text
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", it) for it in re.findall(r"--hash=(\S+)", text))


def test_the_two_locks_agree():
    runtime, development = locked("requirements-lock.txt"), locked("requirements-dev-lock.txt")
    assert {name: development.get(name) for name in runtime} == runtime


def test_make_the_image_and_the_guides_install_by_hash():
    makefile, image = (ROOT / "Makefile").read_text(), (ROOT / "Dockerfile").read_text()
    assert (
        "INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes" in makefile
    )
    for stamp, lock in (("RUNTIME", LOCKS[0]), ("DEVELOPMENT", LOCKS[1])):
        rule = re.search(rf"^\$\({stamp}\): (.+)\n((?:\t.+\n)+)", makefile, re.M)
        assert rule and lock in rule[1] and f"$(INSTALL) -r {lock}" in rule[2], stamp
    guides = [path.read_text() for path in (ROOT / "docs").glob("*.md")]
    for text in (image.replace("\\\n", ""), *guides):
        for command in re.findall(r"pip (?:install|download|wheel) .+", text):
            assert "--require-hashes" in command and "requirements-lock.txt" in command, command
