"""Shots compared with what the emulator sold, one by one: right job, right clip, right money.

Plain values only: no database, no emulator. `bench.soak_records` reads them from both. Each rule
names what it found by a kind, so that a run says how often each was broken:

    wrong job       holds a job that was not bought for it, or that the provider does not know
    bought twice    more jobs than shots that could have them, and nobody sent any of them again
    orphan          a job that no shot holds, and no shot waits for
    lost job        ended without the job that was bought for it
    asked           asks a person, although the provider's list or log has exactly its job
    wrong clip      the file that is kept is not the job's
    lost clip       paid, there to be fetched, and not kept
    wrong money     the ledger says neither what was charged nor that this is not known
    said free       said to be not charged, and charged
    went on         passed to another provider although it was charged, or refused by content rules
    over budget     reserved although the budget was used up
    moves           neither ended nor waiting for a person
    silent          failed, or waits for a person, without a word why
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

KINDS = (
    "wrong job", "bought twice", "orphan", "lost job", "asked", "wrong clip", "lost clip",
    "wrong money", "said free", "went on", "over budget", "moves", "silent",
)  # fmt: skip
FIELDS = (
    "model", "prompt", "duration_s", "aspect_ratio", "resolution", "loop", "concepts", "start", "end",
)  # fmt: skip
ENDED = frozenset({"succeeded", "failed", "cancelled", "abandoned"})
WAITING = frozenset({"uncertain", "stalled"})
MODERATED = frozenset({"moderation", "moderation_reworded"})
MICROUSD = 1_000_000
ROUNDING_MICROUSD = 2
ANY = "*"  # a field that the model does not take, or the request does not name


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A generation as the studio has it. Ends are SHA-256 of the still's file, or `job:` and an id."""

    pk: int
    account: str  # apiframe, aimlapi, gmicloud, luma
    request: Mapping[str, Any]  # FIELDS -> value, ANY for a field that its model does not take
    key: str  # what is sent as idempotency key or request id
    state: str
    job_id: str = ""
    charged: str = ""  # "yes", "no", "unknown" or ""
    microusd_per_credit: float | None = None
    estimated_microusd: int | None = None
    actual_microusd: int | None = None
    ledger_microusd: int = 0
    due_microusd: int = 0  # what the row itself says that it counts for
    kept_sha256: str = ""  # of the file in the storage; empty = there is none
    noted_sha256: str = ""
    follows: int | None = None  # the shot it took over from, at another provider, by itself
    was_sent_again: bool = False  # by a person
    reason: str = ""  # why it failed or waits
    history: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Purchase:
    """A job as the emulator sold it."""

    id: str
    account: str
    request: Mapping[str, Any]  # as Shot.request, ANY for a field that the request does not name
    key: str = ""  # the idempotency key or request id that came along
    phase: str = "done"
    outcome: str = ""
    has_clip: bool = True
    sha256: str = ""
    charged: float = 0.0
    unit: str = "USD"
    amount_is_told: bool = False  # an answer gave what was truly charged
    is_findable: bool = False  # by the provider's list or log
    foreign: bool = False  # somebody else's
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BudgetRecord:
    """A limit, and the ledger rows that count for it: (kind, micro-USD), oldest first."""

    name: str
    limit_microusd: int
    rows: Sequence[tuple[str, int]]


@dataclass(frozen=True)
class Finding:
    """A broken rule."""

    kind: str
    sentence: str
    shot: Shot | None = None
    purchases: tuple[Purchase, ...] = ()


@dataclass
class Comparison:
    """What was compared. Empty `findings` = every shot has its job, clip and money."""

    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, sentence: str, shot: Shot | None = None, *purchases: Purchase) -> None:
        assert kind in KINDS, kind
        self.findings.append(Finding(kind, sentence, shot, purchases))


def compare(
    shots: Sequence[Shot], purchases: Sequence[Purchase], budgets: Sequence[BudgetRecord] = ()
) -> Comparison:
    """Compare every shot with every purchase, both ways, and the budgets with the ledger."""
    result = Comparison()
    result.counts.update(shots=len(shots), jobs=sum(not one.foreign for one in purchases))
    jobs = {(one.account, one.id): one for one in purchases}
    for shot in shots:
        _compare_state(result, shot)
        _compare_job(result, shot, jobs)
    _compare_purchases(result, shots, purchases)
    bought = _bought_for(shots, purchases)
    for shot in shots:
        _compare_clip(result, shot, jobs.get((shot.account, shot.job_id)))
        _compare_money(result, shot, bought[shot.pk])
    _compare_failovers(result, shots, bought)
    for budget in budgets:
        _compare_budget(result, budget)
    return result


