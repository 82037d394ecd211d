"""The first page: what waits for a person, what is left on the accounts, which tasks failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django_q.models import Failure, Schedule

from studio.admin.accounts import fails, standing_chip, test_result, with_last_test
from studio.admin.balance import amount
from studio.admin.base import account_name
from studio.admin.clip_filters import NEEDS_A_PERSON, UNKEPT
from studio.admin.health import Sign, may_see_health, pulse
from studio.admin.queue import last_line_of, task_words
from studio.models import (
    BulkRun,
    Export,
    Generation,
    Keyframe,
    Orphan,
    ProviderAccount,
    SpendRequest,
    StudioSettings,
    Webhook,
    WebhookDelivery,
)
from studio.models.generation import State
from studio.providers.base import Balance
from studio.services import holds, keys
from studio.services.money.spending import unknown_amounts

LATELY = timedelta(days=1)
SHOWN_TASKS = 5
MAY_LOCK = "studio.change_provideraccount"
MAY_SET = "studio.change_studiosettings"


@dataclass(frozen=True, slots=True)
class Waits:
    """One kind of thing that needs somebody: how many, in words, and where they are listed."""

    count: int
    words: str
    href: str
    tone: str = "wait"


@dataclass(frozen=True, slots=True)
class Purse:
    """One account on the first page."""

    pk: int
    name: str
    standing: SafeString
    left: str
    asked: Any  # when, or None
    test: str | SafeString


@dataclass(frozen=True, slots=True)
class Broken:
    """One failed task, with its traceback."""

    pk: str
    what: str
    reason: str
    traceback: str
    at: Any


def overview(request: HttpRequest) -> dict[str, Any]:
    """Return what the first page shows this person. A fixed number of queries.

    Each part takes the right to see its table; without one it is left out.
    """
    may = request.user.has_perm
    accounts = may("studio.view_provideraccount")
    return {
        "signs": [*pulse(), _stored()] if may_see_health(request) else [],
        "waits": [one for right, find in KINDS if may(right) for one in find() if one.count],
        "knows": any(may(right) for right, _ in KINDS),
        "purses": _purses() if accounts else [],
        "locks": keys.look() if accounts else None,
        "may_lock": may(MAY_LOCK),
        "new_defaults": _new_defaults() if may(MAY_SET) else None,
        "broken": _broken() if may("django_q.view_failure") else [],
    }


def encrypt_again(request: HttpRequest) -> HttpResponse:
    """Lock every kept secret with the newest encryption key."""
    if not request.user.has_perm(MAY_LOCK):
        raise PermissionDenied("Encrypting keys again takes the right to change provider accounts.")
    done = keys.lock_again()
    if done.older:
        messages.success(request, f"Encrypted again with the newest key: {done.older}.")
    for name in done.unreadable:
        messages.error(request, f"No encryption key opens the secret of {name}. Enter it anew.")
    if not done.older and not done.unreadable:
        messages.info(request, "All of them were locked with the newest key already.")
    return HttpResponseRedirect(reverse("admin:index"))


def defaults_read(request: HttpRequest) -> HttpResponse:
    """Take the line about new projects off the first page, for all staff."""
    if not request.user.has_perm(MAY_SET):
        raise PermissionDenied("This takes the right to change the studio’s settings.")
    StudioSettings.objects.update(announces_defaults=False)
    return HttpResponseRedirect(reverse("admin:index"))


def _new_defaults() -> StudioSettings | None:
    """Return the settings while the first page is to say what new projects start with."""
    found = StudioSettings.current()
    return found if found.announces_defaults else None


# ---- What waits for a person -----------------------------------------------------------
def _clips() -> Iterator[Waits]:
    clips = reverse("admin:studio_generation_changelist")
    rows = Generation.objects.filter(archived_at=None, state__in=[*NEEDS_A_PERSON, State.FAILED])
    counts = rows.aggregate(
        unclear=Count("pk", filter=Q(state=State.UNCERTAIN)),
        stalled=Count("pk", filter=Q(state=State.STALLED)),
        unkept=Count("pk", filter=UNKEPT),
    )
    yield Waits(
        counts["unclear"],
        "unclear: sent, and no answer came. Did they arrive?",
        f"{clips}?state__exact={State.UNCERTAIN}",
    )
    yield Waits(
        counts["stalled"],
        "take longer than they should",
        f"{clips}?state__exact={State.STALLED}",
    )
    yield Waits(
        counts["unkept"],
        "rendered, but the clip could not be downloaded. Download it again",
        f"{clips}?stands=unkept",
        "bad",
    )
    yield Waits(
        unknown_amounts().shots,
        "clips charged with unknown amount: the provider’s own bill says it",
        f"{clips}?paid=amount",
    )


def _requests() -> Iterator[Waits]:
    count = SpendRequest.objects.filter(state=SpendRequest.State.OPEN).count()
    href = f"{reverse('admin:studio_spendrequest_changelist')}?state__exact=open"
    yield Waits(count, "asked for more money; an owner answers on the project’s page", href)


def _orphans() -> Iterator[Waits]:
    count = Orphan.objects.filter(generation=None, dismissed_at=None).count()
    href = f"{reverse('admin:studio_orphan_changelist')}?dismissed_at__isempty=1"
    yield Waits(count, "jobs at a provider that nobody here knows", href)


def _accounts() -> Iterator[Waits]:
    rows = ProviderAccount.objects.filter(enabled=True).exclude(provider="previs")
    href = reverse("admin:studio_provideraccount_changelist")
    yield Waits(rows.filter(key_locked="").count(), "accounts without a key", href)
    yield Waits(
        sum(map(fails, with_last_test(rows))), "accounts failed their last test", href, "bad"
    )
    yield Waits(rows.exclude(trouble="").count(), "accounts in trouble", href, "bad")
    yield Waits(
        rows.exclude(polls_trouble="").count(), "accounts whose answers do not come", href, "bad"
    )
    for account in holds.held_accounts():
        # The sentence says how many shots wait there; what is counted is the account.
        yield Waits(1, f"account held. {holds.sentence(account)}", href, "bad")


def _exports() -> Iterator[Waits]:
    since = timezone.now() - LATELY
    count = Export.objects.filter(state=Export.State.FAILED, finished_at__gte=since).count()
    href = f"{reverse('admin:studio_export_changelist')}?state__exact=failed"
    yield Waits(count, "films failed in the last 24 hours", href, "bad")


def _webhooks() -> Iterator[Waits]:
    failing = Webhook.objects.filter(enabled=True).exclude(failing_since=None).count()
    href = f"{reverse('admin:studio_webhook_changelist')}?failing_since__isempty=0"
    yield Waits(failing, "webhooks do not answer", href)


def _messages() -> Iterator[Waits]:
    since = timezone.now() - LATELY
    state = WebhookDelivery.State.FAILED
    count = WebhookDelivery.objects.filter(state=state, finished_at__gte=since).count()
    href = f"{reverse('admin:studio_webhookdelivery_changelist')}?state__exact={state}"
    yield Waits(count, "messages to webhooks given up in the last 24 hours", href)


def _bulk_runs() -> Iterator[Waits]:
    count = BulkRun.objects.filter(state="failed", finished_at__gte=timezone.now() - LATELY).count()
    href = f"{reverse('admin:studio_bulkrun_changelist')}?state__exact=failed"
    yield Waits(count, "bulk actions failed in the last 24 hours", href, "bad")


def _schedules() -> Iterator[Waits]:
    # The scheduler looks about every 30 s.
    late = Schedule.objects.filter(next_run__lt=timezone.now() - timedelta(minutes=3)).count()
    yield Waits(late, "schedules are late", reverse("admin:django_q_schedule_changelist"), "bad")


KINDS: tuple[tuple[str, Callable[[], Iterator[Waits]]], ...] = (
    ("studio.view_generation", _clips),
    ("studio.view_spendrequest", _requests),
    ("studio.view_orphan", _orphans),
    ("studio.view_provideraccount", _accounts),
    ("studio.view_export", _exports),
    ("studio.view_webhook", _webhooks),
    ("studio.view_webhookdelivery", _messages),
    ("studio.view_bulkrun", _bulk_runs),
    ("django_q.view_schedule", _schedules),
)


# ---- Storage, accounts and tasks ----------------------------------------------------------------
def _stored() -> Sign:
    """All the files that rows know of; by project on the health page."""
    total = sum(
        model.objects.aggregate(total=Sum("size_bytes"))["total"] or 0
        for model in (Generation, Keyframe, Export)
    )
    return Sign("Stored", filesizeformat(total), "", "Clips, stills and films", "/admin/health/")


def _purses() -> list[Purse]:
    return [
        Purse(
            row.pk,
            account_name(row),
            standing_chip(row),
            amount(Balance(row.balance_microusd, row.balance_credits, row.balance_unit)),
            row.balance_at,
            test_result(row),
        )
        for row in with_last_test(ProviderAccount.objects.exclude(provider="previs"))
    ]


def _broken() -> list[Broken]:
    return [
        Broken(row.pk, task_words(row.func), last_line_of(row), str(row.result or ""), row.stopped)
        for row in Failure.objects.order_by("-stopped")[:SHOWN_TASKS]
    ]
