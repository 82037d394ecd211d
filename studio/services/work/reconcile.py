"""Shots nobody knows the fate of: look for them at the provider, and the three ways out for people."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.core.exceptions import ImproperlyConfigured
from django.db import DataError, IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from studio import lifecycle
from studio.bulk import update_in_order
from studio.lifecycle import SENDING
from studio.models import Generation, ProviderAccount, User
from studio.models.generation import Charged, State
from studio.providers.base import (
    AuthFailed,
    Job,
    NotFound,
    Provider,
    ProviderError,
    ProviderUnavailable,
    RecentJobs,
    Refused,
    Status,
)
from studio.providers.catalog import ModelSpec, UnknownModel, get_spec
from studio.queue import enqueue, wake_sweep
from studio.services.doors import open_door
from studio.services.errors import StudioError
from studio.services.money.agreement import check_resend
from studio.services.work.candidates import clear_candidates, offer_candidates
from studio.services.work.matching import (
    CLOCK_SLACK,
    MAX_ACCEPT,
    Matches,
    SentShot,
    is_silent,
    match,
    might_be,
    sent_shots,
)
from studio.services.work.outcomes import FIRST_POLL, TOTAL_DEADLINE

logger = logging.getLogger(__name__)

# Looked for until it is so old. Then a person is asked, and it is still looked for now and then:
# lists and logs can lag behind by hours, and looking is free.
FIRST_LOOK = timedelta(seconds=10)
LOOKS = (FIRST_LOOK, timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))
LATE_LOOKS = (timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))
MAX_JOB_ID = Generation._meta.get_field("provider_job_id").max_length or 0
NO_ANSWER = timedelta(minutes=2)  # the next look when the provider did not answer this one
NO_ANSWER_MOST = timedelta(hours=24)
KNOWN_BEFORE = timedelta(days=2)  # how long a shot may wait between its making and its sending


def reconcile_account(account_pk: int) -> int:
    """Look at the provider for this account's uncertain shots that are due. Returns how many were found.

    By the request id where the provider's log has it, else by the list of jobs: see `matching`.
    Where it cannot be told whose a job is, a person chooses on the card.
    """
    now = timezone.now()
    rows = list(
        Generation.objects.filter(
            account_id=account_pk, state=State.UNCERTAIN, next_poll_at__lte=now
        )
        .select_related("account")
        .order_by("submitted_at", "pk")
    )
    # The next look is set before this one: should it die on the way, it comes back.
    update_in_order(_still_uncertain(rows), next_poll_at=now + NO_ANSWER)
    found = sum(
        _arrived(row, row.provider_job_id, None, "its answer came late")
        for row in rows
        if row.provider_job_id
    )
    rows = [row for row in rows if not row.provider_job_id]
    for model in sorted({row.model for row in rows}):
        found += _reconcile_model(
            rows[0].account, model, [row for row in rows if row.model == model]
        )
    return found


def _reconcile_model(account: ProviderAccount, model: str, rows: list[Generation]) -> int:
    try:
        spec = get_spec(account.provider, model)
    except UnknownModel:
        _stop_looking(rows)
        return 0
    if not spec.logs_request_ids and not spec.lists_jobs:
        _stop_looking(rows)
        return 0
    try:
        with open_door(account, spec.dialect) as provider:
            if spec.logs_request_ids:
                return _look_up(rows, provider)
            return _look_through(account, spec, rows, provider)
    except (ProviderError, ImproperlyConfigured, ValueError) as error:
        logger.warning("looking for uncertain shots at %s: %s", account.provider, error)
        _stop_looking([row for row in rows if _age(row) > NO_ANSWER_MOST])
        return 0


def _look_up(rows: Sequence[Generation], provider: Provider) -> int:
    """Ask the provider's log for the jobs bought under these shots' request ids. It may lag behind."""
    since = min(row.submitted_at or row.created_at for row in rows) - CLOCK_SLACK
    keys = [str(row.idempotency_key) for row in rows]
    jobs = provider.find_by_request_ids(keys, since=since)
    return sum(
        _settle_logged(row, jobs.get(key), provider) for row, key in zip(rows, keys, strict=True)
    )


def _settle_logged(row: Generation, job: Job | None, provider: Provider) -> bool:
    """Act on what the log shows for one shot. Returns whether its job was found."""
    try:
        refused = _is_no_job(provider, job)
    except (ProviderUnavailable, AuthFailed):
        raise  # the others would meet the same
    except ProviderError as error:
        logger.warning("looking for clip %s by its request id: %s", row.code, error.message)
        if _age(row) > NO_ANSWER_MOST:
            _stop_looking([row])
        return False
    if job is not None and refused:
        _request_failed(row, job)
        return False
    if job is not None and _arrived(row, job.id, None, "found in the provider's log"):
        return True
    _look_again(row)
    return False


def _is_no_job(provider: Provider, job: Job | None) -> bool:
    """Whether a row of the log is a request that was refused: no job came of it.

    Where one did, and failed, the provider knows it and says why.
    """
    if job is None or job.status is not Status.FAILED:
        return False
    try:
        provider.fetch(job.id)
    except (NotFound, Refused):
        return True
    return False


def _request_failed(row: Generation, job: Job) -> None:
    """Believe a log that shows a failed request only, once it had the time to show another.

    Every request of a shot carries the same id, and the row of one that was accepted may come later.
    """
    sent = parse_datetime(row.sent_request.get("sent_at") or "") or row.submitted_at
    is_last = not job.moments or sent is None or min(job.moments) >= sent - CLOCK_SLACK
    if _age(row) < LOOKS[-1] or not is_last:
        _look_again(row)
        return
    refusal = row.sent_request.get("refusal") or {"code": "other", "text": job.error}
    _not_bought(row, refusal["code"], refusal["text"])


def _look_through(
    account: ProviderAccount, spec: ModelSpec, rows: list[Generation], provider: Provider
) -> int:
    """Match this account's uncertain shots of one model with the provider's list of jobs."""
    since = min(row.submitted_at or row.created_at for row in rows) - CLOCK_SLACK
    ours = Generation.objects.filter(provider=account.provider)
    # Two accounts may hold the same key, so what any of them knows is not free.
    known = ours.filter(created_at__gte=since - KNOWN_BEFORE).exclude(provider_job_id="")
    skip = frozenset(known.values_list("provider_job_id", flat=True))
    jobs = provider.find_recent(model=spec.id, since=since, skip=skip)
    # Read after the list: whatever it shows was sent by one of these, or by another program.
    shots = [
        shot
        for row in _rivals(account, spec, since)
        for shot in sent_shots(row, spec, account_pk=account.pk)
    ]
    taken = set(
        ours.filter(provider_job_id__in=[job.id for job in jobs]).values_list(
            "provider_job_id", flat=True
        )
    )
    # By id: pages that overlap name a job twice.
    free = list({job.id: job for job in jobs if job.id not in taken}.values())
    listed = RecentJobs(free, complete=jobs.complete)
    return _settle(match(shots, free), listed, {row.pk for row in rows})


def _rivals(account: ProviderAccount, spec: ModelSpec, since: datetime) -> list[Generation]:
    """Return every shot that may have bought a job of this model since then."""
    sent_since = since - MAX_ACCEPT
    sent = Generation.objects.filter(provider=account.provider, model=spec.id)
    mine = Q(state__in=[State.UNCERTAIN, State.SUBMITTING]) | Q(
        state=State.QUEUED, raw_status=SENDING
    )
    given_up = Q(state=State.ABANDONED, submitted_at__gte=sent_since)
    sent_anew = Q(sent_request__has_key="earlier") & (
        Q(submitted_at__gte=sent_since) | Q(submitted_at=None)
    )
    rows = sent.filter((Q(provider_job_id="") & (mine | given_up)) | sent_anew)
    return list(rows.select_related("account", "project").order_by("submitted_at", "pk"))


def _settle(matches: Matches, free: RecentJobs, due: set[int]) -> int:
    """Act on what a list of jobs says. Only shots that are `due` use up a look."""
    found = sum(
        _arrived(shot.row, job.id, None, "found at the provider") for shot, job in matches.found
    )
    for shot, jobs, rivals in matches.doubtful:
        offer_candidates(shot, jobs, rivals)
        if shot.row.pk in due:
            _look_again(shot.row)
    for shot in matches.waits:
        # Its next look is set already. A rival that never ends is left to a person.
        if shot.row.pk in due and _age(shot.row) > NO_ANSWER_MOST:
            _stop_looking([shot.row])
    for shot in matches.none:
        clear_candidates(shot.row)
        if shot.row.pk in due:
            _not_there(shot, free)
    return found


def _not_there(shot: SentShot, free: RecentJobs) -> None:
    """The list shows no job of this shot. That is a proof only with an answer that refused it,
    from a list that is complete and has had the time to show what was made.
    """
    row = shot.row
    silent = any(is_silent(job) and might_be(shot, job) for job in free)
    if silent and _age(row) < NO_ANSWER_MOST:
        return  # it may be one whose details did not come: the next look is set already
    refusal = row.sent_request.get("refusal")
    if refusal is None or silent or not free.complete or _age(row) < LOOKS[-1]:
        _look_again(row)
        return
    _not_bought(row, refusal["code"], refusal["text"])


def _not_bought(row: Generation, code: str, text: str) -> None:
    if lifecycle.mark_failed(row.pk, old=State.UNCERTAIN, code=code, text=text, charged=Charged.NO):
        enqueue("fail_over", row.pk)


def asks_a_person(row: Generation) -> bool:
    """Whether this uncertain shot waits for a person: the looks that find nearly all are over."""
    return row.next_poll_at is None or _age(row) > LOOKS[-1]


def _age(row: Generation) -> timedelta:
    return timezone.now() - (row.submitted_at or row.created_at)


def _look_again(row: Generation) -> None:
    pause = next((look for look in (*LOOKS, *LATE_LOOKS) if look > _age(row)), None)
    if pause is None:
        _stop_looking([row])
        return
    Generation.objects.filter(pk=row.pk, state=State.UNCERTAIN).update(
        next_poll_at=timezone.now() + pause
    )


def _stop_looking(rows: Sequence[Generation]) -> None:
    update_in_order(_still_uncertain(rows), next_poll_at=None)


def _still_uncertain(rows: Sequence[Generation]) -> QuerySet[Generation]:
    return Generation.objects.filter(pk__in=[row.pk for row in rows], state=State.UNCERTAIN)


def _arrived(row: Generation, job_id: str, actor: User | None, reason: str) -> bool:
    """Watch this job as this shot's, unless another shot has it."""
    now = timezone.now()
    accounts = ProviderAccount.objects.filter(provider=row.provider).order_by("pk")
    try:
        with transaction.atomic():
            # Two accounts may hold one key. Their rows are the lock: of two searches that found
            # the same job at once, the second sees it taken.
            list(accounts.select_for_update(no_key=True).values_list("pk", flat=True))
            if belongs_to_another(row, job_id):
                return False
            return lifecycle.move(
                row.pk,
                State.RUNNING,
                old=State.UNCERTAIN,
                actor=actor,
                reason=f"{reason}: {job_id}",
                provider_job_id=job_id,
                job_candidates={},
                deadline_at=now + TOTAL_DEADLINE,
                next_poll_at=now + min(FIRST_POLL, timedelta(seconds=1)),
            )
    except (IntegrityError, DataError):
        # Another shot has it already, or it is no id that can be kept.
        return False


