"""What the emulator knows: jobs, purchases, uploads, violations and counts."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from tests.emulator.config import Config
from tests.emulator.faults import FaultPicker, roll

FAILURES = {
    "moderation": "Your prompt was flagged by our content moderation system.",
    "failed": "Generation failed: job error.",
    "capacity": "Upstream has no capacity, please try again later.",
    "unreadable_image": "Failed to read user input frames.",
}
NANOID = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-"


@dataclass(slots=True)
class EmulatedJob:
    """One purchase. Moments are `time.time()` seconds."""

    dialect: str
    id: str
    model: str
    prompt: str
    body: dict[str, Any]
    duration_s: int
    aspect_ratio: str
    accepted_at: float
    starts_at: float
    finishes_at: float
    outcome: str = ""  # a fault of kind "outcome", or empty for a clip
    callback_url: str = ""
    callback_events: tuple[str, ...] = ()
    charged: float = 0.0
    clip_id: str = field(default_factory=lambda: str(uuid4()))  # GMI's id for chaining

    @property
    def phase(self) -> str:
        """Return queued, running, done, failed or cancelled, by the clock."""
        now = time.time()
        if self.outcome == "stuck" or now < self.starts_at:
            return "queued"
        if now < self.finishes_at:
            return "running"
        if self.outcome == "cancelled":
            return "cancelled"
        return "failed" if self.outcome in FAILURES else "done"

    @property
    def error(self) -> str:
        return FAILURES.get(self.outcome, "") if self.phase == "failed" else ""

    @property
    def progress(self) -> int:
        if self.phase in ("done", "failed"):
            return 100
        span = max(self.finishes_at - self.starts_at, 0.001)
        return int(min(99, max(0, 100 * (time.time() - self.starts_at) / span)))

    @property
    def created_iso(self) -> str:
        return datetime.fromtimestamp(self.accepted_at, UTC).isoformat().replace("+00:00", "Z")

    @property
    def finished_iso(self) -> str | None:
        if self.phase not in ("done", "failed", "cancelled"):
            return None
        return datetime.fromtimestamp(self.finishes_at, UTC).isoformat().replace("+00:00", "Z")


class World:
    """All state of one emulator. Touched on its event loop only."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.base_url = ""
        self.tasks: set[asyncio.Task[None]] = set()
        self.reset()

    def reset(self) -> None:
        self.faults = FaultPicker(self.config)
        self.jobs: dict[str, EmulatedJob] = {}
        self.by_key: dict[str, tuple[str, str]] = {}  # idempotency key -> (body, job id)
        self.requests: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        self.bought: Counter[str] = Counter()  # "dialect prompt" -> purchases
        self.violations: list[str] = []
        self.uploads: dict[str, tuple[bytes, str]] = {}
        self.received: list[dict[str, Any]] = []
        self.webhooks: Counter[str] = Counter()
        self.spent: Counter[str] = Counter()

    def violate(self, dialect: str, what: str) -> None:
        self.violations.append(f"{dialect}: {what}")

    def accept(
        self,
        dialect: str,
        body: dict[str, Any],
        *,
        prompt: str,
        duration_s: int,
        aspect_ratio: str,
        callback_url: str = "",
        callback_events: tuple[str, ...] = (),
    ) -> EmulatedJob:
        """Buy: make a job and count it."""
        config, now = self.config, time.time()
        outcome = self.faults.pick("outcome", dialect, prompt)
        wait = config.finish_after_s + config.spread_s * roll(f"{config.seed}|spread|{prompt}")
        instant = outcome == "instant"
        job = EmulatedJob(
            dialect,
            self._new_id(dialect, str(body["model"])),
            str(body["model"]),
            prompt,
            body,
            duration_s,
            aspect_ratio,
            now,
            now if instant else now + min(config.queue_s, wait),
            now if instant else now + wait,
            "" if instant else outcome,
            callback_url,
            callback_events,
            charged=float(duration_s),
        )
        self.jobs[job.id] = job
        self.accepted[dialect] += 1
        self.bought[f"{dialect} {prompt}"] += 1
        self.spent[account_of(dialect)] += duration_s
        return job

    def left(self, dialect: str) -> float:
        return self.config.credits - self.spent[account_of(dialect)]

    def job(self, dialect: str, job_id: str) -> EmulatedJob | None:
        job = self.jobs.get(job_id)
        return job if job is not None and job.dialect == dialect else None

    def newest(self, dialect: str, model: str = "") -> list[EmulatedJob]:
        return [
            job
            for job in reversed(self.jobs.values())
            if job.dialect == dialect and model in ("", job.model)
        ]

    def media_url(self, job: EmulatedJob) -> str:
        # A query as signed links have it: nothing may store or log it.
        return (
            f"{self.base_url}/media/{job.id.replace('/', '_')}.mp4?Signature=secret-{job.clip_id}"
        )

    def thumbnail_url(self, job: EmulatedJob) -> str:
        return f"{self.base_url}/media/{job.id.replace('/', '_')}.jpg"

    def upload_url(self, upload_id: str) -> str:
        return f"{self.base_url}/media/uploads/{upload_id}"

    def snapshot(self) -> dict[str, Any]:
        """Return the counts, as plain JSON. `duplicates`: prompts bought more than once."""
        phases = Counter(job.phase for job in self.jobs.values())
        return {
            "requests": dict(self.requests),
            "accepted": dict(self.accepted),
            "jobs": dict(phases),
            "duplicates": {name: n for name, n in self.bought.items() if n > 1},
            "violations": len(self.violations),
            "faults": dict(self.faults.hits),
            "webhooks": dict(self.webhooks),
            "uploads": len(self.uploads),
            "spent": dict(self.spent),
        }

    def _new_id(self, dialect: str, model: str) -> str:
        if dialect == "aimlapi":
            if self.config.aimlapi_ids == "suffixed":
                return f"{uuid4()}:{model}"
            if self.config.aimlapi_ids == "nanoid":
                return "".join(secrets.choice(NANOID) for _ in range(21))
        return str(uuid4())


def account_of(dialect: str) -> str:
    """Return the account a dialect draws on: AI/ML API's two endpoints share one."""
    return "aimlapi" if dialect == "legacy" else dialect
