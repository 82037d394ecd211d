"""What the gallery costs as finished HTML, in a project of a hundred clips and in one of very many.

    python -m bench.bench_gallery           100, 5,000 and 20,000 clips, both databases; some minutes
    python -m bench.bench_gallery --full    100, 5,000 and 100,000 clips

Each address is asked for as a signed-in owner would, through every middleware. CPU is this process's
own; wall time has the database's share in it. Each request is followed by the same of the small project
and by one for its first page, so that all three meet the same noise. The ratios are of the 95th
percentile of wall time: "x page" to that first page, which has as many cards as a page of a large
project, "x same" to the same request, of which the small project may have fewer.
"""

from __future__ import annotations

import argparse
import math
import time
from typing import Any

from bench.databases import run_on_each

HEAD = "{:<38}{:>8}{:>8}{:>8}{:>9}{:>7}{:>8}{:>8}"
ROW = (
    "{name:<38}{cpu:>8.1f}{p50:>8.1f}{p95:>8.1f}{queries:>9}{kb:>7.0f}"
    "{to_page:>8.2f}{to_same:>8.2f}"
)


def addresses(project: Any) -> dict[str, str]:
    """Return what is asked for, by name."""
    from studio.models import Chain, Collection, Generation

    newest = project.next_number - 1
    chain = Chain.objects.get(project=project).code
    kept = Collection.objects.get(project=project).code
    talked = Generation.objects.get(project=project, number=1).code  # a hundred comments
    deep = {80: newest - 60 * 79, 500: newest - 60 * 499}
    asked = {"first page": "", "poll, nothing new": f"changes/?since={project.version}"}
    asked["poll, 20 cards"] = f"changes/?since={project.version - 20}"
    asked["a clip's poll with 100 comments"] = f"/clips/{talked}/changes/?since=0"
    asked |= {f"page {page}": f"?after={after}" for page, after in deep.items() if after > 60}
    asked |= {
        f"search {word}": f"?q={word}"
        for word in ("lighthouse", "canyon", "zeppelin", "xyzzy", '"under pale"')
    }
    asked["search lighthouse, best rated"] = "?q=lighthouse&sort=rating"
    asked["search lighthouse, ready"] = "?q=lighthouse&state=ready"
    queries = (
        "state=ready", "state=failed", "provider=luma", "model=luma:ray-2", "concept=push_in", "by=me",
        "rating=3", "rating=exactly-1", "verdict=approved", "shape=21:9", "shape=9:21", "length=9",
        "date=month", "chain=any", f"chain={chain}", "tag=hero", f"collection={kept}", "archived=with",
        "sort=oldest", "sort=rating", "sort=changed", "sort=longest", "sort=cost",
    )  # fmt: skip
    return asked | {query.partition("=")[0] + " " + query[:30]: f"?{query}" for query in queries}


def measure(project: Any, small: Any, rounds: int) -> dict[str, dict[str, float]]:
    """Ask for every address `rounds` times; return CPU and wall times in ms, queries, size, ratios."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(project.created_by)
    page, same = f"/p/{small.code}/", addresses(small)
    found = {}
    for name, path in addresses(project).items():
        url = address(project, path)
        beside = address(small, same.get(name, ""))
        for warmed in (url, beside, page):
            client.get(warmed)  # what is kept for a while is kept now
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(url)
        asked = len(captured)  # the next request empties the log
        assert answer.status_code in (200, 204), (url, answer.status_code)
        times = [[timed(client, one) for one in (url, beside, page)] for _ in range(rounds)]
        cpu = sorted(round_[0][0] for round_ in times)
        wall, same_wall, page_wall = (sorted(round_[i][1] for round_ in times) for i in range(3))
        p95 = math.ceil(0.95 * rounds) - 1
        found[name] = {
            "cpu": cpu[rounds // 2],
            "p50": wall[rounds // 2],
            "p95": wall[p95],
            "queries": asked,
            "kb": len(answer.content) / 1000,
            "to_page": wall[p95] / page_wall[p95],
            "to_same": wall[p95] / same_wall[p95],
        }
    return found


def address(project: Any, path: str) -> str:
    return path if path.startswith("/") else f"/p/{project.code}/{path}"


def timed(client: Any, url: str) -> tuple[float, float]:
    """Ask once; return CPU and wall time in ms."""
    began, began_cpu = time.perf_counter(), time.process_time()
    client.get(url)
    return (time.process_time() - began_cpu) * 1000, (time.perf_counter() - began) * 1000


def run_here(sizes: list[int], rounds: int, database: str) -> None:
    """Fill the database that the environment names, measure, print."""
    import django

    django.setup()
    from django.core.management import call_command

    from bench.gallery_rows import make_people, make_project

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    people = make_people()
    projects = {}
    for size in sizes:
        began = time.monotonic()
        projects[size] = make_project(f"{size} clips", people, size)
        print(f"{database}: {size:,} clips made in {time.monotonic() - began:.0f} s", flush=True)
    for size, project in projects.items():
        print(f"\n{database}, {size:,} clips (times in ms, size in kB)")
        print(HEAD.format("", "CPU", "p50", "p95", "queries", "HTML", "x page", "x same"))
        for name, row in measure(project, projects[sizes[0]], rounds).items():
            print(ROW.format(name=name, **row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true", help="100,000 clips instead of 20,000")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="only this one")
    parser.add_argument("--here", metavar="DATABASE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = [100, 5000, 100_000 if options.full else 20_000]
    if options.here:
        run_here(sizes, options.rounds, options.here)
        return
    more = ["--full"] if options.full else []
    run_on_each("bench_gallery", options.database, "--rounds", str(options.rounds), *more)


if __name__ == "__main__":
    main()
