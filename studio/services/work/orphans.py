"""The orphan sweep: what the providers know and the studio does not."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from studio import lifecycle
from studio.models import Generation, Orphan, Project, ProviderAccount, User
from studio.models.generation import Charged, State, title_from
from studio.providers.base import Job, ProviderError, Status
from studio.providers.catalog import ModelSpec, UnknownModel, get_spec, specs_for
from studio.queue import enqueue
from studio.services.apart import Apart
from studio.services.doors import open_door
from studio.services.errors import StudioError

logger = logging.getLogger(__name__)

LOOK_BACK = timedelta(days=2)
# A job younger than this may belong to a submit whose answer is still on its way.
SETTLED = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Found:
    """What one orphan sweep found."""

    seen: int = 0
    fetched: int = 0  # known here, rendered there, never collected: being fetched now
    orphans: int = 0  # not known here at all
    troubles: tuple[str, ...] = ()


def sweep_orphans() -> Found:
    """Ask every account that can list its jobs. Imports what is ours, notes what nobody knows."""
    seen = fetched = orphans = 0
    troubles: list[str] = []
    apart = Apart()
    for account in ProviderAccount.objects.filter(enabled=True).exclude(key_locked=""):
        for spec in specs_for(account.provider):
            if not spec.lists_jobs or spec.dialect not in ("", account.dialect):
                continue
            with apart.one(f"{spec.name} at account {account.pk}"):
                try:
                    with open_door(account, spec.dialect) as provider:
                        jobs = provider.find_recent(model=spec.id, since=timezone.now() - LOOK_BACK)
                except ProviderError as error:
                    troubles.append(f"{spec.name}: {error.message}")
                    continue
                seen += len(jobs)
                mine, unknown = _sort(account, spec, jobs)
                fetched += mine
                orphans += unknown
    troubles += [f"{name}: it could not be asked; see the log." for name in apart.failed]
    return Found(seen, fetched, orphans, tuple(troubles))


def _sort(account: ProviderAccount, spec: ModelSpec, listed: Sequence[Job]) -> tuple[int, int]:
    fetched = unknown = 0
    # Two accounts may hold the same key: what any of them knows is no orphan.
    known = {
        g.provider_job_id: g
        for g in Generation.objects.filter(
            provider=account.provider, provider_job_id__in=[job.id for job in listed]
        )
    }
    for job in listed:
        generation = known.get(job.id)
        if generation is None:
            settled = job.created_at is None or job.created_at < timezone.now() - SETTLED
            unknown += settled and _note(account, spec, job)
        elif job.status is Status.SUCCEEDED and job.result_url and not job.expired:
            fetched += _collect(generation, job)
    return fetched, unknown


def _collect(generation: Generation, job: Job) -> bool:
    """Fetch a clip the studio knew of and had given up, or never managed to keep."""
    if not lifecycle.move(
        generation.pk,
        State.STORING,
        old=[State.FAILED, State.ABANDONED],
        reason="the provider has the clip after all",
        result_url=job.result_url,
        charged=Charged.YES if job.charged else generation.charged or Charged.UNKNOWN,
        work_attempts=0,
        failure_code="",
        failure_text="",
    ):
        return False
    enqueue("store_clip", generation.pk)
    return True


def _note(account: ProviderAccount, spec: ModelSpec, job: Job) -> bool:
    _, made = Orphan.objects.update_or_create(
        account=account,
        job_id=job.id,
        defaults={
            "model": spec.id,
            "prompt": job.prompt,
            "status": job.status,
            "result_url": job.result_url,
            "error": job.error[:300],
            "microusd": job.cost.microusd,
            "credits": job.cost.credits,
            "unit": job.cost.unit[:20],
            "created_at_provider": job.created_at,
        },
    )
    return made


def adopt(*, orphan: Orphan, project: Project, by: User) -> Generation:
    """Bring an orphan's clip into a project: it is fetched and kept like any other."""
    if not orphan.result_url:
        raise StudioError("This job has no clip to fetch.")
    try:
        spec = get_spec(orphan.account.provider, orphan.model)
    except UnknownModel as error:
        raise StudioError(str(error)) from error
    with transaction.atomic():
        locked = Orphan.objects.select_for_update().get(pk=orphan.pk)
        if locked.generation is not None:
            return locked.generation
        generation = Generation(
            project=project,
            by=by,
            title=title_from(orphan.prompt),
            prompt=orphan.prompt or "Not known",
            sent_prompt=orphan.prompt,
            duration_s=spec.durations_s[0],
            aspect_ratio=project.aspect_ratio,
            resolution=spec.resolutions[0],
            provider=spec.provider,
            model=spec.id,
            account=orphan.account,
            shot=uuid.uuid4(),
            provider_job_id=orphan.job_id,
            actual_microusd=orphan.microusd,
            actual_credits=orphan.credits,
            credit_unit=orphan.unit,
        )
        lifecycle.create([generation], actor=by, reason="found at the provider")
        lifecycle.claim_submit(generation.pk)
        lifecycle.move(
            generation.pk, State.STORING, old=State.SUBMITTING, actor=by, reason="adopted; fetching the clip",
            result_url=orphan.result_url, charged=Charged.YES, progress=100,
        )  # fmt: skip
        Orphan.objects.filter(pk=orphan.pk).update(generation=generation)
        enqueue("store_clip", generation.pk)
        enqueue("sweep")
    return generation
