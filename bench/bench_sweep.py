"""How soon the studio notices finished jobs, at what cost, with thousands in flight.

    python -m bench.bench_sweep            a few minutes: 5,000 in flight, single, batch, both databases
    python -m bench.bench_sweep --full     also 100 to 10,000 in flight, and two workers
    python -m bench.bench_sweep --beside   previs and downloads asked for beside 5,000 in flight

Jobs end at even intervals over a window. Lag is from the end at the provider to the state written
here. CPU is that of the worker's processes, not of the emulated provider. Beside it, measured in
the same run: the blocking poller that the providers' sample code shows, one for each generation.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django
import httpx

from bench.beside import OtherWork, RealWork
from bench.databases import DATABASES, run_apart
from bench.fleet import Cluster, quiet, wait_until
from tests.emulator import Emulator
from tests.emulator.world import EmulatedJob

PACE_S = 5
PATIENCE_S = 120
MODELS = {"luma": "ray-2", "legacy": "ray-2"}
HEAD = "{:<20}{:<8}{:>10}{:>9}{:>10}{:>10}{:>12}{:>14}{:>14}"
ROW = (
    "{database:<20}{dialect:<8}{flight:>10,}{workers:>9}{p50:>10.2f}{p95:>10.2f}{polls:>12,.0f}"
    "{cpu:>14.2f}{other:>14.2f}"
)


def seed_jobs(emulator: Emulator, dialect: str, count: int, window_s: float) -> list[EmulatedJob]:
    """Put jobs under way into the emulator, ending one after the other between 5 s and the window's end."""
    now = time.time() + 8  # the worker needs so long to start
    ends = [now + PACE_S + (window_s - PACE_S) * index / count for index in range(count)]
    random.Random(1).shuffle(ends)
    jobs = [
        EmulatedJob(
            dialect, str(uuid.uuid4()), MODELS[dialect], f"Ridge {index}", {}, 5, "16:9", now, now, end,
            charged=5.0,
        )
        for index, end in enumerate(ends)
    ]  # fmt: skip
    emulator._ask(lambda: emulator.world.jobs.update({job.id: job for job in jobs}))
    return jobs


def seed_rows(emulator: Emulator, dialect: str, jobs: list[EmulatedJob]) -> None:
    """Make the generations that these jobs belong to, their polls spread over the first pace."""
    from studio.models import Generation, Project, ProviderAccount, User

    owner = User.objects.create_user("bench@example.com", "password", name="Bench")
    project = Project.objects.create(name="Bench", created_by=owner, next_number=len(jobs) + 1)
    provider = "aimlapi" if dialect == "legacy" else dialect
    account = ProviderAccount(
        provider=provider, label="bench", base_url=emulator.base_url(provider),
        dialect="legacy" if dialect == "legacy" else "", concurrent_limit=100_000,
    )  # fmt: skip
    account.set_key(emulator.key(provider))
    account.save()
    begin = datetime.fromtimestamp(jobs[0].accepted_at, UTC)
    Generation.objects.bulk_create(
        [
            Generation(
                project=project, by=owner, number=index + 1, title=job.prompt, prompt=job.prompt,
                sent_prompt=job.prompt, duration_s=5, aspect_ratio="16:9", resolution="720p",
                provider=provider, model=job.model, account=account, state="running",
                provider_job_id=job.id, submitted_at=begin,
                deadline_at=begin + timedelta(minutes=45),
                next_poll_at=begin + timedelta(seconds=PACE_S * index / len(jobs)),
            )
            for index, job in enumerate(jobs)
        ],
        batch_size=500,
    )  # fmt: skip


