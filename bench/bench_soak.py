"""Thousands of shots over all dialects, with 10 % of every fault at once, on both databases.

    python -m bench.bench_soak              300 shots on each database
    python -m bench.bench_soak --full       2,000 shots on each database
    python -m bench.bench_soak --shots 50 --rate 0.2 --seed 3

Real workers, the emulated providers, and waits made short. At the end every shot has ended or
visibly waits for a person, none is lost, none was bought twice, and no request broke a schema;
otherwise the run says what is wrong and ends with 1. Posters and previews are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import django

from bench.fleet import DATABASES, ROOT, Cluster, prepare, quiet, tidy, wait_until
from tests.emulator import Emulator

WORKERS = 4
EACH_S = 1.5  # a shot may take so long on average before the run counts as stuck
AT_LEAST_S = 120


def run_soak(shots: int, rate: float, seed: int) -> dict[str, Any]:
    """Soak the database that Django is set up on; return what came of it."""
    from django.core.management import call_command
    from django_q.tasks import async_task

    from studio.models import Project, User
    from studio.services.accounts import ensure_accounts
    from tests.paid import DIALECTS, account_at, queue_shots
    from tests.soak import every_fault, find_problems, settled, tally

    call_command("migrate", verbosity=0)
    ensure_accounts()
    owner = User.objects.create_user("bench@example.com", "password", name="Bench")
    project = Project.objects.create(name="Soak", created_by=owner)
    with Emulator(
        finish_after_s=1, spread_s=2, clip_s=0.5, hang_s=3, slow_s=0.2, retry_after_s=0,
        record_bodies=False, seed=seed, rates=every_fault(rate),
    ) as emulator:  # fmt: skip
        os.environ["STUDIO_MEDIA_HOSTS"] = emulator.environment["STUDIO_MEDIA_HOSTS"]
        for dialect in DIALECTS:
            queue_shots(project, account_at(emulator, dialect), shots // len(DIALECTS))
        count = shots // len(DIALECTS) * len(DIALECTS)
        began = time.monotonic()
        cluster = Cluster("soak", workers=WORKERS)
        async_task("studio.tasks.sweep", save=False)
        try:
            ended = wait_until(settled, seconds=max(AT_LEAST_S, count * EACH_S), every=1)
            took = time.monotonic() - began
        finally:
            cluster.stop()
        stats = emulator.stats
        problems = find_problems(count, emulator.jobs(), stats)
    folder = Path(os.environ["STUDIO_DATA_DIR"])
    return {
        "shots": count, "took": took, "ended": ended, "states": tally(), "problems": problems,
        "bought": sum(stats["accepted"].values()), "duplicates": len(stats["duplicates"]),
        "violations": stats["violations"], "requests": sum(stats["requests"].values()),
        "faults": sum(stats["faults"].values()), "kinds": len(stats["faults"]),
        "left": len(list((folder / "tmp").iterdir())),
    }  # fmt: skip


def soak_apart(database: str, arguments: list[str]) -> bool:
    """Run one database's soak in a process of its own and print it; return whether all is well."""
    with tempfile.TemporaryDirectory(prefix="bench-soak-") as folder:
        try:
            environment = os.environ | prepare(database, Path(folder))
        except OSError as error:
            print(f"{database}: left out, {error}")
            return True
        command = [sys.executable, "-m", "bench.bench_soak", "--here", *arguments]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False
            )
        finally:
            tidy(database)
    if done.returncode:
        print(f"{database}: the run ended with {done.returncode}")
        return False
    result = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{database}: {result['shots']} shots in {result['took']:.0f} s, {result['requests']} requests, "
        f"{result['faults']} faults of {result['kinds']} kinds\n"
        f"  {', '.join(f'{n} {state}' for state, n in result['states'].items())}\n"
        f"  {result['bought']} bought, {result['duplicates']} of them twice, "
        f"{result['violations']} requests against a schema, {result['left']} files left in the making"
    )
    for problem in result["problems"][:20]:
        print(f"  WRONG: {problem}")
    if not result["ended"]:
        print("  WRONG: it had not settled when the time was over")
    return result["ended"] and not result["problems"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bench_soak")
    parser.add_argument("--full", action="store_true", help="2,000 shots")
    parser.add_argument("--shots", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.1, help="of every fault, 0 to 1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="only this one")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    shots = options.shots or (2000 if options.full else 300)
    if options.here:
        django.setup()
        quiet()
        print(json.dumps(run_soak(shots, options.rate, options.seed)))
        return
    arguments = ["--shots", str(shots), "--rate", str(options.rate), "--seed", str(options.seed)]
    wanted = [
        name for name in DATABASES
        if options.database is None or name.lower().startswith(options.database)
    ]  # fmt: skip
    results = [soak_apart(database, arguments) for database in wanted]
    if not all(results):
        sys.exit(1)


if __name__ == "__main__":
    main()
