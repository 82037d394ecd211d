"""One run: a studio, people who ask it for shots, faults, and what is true when all is quiet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from bench.chaos.asking import EMAIL, PASSWORD, Asking
from bench.chaos.disk import Disk
from bench.chaos.faults import Faults
from bench.chaos.servers import Postgres, Redis
from bench.chaos.tree import Tree
from bench.chaos.wire import Wire
from bench.fleet import ROOT, wait_until
from tests.emulator import Emulator
from tests.processes import free_port

PREVIS_EACH = 25  # one shot of so many is a previs
READY_WITHIN_S = 600  # a busy machine takes its time over the first start
ANSWERED_WITHIN_S = 120
SETTLED_WITHIN_S = 900
PROOF_WITHIN_S = 300


def run_chaos(
    *, shots: int, minutes: float, rate: float, seed: int, disk: Disk, log: Path,
    postgres: Postgres | None, redis: Redis | None,
) -> dict[str, Any]:  # fmt: skip
    """Attack the studio that Django is set up on; return what came of it."""
    from tests.soak import every_fault

    clock = Path(os.environ["CHAOS_CLOCK"])
    clock.write_text("0")
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "bench.chaos.settings"}
    emulator = Emulator(
        finish_after_s=1, spread_s=2, clip_s=0.5, hang_s=3, slow_s=0.2, retry_after_s=0,
        record_bodies=False, seed=seed, rates=every_fault(rate),
    )  # fmt: skip
    with (
        log.open("w") as said,
        emulator,
        Wire("127.0.0.1", int(emulator.url.rpartition(":")[2])) as wire,
    ):
        emulator.world.base_url = f"http://127.0.0.1:{wire.port}"
        environment |= emulator.environment | {"STUDIO_DISK_LEAST_MB": "100"}  # of a small disk
        tree = Tree(environment, free_port(), said)
        try:
            faults = Faults(
                tree=tree, wire=wire, disk=disk, clock=clock, seed=seed,
                postgres=postgres, redis=redis,
            )  # fmt: skip
            result = _attack(tree, emulator, faults, disk, environment, shots, minutes)
        finally:
            tree.stop()
    return result | {"said": _said(log)}


def _attack(
    tree: Tree, emulator: Emulator, faults: Faults, disk: Disk, environment: dict[str, str],
    shots: int, minutes: float,
) -> dict[str, Any]:  # fmt: skip
    from tests.soak import (
        find_file_problems,
        find_money_problems,
        find_problems,
        ledger_rows,
        settled,
        tally,
    )

    url = f"http://127.0.0.1:{tree.port}"
    if not wait_until(lambda: _ready(url), seconds=READY_WITHIN_S):
        raise OSError("the studio does not start")
    project = _furnish(emulator)
    asking = Asking(url, str(project.code), _forms(emulator), per_s=shots / (minutes * 60))
    began = time.monotonic()
    asking.start()
    faults.start()
    earlier: list[list[tuple[Any, ...]]] = []
    while (left := began + minutes * 60 - time.monotonic()) > 0:
        time.sleep(min(left, 20))
        earlier.append(_patiently(ledger_rows))
    faults.stop()
    stopped = time.monotonic()
    problems = list(faults.wrong)
    if not asking.finish(ANSWERED_WITHIN_S):
        problems.append("a form has no answer although all is well again")
    if not wait_until(settled, seconds=SETTLED_WITHIN_S, every=1):
        problems.append(f"after {SETTLED_WITHIN_S} s some shots still move")
    quiet_after = time.monotonic() - stopped
    # Proof of life: with no fault left, whatever is asked for now is made.
    emulator.configure(rates={})
    count = asking.asked
    stats = emulator.stats
    problems += find_problems(count, emulator.jobs(), stats)
    problems += find_money_problems(earlier)
    problems += find_file_problems()
    states, bought = tally(), sum(stats["accepted"].values())
    proof_s, failed = _prove(url, project, emulator)
    problems += failed + _health(url, tree, environment)
    return {
        "shots": count, "took": stopped - began, "quiet_after": quiet_after, "proof": proof_s,
        "states": states, "problems": problems, "bought": bought,
        "duplicates": len(stats["duplicates"]), "violations": stats["violations"],
        "requests": sum(stats["requests"].values()), "faults": sum(stats["faults"].values()),
        "kinds": len(stats["faults"]), "brought": dict(sorted(faults.brought.items())),
        "posts": dict(asking.posts), "looks": dict(asking.looks),
        "left": len(list((disk.folder / "tmp").iterdir())),
        "ledger": len(ledger_rows()),
    }  # fmt: skip


def _furnish(emulator: Emulator) -> Any:
    """Make the person, the project and the account at AI/ML API's older endpoint."""
    from studio.models import Membership, Project, ProviderAccount, User
    from tests.paid import account_at

    owner = User.objects.create_user(EMAIL, PASSWORD, name="Bench")
    project = Project.objects.create(name="Chaos", created_by=owner)
    Membership.objects.create(project=project, user=owner, role="owner")
    account_at(emulator, "legacy")
    ProviderAccount.objects.exclude(provider="previs").update(concurrent_limit=200)
    return project


