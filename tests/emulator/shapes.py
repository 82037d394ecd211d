"""How each provider writes a job down."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tests.emulator.asked import with_other_words
from tests.emulator.money import CREDITS_PER_DOLLAR, amount_in_answers
from tests.emulator.world import EmulatedJob, World

UNKNOWN = "sprouting"
APIFRAME_WORDS = {
    "queued": "QUEUED",
    "running": "PROCESSING",
    "done": "COMPLETED",
    "failed": "FAILED",
    "cancelled": "CANCELLED",
}
AIMLAPI_WORDS = {
    "queued": "queued",
    "running": "generating",
    "done": "completed",
    "failed": "error",
    "cancelled": "cancelled",
}
LUMA_WORDS = {
    "queued": "queued",
    "running": "dreaming",
    "done": "completed",
    "failed": "failed",
    "cancelled": "failed",
}
GMI_WORDS = {
    "queued": "queued",
    "running": "processing",
    "done": "success",
    "failed": "failed",
    "cancelled": "cancelled",
}


def has_media(job: EmulatedJob) -> bool:
    return job.phase == "done" and job.outcome != "no_media"


def repeated(job: EmulatedJob) -> dict[str, Any]:
    """Return the request as answers repeat it."""
    return with_other_words(job.dialect, job.body) if job.echo else job.body


def created_iso(world: World, job: EmulatedJob) -> str:
    return world.iso_of(job.dialect, job.accepted_at)


def finished_iso(world: World, job: EmulatedJob) -> str | None:
    return world.iso_of(job.dialect, job.finishes_at) if job.has_ended else None


def tell_amount(job: EmulatedJob) -> Any:
    """Return the amount an answer gives for a job that has ended, and note it."""
    job.told = amount_in_answers(job.charged, job.amount)
    return job.told


def apiframe_result(world: World, job: EmulatedJob) -> Any:
    if not has_media(job):
        return None
    url = world.media_url(job)
    match world.config.apiframe_result:
        case "string":
            return url
        case "videos":
            return {"videos": [{"url": url}]}
    return {"videoUrl": url}


def apiframe_job(
    world: World, job: EmulatedJob, *, unknown: bool = False, with_input: bool = True
) -> dict[str, Any]:
    data: dict[str, Any] = {
        "id": job.id,
        "status": UNKNOWN.upper() if unknown else APIFRAME_WORDS[job.phase],
        "model": job.model,
        "progress": None if job.phase == "queued" else job.progress,
        "result": apiframe_result(world, job),
        "error": job.error or None,
        "creditCost": tell_amount(job) if job.has_ended else None,
        "webhookStatus": None,
        "createdAt": created_iso(world, job),
        "completedAt": finished_iso(world, job),
        "expired": job.outcome == "expired" and job.phase == "done",
    }
    if with_input:
        data["input"] = repeated(job)
    return data


def apiframe_event(world: World, job: EmulatedJob) -> dict[str, Any]:
    full = apiframe_job(world, job)
    name = {"done": "completed", "failed": "failed"}.get(job.phase, "progress")
    kept = ("status", "progress", "result", "model", "creditCost", "completedAt", "error")
    return {"event": name, "jobId": job.id, **{key: full[key] for key in kept}}


def aimlapi_generation(world: World, job: EmulatedJob, *, unknown: bool = False) -> dict[str, Any]:
    media = has_media(job)
    return {
        "id": job.id,
        "status": UNKNOWN if unknown else AIMLAPI_WORDS[job.phase],
        "model": job.model,
        "video": {"url": world.media_url(job)} if media else None,
        "error": {"name": "GenerationError", "message": job.error} if job.error else None,
        "meta": _usage(job) if media or job.outcome == "charged_failure" else None,
    }


def _usage(job: EmulatedJob) -> dict[str, Any] | None:
    if not job.has_ended:
        return None
    dollars = tell_amount(job)
    if dollars is None:
        return None
    credits = round(dollars * CREDITS_PER_DOLLAR) if isinstance(dollars, int | float) else dollars
    return {"usage": {"credits_used": credits, "usd_spent": dollars}}


def aimlapi_log_row(world: World, job: EmulatedJob) -> dict[str, Any]:
    """Return a job's row of the request log: what it holds or took, unless it was rolled back."""
    return log_row(
        created=created_iso(world, job),
        status="failed" if job.phase == "failed" else "succeeded",
        model=job.model,
        dollars=job.charged,
        inference_id=job.id,
        client_request_id=job.headers.get("X-Client-Request-Id"),
    )


def log_row(
    *,
    created: str,
    status: str,
    model: str,
    dollars: float,
    inference_id: str,
    client_request_id: str | None,
) -> dict[str, Any]:
    return {
        "created": created,
        "status": status,
        "origin": "api",
        "model": model,
        "cost": {"usd": dollars, "credits": round(dollars * CREDITS_PER_DOLLAR)},
        "tokens": {"input": 0, "output": 0, "total": 0},
        "request_id": f"req-{uuid5(NAMESPACE_URL, inference_id)}",
        "inference_id": inference_id,
        "client_request_id": client_request_id,
    }


def luma_generation(world: World, job: EmulatedJob, *, unknown: bool = False) -> dict[str, Any]:
    media = has_media(job)
    return {
        "id": job.id,
        "generation_type": "video",
        "state": UNKNOWN if unknown else LUMA_WORDS[job.phase],
        "failure_reason": job.error or ("Cancelled." if job.phase == "cancelled" else None),
        "created_at": created_iso(world, job),
        "assets": {
            "video": world.media_url(job) if media else None,
            "image": world.thumbnail_url(job) if media else None,
            "progress_video": None,
        },
        "model": job.model,
        "request": {key: value for key, value in repeated(job).items() if key != "model"},
    }


def gmi_record(world: World, job: EmulatedJob, *, unknown: bool = False) -> dict[str, Any]:
    outcome: dict[str, Any] | None = None
    if job.phase == "done":
        outcome = {"thumbnail_image_url": world.thumbnail_url(job)}
        if has_media(job):
            url = world.media_url(job)
            match world.config.gmi_media:
                case "video_url":
                    outcome["video_url"] = url
                case "strings":
                    outcome["media_urls"] = [url]
                case _:
                    outcome["media_urls"] = [{"id": "0", "url": url}]
            if job.model != "Luma-Ray2":
                outcome["generation_id"] = job.clip_id
    elif job.phase == "failed":
        outcome = {"error": job.error}
    return {
        "request_id": job.id,
        "org_id": str(uuid5(NAMESPACE_URL, "emulator")),
        "model": job.model,
        "status": UNKNOWN if unknown else GMI_WORDS[job.phase],
        "is_public": False,
        "payload": repeated(job).get("payload", {}),
        "outcome": outcome,
        "created_at": world.seconds_of("gmicloud", job.accepted_at),
        "queued_at": world.seconds_of("gmicloud", job.accepted_at),
        "updated_at": world.seconds_of(
            "gmicloud", job.finishes_at if job.has_ended else job.accepted_at
        ),
    }