def run_scenario(
    database: str, dialect: str, flight: int, workers: int, window_s: float, *, beside: bool = False
) -> dict[str, Any]:
    """Measure one set-up. Django is already set up on its database."""
    from django.core.management import call_command
    from django_q.tasks import async_task

    from studio.models import Generation, GenerationEvent
    from studio.services.accounts import ensure_accounts

    call_command("migrate", verbosity=0)
    ensure_accounts()
    folder = Path(os.environ["STUDIO_DATA_DIR"])
    with Emulator(record_bodies=False) as emulator:
        jobs = seed_jobs(emulator, dialect, flight, window_s)
        seed_rows(emulator, dialect, jobs)
        other: OtherWork = OtherWork(folder)
        if beside:
            os.environ["STUDIO_MEDIA_HOSTS"] = emulator.environment["STUDIO_MEDIA_HOSTS"]
            other = RealWork(
                folder, emulator.world.media_url(min(jobs, key=lambda j: j.finishes_at))
            )
        clusters = [Cluster("sweep", workers=1) for _ in range(workers)]
        try:
            async_task("studio.tasks.sweep", save=False)
            time.sleep(max(jobs[0].accepted_at - time.time(), 0))
            cpu = sum(cluster.cpu_s() for cluster in clusters)
            with other:
                moving = Generation.objects.filter(state="running").exclude(provider="previs")
                wait_until(lambda: not moving.exists(), seconds=window_s + PATIENCE_S, every=1)
            spent = sum(cluster.cpu_s() for cluster in clusters) - cpu
            took = time.time() - jobs[0].accepted_at
        finally:
            for cluster in clusters:
                cluster.stop()
        polls = sum(n for name, n in emulator.stats["requests"].items() if name.startswith(dialect))
    written = dict(
        GenerationEvent.objects.filter(new="storing").values_list(
            "generation__provider_job_id", "at"
        )
    )
    lags = sorted(written[j.id].timestamp() - j.finishes_at for j in jobs if j.id in written)
    return {
        "database": database, "dialect": dialect, "flight": flight, "workers": workers,
        "done": len(lags), "p50": at(lags, 0.5), "p95": at(lags, 0.95), "polls": polls / took,
        "cpu": spent / max(len(lags), 1) * 1000, "busy": spent / took,
        "other": at(sorted(other.delays), 0.95), "other_p50": at(sorted(other.delays), 0.5),
        "others": len(other.delays),
    }  # fmt: skip


def run_naive(flight: int, window_s: float) -> dict[str, Any]:
    """Poll as the sample code does: for each generation a loop that asks, saves, and sleeps."""
    from django.core.management import call_command
    from django.db import connection

    from studio.models import Generation
    from studio.services.accounts import ensure_accounts

    call_command("migrate", verbosity=0)
    ensure_accounts()
    with _emulator_apart(flight, window_s) as (emulator, jobs):
        seed_rows(emulator, "luma", jobs)
        headers = {"Authorization": f"Bearer {emulator.key('luma')}"}
        pks = list(Generation.objects.values_list("pk", flat=True))

        def poll(pk: int) -> None:
            while True:
                row = Generation.objects.get(pk=pk)
                url = f"{emulator.base_url('luma')}/generations/{row.provider_job_id}"
                answer = httpx.get(url, headers=headers, timeout=30).json()
                row.raw_status = answer["state"]
                if answer["state"] == "completed":
                    row.result_url = answer["assets"]["video"]
                row.save()
                if answer["state"] == "completed":
                    break
                time.sleep(PACE_S)
            connection.close()

        time.sleep(max(jobs[0].accepted_at - time.time(), 0))
        before = time.process_time()
        pollers = [threading.Thread(target=poll, args=[pk]) for pk in pks]
        for poller in pollers:
            poller.start()
        for poller in pollers:
            poller.join()
        return {"flight": flight, "cpu": (time.process_time() - before) / flight * 1000}


