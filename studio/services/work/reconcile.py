"""Shots nobody knows the fate of: look for them at the provider, and the three ways out for people."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from studio import lifecycle
from studio.models import Generation, ProviderAccount, User
from studio.models.generation import Charged, State
from studio.providers.base import Job, ProviderError
from studio.providers.catalog import get_spec
from studio.queue import enqueue, wake_sweep
from studio.services.doors import open_door
from studio.services.errors import StudioError
from studio.services.work.outcomes import FIRST_POLL, TOTAL_DEADLINE

logger = logging.getLogger(__name__)

# Looked for at these times after it was sent; then only when a person asks.
LOOKS = (timedelta(seconds=10), timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))
CLOCK_SLACK = timedelta(minutes=2)
NO_ANSWER = timedelta(minutes=2)  # the next look when the provider did not answer this one
NO_ANSWER_MOST = timedelta(hours=24)
KNOWN_BEFORE = timedelta(days=2)  # how long a shot may wait between its making and its sending
# Where the providers' answers repeat what was asked for.
ECHOES = ("input", "request", "payload")


def reconcile_account(account_pk: int) -> int:
    """Look at the provider for this account's uncertain shots that are due. Returns how many were found.

    A job counts as ours when model, prompt and what else its answer repeats are the same, it was
    created after the shot was sent, and no generation here has its id. Several like shots take the
    like jobs in order: any of them is as good as another, and none is taken twice.
    """
    now = timezone.now()
    rows = list(
        Generation.objects.filter(
            account_id=account_pk, state=State.UNCERTAIN, next_poll_at__lte=now
        )
        .select_related("account")
        .order_by("submitted_at", "pk")
    )
    # The next look is set before this one: should it die on the way, it comes back.
    Generation.objects.filter(pk__in=[row.pk for row in rows], state=State.UNCERTAIN).update(
        next_poll_at=now + NO_ANSWER
    )
    found = sum(
        _arrived(row, row.provider_job_id, None, "its answer came late")
        for row in rows
        if row.provider_job_id
    )
    rows = [row for row in rows if not row.provider_job_id]
    for model in sorted({row.model for row in rows}):
        found += _reconcile_model(
            rows[0].account, model, [row for row in rows if row.model == model]
        )
    return found


def _reconcile_model(account: ProviderAccount, model: str, rows: list[Generation]) -> int:
    spec = get_spec(account.provider, model)
    if not spec.lists_jobs:
        Generation.objects.filter(pk__in=[row.pk for row in rows], state=State.UNCERTAIN).update(
            next_poll_at=None
        )
        return 0
    since = min(row.submitted_at or row.created_at for row in rows) - CLOCK_SLACK
    # Two accounts may hold the same key, so what any of them knows is not free.
    known = Generation.objects.filter(
        account__provider=account.provider, created_at__gte=since - KNOWN_BEFORE
    ).exclude(provider_job_id="")
    skip = frozenset(known.values_list("provider_job_id", flat=True))
    try:
        with open_door(account, spec.dialect) as provider:
            jobs = provider.find_recent(model=model, since=since, skip=skip)
    except ProviderError as error:
        logger.warning("looking for uncertain shots at %s: %s", account.provider, error.message)
        _stop_looking([row for row in rows if _age(row) > NO_ANSWER_MOST])
        return 0
    taken = set(
        Generation.objects.filter(
            account__provider=account.provider, provider_job_id__in=[job.id for job in jobs]
        ).values_list("provider_job_id", flat=True)
    )
    free = [job for job in jobs if job.id not in taken]
    free.sort(key=lambda job: (job.created_at is None, job.created_at, job.id))
    return sum(_match(row, free) for row in rows)


def _match(row: Generation, free: list[Job]) -> bool:
    """Take the first free job that is this shot's, or plan the next look."""
    job = next((job for job in free if _is_ours(row, job)), None)
    if job is None and not all(job.prompt for job in free) and _age(row) < NO_ANSWER_MOST:
        return False  # it may be one whose details did not come: the next look is set already
    if job is None or _twin_under_way(row):
        _look_again(row)
        return False
    free.remove(job)
    return _arrived(row, job.id, None, "found at the provider")


def _is_ours(row: Generation, job: Job) -> bool:
    if " ".join(job.prompt.split()) != " ".join(row.sent_prompt.split()):
        return False
    sent = row.submitted_at or row.created_at
    if job.created_at is not None and job.created_at < sent - CLOCK_SLACK:
        return False
    asked = {
        "duration": str(row.duration_s),
        "aspect_ratio": row.aspect_ratio,
        "loop": str(row.loop).lower(),
    }
    told = _echo(job.raw)
    return all(told.get(name, value) == value for name, value in asked.items())


def _echo(raw: Mapping[str, Any]) -> dict[str, str]:
    """Return what an answer repeats of its request: names to plain values, "5s" as "5"."""
    echo: Mapping[str, Any] = next(
        (raw[name] for name in ECHOES if isinstance(raw.get(name), Mapping)), {}
    )
    inner = echo.get("lumaParams")
    flat = {**echo, **(inner if isinstance(inner, Mapping) else {})}
    told = {name: str(value).lower() for name, value in flat.items() if value is not None}
    if "duration" in told:
        told["duration"] = told["duration"].removesuffix("s")
    return told