def belongs_to_another(row: Generation, job_id: str) -> bool:
    """Whether another shot has this job, at any account of the provider."""
    others = Generation.objects.filter(provider=row.provider, provider_job_id=job_id)
    return others.exclude(pk=row.pk).exists()


# ---- The three ways out, and looking again --------------------------------------------------


def say_arrived(*, generation: Generation, by: User, job_id: str) -> None:
    """A person found it at the provider: watch that job from now on."""
    job_id = job_id.strip()
    if not 1 <= len(job_id) <= MAX_JOB_ID:
        raise StudioError(
            f"The job ID has {len(job_id)} characters; 1 to {MAX_JOB_ID:,} are allowed.",
            field="job_id",
        )
    if belongs_to_another(generation, job_id):
        raise StudioError(f"Job {job_id} already belongs to another clip here.", field="job_id")
    if not _arrived(generation, job_id, by, "a person found it at the provider"):
        raise StudioError("It is not waiting for an answer any more.")
    _look_at_rivals(generation)
    wake_sweep(generation.account_id)


def _look_at_rivals(generation: Generation) -> None:
    """Look again for the shots that wait for a choice: one job less may settle them."""
    waiting = Generation.objects.filter(provider=generation.provider, state=State.UNCERTAIN)
    waiting.exclude(job_candidates={}).update(next_poll_at=timezone.now())


