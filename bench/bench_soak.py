"""Thousands of shots at providers that behave badly, compared one by one, on both databases.

    python -m bench.bench_soak              2,000 mixed shots on each database
    python -m bench.bench_soak --shots 200  (or SOAK_SHOTS=200) --rate 0.2 --seed 3
    python -m bench.bench_soak --breakdowns 300 shots and 10 % of every breakdown; --full: 2,000
    python -m bench.bench_soak --chaos      a minute of chaos alone; --full: 2,000 shots in ten

Real workers, the emulated providers, and waits made short. Posters and previews are left out.

Mixed: few words shared by many shots that differ in frames, sizes, lengths and loops, drafts and
masters, people with budgets, failover, prices that move, workers killed, accounts shut for a while,
and every bad manner of the emulator at 10 %. At the end each shot is compared with the emulator's
own list: right job, right clip, right money, nothing twice, nobody asked in vain
(bench/soak_comparison.py). Anything else is printed with the shot's history and the job's record,
and the run ends with 1.

Breakdowns: every shot has ended or visibly waits for a person, none is lost, none was bought twice,
and no request broke a schema.

In the chaos the whole studio runs, people ask for the shots in its pages, and beside the providers'
faults its processes are killed, PostgreSQL and Redis restarted, the disk filled, the clock set wrong
and the network cut, at random moments (bench/chaos). The servers and the disk are the run's own.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import django

from bench.chaos.disk import Disk
from bench.chaos.run import run_chaos
from bench.chaos.servers import Postgres, Redis
from bench.databases import named, run_apart
from bench.fleet import ROOT, Cluster, quiet, wait_until
from bench.soak_mixed import PUBLIC_URL, run_mixed
from bench.soak_mixed import told as mixed_told
from tests.emulator import Emulator

WORKERS = 4
MIXED_SHOTS = 2000
EACH_S = 1.5  # a shot may take so long on average before the run counts as stuck
AT_LEAST_S = 120


def run_soak(shots: int, rate: float, seed: int) -> dict[str, Any]:
    """Soak the database that Django is set up on; return what came of it."""
    from django.core.management import call_command
    from django_q.tasks import async_task

    from studio.models import Membership, Project, User
    from studio.services.accounts import ensure_accounts
    from tests.paid import DIALECTS, account_at, queue_shots
    from tests.soak import every_fault, find_problems, settled, tally

    call_command("migrate", verbosity=0)
    ensure_accounts()
    owner = User.objects.create_user("bench@example.com", "password", name="Bench")
    project = Project.objects.create(name="Soak", created_by=owner)
    Membership.objects.create(project=project, user=owner, role="owner")
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
    done = run_apart("bench_soak", database, "--here", *arguments, read=True)
    if done is None:
        return True
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


def mixed_apart(database: str, arguments: list[str]) -> bool:
    """Run one database's mixed soak in a process of its own and print it; return whether all is well."""
    done = run_apart("bench_soak", database, "--here", "--mixed", *arguments, read=True)
    if done is None:
        return True
    if done.returncode:
        print(f"{database}: the run ended with {done.returncode}")
        return False
    result = json.loads(done.stdout.splitlines()[-1])
    for line in mixed_told(database, result):
        print(line, flush=True)
    return not (result["problems"] or result["findings"])


