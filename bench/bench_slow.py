"""Pages beside six hundred clients who send or read a byte a second.

    python -m bench.bench_slow                    behind nginx and without it, about four minutes
    python -m bench.bench_slow --clients 50 --seconds 20 --only direct

A real gunicorn with two workers, on SQLite; the shipped nginx before it, or none. A few people look at
pages, first alone, then beside the slow clients (bench/slow_clients.py), then alone again. Behind nginx
the 95th percentile beside them is at most TARGET_RATIO of the one alone, and nothing fails; without a
proxy, pages answer again within TARGET_S of the first slow client. Everything stays on 127.0.0.1. Ends
with exit code 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bench.databases import run_apart
from bench.fleet import ROOT, wait_until

TARGET_RATIO = 2.0
TARGET_S = 30.0
PEOPLE = 4
PACE_S = 0.25
PATIENCE_S = 30.0
FILM_BYTES = 12 * 2**20
CLIPS = 60


@dataclass
class Looks:
    """What some people saw: (seconds since they began, seconds it took), and what failed, when."""

    took: list[tuple[float, float]] = field(default_factory=list)
    failed: list[tuple[float, str]] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        times = sorted(each for _, each in self.took)
        return times[max(0, round(len(times) * share) - 1)]

    def __str__(self) -> str:
        return (
            f"{len(self.took)} pages, p50 {self.percentile(0.5):.3f} s, "
            f"p95 {self.percentile(0.95):.3f} s, {len(self.failed)} failed"
        )


@dataclass(frozen=True)
class Studio:
    """Addresses in a filled database."""

    pages: list[str]
    reads: list[str]
    cookies: dict[str, str]


def fill() -> Studio:
    """Make a project of clips and a film that takes long to read, shared with guests."""
    from django.core.files.base import ContentFile
    from django.test import Client

    from bench.gallery_rows import make_project
    from studio.models import Generation, User
    from tests.factories import make_generation
    from tests.sharing import share_clips

    owner = User.objects.create_user("owner@bench.example", name="Owner")
    project = make_project("Slow", [owner], CLIPS)
    film = make_generation(project, files=True)
    whole = film.clip.open("rb").read()
    film.clip.save("film.mp4", ContentFile(whole + bytes(FILM_BYTES)), save=True)
    assert Generation.objects.get(pk=film.pk).clip.size > FILM_BYTES
    _, token = share_clips(project, owner, film, may_download=True)
    client = Client()
    client.force_login(owner)
    shared = f"/s/{token}/media/{film.code}.mp4"
    return Studio(
        pages=[f"/p/{project.code}/", "/", f"/clips/{film.code}/", "/login/"],
        reads=[
            f"{shared}?download", shared, film.clip_url, f"{film.clip_url}&download",
            f"/p/{project.code}/archive.zip?clip={film.code}",
        ],
        cookies={name: morsel.value for name, morsel in client.cookies.items()},
    )  # fmt: skip


async def look(base: str, studio: Studio, seconds: float) -> Looks:
    """Look at pages, each person on connections of their own and at their own pace."""
    looks, began = Looks(), time.monotonic()

    async def person(number: int) -> None:
        turn = number
        while time.monotonic() - began < seconds:
            async with httpx.AsyncClient(
                base_url=base, cookies=studio.cookies, timeout=PATIENCE_S
            ) as client:
                for _ in range(5):
                    turn += 1
                    await asyncio.sleep(PACE_S)
                    asked = time.monotonic()
                    try:
                        answer = await client.get(studio.pages[turn % len(studio.pages)])
                        wrong = "" if answer.status_code in (200, 302) else str(answer.status_code)
                    except httpx.HTTPError as error:
                        wrong = type(error).__name__
                    now = time.monotonic()
                    looks.took.append((now - began, now - asked))
                    if wrong:
                        looks.failed.append((now - began, wrong))

    await asyncio.gather(*(person(number) for number in range(PEOPLE)))
    return looks


@contextlib.contextmanager
def slow_clients(port: int, count: int, seconds: float, studio: Studio) -> Iterator[None]:
    cookies = "; ".join(f"{name}={value}" for name, value in studio.cookies.items())
    numbers = (str(port), str(count), str(seconds))
    command = [sys.executable, "-m", "bench.slow_clients", *numbers, cookies, *studio.reads]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout and running.stdout.readline() == "begun\n"
            yield
        finally:
            running.kill()


@contextlib.contextmanager
def web_server(*, proxied: bool) -> Iterator[int]:
    """gunicorn as it ships, and nginx before it where asked for; yield the port to ask."""
    from tests.processes import free_port

    ports = [free_port(), free_port()]
    command = [sys.executable, "-m", "gunicorn", "--config", "python:studio.launcher.web"]
    more = {"STUDIO_ACCEL": "/_media", "STUDIO_PROXIES": "1"} if proxied else {}
    with contextlib.ExitStack() as started:
        server = subprocess.Popen(
            [*command, "--bind", f"127.0.0.1:{ports[0]}", "studio.wsgi"],
            cwd=ROOT,
            env={**os.environ, **more},
        )
        started.callback(server.wait, 60)
        started.callback(server.terminate)
        if proxied:
            started.enter_context(nginx(ports[1], before=ports[0]))
        port = ports[1] if proxied else ports[0]
        assert wait_until(lambda: _answers(port), seconds=180), "the web server does not answer"
        yield port


@contextlib.contextmanager
def nginx(port: int, *, before: int) -> Iterator[None]:
    """The shipped nginx, as in tests/test_nginx.py."""
    from django.conf import settings

    from tests.test_nginx import configured, find_nginx

    program = find_nginx()
    with tempfile.TemporaryDirectory(prefix="nginx-") as name:
        folder = Path(name)
        main = configured(folder, settings.DATA_DIR, before, port)
        running = subprocess.Popen(
            [program, "-p", name, "-e", str(folder / "errors.log"), "-c", str(main)]
        )
        try:
            yield
        finally:
            running.terminate()
            running.wait(30)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz").is_success
    except httpx.TransportError:
        return False


def measure(studio: Studio, *, proxied: bool, clients: int, seconds: float) -> bool:
    """Run once and print; return whether the target is met."""
    with web_server(proxied=proxied) as port:
        base = f"http://127.0.0.1:{port}"
        asyncio.run(look(base, studio, 3))  # the first pages load code
        alone = asyncio.run(look(base, studio, seconds / 2))
        with slow_clients(port, clients, seconds, studio):
            beside = asyncio.run(look(base, studio, seconds))
        after = asyncio.run(look(base, studio, seconds / 2))
    alone.took += after.took
    alone.failed += after.failed
    ratio = beside.percentile(0.95) / alone.percentile(0.95)
    # Answered again: from where on nothing failed and nothing took longer than that either.
    bad = [at for at, _ in beside.failed] + [at for at, took in beside.took if took > 5]
    again = max(bad, default=0.0)
    met = again <= TARGET_S if not proxied else ratio <= TARGET_RATIO and not beside.failed
    print("behind nginx" if proxied else "without a proxy")
    print(f"  alone:  {alone}\n  beside: {beside} (3 x {clients} slow clients)")
    print(
        f"  p50 {beside.percentile(0.5) / alone.percentile(0.5):.2f}, p95 {ratio:.2f} of those alone; "
        f"last trouble after {again:.1f} s; {'met' if met else 'MISSED'}",
        flush=True,
    )
    for at, what in beside.failed[:3]:
        print(f"    failed after {at:.1f} s: {what}")
    return met


def run_here(only: str | None, clients: int, seconds: float) -> bool:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    studio = fill()
    kinds = [kind for kind in ("proxied", "direct") if only in (None, kind)]
    met = [
        measure(studio, proxied=kind == "proxied", clients=clients, seconds=seconds)
        for kind in kinds
    ]
    return all(met)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clients", type=int, default=200, help="slow clients of each kind")
    parser.add_argument("--seconds", type=float, default=45, help="how long they are there")
    parser.add_argument("--only", choices=["proxied", "direct"])
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        sys.exit(0 if run_here(options.only, options.clients, options.seconds) else 1)
    arguments = ["--clients", str(options.clients), "--seconds", str(options.seconds)]
    if options.only:
        arguments += ["--only", options.only]
    done = run_apart("bench_slow", "SQLite", "--here", *arguments)
    sys.exit(1 if done is None else done.returncode)


if __name__ == "__main__":
    main()
