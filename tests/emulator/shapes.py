"""How each provider writes a job down."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

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
    ended = job.phase in ("done", "failed", "cancelled")
    data: dict[str, Any] = {
        "id": job.id,
        "status": UNKNOWN.upper() if unknown else APIFRAME_WORDS[job.phase],
        "model": job.model,
        "progress": None if job.phase == "queued" else job.progress,
        "result": apiframe_result(world, job),
        "error": job.error or None,
        "creditCost": (0 if job.phase != "done" else int(job.charged * 10)) if ended else None,
        "webhookStatus": None,
        "createdAt": job.created_iso,
        "completedAt": job.finished_iso,
        "expired": job.outcome == "expired" and job.phase == "done",
    }
    if with_input:
        data["input"] = job.body
    return data


def apiframe_event(world: World, job: EmulatedJob) -> dict[str, Any]:
    full = apiframe_job(world, job)
    name = {"done": "completed", "failed": "failed"}.get(job.phase, "progress")
    kept = ("status", "progress", "result", "model", "creditCost", "completedAt", "error")
    return {"event": name, "jobId": job.id, **{key: full[key] for key in kept}}


def aimlapi_generation(world: World, job: EmulatedJob, *, unknown: bool = False) -> dict[str, Any]:
    media = has_media(job)
    usage = {
        "credits_used": int(job.charged * world.config.dollars_per_s * 2_000_000),
        "usd_spent": round(job.charged * world.config.dollars_per_s, 6),
    }
    return {
        "id": job.id,
        "status": UNKNOWN if unknown else AIMLAPI_WORDS[job.phase],
        "model": job.model,
        "video": {"url": world.media_url(job)} if media else None,
        "error": {"name": "GenerationError", "message": job.error} if job.error else None,
        "meta": {"usage": usage} if media else None,
    }


def luma_generation(world: World, job: EmulatedJob, *, unknown: bool = False) -> dict[str, Any]:
    media = has_media(job)
    return {
        "id": job.id,
        "generation_type": "video",
        "state": UNKNOWN if unknown else LUMA_WORDS[job.phase],
        "failure_reason": job.error or ("Cancelled." if job.phase == "cancelled" else None),
        "created_at": job.created_iso,
        "assets": {
            "video": world.media_url(job) if media else None,
            "image": world.thumbnail_url(job) if media else None,
            "progress_video": None,
        },
        "model": job.model,
        "request": {key: value for key, value in job.body.items() if key != "model"},
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
    ended = job.phase in ("done", "failed", "cancelled")
    return {
        "request_id": job.id,
        "org_id": str(uuid5(NAMESPACE_URL, "emulator")),
        "model": job.model,
        "status": UNKNOWN if unknown else GMI_WORDS[job.phase],
        "is_public": False,
        "payload": job.body.get("payload", {}),
        "outcome": outcome,
        "created_at": int(job.accepted_at),
        "queued_at": int(job.accepted_at),
        "updated_at": int(job.finishes_at if ended else job.accepted_at),
    }
