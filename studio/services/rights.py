"""Rights in the control room: who may change whose account."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission
from django.db.models import Q

from studio.models import User

BEYOND = "{} holds rights in the control room that you do not. Ask a superuser."


def may_change_account(actor: Any, person: User) -> bool:
    """Whether the actor holds every right this person does.

    Whoever sets a password, an address or a second factor can sign in as that person. A deactivated
    person's rights count too: they are back as soon as the account is active again.
    """
    if not isinstance(actor, User) or not actor.is_active:
        return False
    if actor.is_superuser or actor.pk == person.pk:
        return True
    return not person.is_superuser and _rights_of(person) <= _rights_of(actor)


def _rights_of(person: User) -> set[int]:
    """Return the permissions given to this person or their groups, staff and active or not."""
    rows = Permission.objects.filter(Q(user=person.pk) | Q(group__user=person.pk))
    return set(rows.values_list("pk", flat=True))
