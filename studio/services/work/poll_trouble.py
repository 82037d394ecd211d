"""Trouble with a provider's answers about shots in flight, as their cards say it.

At an account where no poll brings an answer every card says so; where others are answered, only
the card of the shot in question. Rendering goes on there meanwhile, and nothing is lost or bought.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db.models import QuerySet

from studio import lifecycle
from studio.models import Generation, ProviderAccount
from studio.models.generation import State
from studio.providers.base import (
    AuthFailed,
    ProtocolError,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    WrongEndpoint,
)
from studio.providers.catalog import PROVIDER_LABELS

logger = logging.getLogger(__name__)

WATCHED_STATES = (State.RUNNING, State.STALLED)
GOES_ON = "Rendering goes on there; we keep asking."
MAX_TEXT = 300


def announce(account: ProviderAccount, error: Exception, since: datetime) -> None:
    """Say on every card in flight at this account that its polls bring no answer."""
    text = _sentence(account.provider, error, since, "")
    if account.polls_trouble == text:
        return
    rows = _rows(account).filter(trouble__in=["", account.polls_trouble])
    account.polls_failing_since, account.polls_trouble = since, text
    account.save(update_fields=["polls_failing_since", "polls_trouble"])
    lifecycle.set_trouble(rows, text)
    logger.warning("%s: %s", account.provider, text)


def say_of_new(account: ProviderAccount) -> None:
    """Say it on the cards of shots that came to this account since."""
    rows = _rows(account).filter(trouble="")
    if rows.exists():
        lifecycle.set_trouble(rows, account.polls_trouble)


def announce_row(pk: int, provider: str, error: Exception, since: datetime) -> None:
    """Say on one card that the answers about this shot are bad, while others are answered."""
    text = _sentence(provider, error, since, " about this shot")
    rows = Generation.objects.filter(pk=pk, state__in=WATCHED_STATES, trouble="")
    if lifecycle.set_trouble(rows, text):
        logger.warning("generation %s: %s", pk, text)


def clear(account: ProviderAccount) -> None:
    """Take it off the cards: the provider answers again."""
    if account.polls_trouble:
        lifecycle.set_trouble(_rows(account).filter(trouble=account.polls_trouble), "")
    note_failing(account, None)


def note_failing(account: ProviderAccount, since: datetime | None) -> None:
    """Keep for the next sweep since when no poll has brought an answer; None: it answers."""
    text = account.polls_trouble if since else ""
    if (account.polls_failing_since, account.polls_trouble) != (since, text):
        account.polls_failing_since, account.polls_trouble = since, text
        account.save(update_fields=["polls_failing_since", "polls_trouble"])


def pause_text(provider: str, error: Exception) -> str:
    """Return why nothing is sent to the account, or nothing where only answers cannot be read."""
    label = PROVIDER_LABELS.get(provider, provider)
    if isinstance(error, AuthFailed | WrongEndpoint):
        return str(error)
    if isinstance(error, RateLimited):
        return f"{label} is busy. Your shots are safe."
    if isinstance(error, ProviderUnavailable):
        return f"{label} isn’t answering. Your shots are safe."
    return ""


def is_of_polls(account: ProviderAccount) -> bool:
    """Whether what keeps shots from being sent there was noticed by polls, and ends with it."""
    own = {pause_text(account.provider, error("")) for error in (RateLimited, ProviderUnavailable)}
    return account.trouble in own or (
        bool(account.trouble) and account.polls_trouble.startswith(account.trouble)
    )


def _rows(account: ProviderAccount) -> QuerySet[Generation]:
    return Generation.objects.filter(
        account=account, state__in=WATCHED_STATES, set_aside_at=None
    ).exclude(provider="previs")


def _sentence(provider: str, error: Exception, since: datetime, about: str) -> str:
    label = PROVIDER_LABELS.get(provider, provider)
    at = f"since {since:%H:%M} UTC"
    if isinstance(error, AuthFailed | WrongEndpoint):
        cause = str(error)[:200]
        return (
            f"{cause} Rendering goes on there; the clip comes once an administrator has fixed this."
        )
    if isinstance(error, RateLimited):
        what = f"has been too busy to answer{about} {at}."
    elif isinstance(error, ProviderUnavailable):
        what = f"has not answered{about} {at}."
    elif isinstance(error, ProtocolError) or not isinstance(error, ProviderError):
        what = f"has been sending answers{about} that cannot be read {at}."
    else:
        what = f"has refused to answer{about} {at}: {str(error)[:120]}"
    return f"{label} {what} {GOES_ON}"[:MAX_TEXT]
