"""One mixed soak on the database that Django is set up on: people, workers, bad manners, comparison."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import soak_manners
from bench.fleet import Cluster, wait_until
from bench.soak_comparison import Comparison, compare, details, table
from tests.emulator import Emulator

WORKERS = 4
WAITING_MOST = 300  # people ask for no more while so many wait
PRICES_EVERY = 40  # shots
MASTERS_EVERY = 20
KILL_EVERY_S = 5.0
EACH_S = 0.2  # a shot may take so long on average before the run counts as stuck
AT_LEAST_S = 150
QUIET_S = 15  # nothing has moved for so long: what still waits, waits for a person
PUBLIC_URL = (
    "http://studio.invalid"  # not https: no callbacks; the emulator reads no picture from it
)


def run_mixed(shots: int, rate: float, seed: int) -> dict[str, Any]:
    """Ask for `shots`, wait until nothing moves, compare; return what came of it."""
    from django.core.management import call_command
    from django_q.tasks import async_task

    from bench.soak_shots import furnish
    from studio.services.accounts import ensure_accounts

    call_command("migrate", verbosity=0)
    ensure_accounts()
    with Emulator(**soak_manners.settings(rate, seed=seed)) as emulator:
        os.environ["STUDIO_MEDIA_HOSTS"] = emulator.environment["STUDIO_MEDIA_HOSTS"]
        cast = furnish(emulator, shots=shots, seed=seed)
        began = time.monotonic()
        cluster = Cluster("soak", workers=WORKERS)
        async_task("studio.tasks.sweep", save=False)
        try:
            killed = _ask(cast, cluster, shots, random.Random(seed))
            asked = time.monotonic()
            ended = wait_until(_quiet(cast), seconds=max(AT_LEAST_S, shots * EACH_S), every=1)
            took = time.monotonic() - began
        finally:
            cluster.stop()
        return _report(emulator, cast.refused, killed, ended) | {
            "asked_s": asked - began,
            "took": took,
        }


def _ask(cast: Any, cluster: Cluster, shots: int, chance: random.Random) -> int:
    """Let people ask until `shots` are queued; return how many workers were killed meanwhile."""
    from studio.models import Generation
    from studio.models.generation import MOVING_STATES

    queued = killed = 0
    next_kill = time.monotonic() + KILL_EVERY_S
    tries = 0
    while queued < shots and tries < 20 * shots:
        tries += 1
        queued += cast.ask()
        if tries % PRICES_EVERY == 0:
            cast.move_prices()
        if tries % MASTERS_EVERY == 0:
            queued += cast.render_masters()
            cast.decide_on_dearer()
            while Generation.objects.filter(state__in=MOVING_STATES).count() > WAITING_MOST:
                time.sleep(0.5)
                cast.decide_on_dearer()
        if time.monotonic() > next_kill:
            killed += cluster.kill_worker(chance)
            next_kill = time.monotonic() + KILL_EVERY_S
    return killed


def _quiet(cast: Any) -> Callable[[], bool]:
    """Return a question that is answered yes once nothing has moved for a while.

    What waits for a price to be accepted is decided on, as people would.
    """
    from tests.soak import changes_so_far, settled

    seen: tuple[int, float] = (-1, 0.0)

    def is_quiet() -> bool:
        nonlocal seen
        cast.decide_on_dearer()
        now, so_far = time.monotonic(), changes_so_far()
        if so_far != seen[0]:
            seen = (so_far, now)
            return False
        return settled() and now - seen[1] > QUIET_S

    return is_quiet


def compare_world(emulator: Emulator) -> Comparison:
    """Compare the studio as it stands with what the emulator sold."""
    from bench.soak_records import read_budgets, read_purchases, read_shots

    shots, purchases = read_shots(), read_purchases(emulator.purchases())
    return compare(shots, purchases, read_budgets())


def _report(emulator: Emulator, refused: Any, killed: int, ended: bool) -> dict[str, Any]:
    from tests.soak import find_money_problems

    result = compare_world(emulator)
    stats = emulator.stats
    problems = [] if ended else ["it had not come to rest when the time was over"]
    problems += [f"against a schema: {one}" for one in emulator.violations[:5]]
    problems += find_money_problems()[:5]
    folder = Path(os.environ["STUDIO_DATA_DIR"])
    return {
        "table": table(result), "details": details(result), "problems": problems,
        "findings": len(result.findings), "refused": dict(refused), "killed": killed,
        "met": soak_manners.counted(stats["faults"]), "requests": sum(stats["requests"].values()),
        "left": len(list((folder / "tmp").iterdir())),
    }  # fmt: skip


def told(database: str, result: dict[str, Any]) -> list[str]:
    """Return a run in words, a line each."""
    refused = ", ".join(f"{count} {why}" for why, count in result["refused"].items())
    return [
        f"{database}: asked for in {result['asked_s']:.0f} s, at rest after {result['took']:.0f} s; "
        f"{result['requests']} requests, {result['killed']} workers killed, "
        f"{result['left']} files left in the making",
        f"  people were refused: {refused or 'never'}",
        "  manners met:",
        *(f"    {name:<32} {count:>6}" for name, count in result["met"].items()),
        "  shot by shot:",
        *(f"  {line}" for line in result["table"]),
        *(f"  WRONG: {problem}" for problem in result["problems"]),
        *(f"  {line}" for line in result["details"]),
    ]