def send_again(*, generation: Generation, by: User) -> None:
    """A person is sure it did not arrive: back in line. This may buy it a second time.

    When it was sent before is kept: should that job turn up after all, it is not another shot's.
    """
    request = generation.sent_request
    first = (generation.submitted_at or generation.created_at).isoformat()
    tried = {"first": first, "last": request.get("sent_at") or timezone.now().isoformat()}
    request = {**request, "earlier": [*request.get("earlier", []), tried]}
    request.pop("refusal", None)
    with transaction.atomic():
        check_resend(generation)
        if not lifecycle.move(
            generation.pk, State.QUEUED, old=State.UNCERTAIN, actor=by, reason="sent again by a person",
            submitted_at=None, raw_status="", next_poll_at=None, sent_request=request, job_candidates={},
        ):  # fmt: skip
            raise StudioError("It is not waiting for an answer any more.")
    enqueue("submit_next", generation.account_id)
    wake_sweep(generation.account_id)


def give_up(*, generation: Generation, by: User) -> None:
    """A person stops watching. Credits may still be spent at the provider."""
    if not lifecycle.move(
        generation.pk,
        State.ABANDONED,
        actor=by,
        reason="tracking stopped by a person",
        charged=Charged.UNKNOWN,
        failure_code="abandoned",
        failure_text="Nobody tracks this any more. The provider may still render it and charge for it.",
        job_candidates={},
    ):
        raise StudioError("It has ended already, or is not at a provider.")
    enqueue("submit_next", generation.account_id)


