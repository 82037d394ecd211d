"""What must be true after many shots and many faults, whatever happened on the way."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Sum

from studio import ledger
from studio.models import Generation, LedgerEntry, Project, ProviderAccount
from studio.models.generation import TERMINAL_STATES, Charged, State
from studio.services.money.budgets import account_budget, month_budget
from studio.services.work import arrival
from tests.emulator import BREAKDOWNS
from tests.emulator.world import EmulatedJob

WAITING_FOR_A_PERSON = frozenset({State.UNCERTAIN, State.STALLED})
RATE = 0.1


def every_fault(rate: float = RATE) -> dict[str, float]:
    """Return every breakdown at this rate. An instant end would leave the others nothing to hit."""
    return {name: rate for name in BREAKDOWNS if name != "instant"}


def settled() -> bool:
    """Whether every shot has ended or waits for a person, with nothing left to try by itself."""
    rows = Generation.objects.exclude(state__in=TERMINAL_STATES | {State.STALLED})
    return not rows.exclude(state=State.UNCERTAIN, next_poll_at=None).exists()


def changes_so_far() -> int:
    """Return a number that grows with every change that a page would show."""
    return Project.objects.aggregate(total=Sum("version"))["total"] or 0


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
        return [
            f"shot {row.pk} watches {row.provider_job_id}, but {job.id} was bought for it"
            f"{_history(row)}"
        ]
    if row.provider_job_id == "" and row.state != State.UNCERTAIN:
        return [f"shot {row.pk} is {row.state} and lost its job {job.id}{_history(row)}"]
    paid = not job.outcome and job.phase == "done"
    if row.state in (State.QUEUED, State.CANCELLED):
        return [f"shot {row.pk} is {row.state} although {job.id} was bought for it"]
    if paid and row.state in TERMINAL_STATES and row.charged == Charged.NO:
        return [f"shot {row.pk} says it was not charged, but job {job.id} was rendered"]
    return []


def _history(row: Generation) -> str:
    events = row.events.order_by("pk").values_list("at", "new", "reason")
    return "".join(f"\n    {at:%H:%M:%S.%f} {new}: {reason}" for at, new, reason in events)


def ledger_rows() -> list[tuple[Any, ...]]:
    """Return every row of the ledger as it stands, oldest first."""
    return list(LedgerEntry.objects.order_by("pk").values_list())


def find_money_problems(earlier: Sequence[Sequence[tuple[Any, ...]]] = ()) -> list[str]:
    """Return where the ledger does not add up to what the shots say.

    `earlier`: what `ledger_rows` returned at moments before; all of it must still be there.
    """
    problems = []
    rows = {row[0]: row for row in ledger_rows()}
    for number, seen in enumerate(earlier, 1):
        changed = sum(rows.get(row[0]) != row for row in seen)
        if changed:
            problems.append(f"{changed} ledger rows seen at look {number} changed or are gone")
    sums = LedgerEntry.objects.order_by().values_list("generation").annotate(Sum("microusd"))
    held = dict(sums)
    due: dict[int, int] = {}
    for shot in Generation.objects.defer("raw_answer", "prompt", "sent_prompt"):
        due[shot.pk] = ledger.due(shot)
        if held.get(shot.pk, 0) != due[shot.pk]:
            problems.append(
                f"shot {shot.pk} ({shot.state}, charged {shot.charged or 'not told'}) counts "
                f"{held.get(shot.pk, 0)} micro-USD in the ledger, {due[shot.pk]} by its row"
            )
    shots = Generation.objects.order_by()
    for project in Project.objects.all():
        owed = sum(due[pk] for pk in shots.filter(project=project).values_list("pk", flat=True))
        if month_budget(project).spent != owed:
            problems.append(f"{project}: the budget says {month_budget(project).spent}, not {owed}")
    for account in ProviderAccount.objects.all():
        owed = sum(due[pk] for pk in shots.filter(account=account).values_list("pk", flat=True))
        if account_budget(account).spent != owed:
            problems.append(f"{account}: its sum is {account_budget(account).spent}, not {owed}")
    return problems


def find_file_problems() -> list[str]:
    """Return which kept files are not whole, belong to nobody, or are missing."""
    problems = []
    wanted = set()
    for row in Generation.objects.filter(state=State.SUCCEEDED).defer("raw_answer"):
        wanted |= {str(file) for file in (row.clip, row.poster, row.strip, row.preview) if file}
        try:
            content = Path(row.clip.path).read_bytes()
        except OSError:
            problems.append(f"shot {row.pk} has no clip")
            continue
        if hashlib.sha256(content).hexdigest() != row.sha256:
            problems.append(f"the clip of shot {row.pk} is not what was measured")
    media = Path(settings.MEDIA_ROOT)
    found = {str(path.relative_to(media)) for path in media.rglob("*") if path.is_file()}
    problems += [f"{name} is missing" for name in sorted(wanted - found)]
    return problems + [_of_stray(name) for name in sorted(found - wanted)]


def _of_stray(name: str) -> str:
    row = Generation.objects.filter(code=Path(name).name[:36]).first()
    whose = "no shot" if row is None else f"shot {row.pk}, which is {row.state}{_history(row)}"
    return f"{name} is of {whose}"


def tally() -> dict[str, int]:
    """Return how many shots are in each state."""
    return dict(sorted(Counter(Generation.objects.values_list("state", flat=True)).items()))


def stub_pictures(put: Any = setattr) -> None:
    """Make posters, strips and previews cost nothing; the clips themselves are real."""

    def draw(source: Path, out: Path, **more: Any) -> None:
        out.write_bytes(b"picture")

    for name in ("make_poster", "make_strip", "make_preview"):
        put(arrival, name, draw)
