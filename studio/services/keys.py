"""Every secret kept in the database, locked again when the encryption key is changed."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.core.exceptions import ImproperlyConfigured
from django.db import models

from studio import vault
from studio.models import ProviderAccount, Webhook

# Model and column. A column that `vault.lock` fills belongs here; a test holds it to that.
SECRETS: tuple[tuple[type[models.Model], str], ...] = (
    (ProviderAccount, "key_locked"),
    (Webhook, "secret_locked"),
)


@dataclass(slots=True)
class Locked:
    """How the secrets are locked: with the newest key, with an older one, with none we have."""

    newest: int = 0
    older: int = 0
    unreadable: list[str] = field(default_factory=list)  # names of rows, for people


def look() -> Locked:
    """Return how each secret is locked. Reads all of them; changes nothing."""
    found = Locked()
    for model, column in SECRETS:
        for row in _rows(model, column):
            token = getattr(row, column)
            if vault.is_newest(token):
                found.newest += 1
            elif _opens(token):
                found.older += 1
            else:
                found.unreadable.append(name_of(row))
    return found


def lock_again() -> Locked:
    """Lock every secret with the newest key. What cannot be read stays as it is, and is named.

    `newest` counts what was so already, `older` what was locked again. Safe to repeat.
    """
    done = Locked()
    for model, column in SECRETS:
        for row in _rows(model, column):
            token = getattr(row, column)
            if vault.is_newest(token):
                done.newest += 1
            elif not _opens(token):
                done.unreadable.append(name_of(row))
            else:
                fresh = vault.lock(vault.unlock(token))
                # A secret entered meanwhile stays, and was locked with the newest key.
                same = model._default_manager.filter(pk=row.pk, **{column: token})
                done.older += same.update(**{column: fresh})
    return done


def name_of(row: models.Model) -> str:
    """Name a row by what it is and its number: its own name may hold a path that is secret."""
    return f"{row._meta.verbose_name} {row.pk}"


def _rows(model: type[models.Model], column: str) -> models.QuerySet[models.Model]:
    return model._default_manager.exclude(**{column: ""}).only("pk", column).order_by("pk")


def _opens(token: str) -> bool:
    try:
        vault.unlock(token)
    except ImproperlyConfigured:
        return False
    return True
