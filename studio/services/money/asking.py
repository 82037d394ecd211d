"""Spend requests: a shot that costs more than somebody may spend, and an owner's answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from studio import signals
from studio.amounts import Certainty, amount_text, money
from studio.incoming_text import tidy_line
from studio.models import Generation, Keyframe, Membership, Project, SpendRequest, User
from studio.services.errors import StudioError

MAX_WORDS = 500
MOST_OPEN = 50  # a person's, in one project
State = SpendRequest.State


def ask(
    *,
    project: Project,
    by: User,
    shot: dict[str, Any],
    start: Keyframe | None,
    end: Keyframe | None,
    microusd: int,
    rule: str,
    reason: str,
    request_token: UUID,
) -> SpendRequest:
    """Ask the owners to let a shot through. The same token a second time is the same request."""
    reason = _checked(reason, "reason", "ask_reason")
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        found = SpendRequest.objects.filter(request_token=request_token).first()
        if found is not None:
            return found
        rows = SpendRequest.objects.filter(project=project, by=by, state=State.OPEN)
        if rows.count() >= MOST_OPEN:
            raise StudioError(
                f"You are waiting for {MOST_OPEN} answers here already. Withdraw one first."
            )
        made = SpendRequest.objects.create(
            project=project,
            by=by,
            shot=shot,
            start_keyframe=start,
            end_keyframe=end,
            estimated_microusd=microusd,
            rule=rule[:200],
            reason=reason,
            request_token=request_token,
        )
        signals.spend_asked.send_robust(sender=None, request=made, actor=by)
    return made


def approve(
    *,
    request: SpendRequest,
    by: User,
    note: str,
    most_microusd: int,
    microusd: int | None,
    certainty: Certainty,
    buy: Callable[[], list[Generation]],
) -> list[Generation]:
    """Let a shot through and queue it, in one transaction: approved twice, it is bought once.

    `most_microusd` is the price the approver saw; a dearer one now is refused. `certainty` is how
    well the one now is known. `buy` queues the
    shot and returns its takes. Raises StudioError, and whatever `buy` raises; then it stays open.
    """
    note = _checked(note, "note", "note")
    if microusd is None or microusd > most_microusd:
        raise StudioError(
            f"The price is {amount_text(microusd, certainty)} now; you saw "
            f"{money(most_microusd)}. Look at it again before you approve."
        )
    with transaction.atomic():
        _decide(request, State.APPROVED, by, note)
        made = buy()
        request.generations.set(made)
        signals.spend_decided.send_robust(sender=None, request=request, actor=by)
    return made


def refuse(*, request: SpendRequest, by: User, note: str) -> None:
    """Say no, with a word about why."""
    note = _checked(note, "note", "note")
    if not note:
        raise StudioError("Say why, so that the next request fits.", field="note")
    with transaction.atomic():
        _decide(request, State.REFUSED, by, note)
        signals.spend_decided.send_robust(sender=None, request=request, actor=by)


def withdraw(*, request: SpendRequest, by: User) -> None:
    """Take back one's own request while it is open."""
    if request.by_id != by.pk:
        raise StudioError("Only whoever asked can withdraw a request.")
    with transaction.atomic():
        _decide(request, State.WITHDRAWN, by, "")


def waiting(project: Project) -> QuerySet[SpendRequest]:
    """Return a project's open requests, oldest first."""
    rows = SpendRequest.objects.filter(project=project, state=State.OPEN)
    return rows.select_related("by", "start_keyframe", "end_keyframe").order_by("created_at")


def may_decide(request: SpendRequest, membership: Membership) -> bool:
    """Whether this member may approve or refuse: owners of the project."""
    return membership.can_manage and membership.project_id == request.project_id


def _decide(request: SpendRequest, state: str, by: User, note: str) -> None:
    now = timezone.now()
    rows = SpendRequest.objects.filter(pk=request.pk, state=State.OPEN)
    if not rows.update(state=state, decided_by=by, decided_at=now, decision_note=note):
        request.refresh_from_db()
        raise StudioError(
            f"This request is {request.get_state_display().lower()} already; nothing was changed."
        )
    request.state, request.decided_by, request.decided_at = state, by, now
    request.decision_note = note


def _checked(words: str, what: str, field: str) -> str:
    words = tidy_line(words)
    if len(words) > MAX_WORDS:
        raise StudioError(
            f"The {what} has {len(words)} characters; up to {MAX_WORDS} are allowed.", field=field
        )
    return words
