"""Another provider after a verified failure. Never after an unknown outcome: that could buy twice."""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from studio import lifecycle
from studio.models import Generation, Project, StudioSettings, User
from studio.models.generation import Charged, State
from studio.providers.specs import SPECS
from studio.queue import enqueue
from studio.services.errors import StudioError
from studio.services.money.offers import Offer, list_offers
from studio.services.project_rights import offered_accounts
from studio.services.shots import create_shots, same_shot
from studio.services.work.isolation import isolated

logger = logging.getLogger(__name__)

# Known to be technical: these alone go on by themselves. A refusal or a failure of an unknown cause
# may be moderation in words nobody knows yet, and what one model refuses, the same model refuses
# everywhere: a person may still choose another provider.
PASSABLE = frozenset(
    {
        "capacity",
        "timeout",
        "internal",
        "no_media",
        "credit",
        "key",
        "unsupported",
        "end",
    }
)
OFFERED = PASSABLE | {"other", "refused"}
MOST_HOPS = 2  # further providers tried by itself after the first
# The task of a failed shot may be lost: then it is asked for again, until it was answered once.
ASK_FIRST = timedelta(seconds=30)
ASK_AGAIN = timedelta(minutes=1)
ASK_FOR = timedelta(hours=1)
OLDEST = timedelta(days=1)  # when it was asked for: bounds what the sweep reads
AT_A_TIME = 200


def can_fail_over(generation: Generation) -> bool:
    """Whether this ended in a way another provider may do better, so that people are offered it."""
    return (
        generation.state == State.FAILED
        and generation.failure_code in OFFERED
        and generation.provider != "previs"
        and generation.archived_at is None
    )


def next_offer(generation: Generation, *, same_model: bool = False) -> Offer | None:
    """Return the cheapest other provider that can make this shot, or None.

    With `same_model` only the same model, such as Ray 2 and not Ray 2 Flash.
    """
    if not can_fail_over(generation):
        return None
    new = same_shot(generation)
    own = SPECS.get((generation.provider, generation.model))
    if same_model and own is None:
        return None
    label = own.label if same_model and own else ""
    tried = set(
        Generation.objects.filter(shot=generation.shot, state=State.FAILED).values_list(
            "account_id", flat=True
        )
    )
    offered = offered_accounts(generation.project)
    return next(
        (
            offer
            for offer in list_offers(
                wish=new.wish(), start=generation.start_generation, end=generation.end_generation, offered=offered
            )
            if offer.able and offer.account and offer.account.pk not in tried
            and offer.spec.label == (label or offer.spec.label) and not offer.spec.free
            and not offer.account.hold_reason
            and not offer.spec.deprecated and offer.account.provider != generation.provider
        ),
        None,
    )  # fmt: skip


def fail_over(
    *,
    generation: Generation,
    by: User,
    offer_value: str,
    request_token: uuid.UUID,
    quoted_microusd: int | None = None,
) -> Generation:
    """Make the same shot with another provider, in the failed card's place.

    `quoted_microusd` is the price that was shown: a dearer one is refused.
    """
    offers = [next_offer(generation), next_offer(generation, same_model=True)]
    offer = next((one for one in offers if one and one.value == offer_value), None)
    if offer is None or offer.account is None:
        raise StudioError(
            "That provider cannot take this shot over any more. Open it and choose again."
        )
    new = replace(
        same_shot(generation),
        account=offer.account,
        model=offer.spec.id,
        retry_of=generation,
        request_token=request_token,
        quoted_microusd=quoted_microusd,
    )
    (fresh,) = create_shots(project=generation.project, by=by, new=new)
    lifecycle.touch(generation.pk, archived_at=timezone.now())
    return fresh


def fail_over_by_itself(generation_pk: int) -> str:
    """Take over a failed shot where its project allows it. Safe to call twice: the token is derived."""
    said = _take_over(generation_pk)
    # Whatever the answer, it is given. Of a row that has ended, this column plans nothing else.
    Generation.objects.filter(pk=generation_pk, state=State.FAILED).update(
        next_poll_at=timezone.now() + ASK_FOR
    )
    return said


def ask_again(now: datetime) -> int:
    """Ask for what was failed lately and never answered: its task was lost. Returns how many."""
    # The projects first: each one's shots of the last day are read from an index.
    allowing = Project.objects.active().filter(failover_microusd__isnull=False)
    projects = list(allowing.values_list("pk", flat=True))
    if not projects:
        return 0
    restored_at = StudioSettings.current().restored_at
    oldest = now - OLDEST if restored_at is None else max(now - OLDEST, restored_at)
    due = Generation.objects.filter(Q(next_poll_at=None) | Q(next_poll_at__lte=now))
    lost = due.filter(
        project__in=projects,
        archived_at=None,
        state=State.FAILED,
        created_at__gt=oldest,
        finished_at__range=(now - ASK_FOR, now - ASK_FIRST),
        charged=Charged.NO,
        failure_code__in=sorted(PASSABLE),
    ).exclude(provider="previs")
    asked = 0
    for pk in lost.order_by("finished_at").values_list("pk", flat=True)[:AT_A_TIME]:
        with isolated(pk, "asking for another provider"):
            if due.filter(pk=pk, state=State.FAILED).update(next_poll_at=now + ASK_AGAIN):
                enqueue("fail_over", pk)
                asked += 1
    return asked


def _take_over(generation_pk: int) -> str:
    generation = Generation.objects.select_related(
        "project",
        "by",
        "account",
        "start_keyframe",
        "end_keyframe",
        "start_generation",
        "end_generation",
    ).get(pk=generation_pk)
    project: Project = generation.project
    passable = can_fail_over(generation) and generation.failure_code in PASSABLE
    if project.failover_microusd is None or not passable:
        return "skipped: not allowed, or not that kind of failure"
    restored_at = StudioSettings.current().restored_at
    if restored_at is not None and generation.created_at <= restored_at:
        return "skipped: it was asked for before a backup was put back, and may have gone on then"
    if generation.charged != Charged.NO:
        return "skipped: it was charged, or that is not known"
    hops = Generation.objects.filter(shot=generation.shot, retry_of__isnull=False).count()
    offer = next_offer(generation, same_model=True)
    if offer is None or offer.microusd is None or hops >= MOST_HOPS:
        return "skipped: no other provider can take it"
    dearer = offer.microusd - (generation.estimated_microusd or 0)
    if dearer > project.failover_microusd:
        return f"skipped: {offer.name} is dearer than the project allows"
    token = uuid.uuid5(generation.idempotency_key, "failover")
    try:
        with transaction.atomic():
            # Whoever tries it again takes the project's row too: of two, one sees the other's take.
            Project.objects.select_for_update().get(pk=project.pk)
            if _tried_since(generation):
                return "skipped: it was tried again"
            fresh = fail_over(
                generation=generation,
                by=generation.by,
                offer_value=offer.value,
                request_token=token,
                quoted_microusd=offer.microusd,
            )
    except StudioError as error:
        return f"skipped: {error.message}"
    logger.info("clip %s goes on as %s at %s", generation.code, fresh.code, offer.spec.provider)
    return f"goes on at {offer.name}"


def _tried_since(generation: Generation) -> bool:
    """Whether somebody has made another take of it since it failed. Sisters' take-overs are none."""
    later = Generation.objects.filter(shot=generation.shot, take__gt=generation.take)
    since = Q(created_at__gt=generation.finished_at, retry_of=None)
    return later.filter(Q(retry_of=generation) | since).exists()
