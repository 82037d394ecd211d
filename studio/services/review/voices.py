"""Whose words or verdict: a person with an account, or a guest of a share."""

from __future__ import annotations

from typing import Any

from studio.models import Comment, GivenVerdict, Guest, User


def as_author(by: User | None, guest: Guest | None) -> dict[str, Any]:
    """Return the columns of a comment that say who speaks. Exactly one of the two is given."""
    _one_of(by, guest)
    if guest is None:
        return {"author": by}
    return {"author": None, "guest": guest, "guest_name": guest.name}


def as_judge(by: User | None, guest: Guest | None) -> dict[str, Any]:
    """Return the columns of a verdict that say who gave it. Exactly one of the two is given."""
    _one_of(by, guest)
    return {"by": by, "guest": guest}


def is_own(row: Comment | GivenVerdict, by: User | None, guest: Guest | None) -> bool:
    """Whether this person, or this guest, said it."""
    speaker = row.author_id if isinstance(row, Comment) else row.by_id
    if by is not None:
        return speaker == by.pk
    return guest is not None and row.guest_id == guest.pk


def _one_of(by: User | None, guest: Guest | None) -> None:
    if (by is None) == (guest is None):
        raise TypeError("Give either `by` or `guest`.")