def _forms(emulator: Emulator) -> Iterator[dict[str, str]]:
    """Yield forms as a browser posts them, for all dialects in turn, each with its own prompt."""
    from studio.models import ProviderAccount
    from studio.services.money.offers import offer_value
    from tests.paid import MODELS

    accounts = {
        account.dialect or account.provider: account for account in ProviderAccount.objects.all()
    }
    paid = [name for name in MODELS if name != "previs"]
    number = 0
    while True:
        number += 1
        name = "previs" if number % PREVIS_EACH == 0 else paid[number % len(paid)]
        yield {
            "prompt": f"Low cloud over ridge {number} for {name}",
            "aspect_ratio": "16:9", "resolution": "540p" if name == "previs" else "720p",
            "duration_s": "5", "takes": "1", "loop": "0",
            "offer": offer_value(accounts[name], MODELS[name]),
            "start": "", "start_clip": "", "end": "", "end_clip": "", "do": "generate",
        }  # fmt: skip


def _prove(url: str, project: Any, emulator: Emulator) -> tuple[float, list[str]]:
    """Ask for one more shot of each kind; return how long they took, and what was not made."""
    from studio.models import Generation
    from studio.models.generation import State
    from tests.paid import MODELS

    forms = (
        form | {"prompt": f"Proof: {form['prompt']}"}
        for form, _ in zip(_forms(emulator), range(PREVIS_EACH), strict=False)
    )
    began = time.monotonic()
    wanted = len(MODELS)
    last = list(forms)[-wanted:]
    asking = Asking(url, str(project.code), iter(last), per_s=20, people=1)
    asking.start()
    rows = Generation.objects.filter(prompt__startswith="Proof: ")
    made = wait_until(
        lambda: rows.filter(state=State.SUCCEEDED).count() == wanted, seconds=PROOF_WITHIN_S
    )
    took = time.monotonic() - began
    if made:
        return took, []
    states = dict(Counter(rows.values_list("state", flat=True)))
    return took, [f"of {wanted} shots asked for when all was well again: {states}"]


def _health(url: str, tree: Tree, environment: dict[str, str]) -> list[str]:
    """Return what ails the studio, which nobody has touched."""
    problems = []
    if not _ready(url):
        problems.append("/readyz does not say ready")
    if not wait_until(tree.is_whole, seconds=60):
        counts = {place: len(pids) for place, pids in tree.places().items()}
        problems.append(f"not every part runs: {counts}")
    doctor = subprocess.run(
        [sys.executable, "manage.py", "doctor"], cwd=ROOT, env=environment, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    if doctor.returncode:
        lines = doctor.stdout.splitlines()
        problems += [f"doctor: {line}" for line in lines if line.startswith("fix")]
        problems += [f"doctor: {line}" for line in doctor.stderr.splitlines()[-1:]]
    return problems


def _ready(url: str) -> bool:
    try:
        answer = httpx.get(f"{url}/readyz", timeout=10, trust_env=False)
        return bool(json.loads(answer.text).get("ready"))
    except (httpx.HTTPError, ValueError):
        return False


def _patiently(ask: Any) -> Any:
    """Ask the database again until it answers: it is restarted beside us."""
    from django.db import DatabaseError, connection

    while True:
        try:
            return ask()
        except DatabaseError:
            connection.close()
            time.sleep(0.5)


def _said(log: Path) -> dict[str, int]:
    """Return the kinds of errors in the studio's log, the most frequent first."""
    kinds: Counter[str] = Counter()
    for line in log.read_text().splitlines():
        head, _, _ = line.partition(":")
        if head.endswith(("Error", "Exception")) and " " not in head:
            kinds[head] += 1
    return dict(kinds.most_common(12))
