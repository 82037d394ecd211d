"""Fifty people watching twenty shots each, and what a first look at the gallery weighs.

    python -m bench.bench_viewers                     both databases, half a minute each
    python -m bench.bench_viewers --viewers 100 --seconds 60 --database sqlite

A real gunicorn with two workers. Each viewer opens a gallery of 120 clips, the newest 20 in flight,
and asks for what changed at the page's own pace, while every shot moves on each SHOT_PACE_S. The aim:
no errors, and a p95 under that pace. Then a Chromium opens one of the galleries with an empty cache:
bytes as they came, largest contentful paint, and how far the layout shifted down to the second page.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
import threading
import time
from html import unescape
from typing import Any

import httpx

from bench.databases import run_on_each
from bench.fleet import ROOT, wait_until

PACE_S = 2.0  # live.js: after an answer, while something is in flight
SHOT_PACE_S = 6.0  # how often each shot's percent moves
CLIPS, IN_FLIGHT = 120, 20
LIVE = re.compile(r'id="live"[^>]*data-from="([^"]+)"')
# Read in the page: what Chromium saw since it was opened.
OBSERVE = """
window.seen = {lcp: 0, cls: 0};
new PerformanceObserver((list) => { for (const e of list.getEntries()) seen.lcp = e.startTime; })
  .observe({type: "largest-contentful-paint", buffered: true});
new PerformanceObserver((list) => { for (const e of list.getEntries()) if (!e.hadRecentInput) seen.cls += e.value; })
  .observe({type: "layout-shift", buffered: true});
"""


class Watched:
    """Projects with a viewer each, whose shots move on in a thread until the block is left."""

    def __init__(self, viewers: int) -> None:
        from django.test import Client

        from bench.gallery_rows import make_project
        from studio.models import Generation, User

        self.pages: list[tuple[str, dict[str, str]]] = []  # address, cookies
        self._shots: list[tuple[int, list[int]]] = []
        for number in range(viewers):
            viewer = User.objects.create_user(f"viewer-{number}@bench.example", name="Viewer")
            project = make_project(f"Watched {number}", [viewer], CLIPS)
            rows = Generation.objects.filter(project=project, state="running").order_by("pk")
            self._shots.append((project.pk, list(rows.values_list("pk", flat=True))))
            client = Client()
            client.force_login(viewer)
            cookies = {name: morsel.value for name, morsel in client.cookies.items()}
            self.pages.append((f"/p/{project.code}/", cookies))
        assert all(len(pks) == IN_FLIGHT for _, pks in self._shots)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._move, daemon=True)

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _move(self) -> None:
        from django.db import connection, transaction

        from studio import lifecycle

        percent = 40
        while True:
            percent = percent % 90 + 5
            for project_id, pks in self._shots:
                if self._ended.wait(SHOT_PACE_S / len(self._shots)):
                    return connection.close()
                with transaction.atomic():
                    lifecycle.touch_rows(project_id, [(pk, {"progress": percent}) for pk in pks])


async def watch(base: str, page: str, cookies: dict[str, str], until: float) -> list[float]:
    """Look at one gallery until a moment of the monotonic clock; return how long each poll took, s.

    Raises httpx.HTTPStatusError for an answer that is none.
    """
    times = []
    async with httpx.AsyncClient(base_url=base, cookies=cookies, timeout=30) as client:
        answer = (await client.get(page)).raise_for_status()
        while time.monotonic() < until:
            address = LIVE.search(answer.text)
            assert address, "the page does not say where to ask for what changed"
            await asyncio.sleep(PACE_S)
            began = time.monotonic()
            headers = {"HX-Request": "true"}
            asked = (await client.get(unescape(address[1]), headers=headers)).raise_for_status()
            times.append(time.monotonic() - began)
            if asked.status_code == 200:
                answer = asked
    return times


async def watch_all(base: str, watched: Watched, seconds: float) -> tuple[list[float], int]:
    """Return every poll's time, s, sorted, and how many viewers met an error."""
    until = time.monotonic() + seconds
    viewers = (watch(base, page, cookies, until) for page, cookies in watched.pages)
    found = await asyncio.gather(*viewers, return_exceptions=True)
    times = [one for each in found if isinstance(each, list) for one in each]
    errors = [each for each in found if isinstance(each, BaseException)]
    for error in errors[:3]:
        print(f"  {type(error).__name__}: {error}")
    return sorted(times), len(errors)


