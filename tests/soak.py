"""What must be true after many shots and many faults, whatever happened on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from studio.models import Generation
from studio.models.generation import TERMINAL_STATES, Charged, State
from studio.services.work import storing
from tests.emulator import FAULTS
from tests.emulator.world import EmulatedJob

WAITING_FOR_A_PERSON = frozenset({State.UNCERTAIN, State.STALLED})
RATE = 0.1


def every_fault(rate: float = RATE) -> dict[str, float]:
    """Return all faults at this rate. An instant end would leave the others nothing to hit."""
    return {name: rate for name in FAULTS if name != "instant"}


def settled() -> bool:
    """Whether every shot has ended or waits for a person, with nothing left to try by itself."""
    rows = Generation.objects.exclude(state__in=TERMINAL_STATES | {State.STALLED})
    return not rows.exclude(state=State.UNCERTAIN, next_poll_at=None).exists()


def find_problems(count: int, jobs: Iterable[EmulatedJob], stats: dict[str, Any]) -> list[str]:
    """Return what is lost, bought twice, or told wrongly about money; empty when all is well.

    Every shot must have a prompt of its own.
    """
    rows = {row.sent_prompt: row for row in Generation.objects.defer("raw_answer")}
    problems = []
    if len(rows) != count:
        problems.append(f"{count} shots were asked for, {len(rows)} are there")
    for row in rows.values():
        if row.state not in TERMINAL_STATES | WAITING_FOR_A_PERSON:
            problems.append(f"shot {row.pk} is {row.state} for ever")
        if row.state in WAITING_FOR_A_PERSON and not row.waiting_text:
            problems.append(f"shot {row.pk} is {row.state} and does not say why")
        if row.state == State.FAILED and not (row.failure_text and row.charged):
            problems.append(f"shot {row.pk} failed without a reason or a charge")
        if row.state == State.SUCCEEDED and not row.clip.storage.exists(row.clip.name):
            problems.append(f"shot {row.pk} has no clip")
    if stats["duplicates"]:
        problems.append(f"bought twice: {stats['duplicates']}")
    if stats["violations"]:
        problems.append(f"{stats['violations']} requests broke a schema")
    return problems + [text for job in jobs for text in _of_job(rows, job)]


def _of_job(rows: dict[str, Generation], job: EmulatedJob) -> list[str]:
    row = rows.get(job.prompt)
    if row is None:
        return [f"job {job.id} was bought for no shot"]
    if row.provider_job_id not in ("", job.id):
        return [f"shot {row.pk} watches {row.provider_job_id}, but {job.id} was bought for it"]
    if row.provider_job_id == "" and row.state != State.UNCERTAIN:
        return [f"shot {row.pk} is {row.state} and lost its job {job.id}"]
    paid = not job.outcome and job.phase == "done"
    if paid and row.state in TERMINAL_STATES and row.charged == Charged.NO:
        return [f"shot {row.pk} says it was not charged, but job {job.id} was rendered"]
    return []


def tally() -> dict[str, int]:
    """Return how many shots are in each state."""
    return dict(sorted(Counter(Generation.objects.values_list("state", flat=True)).items()))


def stub_pictures(put: Any = setattr) -> None:
    """Make posters, strips and previews cost nothing; the clips themselves are real."""

    def draw(source: Path, out: Path) -> None:
        out.write_bytes(b"picture")

    for name in ("make_poster", "make_strip", "make_preview"):
        put(storing, name, draw)