def check_again(*, generation: Generation) -> None:
    """Look now, whatever the pace: a poll for stalled and running shots, a search for uncertain ones."""
    watched = [State.RUNNING, State.STALLED, State.UNCERTAIN]
    rows = Generation.objects.filter(pk=generation.pk, state__in=watched)
    # A refusal that the list has to confirm keeps its first look: a job made just now may not show yet.
    soon = generation.sent_request.get("refusal") and _age(generation) < FIRST_LOOK
    if not rows.update(next_poll_at=F("next_poll_at") if soon else timezone.now()):
        raise StudioError("It has ended, or is not with a provider yet.")
    wake_sweep(generation.account_id)


def can_fetch(generation: Generation) -> bool:
    """Whether there may be a clip to fetch for this shot, though it ended without one."""
    if generation.state not in (State.FAILED, State.ABANDONED):
        return False
    # Given up while it was rendered there, done without a video, or not downloaded: the provider
    # is asked again, for as long as the job's id is known here.
    there = generation.state == State.ABANDONED or generation.failure_code in ("no_media", "media")
    asks = there and generation.provider != "previs"
    return bool(generation.result_url or (asks and generation.provider_job_id))


def fetch_again(*, generation: Generation, by: User) -> None:
    """Fetch the clip of a shot that could not be downloaded, or that was given up too early."""
    if not can_fetch(generation) or not lifecycle.move(
        generation.pk,
        State.STORING,
        old=[State.FAILED, State.ABANDONED],
        actor=by,
        reason="download asked for again by a person",
        work_attempts=0,
        next_poll_at=timezone.now(),
        failure_code="",
        failure_text="",
    ):
        raise StudioError(
            "There is nothing to fetch: the provider never handed over a clip for it."
        )
    enqueue("store_clip", generation.pk)
    wake_sweep(generation.account_id)
