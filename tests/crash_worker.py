"""A worker that can be killed at any point, run as `python -m tests.crash_worker`.

The database is a prepared one. Reads commands as JSON lines and answers with JSON lines. Django is
loaded once; every piece of work runs in a fork of its own, as in django-q2's workers, and a fork
dies by SIGKILL.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import django

django.setup()

from django.core.files.storage import default_storage  # noqa: E402
from django.core.files.uploadedfile import SimpleUploadedFile  # noqa: E402
from django.db import connections  # noqa: E402
from django.db.models import Q  # noqa: E402
from django.utils import timezone  # noqa: E402
from django_q.brokers import Broker, get_broker  # noqa: E402
from django_q.signing import SignedPackage  # noqa: E402

from studio import lifecycle, sweep, tasks  # noqa: E402
from studio.media import download  # noqa: E402
from studio.media.zipping import stream_zip  # noqa: E402
from studio.models import Generation, ImportRun, Project, ProviderAccount, User  # noqa: E402
from studio.models.generation import TERMINAL_STATES, State  # noqa: E402
from studio.services.accounts import ensure_accounts  # noqa: E402
from studio.services.doors import open_door  # noqa: E402
from studio.services.exchange import import_runs  # noqa: E402
from studio.services.exchange.archives import project_entries  # noqa: E402
from studio.services.work import (  # noqa: E402
    arrival,
    outcomes,
    reconcile,
    rendering,
    storing,
    submitting,
)
from tests.factories import make_generation, make_project  # noqa: E402
from tests.hurry import hurry  # noqa: E402

MODELS = {
    "apiframe": "luma-ray-2",
    "aimlapi": "luma/ray-2",
    "gmicloud": "Luma-Ray2",
    "luma": "ray-2",
    "previs": "previs-1",
}


def die(*args: object, **options: object) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


def die_at(owner: object, name: str) -> Callable[[], None]:
    return lambda: setattr(owner, name, die)


def die_at_the_third(owner: object, name: str) -> None:
    call, calls = getattr(owner, name), []

    def third(*args: object, **options: object) -> object:
        calls.append(name)
        return die() if len(calls) == 3 else call(*args, **options)

    setattr(owner, name, third)


POINTS: dict[str, Callable[[], None]] = {
    "before the claim": die_at(lifecycle, "claim_submit"),
    "after the claim": die_at(submitting, "build_request"),
    "before the call": die_at(submitting, "_post"),
    "while reconciling": die_at(reconcile, "_arrived"),
    "before the answer": lambda: None,  # killed from outside, when the request has arrived
    "before the record": die_at(submitting, "record_submitted"),
    "while polling": die_at(sweep, "read_job"),
    "while downloading": die_at(download, "_content_type"),
    "while making the poster": die_at(arrival, "make_poster"),
    "before the end is written": die_at(lifecycle, "mark_succeeded"),
    "in the middle of a render": die_at(rendering, "renew_work"),
    "in the middle of an import": lambda: die_at_the_third(lifecycle, "import_clip"),
}


def make(name: str, provider: str, base_url: str, key: str) -> int:
    """Put one shot in the line of an account of its own; return its pk."""
    owner = User.objects.first() or User.objects.create_user("a@example.com", "pw", name="A")
    project = Project.objects.first() or make_project(owner, name="Crashes")
    if provider == "previs":
        account = ProviderAccount.objects.get(provider="previs", label="")
    else:
        account = ProviderAccount(provider=provider, label=name[:60], base_url=base_url)
        account.set_key(key)
        account.save()
    shot = Generation(
        project=project, by=owner, account=account, provider=provider, model=MODELS[provider],
        prompt=name, sent_prompt=name, title=name, duration_s=5, aspect_ratio="16:9",
        resolution="540p" if provider == "previs" else "720p",
    )  # fmt: skip
    lifecycle.create([shot], actor=owner)
    return shot.pk


def make_import(clips: int) -> int:
    """Upload a project of so many clips as somebody who is no member of it; return the run's pk."""
    project = make_project(User.objects.create_user("o@example.com", "pw", name="Owner"))
    for seconds in range(1, clips + 1):
        make_generation(project, files=True, seconds=seconds)
    data = b"".join(stream_zip(project_entries(project)[1]))
    by = User.objects.create_user("i@example.com", "pw", name="Importer", may_make_projects=True)
    return import_runs.begin(file=SimpleUploadedFile("a.zip", data), by=by).pk


def import_until(point: str, pk: int) -> None:
    """Bring an archive in, and die at the point."""
    POINTS[point]()
    tasks.work_import(pk)


