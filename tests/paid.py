"""What tests of paid work need: the emulator as accounts, shots, and the queue looked into."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from studio import lifecycle, sweep, tasks
from studio.models import Generation, Project, ProviderAccount, User
from studio.models.generation import State
from studio.services.files import scratch_dir
from tests.emulator import Emulator

MODELS = {
    "apiframe": "luma-ray-2",
    "aimlapi": "luma/ray-2",
    "legacy": "ray-2",
    "gmicloud": "Luma-Ray2",
    "luma": "ray-2",
    "previs": "previs-1",
}
ANSWERED_WITHIN_S = 30.0
DIALECTS = ("apiframe", "aimlapi", "legacy", "gmicloud", "luma")
_prompts = itertools.count(1)


@dataclass
class Asked:
    """What was put in the queue, oldest first, as (task, arguments)."""

    tasks: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def __call__(self, path: str, *args: Any, **options: Any) -> None:
        self.tasks.append((path.removeprefix("studio.tasks."), args))

    def __contains__(self, task: object) -> bool:
        return task in self.tasks

    def count(self, name: str) -> int:
        return sum(task == name for task, _ in self.tasks)

    def clear(self) -> None:
        self.tasks.clear()

    def run(self, *names: str, most: int = 1000) -> None:
        """Run what is asked for, and what that asks for, until nothing of these names is left."""
        for _ in range(most):
            found = next((task for task in self.tasks if task[0] in names), None)
            if found is None:
                return
            self.tasks.remove(found)
            getattr(tasks, found[0])(*found[1])
        raise AssertionError(f"still asked for after {most} tasks: {self.tasks[:5]}")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """The queue: nothing runs unless the test says so, and commits are not waited for."""
    found = Asked()
    monkeypatch.setattr("studio.queue.async_task", found)
    monkeypatch.setattr("studio.queue.queue_size", lambda: 0)
    monkeypatch.setattr("studio.queue.transaction.on_commit", lambda call: call())
    return found


@pytest.fixture
def emulator(settings: LazySettings) -> Iterator[Emulator]:
    """The paid providers on this machine. Jobs end at once unless told otherwise."""
    with Emulator(finish_after_s=0, clip_s=1, hang_s=20) as running:
        settings.MEDIA_HOSTS = frozenset({running.url.partition("://")[2]})
        yield running
        assert running.violations == []


def account_at(emulator: Emulator, dialect: str, **fields: Any) -> ProviderAccount:
    """Return the account of this dialect at the emulator, made on first use."""
    provider = "aimlapi" if dialect == "legacy" else dialect
    account = ProviderAccount.objects.filter(provider=provider, label=dialect).first()
    if account is None:
        account = ProviderAccount(
            provider=provider,
            label=dialect,
            dialect="legacy" if dialect == "legacy" else "",
            base_url=emulator.base_url(provider),
            **({"concurrent_limit": 50} | fields),
        )
        account.set_key(emulator.key(provider))
        account.save()
    return account


def queue_shot(project: Project, account: ProviderAccount, **fields: Any) -> Generation:
    """Put one shot in the line at this account."""
    (made,) = queue_shots(project, account, 1, **fields)
    return made


def queue_shots(
    project: Project, account: ProviderAccount, count: int, *, by: User | None = None, **fields: Any
) -> list[Generation]:
    dialect = account.dialect or account.provider
    made = []
    for _ in range(count):
        prompt = fields.get("prompt") or f"Low cloud over ridge {next(_prompts)} {uuid.uuid4().hex}"
        made.append(
            Generation(
                project=project,
                by=by or project.created_by,
                account=account,
                **{
                    "title": "Ridge",
                    "sent_prompt": prompt,
                    "duration_s": 5,
                    "aspect_ratio": "16:9",
                    "resolution": "720p",
                    "provider": account.provider,
                    "model": MODELS[dialect],
                    **fields,
                    "prompt": prompt,
                },
            )
        )
    lifecycle.create(made, actor=project.created_by)
    return made


def at_provider(
    project: Project, account: ProviderAccount, job_id: str = "", **fields: Any
) -> Generation:
    """Return a shot that its provider has, due for a poll."""
    shot = queue_shot(project, account)
    now = timezone.now()
    assert lifecycle.claim_submit(shot.pk)
    assert lifecycle.record_running(
        shot.pk,
        job_id=job_id or uuid.uuid4().hex,
        deadline_at=now + timedelta(minutes=45),
        next_poll_at=now,
    )
    Generation.objects.filter(pk=shot.pk).update(**fields)
    return again(shot)


def again(generation: Generation) -> Generation:
    return Generation.objects.select_related("project", "account").get(pk=generation.pk)


def make_due(*generations: Generation) -> None:
    """Let whatever these wait for be over."""
    past = timezone.now() - timedelta(seconds=1)
    Generation.objects.filter(pk__in=[g.pk for g in generations]).update(next_poll_at=past)


def lapse(*generations: Generation) -> None:
    """Let the leases of these run out, as when their workers died."""
    past = timezone.now() - timedelta(seconds=1)
    Generation.objects.filter(pk__in=[g.pk for g in generations]).update(lease_until=past)


def sweep_once(seconds: float = 0.1, *, unanswered: int = 0) -> str:
    """Sweep until nothing is in flight, or for so long. What is asked is waited for, however slow
    the machine, but for as many rows as the test leaves `unanswered`.
    """
    hear = sweep._Slice._hear

    def hear_all(self: sweep._Slice) -> None:
        until = time.monotonic() + ANSWERED_WITHIN_S
        hear(self)
        while sum(len(w.out) for w in self._watches.values()) > unanswered:
            assert time.monotonic() < until, "a poll was not answered"
            time.sleep(0.005)
            hear(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep._Slice, "_hear", hear_all)
        return sweep.run_slice(0, linger_s=seconds)


def reasons(generation: Generation) -> list[str]:
    return list(generation.events.values_list("new", flat=True))


def assert_tidy() -> None:
    """Nothing half-made is left in the scratch folder."""
    assert [path.name for path in scratch_dir().iterdir()] == []


def is_clip(generation: Generation) -> bool:
    return again(generation).state == State.SUCCEEDED