# ---- One shot and its job -----------------------------------------------------------------


def _compare_state(result: Comparison, shot: Shot) -> None:
    result.counts[f"state {shot.state}"] += 1
    if shot.state not in ENDED | WAITING:
        result.add("moves", f"still {shot.state}: {shot.reason or 'no reason given'}", shot)
    if shot.state in WAITING | {"failed"} and not shot.reason:
        result.add("silent", f"{shot.state} without a word why", shot)
    if shot.state == "failed" and not shot.charged:
        result.add("silent", "failed, and does not say whether it was charged", shot)


def _compare_job(result: Comparison, shot: Shot, jobs: Mapping[tuple[str, str], Purchase]) -> None:
    if not shot.job_id:
        return
    job = jobs.get((shot.account, shot.job_id))
    if job is None:
        result.add("wrong job", f"{shot.account} knows no job {shot.job_id}", shot)
        return
    wrong = len(result.findings)
    if job.foreign:
        result.add("wrong job", "holds a job that somebody else bought", shot, job)
    if job.key and job.key != shot.key:
        result.add("wrong job", f"holds the job bought under {job.key}", shot, job)
    different = differences(shot.request, job.request)
    if different:
        words = "; ".join(
            f"{name}: wants {_short(shot.request[name])}, has {_short(job.request[name])}"
            for name in different
        )
        result.add("wrong job", f"its job is of another request ({words})", shot, job)
    if shot.state == "stalled" and job.phase in ("done", "failed", "cancelled"):
        result.add("moves", f"stalled although its job is {job.phase}", shot, job)
    result.counts["right job"] += wrong == len(result.findings)


def differences(wanted: Mapping[str, Any], bought: Mapping[str, Any]) -> list[str]:
    """Return the fields that differ; one that either side does not name differs from nothing."""
    return [name for name in FIELDS if not _alike(wanted[name], bought[name])]


def _alike(one: Any, other: Any) -> bool:
    return ANY in (one, other) or one == other


def _compare_clip(result: Comparison, shot: Shot, job: Purchase | None) -> None:
    if shot.state == "succeeded":
        if not shot.kept_sha256:
            result.add("lost clip", "ready, and no file is kept", shot)
        elif job is None or shot.kept_sha256 != job.sha256:
            result.add("wrong clip", "the file is not its job's", shot, *filter(None, [job]))
        elif shot.noted_sha256 != shot.kept_sha256:
            result.add("wrong clip", "the file is not what was measured", shot, job)
        else:
            result.counts["right clip"] += 1
    elif job is not None and job.has_clip and shot.state in ENDED:
        result.add("lost clip", f"{shot.state}, but its clip is there: {shot.reason}", shot, job)


# ---- Purchases and the shots they belong to --------------------------------------------------


def _compare_purchases(
    result: Comparison, shots: Sequence[Shot], purchases: Sequence[Purchase]
) -> None:
    holders: dict[tuple[str, str], list[Shot]] = defaultdict(list)
    for shot in shots:
        if shot.job_id:
            holders[shot.account, shot.job_id].append(shot)
    for (_, job_id), held_by in holders.items():
        if len(held_by) > 1:
            result.add("wrong job", f"{len(held_by)} shots hold job {job_id}", held_by[-1])
    by_key = {shot.key: shot for shot in shots}
    keyed: dict[int, list[Purchase]] = defaultdict(list)
    unkeyed: dict[str, list[Purchase]] = defaultdict(list)
    for job in purchases:
        if job.foreign:
            continue
        if not job.key:
            unkeyed[job.account].append(job)
        elif job.key in by_key:
            keyed[by_key[job.key].pk].append(job)
        else:
            result.add("orphan", f"bought under {job.key}, which is no shot's", None, job)
    for shot in shots:
        if keyed[shot.pk]:
            _compare_keyed(result, shot, keyed[shot.pk])
    with_key = {pk for pk, jobs in keyed.items() if jobs}
    for account, jobs in unkeyed.items():
        # A shot whose purchases are known by their key explains none of the others.
        theirs = [one for one in shots if one.account == account and one.pk not in with_key]
        _compare_unkeyed(result, theirs, jobs, set(holders))
    _count_questions(result, shots, with_key)