def _twin_under_way(row: Generation) -> bool:
    """Whether a like shot is being sent now: a job that looks like ours may be its."""
    return Generation.objects.filter(
        account=row.account_id,
        state=State.SUBMITTING,
        model=row.model,
        sent_prompt=row.sent_prompt,
    ).exists()


def _age(row: Generation) -> timedelta:
    return timezone.now() - (row.submitted_at or row.created_at)


def _look_again(row: Generation) -> None:
    pause = next((look for look in LOOKS if look > _age(row)), None)
    if pause is None:
        _stop_looking([row])
        return
    Generation.objects.filter(pk=row.pk, state=State.UNCERTAIN).update(
        next_poll_at=timezone.now() + pause
    )


def _stop_looking(rows: Sequence[Generation]) -> None:
    Generation.objects.filter(pk__in=[row.pk for row in rows], state=State.UNCERTAIN).update(
        next_poll_at=None
    )


def _arrived(row: Generation, job_id: str, actor: User | None, reason: str) -> bool:
    now = timezone.now()
    try:
        with transaction.atomic():
            return lifecycle.move(
                row.pk,
                State.RUNNING,
                old=State.UNCERTAIN,
                actor=actor,
                reason=f"{reason}: {job_id}",
                provider_job_id=job_id,
                deadline_at=now + TOTAL_DEADLINE,
                next_poll_at=now + min(FIRST_POLL, timedelta(seconds=1)),
            )
    except IntegrityError:
        return False


# ---- The three ways out, and looking again --------------------------------------------------


def say_arrived(*, generation: Generation, by: User, job_id: str) -> None:
    """A person found it at the provider: watch that job from now on."""
    job_id = job_id.strip()
    if not 1 <= len(job_id) <= 255:
        raise StudioError(
            f"The job id has {len(job_id)} characters; 1 to 255 are allowed.", field="job_id"
        )
    if Generation.objects.filter(account=generation.account, provider_job_id=job_id).exists():
        raise StudioError(f"Job {job_id} already belongs to another clip here.", field="job_id")
    if not _arrived(generation, job_id, by, "a person found it at the provider"):
        raise StudioError("It is not waiting for an answer any more.")
    wake_sweep(generation.account_id)


def send_again(*, generation: Generation, by: User) -> None:
    """A person is sure it did not arrive: back in line. This may buy it a second time."""
    if not lifecycle.move(
        generation.pk, State.QUEUED, old=State.UNCERTAIN, actor=by, reason="sent again by a person",
        submitted_at=None, raw_status="", next_poll_at=None,
    ):  # fmt: skip
        raise StudioError("It is not waiting for an answer any more.")
    enqueue("submit_next", generation.account_id)
    wake_sweep(generation.account_id)


def give_up(*, generation: Generation, by: User) -> None:
    """A person stops watching. Credits may still be spent at the provider."""
    if not lifecycle.move(
        generation.pk,
        State.ABANDONED,
        actor=by,
        reason="given up by a person",
        charged=Charged.UNKNOWN,
        failure_code="abandoned",
        failure_text="Nobody watches this any more. The provider may still render it.",
    ):
        raise StudioError("It has ended already, or is not at a provider.")
    enqueue("submit_next", generation.account_id)


def check_again(*, generation: Generation) -> None:
    """Look now, whatever the pace: a poll for stalled and running shots, a search for uncertain ones."""
    watched = [State.RUNNING, State.STALLED, State.UNCERTAIN]
    rows = Generation.objects.filter(pk=generation.pk, state__in=watched)
    if not rows.update(next_poll_at=timezone.now()):
        raise StudioError("It has ended, or is not with a provider yet.")
    wake_sweep(generation.account_id)


def can_fetch(generation: Generation) -> bool:
    """Whether there may be a clip to fetch for this shot, though it ended without one."""
    if generation.state not in (State.FAILED, State.ABANDONED):
        return False
    # Given up while it was rendered there, or done without a video: the provider is asked again.
    asks = generation.state == State.ABANDONED or generation.failure_code == "no_media"
    return bool(generation.result_url or (asks and generation.provider_job_id))


def fetch_again(*, generation: Generation, by: User) -> None:
    """Fetch the clip of a shot whose media could not be kept, or that was given up too early."""
    if not can_fetch(generation) or not lifecycle.move(
        generation.pk,
        State.STORING,
        old=[State.FAILED, State.ABANDONED],
        actor=by,
        reason="fetched again by a person",
        work_attempts=0,
        next_poll_at=timezone.now(),
        failure_code="",
        failure_text="",
    ):
        raise StudioError(
            "There is nothing to fetch: the provider never handed over a clip for it."
        )
    enqueue("store_clip", generation.pk)
    wake_sweep(generation.account_id)
