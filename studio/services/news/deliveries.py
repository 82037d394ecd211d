"""Messages to webhooks: written with what they tell of, sent by the workers, tried until taken.

At least once, with an id that stays the same. A receiver in trouble gets one probe at a time: the
rest of its messages wait for that, so a dead receiver costs the workers next to nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import F, Min, Q, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from studio.models import Activity, Generation, Notification, Webhook, WebhookDelivery
from studio.queue import call_for
from studio.services.apart import Apart
from studio.services.clip_names import titles_beyond_prompts
from studio.services.news.activity import Kind, owners, record, tell
from studio.services.news.payloads import TEST_TYPE, TYPES, payload, test_payload
from studio.services.news.posting import Answer, Message, post_all
from studio.services.review.mentions import with_mentions

logger = logging.getLogger(__name__)

State = WebhookDelivery.State

# After the first, second, ... try. The one after the last is the end: about three and a half days.
WAITS = (
    timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2),
    timedelta(hours=5), timedelta(hours=10), timedelta(hours=18), timedelta(hours=24),
    timedelta(hours=24),
)  # fmt: skip
SWITCHED_OFF_AFTER = timedelta(days=3)
BATCH = 24  # messages on the wire at once
BATCH_EACH = 6  # of one webhook
LEASE = timedelta(seconds=60)  # a worker that dies has its messages sent again after this
ROUND_S = 20.0
GONE = 410
PRICES = "prices"  # among a webhook's kinds: its messages say what a clip cost


# ---- Writing ----------------------------------------------------------------------------
def announce(activities: Sequence[Activity]) -> int:
    """Write the messages these activities make for their projects' webhooks, and wake a worker.

    One query where nobody listens. All activities are of kinds in payloads.TYPES.
    """
    wanted = _heard(activities)
    if not wanted:
        return 0
    loaded = Activity.objects.select_related(
        "project", "generation__project", "generation__by", "comment", "actor"
    ).defer("generation__raw_answer")
    by_pk = loaded.in_bulk([activity.pk for _, activity in wanted])
    return _write([(hook, by_pk[activity.pk]) for hook, activity in wanted])


def announce_unlisted(activities: Sequence[Activity]) -> int:
    """As `announce`, for activities that are kept in no feed: so many at once would bury it."""
    wanted = _heard(activities)
    if not wanted:
        return 0
    loaded = Generation.objects.select_related("project", "by").defer("raw_answer")
    clips = loaded.in_bulk([a.generation_id for _, a in wanted if a.generation_id])
    for _, activity in wanted:
        activity.generation = clips[activity.generation_id or 0]
    with_mentions(activity.comment for _, activity in wanted if activity.comment is not None)
    return _write(wanted)


def _heard(activities: Sequence[Activity]) -> list[tuple[Webhook, Activity]]:
    hooks = _listening({a.project_id for a in activities})
    return [
        (hook, activity)
        for activity in activities
        for hook in hooks
        if hook.project_id == activity.project_id and activity.kind in hook.kinds
    ]


def _write(wanted: Sequence[tuple[Webhook, Activity]]) -> int:
    now = timezone.now()
    clips = {a.generation.pk: a.generation for _, a in wanted if a.generation is not None}
    titles = titles_beyond_prompts(clips.values())
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(
            webhook=hook,
            kind=activity.kind,
            payload=payload(activity, prices=PRICES in hook.kinds, titles=titles),
            next_at=_first_try(hook, now),
        )
        for hook, activity in wanted
    )
    call_for("send_webhooks")
    return len(wanted)


def _listening(project_ids: set[int]) -> list[Webhook]:
    """Return the webhooks that are on, each with when its next probe is (`retry_at`, or None)."""
    tried = Q(deliveries__state=State.WAITING, deliveries__attempts__gt=0)
    rows = Webhook.objects.filter(project__in=project_ids, enabled=True).order_by("pk")
    return list(rows.annotate(retry_at=Min("deliveries__next_at", filter=tried)))


def _first_try(hook: Webhook, now: datetime) -> datetime:
    retry_at: datetime | None = getattr(hook, "retry_at", None)
    return max(now, retry_at) if hook.failing_since and retry_at else now


def send_test(webhook: Webhook) -> WebhookDelivery:
    """Write a test message, due at once, whatever trouble its webhook is in."""
    with transaction.atomic():
        made = WebhookDelivery.objects.create(
            webhook=webhook, kind=TEST_TYPE, payload=test_payload(webhook.project)
        )
        call_for("send_webhooks")
    return made


def send_again(delivery: WebhookDelivery) -> bool:
    """Put a message that was taken or given up in line once more, with the same id.

    False while it is waiting anyway: then it is only made due now.
    """
    with transaction.atomic():
        rows = WebhookDelivery.objects.filter(pk=delivery.pk)
        again = rows.exclude(state=State.WAITING).update(
            state=State.WAITING, attempts=0, next_at=timezone.now(), finished_at=None, error=""
        )
        if not again:
            rows.filter(attempts__gt=0).update(next_at=timezone.now())
        call_for("send_webhooks")
    return bool(again)


# ---- Sending ----------------------------------------------------------------------------
def send_due(*, most_s: float = ROUND_S) -> str:
    """Send what is due, batch by batch, for at most about `most_s` plus one timeout.

    Safe to run side by side: each batch is claimed first.
    """
    began = time.monotonic()
    taken = sent = 0
    while time.monotonic() - began < most_s:
        batch = claim()
        if not batch:
            break
        taken += len(batch)
        sent += _send(batch)
    else:
        call_for("send_webhooks")
    return f"{sent} of {taken} messages were taken"


def claim() -> list[WebhookDelivery]:
    """Take some due messages for LEASE and count the try; at most BATCH_EACH of one webhook."""
    now = timezone.now()
    due = WebhookDelivery.objects.filter(
        Q(webhook__enabled=True) | Q(kind=TEST_TYPE), state=State.WAITING, next_at__lte=now
    )
    # A look without a lock first: on SQLite the transaction below would hold up every writer.
    if not due.exists():
        return []
    # Each webhook's first, then each one's second: one with thousands waiting keeps nobody back.
    place = Window(RowNumber(), partition_by=[F("webhook_id")], order_by=[F("next_at"), F("pk")])
    fair = due.annotate(place=place).filter(place__lte=BATCH_EACH).order_by("place", "next_at")
    places = dict(fair.values_list("pk", "place")[:BATCH])
    with transaction.atomic():
        locked = due.select_for_update(skip_locked=True, of=("self",)).select_related("webhook")
        # One that may have become slow gets one at a time until it answers again.
        batch = [
            row
            for row in locked.filter(pk__in=places).order_by("next_at", "pk")
            if places[row.pk] == 1 or row.webhook.failing_since is None
        ]
        WebhookDelivery.objects.filter(pk__in=[row.pk for row in batch]).update(
            next_at=now + LEASE, attempts=F("attempts") + 1
        )
    for row in batch:
        row.attempts += 1
    return batch


def _send(batch: Sequence[WebhookDelivery]) -> int:
    messages, ready = [], []
    for row in batch:
        try:
            secret = row.webhook.reveal_secret()
        except ImproperlyConfigured as error:
            _record(row, Answer(error=str(error)))
            continue
        ready.append(row)
        messages.append(Message(str(row.code), row.webhook.url, secret, row.payload))
    answers = post_all(
        messages, timestamp=int(time.time()), allow_hosts=settings.WEBHOOK_HOSTS
    )  # fmt: skip
    taken, apart = 0, Apart()
    for row, answer in zip(ready, answers, strict=True):
        with apart.one(f"recording webhook message {row.pk}"):
            taken += _record(row, answer)
    return taken


def _record(row: WebhookDelivery, answer: Answer) -> bool:
    """Write one answer. Returns whether the message was taken."""
    with transaction.atomic():
        if answer.ok:
            _taken(row, answer)
        else:
            _not_taken(row, answer)
    return answer.ok


def _taken(row: WebhookDelivery, answer: Answer) -> None:
    now = timezone.now()
    WebhookDelivery.objects.filter(pk=row.pk).update(
        state=State.DELIVERED, answer_status=answer.status, error="", finished_at=now
    )
    if Webhook.objects.filter(pk=row.webhook_id, failing_since__isnull=False).update(
        failing_since=None
    ):
        # It is well again: what waited for that goes now.
        waiting = WebhookDelivery.objects.filter(webhook=row.webhook_id, state=State.WAITING)
        waiting.update(next_at=now)


def _not_taken(row: WebhookDelivery, answer: Answer) -> None:
    now = timezone.now()
    why = answer.error or f"It answered {answer.status}."
    over = row.attempts > len(WAITS) or row.kind == TEST_TYPE
    retry_at = now if over else now + WAITS[row.attempts - 1]
    WebhookDelivery.objects.filter(pk=row.pk).update(
        state=State.FAILED if over else State.WAITING,
        answer_status=answer.status,
        error=why[:300],
        next_at=retry_at,
        finished_at=now if over else None,
    )
    if row.kind == TEST_TYPE:
        return  # a person looks at it: it says nothing about the webhook's health
    logger.info("webhook %s: message %s not taken: %s", row.webhook.code, row.code, why)
    hooks = Webhook.objects.filter(pk=row.webhook_id)
    hooks.filter(failing_since=None).update(failing_since=now)
    waiting = WebhookDelivery.objects.filter(webhook=row.webhook_id, state=State.WAITING)
    waiting.filter(attempts=0, next_at__lt=retry_at).update(next_at=retry_at)
    since = hooks.values_list("failing_since", flat=True).get()
    if answer.status == GONE or (since and now - since >= SWITCHED_OFF_AFTER):
        switch_off(row.webhook, why)


def switch_off(hook: Webhook, why: str) -> None:
    """Stop sending to it, give up what waits, and tell the project's owners."""
    if not Webhook.objects.filter(pk=hook.pk, enabled=True).update(enabled=False):
        return
    WebhookDelivery.objects.filter(webhook=hook, state=State.WAITING).update(
        state=State.FAILED, error="The webhook was switched off.", finished_at=timezone.now()
    )
    activity = record(
        Kind.SETTINGS,
        project_id=hook.project_id,
        text=f"The webhook to {hook.host} was switched off: {why}",
        webhook=str(hook.code),
    )
    # There is no reason of its own for this; whoever muted failed shots did not mean it.
    failed = Notification.Reason.FAILED
    tell([(pk, activity, failed) for pk in owners(hook.project_id)], anyway=True)


assert set(TYPES) < set(Activity.Kind.values)
