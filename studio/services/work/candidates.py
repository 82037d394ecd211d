"""Jobs that may be a shot's, where it cannot be told: kept with the shot for a person to choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from studio import lifecycle
from studio.amounts import money
from studio.models import Generation
from studio.models.generation import State
from studio.providers.base import Job
from studio.providers.catalog import PROVIDER_LABELS, size_label
from studio.services.work.matching import SentShot, differing, differing_requests

MAX_CANDIDATES = 10
FIELD_WORDS = {
    "prompt": "prompt",
    "duration_s": "duration",
    "aspect_ratio": "aspect ratio",
    "resolution": "resolution",
    "loop": "loop",
    "concepts": "camera",
    "start": "start frame",
    "end": "end frame",
}


def offer_candidates(shot: SentShot, jobs: Sequence[Job], rivals: Sequence[SentShot]) -> None:
    """Keep the jobs that may be this shot's, and what else they may be, for its card."""
    offered = {
        "jobs": [_candidate(shot, job) for job in jobs[:MAX_CANDIDATES]],
        "rivals": [_rival(shot, other) for other in _each_once(rivals)],
    }
    row = shot.row
    if row.job_candidates == offered:
        return
    label = PROVIDER_LABELS.get(row.provider, row.provider)
    if len(jobs) == 1:
        what = "a job that may be this shot’s or another’s; the studio cannot tell which"
    else:
        what = f"{len(jobs)} jobs that may be this shot’s; the studio cannot tell which is"
    text = f"{label} has {what}. Please choose. It may be charged. Nothing is sent again by itself."
    lifecycle.touch_uncertain(row.pk, job_candidates=offered, waiting_text=text)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One job to choose, with what is known of it in words."""

    id: str
    facts: list[str]


def candidates_of(generation: Generation) -> list[Candidate]:
    """Return the jobs that a person may choose from for this shot, oldest first."""
    if generation.state != State.UNCERTAIN:
        return []
    jobs = generation.job_candidates.get("jobs", [])
    return [Candidate(job["id"], _facts(job)) for job in sorted(jobs, key=_created)]


def _created(job: Mapping[str, Any]) -> str:
    return str(job["created_at"])


def _facts(job: Mapping[str, Any]) -> list[str]:
    created = job["created_at"]
    credits = job["credits"]
    return list(
        filter(
            None,
            [
                f"created {datetime.fromisoformat(created):%d %b %H:%M:%S} UTC" if created else "",
                job["status"],
                f"{job['duration_s']} s" if job["duration_s"] else "",
                job["aspect_ratio"],
                size_label(job["resolution"]) if job["resolution"] else "",
                job["frames"],
                "its text differs from what was sent" if job.get("reworded") else "",
                money(job["microusd"]),
                "" if credits is None else f"{credits:,.10g} {job['unit'] or 'credits'}",
            ],
        )
    )


def clear_candidates(row: Generation) -> None:
    """Drop the choice: none of the provider's jobs may be this shot's any more."""
    if row.job_candidates:
        label = PROVIDER_LABELS.get(row.provider, row.provider)
        text = (
            f"{label} lists no job that may be this shot’s any more. It may be charged all the same. "
            "Nothing is sent again by itself."
        )
        lifecycle.touch_uncertain(row.pk, job_candidates={}, waiting_text=text)


def _candidate(shot: SentShot, job: Job) -> dict[str, Any]:
    echo = job.echo
    return {
        "id": job.id,
        "created_at": job.created_at.astimezone(UTC).isoformat() if job.created_at else "",
        "status": job.status.value,
        "duration_s": echo.duration_s,
        "aspect_ratio": echo.aspect_ratio or "",
        "resolution": echo.resolution or "",
        "frames": _frames(job),
        "reworded": "prompt" in differing(shot.request, job),
        "microusd": job.cost.microusd,
        "credits": job.cost.credits,
        "unit": job.cost.unit,
    }


def _frames(job: Job) -> str:
    ends = {"start": job.echo.start, "end": job.echo.end}
    if None in ends.values():
        return "frames not listed"
    given = [name for name, end in ends.items() if end]
    return f"{' and '.join(given)} frame" if given else "no frames"


def _rival(shot: SentShot, other: SentShot) -> dict[str, Any]:
    words = [FIELD_WORDS[name] for name in differing_requests(shot, other)]
    if other.row.project_id != shot.row.project_id:
        return {"number": None, "title": "", "code": "", "differs": words}
    row = other.row
    return {"number": row.number, "title": row.title, "code": str(row.code), "differs": words}


def _each_once(rivals: Sequence[SentShot]) -> list[SentShot]:
    return list({shot.row.pk: shot for shot in rivals}.values())