def run_chaos_here(options: argparse.Namespace) -> dict[str, Any]:
    """Run the chaos of one database in this process, on servers of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-chaos-") as name, ExitStack() as stack:
        folder = Path(name)
        postgres = redis = None
        environment = {
            "DJANGO_SETTINGS_MODULE": "studio.settings", "STUDIO_LOG_LEVEL": "WARNING",
            "STUDIO_DATA_DIR": str(folder / "studio"), "CHAOS_CLOCK": str(folder / "clock"),
            "DATABASE_URL": "", "REDIS_URL": "",
        }  # fmt: skip
        if options.database != "sqlite":
            redis = Redis(folder)
            stack.callback(redis.stop)
            postgres = Postgres(folder)
            stack.callback(postgres.stop, "immediate")
            environment |= {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}
        os.environ.update(environment)
        disk = Disk(folder / "studio")
        stack.callback(disk.remove)
        django.setup()
        quiet()
        return run_chaos(
            shots=options.shots, minutes=options.minutes, rate=options.rate,
            seed=options.seed, disk=disk, log=options.log or folder / "log",
            postgres=postgres, redis=redis,
        )  # fmt: skip


def chaos_apart(database: str, options: argparse.Namespace, shots: int, minutes: float) -> bool:
    """Run one database's chaos in a process of its own and print it; return whether all is well."""
    command = [
        sys.executable, "-m", "bench.bench_soak", "--chaos", "--here", "--shots", str(shots),
        "--minutes", str(minutes), "--rate", str(options.rate), "--seed", str(options.seed),
        "--database", "sqlite" if database == "SQLite" else "postgresql",
    ]  # fmt: skip
    if options.log:
        command += ["--log", f"{options.log}-{database.partition(' ')[0].lower()}"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(f"{database}: the chaos ended with {done.returncode}")
        return False
    result = json.loads(done.stdout.splitlines()[-1])
    for line in told(database, result):
        print(line)
    return not result["problems"]


def told(database: str, result: dict[str, Any]) -> list[str]:
    """Return a chaos run in words, a line each."""

    def listed(counts: dict[str, int]) -> str:
        return ", ".join(f"{count} {name}" for name, count in counts.items())

    return [
        f"{database}, chaos: {result['shots']} shots in {result['took']:.0f} s, "
        f"{result['requests']} requests to providers, {result['faults']} of them met one of "
        f"{result['kinds']} faults",
        f"  brought: {listed(result['brought'])}",
        f"  answers to the forms: {listed(result['posts'])}; to looks at the gallery: "
        f"{listed(result['looks'])}",
        f"  quiet {result['quiet_after']:.0f} s after the last fault: {listed(result['states'])}",
        f"  {result['bought']} bought, {result['duplicates']} of them twice, "
        f"{result['violations']} requests against a schema, {result['ledger']} ledger rows, "
        f"{result['left']} files left in the making",
        f"  errors in the studio's log: {listed(result['said']) or 'none'}",
        f"  a new shot of every kind, asked for then, was there after {result['proof']:.1f} s",
        *(f"  WRONG: {problem}" for problem in result["problems"][:20]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bench_soak")
    parser.add_argument("--full", action="store_true", help="2,000 shots, ten minutes of chaos")
    parser.add_argument("--breakdowns", action="store_true", help="every breakdown at once")
    parser.add_argument("--chaos", action="store_true", help="the chaos alone")
    parser.add_argument("--shots", type=int, default=int(os.environ.get("SOAK_SHOTS") or 0))
    parser.add_argument("--minutes", type=float, default=0, help="of chaos")
    parser.add_argument("--rate", type=float, default=0.1, help="of every fault, 0 to 1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="only this one")
    parser.add_argument("--log", type=Path, help="keep what the studio said in the chaos")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--mixed", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        print(json.dumps(run_here(options)))
        return
    wanted = named(options.database)
    if options.chaos:
        minutes = options.minutes or (10 if options.full else 1)
        # As many a minute as in the full run, unless told otherwise.
        asked = options.shots or int(200 * minutes)
        results = [chaos_apart(database, options, asked, minutes) for database in wanted]
    else:
        soak = soak_apart if options.breakdowns else mixed_apart
        few = options.breakdowns and not options.full
        shots = options.shots or (300 if few else MIXED_SHOTS)
        arguments = [
            "--shots",
            str(shots),
            "--rate",
            str(options.rate),
            "--seed",
            str(options.seed),
        ]
        results = [soak(database, arguments) for database in wanted]
    if not all(results):
        sys.exit(1)


def run_here(options: argparse.Namespace) -> dict[str, Any]:
    """Run what is asked for in this process."""
    if options.chaos:
        return run_chaos_here(options)
    if options.mixed:
        # A public address asks for a key of one's own.
        os.environ |= {"STUDIO_PUBLIC_URL": PUBLIC_URL, "SECRET_KEY": secrets.token_urlsafe(50)}
    django.setup()
    quiet()
    run = run_mixed if options.mixed else run_soak
    return run(options.shots, options.rate, options.seed)


if __name__ == "__main__":
    main()
