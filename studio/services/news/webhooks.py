"""Webhooks: what owners do with them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence

from django.conf import settings
from django.db import transaction

from studio.models import Project, User, Webhook
from studio.services.errors import StudioError
from studio.services.news import posting
from studio.services.news.activity import Kind, record
from studio.services.news.deliveries import PRICES
from studio.services.news.payloads import TYPES

MOST_WEBHOOKS = 10
SECRET_BYTES = 24


def create_webhook(*, project: Project, by: User, url: str, kinds: Sequence[str]) -> Webhook:
    """Make a webhook with a new secret and return it; `reveal_secret` shows it, the page once.

    Raises StudioError with the field when the address may not be used or nothing is chosen.
    """
    _check(url, kinds)
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        if Webhook.objects.filter(project=project).count() >= MOST_WEBHOOKS:
            raise StudioError(
                f"This project has the most webhooks there can be, {MOST_WEBHOOKS}. "
                "Delete one first.",
                field="url",
            )
        made = Webhook(project=project, created_by=by, url=url, kinds=list(kinds))
        made.set_secret(_new_secret())
        made.save()
        _note(made, by, f"added a webhook to {made.host}")
    return made


def change_webhook(
    *, webhook: Webhook, by: User, url: str, kinds: Sequence[str], enabled: bool
) -> None:
    """Change where it goes, what it tells, and whether it is on. On again it begins afresh."""
    _check(url, kinds)
    with transaction.atomic():
        webhook.url, webhook.kinds = url, list(kinds)
        if enabled and not webhook.enabled:
            webhook.failing_since = None
        webhook.enabled = enabled
        webhook.save(update_fields=["url", "kinds", "enabled", "failing_since"])
        _note(webhook, by, f"changed the webhook to {webhook.host}")


def renew_secret(*, webhook: Webhook, by: User) -> str:
    """Give it another secret, which counts from the next message on, and return it."""
    secret = _new_secret()
    with transaction.atomic():
        webhook.set_secret(secret)
        webhook.save(update_fields=["secret_locked"])
        _note(webhook, by, f"renewed the secret of the webhook to {webhook.host}")
    return secret


def delete_webhook(*, webhook: Webhook, by: User) -> None:
    """Delete it with its log."""
    with transaction.atomic():
        _note(webhook, by, f"deleted the webhook to {webhook.host}")
        webhook.delete()


def _check(url: str, kinds: Sequence[str]) -> None:
    if why := posting.refusal(url, settings.WEBHOOK_HOSTS):
        raise StudioError(why, field="url")
    unknown = set(kinds) - set(TYPES) - {PRICES}
    if unknown:
        raise StudioError(
            f"There is no news called “{sorted(unknown)[0]}”; there are {', '.join(TYPES)}.",
            field="kinds",
        )
    if not set(kinds) & set(TYPES):
        raise StudioError("Choose at least one thing to be told of.", field="kinds")


def _new_secret() -> str:
    return (
        posting.SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    )  # fmt: skip


def _note(webhook: Webhook, by: User, text: str) -> None:
    record(
        Kind.SETTINGS,
        project_id=webhook.project_id,
        actor=by,
        text=text,
        webhook=str(webhook.code),
    )
