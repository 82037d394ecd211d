"""Which job at a provider belongs to which shot: the stored request against the job's echo.

A field that differs excludes; a field that the answer does not repeat says nothing. A match counts
only when it is unique in both directions, or when the shots it could belong to are all alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from studio.lifecycle import SENDING
from studio.models import Generation
from studio.models.generation import State
from studio.providers.base import ImageEnd, Job
from studio.providers.catalog import ModelSpec
from studio.services.requests import end_text, text_to_send

# The providers' times are in our clock already; their dates are cut to whole seconds.
CLOCK_SLACK = timedelta(seconds=10)
# A provider that takes a request makes its job within this: no call is waited for longer than a
# minute, and a job that somebody asks for later is another one.
MAX_ACCEPT = timedelta(minutes=2)
FIELDS = (
    "prompt",
    "duration_s",
    "aspect_ratio",
    "resolution",
    "loop",
    "concepts",
    "start",
    "end",
)

# asks: uncertain, its job is looked for. sending: under way, or sent again by itself: its answer
# may come. past: not looked for any more, but its job may be in the list.
Role = Literal["asks", "sending", "past"]


@dataclass(frozen=True, slots=True)
class SentShot:
    """One try of one shot that may have bought a job."""

    row: Generation
    request: Mapping[str, Any]
    role: Role
    opens: datetime  # a job made before this is not its own
    closes: datetime | None  # nor one made after this; None = not known
    alike: tuple[Any, ...]  # equal for shots of which any job of one is as good for the other


@dataclass(slots=True)
class Matches:
    """What a list of jobs says about the shots."""

    found: list[tuple[SentShot, Job]] = field(default_factory=list)
    waits: list[SentShot] = field(default_factory=list)  # for the answer of a shot under way
    doubtful: list[tuple[SentShot, list[Job], list[SentShot]]] = field(default_factory=list)
    none: list[SentShot] = field(default_factory=list)


def sent_shots(row: Generation, spec: ModelSpec, *, account_pk: int) -> list[SentShot]:
    """Return the tries of this row that may have bought a job which nobody has taken.

    Looked for are those of this account. Another account of the provider may hold the same key, so
    that its shots are rivals; they take their jobs from their own account's list.
    """
    request = row.sent_request
    preparing = row.state == State.SUBMITTING and row.raw_status != SENDING
    if preparing or "prompt" not in request:
        request = _request_of(row, spec)
    unsent = _unsent_fields(spec)
    request = {name: None if name in unsent else request.get(name) for name in request}
    alike = (
        *(_comparable(name, request.get(name)) for name in FIELDS[:6]),
        row.start_keyframe_id,
        row.start_generation_id,
        row.end_keyframe_id,
        row.end_generation_id,
    )
    shots = []
    role = _role(row)
    if role == "asks" and row.account_id != account_pk:
        role = "past"
    if role is not None:
        opens = (row.submitted_at or row.created_at) - CLOCK_SLACK
        sent_at = _moment(request.get("sent_at"))
        closes = sent_at + MAX_ACCEPT if sent_at and role != "sending" else None
        shots.append(SentShot(row, request, role, opens, closes, alike))
    for earlier in row.sent_request.get("earlier", []):
        first, last = _moment(earlier.get("first")), _moment(earlier.get("last"))
        if first and last:
            shots.append(
                SentShot(row, request, "past", first - CLOCK_SLACK, last + MAX_ACCEPT, alike)
            )
    return shots


def match(shots: Sequence[SentShot], jobs: Sequence[Job]) -> Matches:
    """Return which free job belongs to which shot that is looked for, and which cannot be told."""
    matches = Matches()
    grouped: set[int] = set()
    for group, theirs in _groups(shots, jobs):
        grouped |= {id(shot) for shot in group}
        asking = [shot for shot in group if shot.role == "asks"]
        if any(shot.role == "sending" for shot in group):
            matches.waits += asking
        elif len({shot.alike for shot in group}) == 1 and len(theirs) <= len(group):
            found = _in_order(asking, theirs)
            matches.found += found
            matches.none += [shot for shot in asking if shot not in [one for one, _ in found]]
        else:
            for shot in asking:
                mine = [job for job in theirs if could_be(shot, job)]
                rivals = [
                    other
                    for other in group
                    if other.row.pk != shot.row.pk and any(could_be(other, job) for job in mine)
                ]
                matches.doubtful.append((shot, mine, rivals))
    matches.none += [shot for shot in shots if shot.role == "asks" and id(shot) not in grouped]
    _offer_doubtful(matches, shots, jobs)
    return matches


def _offer_doubtful(matches: Matches, shots: Sequence[SentShot], jobs: Sequence[Job]) -> None:
    """Leave to a person the shots without a job for which one with another text or time may be theirs.

    Providers escape, cut and rewrite what they repeat, and who dates an answer may not be who dates
    its jobs. What differs so takes no job by itself, and proves no absence either.
    """
    loose = [job for job in jobs if not any(could_be(shot, job) for shot in shots)]
    none, matches.none = matches.none, []
    for shot in none:
        theirs = [job for job in loose if is_doubtful(shot, job)]
        if not theirs:
            matches.none.append(shot)
            continue
        rivals = [
            other
            for other in shots
            if other.row.pk != shot.row.pk and any(is_doubtful(other, job) for job in theirs)
        ]
        matches.doubtful.append((shot, theirs, rivals))


def could_be(shot: SentShot, job: Job) -> bool:
    """Whether this job may be this shot's: nothing that the answer repeats differs."""
    if is_silent(job) and shot.request.get("prompt"):
        return False
    return _is_in_time(shot, job) and not differing(shot.request, job)