@contextmanager
def _emulator_apart(flight: int, window_s: float) -> Iterator[tuple[Any, list[EmulatedJob]]]:
    """Yield an emulator in another process, so that its processor time is not the poller's."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        with Emulator(record_bodies=False) as emulator:
            jobs = seed_jobs(emulator, "luma", flight, window_s)
            rows = [[job.id, job.finishes_at, job.accepted_at] for job in jobs]
            os.write(write, json.dumps([emulator.url, rows]).encode() + b"\n")
            threading.Event().wait()
    with os.fdopen(read) as pipe:
        url, rows = json.loads(pipe.readline())
    away = Emulator()
    away.world.base_url = url
    jobs = [
        EmulatedJob("luma", id_, "ray-2", f"Ridge {n}", {}, 5, "16:9", begin, begin, end)
        for n, (id_, end, begin) in enumerate(rows)
    ]
    try:
        yield away, jobs
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def at(values: list[float], share: float) -> float:
    """Return the value below which this share of the sorted values lies."""
    return values[min(int(len(values) * share), len(values) - 1)] if values else float("nan")


def apart(database: str, *arguments: str) -> dict[str, Any] | None:
    """Run one scenario in a process of its own, on an empty database; return its figures."""
    done = run_apart("bench_sweep", database, *arguments, read=True)
    if done is None:
        return None
    if done.returncode:
        print(f"{database}: the run ended with {done.returncode}")
        return None
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def scenarios(full: bool) -> list[tuple[str, str, int, int]]:
    sqlite, postgres = DATABASES
    quick = [(sqlite, "luma", 5000, 1), (sqlite, "legacy", 5000, 1), (postgres, "luma", 5000, 1)]
    if not full:
        return quick
    return [
        (database, dialect, flight, workers)
        for database in DATABASES
        for dialect in ("luma", "legacy")
        for flight in (100, 1000, 5000, 10_000)
        for workers in ((1, 2) if flight == 5000 else (1,))
    ]


def report(full: bool, window_s: float) -> None:
    naive = apart(DATABASES[0], "--naive", "100", "--window", str(window_s))
    if naive:
        print(
            f"One blocking poller each: {naive['cpu']:.1f} CPU s for 1,000 ({naive['flight']} at once)\n"
        )
    print(HEAD.format("database", "polls", "in flight", "workers", "p50 lag s", "p95 lag s", "requests/s",
                      "CPU s/1,000", "other p95 s"))  # fmt: skip
    rows = []
    for database, dialect, flight, workers in scenarios(full):
        row = apart(
            database, "--scenario", database, dialect, str(flight), str(workers),
            "--window", str(window_s),
        )  # fmt: skip
        if row is None:
            continue
        rows.append(row)
        shown = row | {"dialect": "batch" if dialect == "legacy" else "single"}
        print(ROW.format(**shown) + ("" if row["done"] == flight else f"   {row['done']} noticed"))
    if naive:
        for row in rows:
            if row["flight"] == 5000 and row["workers"] == 1:
                share = row["cpu"] / naive["cpu"]
                kind = "batch" if row["dialect"] == "legacy" else "single"
                print(f"\n{row['database']}, {kind}: {share:.3f} of the blocking poller's CPU, "
                      f"{row['busy']:.0%} of a core; p95 lag {row['p95']:.1f} s at a pace of {PACE_S} s")  # fmt: skip


def report_beside(window_s: float) -> None:
    for database in DATABASES:
        scenario = ("--beside", "--scenario", database, "luma", "5000", "1")
        row = apart(database, *scenario, "--window", str(window_s))
        if row:
            print(
                f"{database}: {row['others']} previs and downloads began {row['other_p50']:.2f} s "
                f"(p50), {row['other']:.2f} s (p95) after they were asked for, beside 5,000 in flight"
            )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bench_sweep")
    parser.add_argument(
        "--full", action="store_true", help="all sizes, both databases, two workers"
    )
    parser.add_argument("--quick", action="store_true", help="the default")
    parser.add_argument("--beside", action="store_true", help="only what runs beside the sweep")
    parser.add_argument("--window", type=float, default=0, help="seconds over which the jobs end")
    parser.add_argument("--scenario", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--naive", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    window_s = options.window or (60.0 if options.full else 25.0)
    if options.scenario or options.naive:
        django.setup()
        quiet()
        if options.naive:
            print(json.dumps(run_naive(options.naive, window_s)))
            return
        database, dialect, flight, workers = options.scenario
        numbers = (int(flight), int(workers), window_s)
        print(json.dumps(run_scenario(database, dialect, *numbers, beside=options.beside)))
        return
    if options.beside:
        report_beside(window_s)
        return
    report(options.full, window_s)


if __name__ == "__main__":
    main()
