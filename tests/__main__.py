"""`python -m tests`, which is `make test`: every test on SQLite, then those to which the database
makes a difference on PostgreSQL + Redis.

Tests run side by side, as many at once as there are processors. With STUDIO_TEST_REQUIRE_ALL=1 nothing
may be missing. Arguments go to pytest and mean one run, on SQLite.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.chromium import find_chromium

SERVICES = {
    "PostgreSQL": ("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/test", 5432),
    "Redis": ("TEST_REDIS_URL", "redis://127.0.0.1:6379/8", 6379),
}
# Each process has a database and two of Redis's sixteen numbers, from the eighth on.
MOST_AT_ONCE = 4


@dataclass(frozen=True)
class Part:
    name: str
    marks: str
    scaled: bool = False


PARTS = (
    Part("SQLite", "not browser and not processes"),
    Part("SQLite, processes", "processes and not browser"),
    Part("SQLite, browser", "browser"),
    Part(
        "PostgreSQL + Redis",
        "not browser and not processes and not pure and not once",
        scaled=True,
    ),
    Part(
        "PostgreSQL + Redis, processes",
        "processes and not browser and not once",
        scaled=True,
    ),
)


def main(arguments: list[str]) -> int:
    required = os.environ.get("STUDIO_TEST_REQUIRE_ALL") == "1"
    addresses = {name: os.environ.get(key) or url for name, (key, url, _) in SERVICES.items()}
    embedded = {
        k: v for k, v in os.environ.items() if k not in {"TEST_DATABASE_URL", "TEST_REDIS_URL"}
    }
    if arguments:
        return run("SQLite", arguments, embedded)
    missing = [
        f"{name} does not answer at {urlsplit(addresses[name]).netloc.rsplit('@')[-1]}"
        for name, (_, _, port) in SERVICES.items()
        if not answers(addresses[name], port)
    ]
    without_browser = [] if find_chromium() else ["there is no Chromium (CHROMIUM=path)"]
    if required and (missing or without_browser):
        print(f"Everything is required, but {'; '.join(missing + without_browser)}.")
        return 1
    scaled = embedded | {SERVICES[name][0]: url for name, url in addresses.items()}
    at_once = str(min(os.cpu_count() or 1, MOST_AT_ONCE))
    began, codes = time.monotonic(), []
    for part in PARTS:
        if part.scaled and missing:
            continue
        environment = scaled if part.scaled else embedded
        spread = ["-n", at_once, "--dist", "worksteal"]
        codes.append(run(part.name, [*spread, "-m", part.marks], environment))
    if missing:
        print(f"Skipped the tests on PostgreSQL + Redis: {'; '.join(missing)}.")
    if without_browser:
        print(f"Skipped the browser tests: {without_browser[0]}.")
    code = next((code for code in codes if code), 0)
    print(f"== Tests {'FAILED' if code else 'passed'} in {time.monotonic() - began:.0f} s")
    return code


def answers(url: str, port: int) -> bool:
    place = urlsplit(url)
    try:
        socket.create_connection((place.hostname or "127.0.0.1", place.port or port), 2).close()
    except OSError:
        return False
    return True


def run(name: str, arguments: list[str], environment: dict[str, str]) -> int:
    print(f"== Tests on {name}", flush=True)
    began = time.monotonic()
    # Sets in one order: test processes must find the same tests, and a run be like the last.
    environment = {"PYTHONHASHSEED": "0"} | environment
    code = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments], env=environment, check=False
    ).returncode
    print(
        f"== {name}: {'passed' if code == 0 else 'FAILED'} in {time.monotonic() - began:.0f} s",
        flush=True,
    )
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
