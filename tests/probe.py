"""Looks at a running studio from a process of its own: `manage.py shell -c "from tests import probe; ..."`."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from django.utils import timezone
from django_q.signals import post_execute_in_worker

from studio.models import Generation, Project, ProviderAccount, User
from studio.models.generation import State
from studio.services import shots

PATIENCE_S = 60.0


def until(holds: Callable[[], Any], *, seconds: float = PATIENCE_S) -> float:
    """Return how long it took until this held. AssertionError when it does not."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, "it did not come about"
        time.sleep(0.02)
    return time.monotonic() - began


def ask(provider: str, model: str, **fields: Any) -> Generation:
    """Ask for one shot as a person would."""
    by = User.objects.first() or User.objects.create_user("a@example.com", "pw", name="A")
    project = Project.objects.first() or Project.objects.create(name="Probe", created_by=by)
    project.memberships.get_or_create(user=by, defaults={"role": "owner"})
    account = ProviderAccount.objects.get(provider=provider)
    new = shots.NewShot(prompt="A ridge at dawn", account=account, model=model, **fields)
    return shots.create_shots(project=project, by=by, new=new)[0]


def state(shot: Generation) -> str:
    return Generation.objects.values_list("state", flat=True).get(pk=shot.pk)


def beside_renders(count: int, *, places: int) -> None:
    """Send, poll and fetch a paid shot while long renders are under way; print how it went.

    `places`: how many of them this machine renders at once. On PostgreSQL the account's own limit
    counts for all machines together, so it says nothing of this one.
    """
    renders = [ask("previs", "previs-1", duration_s=9, resolution="1080p") for _ in range(count)]
    begun = Generation.objects.filter(pk__in=[r.pk for r in renders]).exclude(lease_token="")
    until(lambda: begun.filter(state=State.RUNNING).count() == places)
    paid = ask("luma", "ray-2")
    until(lambda: state(paid) == State.SUCCEEDED)
    at = dict(paid.events.values_list("new", "at"))
    rendering = Generation.objects.filter(pk__in=[r.pk for r in renders], state=State.RUNNING)
    said = {
        "rendering": rendering.count(),
        "until_sent_s": (at["submitting"] - at["queued"]).total_seconds(),
        "until_stored_s": (at["succeeded"] - at["storing"]).total_seconds(),
    }
    for shot in renders:
        shots.cancel(generation=shot, by=shot.by)
    print(json.dumps(said))


def kill_the_sweep() -> None:
    """SIGKILL the process that sweeps while a shot is in flight; print when another takes over."""
    shot = ask("luma", "ray-2")
    account = ProviderAccount.objects.get(provider="luma")
    until(lambda: state(shot) == State.RUNNING)
    until(lambda: _sweeper(account.pk))
    old, killed_at = _sweeper(account.pk), timezone.now()
    os.kill(int(old.split("-")[1]), signal.SIGKILL)
    swept = ProviderAccount.objects.filter(pk=account.pk, swept_at__gt=killed_at)
    took = until(lambda: swept.exclude(sweep_token__in=["", old]).exists(), seconds=75)
    print(json.dumps({"taken_over_after_s": took}))


def next_sweep() -> None:
    """Print how long it is until somebody sweeps."""
    swept = ProviderAccount.objects.filter(swept_at__gt=timezone.now())
    print(json.dumps({"after_s": until(swept.exists, seconds=75)}))


def _sweeper(account_pk: int) -> str:
    held = ProviderAccount.objects.filter(pk=account_pk, sweep_until__gt=timezone.now())
    return held.values_list("sweep_token", flat=True).first() or ""


def die_at_the_end() -> None:
    """Kill this worker where django-q2 ends this very task, and holds the lock of its timer."""
    post_execute_in_worker.connect(
        lambda **_: os.kill(os.getpid(), signal.SIGKILL), sender="django_q", weak=False
    )