def finish_import(pk: int, until_s: float) -> dict[str, Any]:
    """Be a fresh worker with its schedule, until the import is over; return how it ended."""
    broker = get_broker()
    until = time.monotonic() + until_s
    while time.monotonic() < until and ImportRun.objects.get(pk=pk).is_going:
        run_queued(broker)
        tasks.resume_bulk()
        time.sleep(0.1)
    run = ImportRun.objects.select_related("project").get(pk=pk)
    clips = run.project.generations.order_by("number")
    return {
        "state": run.state, "told": import_runs.told(run), "clips": run.clips,
        "archive": default_storage.exists(run.archive),
        "numbers": [clip.number for clip in clips],
        "whole": all(clip.clip.size == clip.size_bytes for clip in clips),
    }  # fmt: skip


def live_until(point: str, pk: int) -> None:
    """Do this shot's work, step by step, and die at the point."""
    shot = Generation.objects.get(pk=pk)
    if point == "while polling":
        submitting.submit_next(shot.account_id)
        POINTS[point]()
        sweep.run_slice(20)
    if point == "while reconciling":
        submitting.submit_next(shot.account_id)
        Generation.objects.filter(pk=pk).update(next_poll_at=timezone.now())
        POINTS[point]()
        reconcile.reconcile_account(shot.account_id)
    POINTS[point]() if shot.provider != "previs" else None
    submitting.submit_next(shot.account_id)
    if shot.provider == "previs":
        POINTS[point]()
        rendering.render_previs(pk)
    until = time.monotonic() + 120
    while time.monotonic() < until:
        row = Generation.objects.select_related("account").get(pk=pk)
        if row.state == State.STORING:
            storing.store_clip(pk)
        with open_door(row.account) as door:
            move = outcomes.read_job(outcomes.watched(row), door.fetch(row.provider_job_id))
        if move is not None:
            lifecycle.move_many([move])
        time.sleep(0.1)
    raise AssertionError(f"{point} was not reached: {row.state}")


def work(until_s: float) -> list[dict[str, Any]]:
    """Be a fresh worker: run what the broker has and sweep, until nothing moves by itself."""
    broker = get_broker()
    broker.ping()
    until = time.monotonic() + until_s
    while time.monotonic() < until and _moving():
        run_queued(broker)
        if broker.queue_size() == 0:
            sweep.run_slice(0.6, linger_s=0)
    return [
        {
            "name": row.title, "provider": row.provider, "state": row.state, "job": row.provider_job_id,
            "charged": row.charged, "says": row.failure_text or row.waiting_text,
            "bytes": row.clip.size if row.clip else 0, "size_bytes": row.size_bytes,
            "events": list(row.events.values_list("new", flat=True)),
        }
        for row in Generation.objects.order_by("pk")
    ]  # fmt: skip


def run_queued(broker: Broker) -> None:
    """Run what the broker hands out next, but for sweeps."""
    for job in broker.dequeue() or ():
        task = SignedPackage.loads(job[1])
        name = task["func"].removeprefix("studio.tasks.")
        broker.acknowledge(job[0])
        if name != "sweep":
            getattr(tasks, name)(*task["args"])


def _moving() -> bool:
    waits = Q(state=State.UNCERTAIN, next_poll_at=None) | Q(state=State.STALLED)
    return Generation.objects.exclude(state__in=TERMINAL_STATES).exclude(waits).exists()


def in_fork(job: Callable[[], object]) -> int:
    """Run this in a process of its own and return its pid; what it returns is printed."""
    connections.close_all()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        said = job()
        print(json.dumps({"said": said}), flush=True)
        status = 0
    except Exception:
        print(json.dumps({"failed": traceback.format_exc()}), flush=True)
    os._exit(status)


def main() -> None:
    hurry()
    ensure_accounts()
    # As old as a worker that waits for its work: its pid is known before the work begins.
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        match command.pop("do"):
            case "make":
                print(json.dumps({"pk": make(**command)}), flush=True)
                continue
            case "live":
                pid = in_fork(lambda: live_until(**command))  # noqa: B023 (forked at once)
                print(json.dumps({"pid": pid}), flush=True)
            case "make import":
                print(json.dumps({"pk": make_import(**command)}), flush=True)
                continue
            case "import":
                pid = in_fork(lambda: import_until(**command))  # noqa: B023
            case "finish import":
                pid = in_fork(lambda: finish_import(**command))  # noqa: B023
            case "work":
                pid = in_fork(lambda: work(**command))  # noqa: B023
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"signal": status & 0x7F, "at": timezone.now().isoformat()}), flush=True)


if __name__ == "__main__":
    main()
