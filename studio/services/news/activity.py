"""Writing down what happened in a project, and telling the members it concerns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from studio.models import Activity, Chain, Comment, Generation, Membership, Notification, User

Kind = Activity.Kind
Reason = Notification.Reason

MOST_TEXT = 300
# (person's pk, what happened, why they are told)
Telling = tuple[int, Activity, str]


def record(
    kind: str,
    *,
    project_id: int,
    actor: User | None = None,
    guest_name: str = "",
    generation: Generation | None = None,
    chain: Chain | None = None,
    comment: Comment | None = None,
    text: str = "",
    **data: Any,
) -> Activity:
    """Write one line of the feed, in the caller's transaction. `text` is cut to 300 characters."""
    return Activity.objects.create(
        project_id=project_id,
        kind=kind,
        actor=actor,
        guest_name=guest_name[:60],
        generation=generation,
        chain=chain,
        comment=comment,
        text=short(text),
        data=data,
    )


def short(text: str) -> str:
    """Return the text on one line, at most MOST_TEXT characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= MOST_TEXT else flat[: MOST_TEXT - 1].rstrip() + "…"


def tell(wanted: Iterable[Telling], *, but: int | None = None, anyway: bool = False) -> int:
    """Notify people; two queries for any number. Returns how many were written.

    Left out: whoever did it (`but`), who is no member any more, who muted the reason (unless
    `anyway`), and a second reason for the same person and activity: the first given wins.
    """
    first: dict[tuple[int, int], Telling] = {}
    for telling in wanted:
        if telling[0] != but:
            first.setdefault((telling[0], telling[1].pk), telling)
    if not first:
        return 0
    members = Membership.objects.filter(
        user__in={pk for pk, _ in first},
        project__in={activity.project_id for _, activity, _ in first.values()},
        user__is_active=True,
    )
    muted = {
        (project_id, user_id): frozenset(reasons or ())
        for project_id, user_id, reasons in members.values_list(
            "project_id", "user_id", "user__muted"
        )
    }
    made = [
        Notification(user_id=user_id, activity=activity, reason=reason)
        for user_id, activity, reason in first.values()
        if (reasons := muted.get((activity.project_id, user_id))) is not None
        and (anyway or reason not in reasons)
    ]
    Notification.objects.bulk_create(made, ignore_conflicts=True)
    return len(made)


def owners(project_id: int) -> list[int]:
    """Return the pks of a project's owners; one query."""
    rows = Membership.objects.filter(project=project_id, role=Membership.Role.OWNER)
    return list(rows.values_list("user_id", flat=True))