def _compare_keyed(result: Comparison, shot: Shot, jobs: Sequence[Purchase]) -> None:
    """Compare a shot with the jobs that were bought under its own key."""
    if len(jobs) > 1 and not shot.was_sent_again:
        result.add("bought twice", f"{len(jobs)} jobs were bought for it", shot, *jobs)
    if shot.job_id in [job.id for job in jobs]:
        return
    if shot.state == "uncertain":
        findable = [job for job in jobs if job.is_findable]
        if findable:
            result.add("asked", "its job can be found by the id of its request", shot, *findable)
    elif shot.state in ENDED:
        result.add("lost job", f"{shot.state} without the job bought for it", shot, *jobs)


def _compare_unkeyed(
    result: Comparison,
    shots: Sequence[Shot],
    jobs: Sequence[Purchase],
    held: set[tuple[str, str]],
) -> None:
    """Compare shots and jobs that only their requests tie together.

    Like shots share like jobs: which of them has which is all the same. What counts is that there
    are not more jobs than shots that have one or wait for one.
    """
    groups: dict[tuple[str, ...], list[Shot]] = defaultdict(list)
    for shot in shots:
        groups[_signature(shot.request)].append(shot)
    free: dict[tuple[str, ...], list[Purchase]] = defaultdict(list)
    for job in jobs:
        if (job.account, job.id) not in held:
            free[_signature(job.request)].append(job)
    for signature, loose in free.items():
        alike = [
            shot
            for own, group in groups.items()
            if all(_alike(one, other) for one, other in zip(own, signature, strict=True))
            for shot in group
        ]
        _compare_group(result, alike, loose)


def _compare_group(result: Comparison, alike: Sequence[Shot], loose: Sequence[Purchase]) -> None:
    """Compare jobs that no shot holds with the shots whose request they are of."""
    if not alike:
        result.add("orphan", "no shot ever asked for this", None, *loose)
        return
    waiting = [shot for shot in alike if shot.state == "uncertain" and not shot.job_id]
    moving = [shot for shot in alike if shot.state not in ENDED | WAITING and not shot.job_id]
    if len(loose) > len(waiting) + len(moving):
        without = [shot for shot in alike if shot.state in ENDED and not shot.job_id]
        if without:
            shot = without[0]
            told = f"{shot.state}, charged: {shot.charged or 'not said'}"
            result.add("lost job", f"{told}; a job of its request is there", shot, *loose)
        elif not any(shot.was_sent_again for shot in alike):
            shot = alike[-1]
            count = f"{len(alike)} such shots, and {len(loose)} jobs that none of them holds"
            result.add("bought twice", count, shot, *loose)
    if len(loose) == len(waiting) == 1 and not moving and loose[0].is_findable:
        result.add("asked", "exactly one job in the list is its", waiting[0], *loose)


def _count_questions(result: Comparison, shots: Sequence[Shot], with_key: set[int]) -> None:
    waiting = [shot for shot in shots if shot.state == "uncertain"]
    asked = {one.shot.pk for one in result.findings if one.kind == "asked" and one.shot}
    result.counts["asks a person"] = len(waiting)
    result.counts["asks, with good reason"] = sum(shot.pk not in asked for shot in waiting)
    result.counts["asks, its job known by key"] = sum(shot.pk in with_key for shot in waiting)


def _signature(request: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(request[name]) for name in FIELDS)


def _bought_for(shots: Sequence[Shot], purchases: Iterable[Purchase]) -> dict[int, list[Purchase]]:
    """Return what was bought for each shot, by the job it holds and by the key that was sent."""
    found: dict[int, list[Purchase]] = {shot.pk: [] for shot in shots}
    by_key = {shot.key: shot.pk for shot in shots}
    by_job = {(shot.account, shot.job_id): shot.pk for shot in shots if shot.job_id}
    for job in purchases:
        if job.foreign:
            continue
        pk = by_key.get(job.key) if job.key else by_job.get((job.account, job.id))
        if pk is not None:
            found[pk].append(job)
    return found


# ---- Money ------------------------------------------------------------------------------------


def _compare_money(result: Comparison, shot: Shot, jobs: Sequence[Purchase]) -> None:
    if shot.ledger_microusd != shot.due_microusd:
        words = f"the ledger has {shot.ledger_microusd}, the row says {shot.due_microusd} micro-USD"
        result.add("wrong money", words, shot, *jobs)
    if shot.state not in ENDED:
        return
    charged = sum(job.charged for job in jobs)
    if shot.charged == "unknown":
        result.counts["money unknown"] += 1
    elif shot.charged == "no":
        if charged:
            words = f"said to be not charged, and {_amount(charged, jobs)} were"
            result.add("said free", words, shot, *jobs)
        elif shot.ledger_microusd:
            words = f"not charged, and {shot.ledger_microusd} micro-USD stand in the ledger"
            result.add("wrong money", words, shot, *jobs)
        else:
            result.counts["money right"] += 1
    elif shot.charged == "yes":
        _compare_amount(result, shot, jobs, charged)