def might_be(shot: SentShot, job: Job) -> bool:
    """As `could_be`, by either clock, and for a job whose details the provider has not told (yet)."""
    return _may_be_in_time(shot, job) and not differing(shot.request, job)


def is_doubtful(shot: SentShot, job: Job) -> bool:
    """Whether nothing but the text that this job repeats, or one of its clocks, speaks against it."""
    if is_silent(job) and shot.request.get("prompt"):
        return False
    return _may_be_in_time(shot, job) and differing(shot.request, job) in ([], ["prompt"])


def _is_in_time(shot: SentShot, job: Job) -> bool:
    """Whether the job was made while this try could make one, as far as the provider tells."""
    return job.created_at is None or _is_open(shot, job.created_at)


def _may_be_in_time(shot: SentShot, job: Job) -> bool:
    """As `_is_in_time`, by either of the job's clocks."""
    return not job.moments or any(_is_open(shot, moment) for moment in job.moments)


def _is_open(shot: SentShot, moment: datetime) -> bool:
    return shot.opens <= moment and (shot.closes is None or moment <= shot.closes)


def is_silent(job: Job) -> bool:
    """Whether the answer does not repeat the prompt: not enough to take a job by."""
    return job.echo.prompt is None and not job.prompt


def differing(request: Mapping[str, Any], job: Job) -> list[str]:
    """Return the fields that the job's answer repeats otherwise than they were sent."""
    differ = ["model"] if job.model and request.get("model") not in (None, job.model) else []
    for name in FIELDS:
        sent, echoed = request.get(name), _echoed(job, name)
        if sent is None or echoed is None or _comparable(name, sent) == _comparable(name, echoed):
            continue
        if str(echoed).removeprefix("job:") in (request.get(f"{name}_ids") or ()):
            continue
        differ.append(name)
    return differ


def differing_requests(one: SentShot, other: SentShot) -> list[str]:
    """Return the fields in which two shots were asked for differently."""
    names = [
        name
        for name in FIELDS[:6]
        if _comparable(name, one.request.get(name)) != _comparable(name, other.request.get(name))
    ]
    ends = {"start": slice(-4, -2), "end": slice(-2, None)}
    return names + [name for name, part in ends.items() if one.alike[part] != other.alike[part]]


def _groups(
    shots: Sequence[SentShot], jobs: Sequence[Job]
) -> list[tuple[list[SentShot], list[Job]]]:
    """Return shots and jobs that hang together: each job with all the shots it could belong to."""
    groups: list[tuple[list[SentShot], list[Job]]] = []
    for job in jobs:
        members, theirs = [shot for shot in shots if could_be(shot, job)], [job]
        if not members:
            continue
        apart = []
        for group in groups:
            if any(shot in members for shot in group[0]):
                members += [shot for shot in group[0] if shot not in members]
                theirs = group[1] + theirs
            else:
                apart.append(group)
        groups = [*apart, (members, theirs)]
    return groups


def _in_order(shots: list[SentShot], jobs: list[Job]) -> list[tuple[SentShot, Job]]:
    """Give like jobs to like shots: each, oldest first, to the one that can wait least for another."""
    free, pairs = list(shots), []
    for job in sorted(jobs, key=lambda job: (job.created_at is None, job.created_at, job.id)):
        able = [shot for shot in free if could_be(shot, job)]
        if able:
            shot = min(able, key=lambda shot: (shot.closes is None, shot.closes, shot.row.pk))
            free.remove(shot)
            pairs.append((shot, job))
    return pairs


def _role(row: Generation) -> Role | None:
    if row.provider_job_id:
        return None
    if row.state == State.UNCERTAIN:
        return "asks"
    if row.state == State.SUBMITTING or (row.state == State.QUEUED and row.raw_status == SENDING):
        return "sending"
    return "past" if row.state == State.ABANDONED else None


def _request_of(row: Generation, spec: ModelSpec) -> dict[str, Any]:
    """Return the request of a row without a stored one: of an earlier version, or not sent yet."""
    return {
        "model": row.model,
        "prompt": text_to_send(row, spec),
        "duration_s": row.duration_s,
        "aspect_ratio": row.aspect_ratio,
        "resolution": row.resolution,
        "loop": row.loop,
        "concepts": list(row.concepts),
        "start": _end_of(row, "start"),
        "end": _end_of(row, "end"),
    }


def _end_of(row: Generation, side: str) -> str | None:
    """Return an end as far as the row tells it; None = not known."""
    if not getattr(row, f"{side}_keyframe_id") and not getattr(row, f"{side}_generation_id"):
        return ""
    uploaded = row.uploads.get(side) if row.raw_status == SENDING else None
    return end_text(ImageEnd(uploaded)) if uploaded else None


def _unsent_fields(spec: ModelSpec) -> set[str]:
    """Return the fields this model is not sent: what its answers say of them is its own."""
    fixed = {"duration_s": spec.fixed_duration, "resolution": spec.fixed_resolution}
    return {name for name, is_fixed in fixed.items() if is_fixed} | (
        set() if spec.native_concepts else {"concepts"}
    )


def _echoed(job: Job, name: str) -> Any:
    echoed = getattr(job.echo, name)
    return (job.prompt or None) if name == "prompt" and echoed is None else echoed


def _comparable(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "prompt":
        return " ".join(str(value).split())
    return tuple(sorted(value)) if name == "concepts" else value


def _moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
