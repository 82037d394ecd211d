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

from tests.emulator.asked import asked_for, with_other_shape
from tests.emulator.config import Config
from tests.emulator.faults import FaultPicker, roll
from tests.emulator.money import price_of, unit_of

FAILURES = {
    "moderation": "Your prompt was flagged by our content moderation system.",
    "failed": "Generation failed: job error.",
    "capacity": "Upstream has no capacity, please try again later.",
    "unreadable_image": "Failed to read user input frames.",
    "charged_failure": "Generation failed: job error.",
    "moderation_reworded": "This request goes against what we allow people to make.",
}
TELLS_AMOUNTS = frozenset({"apiframe", "aimlapi"})
ECHOING = frozenset({"apiframe", "gmicloud", "luma"})  # answers repeat the request
ACCOUNTS = ("apiframe", "aimlapi", "gmicloud", "luma")
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
    clip_id: str = field(default_factory=lambda: str(uuid4()))  # GMI's id for chaining
    headers: dict[str, str] = field(default_factory=dict)  # of the request, see `asked`
    key: str = ""  # the API key it was bought with
    frames: dict[str, str] = field(default_factory=dict)  # "start", "end" -> SHA-256 of the picture
    price: float = 0.0  # in `unit`
    amount: str = ""  # a fault of kind "amount", or empty for the true one
    delivery: str = ""  # a fault of kind "delivery"
    echo: str = ""  # a fault of kind "echo"
    foreign: bool = False  # bought by somebody else with the same account
    answers: int = 1  # submits that were answered with this job
    clip_requests: int = 0
    told: Any = None  # the amount that answers gave last

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
    def has_ended(self) -> bool:
        return self.phase in ("done", "failed", "cancelled")

    @property
    def unit(self) -> str:
        return unit_of(self.dialect)

    @property
    def charged(self) -> float:
        """Return what the provider truly keeps for it, in `unit`: what failed is refunded."""
        if self.amount == "amount_zero":
            return 0.0
        ended_unpaid = self.phase in ("failed", "cancelled") and self.outcome != "charged_failure"
        return 0.0 if ended_unpaid else self.price

    @property
    def asked(self) -> dict[str, Any]:
        return asked_for(self.dialect, self.body)

    @property
    def error(self) -> str:
        return FAILURES.get(self.outcome, "") if self.phase == "failed" else ""

    @property
    def progress(self) -> int:
        if self.phase in ("done", "failed"):
            return 100
        span = max(self.finishes_at - self.starts_at, 0.001)
        return int(min(99, max(0, 100 * (time.time() - self.starts_at) / span)))


class World:
    """All state of one emulator. Touched on its event loop only."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.base_url = ""
        self.tasks: set[asyncio.Task[None]] = set()
        self.reset()

    def reset(self) -> None:
        self.started_at = time.time()
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
        self.refused_requests: list[dict[str, Any]] = []  # for AI/ML API's log

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
        **more: Any,
    ) -> EmulatedJob:
        """Buy: make a job and count it."""
        job = self._make(
            dialect, body, prompt, duration_s, aspect_ratio, callback_url, callback_events, **more
        )
        self.accepted[dialect] += 1
        self.bought[f"{dialect} {prompt}"] += 1
        self.spent[account_of(dialect)] += duration_s
        if self.faults.pick("twin", dialect, prompt) == "foreign_twin":
            twin = with_other_shape(dialect, body)
            shape = str(asked_for(dialect, twin)["aspect_ratio"])
            self._make(dialect, twin, prompt, duration_s, shape, foreign=True)
        return job

    def _make(
        self,
        dialect: str,
        body: dict[str, Any],
        prompt: str,
        duration_s: int,
        aspect_ratio: str,
        callback_url: str = "",
        callback_events: tuple[str, ...] = (),
        **more: Any,
    ) -> EmulatedJob:
        config, now = self.config, time.time()
        outcome = self.faults.pick("outcome", dialect, prompt)
        amount = self.faults.pick("amount", dialect, prompt)
        if outcome == "charged_failure":
            # Where no answer holds an amount, nobody could know: there it is refunded.
            outcome, amount = (outcome if dialect in TELLS_AMOUNTS else "failed"), ""
        wait = config.finish_after_s + config.spread_s * roll(f"{config.seed}|spread|{prompt}")
        instant = outcome == "instant"
        job = EmulatedJob(
            dialect,
            self._new_id(dialect, str(body["model"]), prompt),
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
            price=price_of(
                config,
                dialect,
                account_of(dialect),
                duration_s=duration_s,
                aspect_ratio=aspect_ratio,
                resolution=str(asked_for(dialect, body)["resolution"] or "720p"),
            ),
            amount=amount,
            delivery=self.faults.pick("delivery", dialect, prompt),
            echo=self.faults.pick("echo", dialect, prompt) if dialect in ECHOING else "",
            **more,
        )
        self.jobs[job.id] = job
        return job

    def state_of(self, account: str) -> str:
        """Return "dry" where an account cannot pay now, "locked" where its key is refused, or ""."""
        if account in self.config.locked:
            return "locked"
        if account in self.config.out_of_credit:
            return "dry"
        age = time.time() - self.started_at
        phases = (p for p in self.config.phases if p.account == account)
        return next((p.state for p in phases if p.start_s <= age < p.end_s), "")

    def clock_offset(self, account: str) -> float:
        return self.config.clock_offsets.get(account, self.config.clock_offset_s)

    def seconds_of(self, dialect: str, moment: float) -> int:
        """Return a moment as this provider's clock has it, Unix seconds."""
        return int(moment + self.clock_offset(account_of(dialect)))

    def iso_of(self, dialect: str, moment: float) -> str:
        """Return a moment as this provider's clock has it, ISO text."""
        there = moment + self.clock_offset(account_of(dialect))
        return datetime.fromtimestamp(there, UTC).isoformat().replace("+00:00", "Z")

    def left(self, dialect: str) -> float:
        if self.state_of(account_of(dialect)) == "dry":
            return 0.0
        return self.config.credits - self.spent[account_of(dialect)]

    def job(self, dialect: str, job_id: str) -> EmulatedJob | None:
        job = self.jobs.get(job_id)
        return job if job is not None and job.dialect == dialect else None

    def newest(self, dialect: str, model: str = "") -> list[EmulatedJob]:
        """Return the jobs that a list shows by now, newest first."""
        by_now = time.time() - self.config.list_lag_s
        return [
            job
            for job in reversed(self.jobs.values())
            if job.dialect == dialect and model in ("", job.model) and job.accepted_at <= by_now
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

    def _new_id(self, dialect: str, model: str, prompt: str) -> str:
        if dialect != "apiframe" and self.faults.pick("identity", dialect, prompt):
            return secrets.token_hex(150)
        if dialect == "aimlapi":
            if self.config.aimlapi_ids == "suffixed":
                return f"{uuid4()}:{model}"
            if self.config.aimlapi_ids == "nanoid":
                return "".join(secrets.choice(NANOID) for _ in range(21))
        return str(uuid4())


def account_of(dialect: str) -> str:
    """Return the account a dialect draws on: AI/ML API's two endpoints share one."""
    return "aimlapi" if dialect == "legacy" else dialect