def look(base: str, page: str, cookies: dict[str, str]) -> None:
    """Open a gallery in Chromium, and print what came and how it settled."""
    from playwright.sync_api import sync_playwright

    from tests.chromium import DESKTOP, FLAGS, find_chromium

    path = find_chromium()
    if path is None:
        print("  no Chromium: the page's weight and paint are left out")
        return
    came: dict[str, float] = {}
    kinds: dict[str, str] = {}
    heads: dict[str, float] = {}  # bytes of headers, by request

    def note(event: dict[str, Any]) -> None:
        key = event["requestId"]
        kind, head = kinds.get(key, "Other"), heads.get(key, 0)
        came[kind] = came.get(kind, 0) + (event["encodedDataLength"] - head) / 1000
        came["Headers"] = came.get("Headers", 0) + head / 1000

    def begin(event: dict[str, Any]) -> None:
        kinds[event["requestId"]] = event["type"]
        heads[event["requestId"]] = event["response"]["encodedDataLength"]

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        context = chromium.new_context(viewport=DESKTOP)
        context.add_cookies([{"name": k, "value": v, "url": base} for k, v in cookies.items()])
        context.add_init_script(OBSERVE)
        tab = context.new_page()
        wire = context.new_cdp_session(tab)
        wire.send("Network.enable")
        wire.on("Network.responseReceived", begin)
        wire.on("Network.loadingFinished", note)
        tab.goto(base + page, wait_until="load")
        tab.wait_for_timeout(1500)
        first, lcp = dict(came), tab.evaluate("seen.lcp")
        for _ in range(12):
            tab.mouse.wheel(0, 900)
            tab.wait_for_timeout(400)
        shifted = tab.evaluate("seen.cls")
        chromium.close()
    pictures, headers = first.pop("Image", 0) + first.pop("Media", 0), first.pop("Headers", 0)
    parts = ", ".join(f"{kind.lower()} {kb:.0f}" for kind, kb in sorted(first.items()))
    print(
        f"  first view {sum(first.values()):.0f} kB without pictures ({parts}), pictures {pictures:.0f} kB, "
        f"headers {headers:.0f} kB"
    )
    print(f"  largest contentful paint {lcp:.0f} ms, layout shift {shifted:.4f} (aim: under 0.02)")


def run_here(database: str, viewers: int, seconds: float) -> None:
    """Fill the database that the environment names, serve it, watch, print."""
    import django

    django.setup()
    from django.core.management import call_command

    from tests.processes import free_port

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    watched = Watched(viewers)
    base = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "gunicorn", "--config", "python:studio.launcher.web"]
    server = subprocess.Popen([*command, "--bind", base[7:], "studio.wsgi"], cwd=ROOT)
    try:
        assert wait_until(lambda: _answers(base), seconds=180), "gunicorn does not answer"
        with watched:
            times, errors = asyncio.run(watch_all(base, watched, seconds))
        p50, p95 = times[len(times) // 2], times[round(len(times) * 0.95) - 1]
        print(
            f"{database}: {viewers} viewers, {len(times) / seconds:.0f} polls/s, p50 {p50:.3f} s,"
        )
        print(
            f"  p95 {p95:.3f} s, {p95 / PACE_S:.2f} of the pace, {errors} with errors", flush=True
        )
        look(base, *watched.pages[0])
    finally:
        server.terminate()
        server.wait(30)


def _answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/healthz").is_success
    except httpx.TransportError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="only this one")
    parser.add_argument("--here", metavar="DATABASE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        run_here(options.here, options.viewers, options.seconds)
        return
    arguments = ["--viewers", str(options.viewers), "--seconds", str(options.seconds)]
    run_on_each("bench_viewers", options.database, *arguments)


if __name__ == "__main__":
    main()