def _compare_amount(
    result: Comparison, shot: Shot, jobs: Sequence[Purchase], charged: float
) -> None:
    if not jobs:
        result.add("wrong money", "said to be charged, and nothing was bought", shot)
        return
    if shot.actual_microusd is None:
        if any(job.amount_is_told for job in jobs):
            words = f"{_amount(charged, jobs)} were told, and the ledger has an estimate"
            result.add("wrong money", words, shot, *jobs)
        else:
            result.counts["money estimated, no amount was told"] += 1
        return
    rate = MICROUSD if jobs[0].unit == "USD" else shot.microusd_per_credit
    if rate is None:
        words = f"{_amount(charged, jobs)}, and its account has no rate for them"
        result.add("wrong money", words, shot, *jobs)
    elif abs(charged * rate - shot.ledger_microusd) > ROUNDING_MICROUSD:
        words = (
            f"{_amount(charged, jobs)} were charged, which are {charged * rate:.0f} micro-USD; "
            f"the ledger has {shot.ledger_microusd}"
        )
        result.add("wrong money", words, shot, *jobs)
    else:
        result.counts["money right"] += 1


def _amount(charged: float, jobs: Sequence[Purchase]) -> str:
    return f"{charged:g} {jobs[0].unit if jobs else ''}".strip()


def _compare_failovers(
    result: Comparison, shots: Sequence[Shot], bought: Mapping[int, Sequence[Purchase]]
) -> None:
    by_pk = {shot.pk: shot for shot in shots}
    for shot in shots:
        if shot.follows is None:
            continue
        result.counts["failovers"] += 1
        first = by_pk[shot.follows]
        for job in bought[first.pk]:
            if job.charged or job.has_clip:
                result.add("went on", f"shot {first.pk} was charged", shot, job)
            elif job.outcome in MODERATED:
                result.add("went on", f"shot {first.pk} broke the content rules", shot, job)


def _compare_budget(result: Comparison, budget: BudgetRecord) -> None:
    result.counts["budgets"] += 1
    total = 0
    for number, (kind, microusd) in enumerate(budget.rows, 1):
        total += microusd
        if kind == "reserved" and microusd > 0 and total > budget.limit_microusd:
            words = (
                f"row {number} reserved {microusd}: {total} of {budget.limit_microusd} micro-USD"
            )
            result.add("over budget", f"{budget.name}: {words}")
            return


# ---- In words ------------------------------------------------------------------------------


def table(result: Comparison) -> list[str]:
    """Return the comparison in words, a line for each count and for each rule."""
    broken = Counter(finding.kind for finding in result.findings)
    width = max(len(name) for name in (*result.counts, *KINDS))
    lines = [f"  {name:<{width}} {count:>6}" for name, count in sorted(result.counts.items())]
    lines += [f"  {kind:<{width}} {broken[kind]:>6}  must be 0" for kind in KINDS]
    return lines


def details(result: Comparison, *, most_each: int = 3) -> list[str]:
    """Return the first findings of each kind, each with the shot's history and the jobs' records."""
    lines = []
    shown: Counter[str] = Counter()
    for finding in result.findings:
        shown[finding.kind] += 1
        if shown[finding.kind] <= most_each:
            lines += _in_full(finding)
    rest = {kind: count - most_each for kind, count in shown.items() if count > most_each}
    lines += [f"{kind}: {count} more" for kind, count in rest.items()]
    return lines


def _in_full(finding: Finding) -> list[str]:
    shot = finding.shot
    whose = f"shot {shot.pk} at {shot.account}" if shot else "no shot"
    lines = [f"{finding.kind.upper()}: {whose}: {finding.sentence}"]
    if shot is not None:
        lines.append(f"    wants {_in_words(shot.request)}")
        lines.append(
            f"    {shot.state}, job {shot.job_id or 'none'}, charged {shot.charged or 'not said'}, "
            f"estimate {shot.estimated_microusd}, actual {shot.actual_microusd}, ledger "
            f"{shot.ledger_microusd}: {shot.reason}"
        )
        lines += [f"    {line}" for line in shot.history]
    for job in finding.purchases[:3]:
        lines.append(f"    job {job.id}: {_in_words(job.request)}")
        more = ", ".join(f"{name} {value}" for name, value in job.record.items())
        lines.append(f"        {job.phase}, charged {job.charged:g} {job.unit}; {more}")
    return lines


def _in_words(request: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_short(request[name])}" for name in FIELDS)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 48 else f"{text[:45]}..."
