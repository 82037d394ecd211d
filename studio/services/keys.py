"""Every secret kept in the database, locked again when the encryption key is changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from allauth.mfa.models import Authenticator
from django.core.exceptions import ImproperlyConfigured
from django.db import models, transaction

from studio import vault
from studio.models import ProviderAccount, Webhook

# Model, column, and for a column of JSON the name in it. A column that `vault.lock` fills belongs
# here; a test holds it to that.
SECRETS: tuple[tuple[type[models.Model], str, str], ...] = (
    (ProviderAccount, "key_locked", ""),
    (Webhook, "secret_locked", ""),
    (Authenticator, "data", "secret"),  # what a person's codes are made of
    (Authenticator, "data", "seed"),  # what recovery codes are made of
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
    for row, _, token in _all():
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
    for row, (column, name), token in _all():
        if vault.is_newest(token):
            done.newest += 1
        elif not _opens(token):
            done.unreadable.append(name_of(row))
        else:
            # A secret entered meanwhile stays, and was locked with the newest key.
            done.older += _swap(row, column, name, token, vault.lock(vault.unlock(token)))
    return done


def name_of(row: models.Model) -> str:
    """Name a row by what it is and its number: its own name may hold a path that is secret."""
    return f"{row._meta.verbose_name} {row.pk}"


def _all() -> Iterator[tuple[models.Model, tuple[str, str], str]]:
    """Yield each secret: its row, column and name in the column, and what is kept."""
    for model, column, name in SECRETS:
        for row in model._default_manager.only("pk", column).order_by("pk"):
            kept = getattr(row, column)
            token = kept.get(name, "") if name else kept
            if token:
                yield row, (column, name), token


def _swap(row: models.Model, column: str, name: str, old: str, new: str) -> int:
    """Put a new secret in the place of this old one. Returns 0 when another stands there now."""
    with transaction.atomic():
        rows = row._meta.model._default_manager.select_for_update().filter(pk=row.pk)
        kept = rows.values_list(column, flat=True).first()
        if not kept or (kept.get(name) if name else kept) != old:
            return 0
        return rows.update(**{column: kept | {name: new} if name else new})


def _opens(token: str) -> bool:
    try:
        vault.unlock(token)
    except ImproperlyConfigured:
        return False
    return True
