"""Comments and replies: said, changed, taken away and brought back, resolved."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from studio import lifecycle
from studio.models import Comment, Generation, GivenVerdict, Guest, Project, User
from studio.models.generation import Verdict
from studio.services.errors import StudioError
from studio.services.review.drawing import read_drawing
from studio.services.review.mentions import keep_mentions
from studio.services.review.voices import as_author, is_own
from studio.signals import comment_edited, comment_made

MAX_COMMENT_CHARS = 2000
SENT_TWICE = timedelta(seconds=10)
EDIT_FOR = timedelta(minutes=15)


def comment(
    *,
    generation: Generation,
    text: str,
    by: User | None = None,
    guest: Guest | None = None,
    at_ms: int | None = None,
    drawing: object = None,
    reply_to: Comment | None = None,
) -> Comment:
    """Say something about a clip, at a moment of it (milliseconds) or about the whole (None).

    `drawing` is JSON text or shapes, see review.drawing; `reply_to` a comment of the same clip: a
    reply to a reply joins the same thread. A member's name behind an @ is a mention.
    The same words at the same moment within a few seconds are one comment sent twice: the first
    is returned. Raises StudioError.
    """
    voice = as_author(by, guest)
    if not generation.is_clip:
        raise StudioError("Only a finished clip can be commented on.", field="text")
    shapes = read_drawing(drawing)
    text = _checked(text, drawn=bool(shapes))
    if at_ms is not None and generation.duration_ms is not None:
        at_ms = max(0, min(at_ms, generation.duration_ms))
    if reply_to is not None:
        if reply_to.generation_id != generation.pk:
            raise StudioError("That comment is not on this clip.", field="text")
        reply_to = reply_to.parent or reply_to
        at_ms, shapes = None, []
    # A guest's words stay words: turned into a mention they would tell who is a member here.
    text, mentioned = keep_mentions(text, generation.project_id) if by else (text, [])
    with transaction.atomic():
        # First, because it takes the project's row: two sends of one form then take turns.
        lifecycle.touch(generation.pk)
        made, is_new = Comment.objects.filter(
            created_at__gt=timezone.now() - SENT_TWICE
        ).get_or_create(
            generation=generation,
            **voice,
            text=text,
            at_ms=at_ms,
            parent=reply_to,
            defaults={"drawing": shapes},
        )
        if is_new:
            made.mentions.set(mentioned)
            comment_made.send_robust(
                Comment,
                generation=generation,
                actor=by,
                guest=guest,
                comment=made,
            )
    return made


def edit(
    *, comment: Comment, text: str, by: User | None = None, guest: Guest | None = None
) -> None:
    """Change the words of one's own comment, for a quarter of an hour. Raises StudioError."""
    if not may_edit(comment, by=by, guest=guest):
        minutes = EDIT_FOR // timedelta(minutes=1)
        raise StudioError(
            f"A comment can be changed by who wrote it, for {minutes} minutes. Reply to it instead.",
            field="text",
        )
    text = _checked(text, drawn=bool(comment.drawing))
    text, mentioned = keep_mentions(text, comment.generation.project_id) if by else (text, [])
    with transaction.atomic():
        lifecycle.touch(comment.generation_id)
        before = set(comment.mentions.values_list("pk", flat=True))
        if not Comment.objects.filter(pk=comment.pk).update(text=text):
            raise StudioError("That comment is gone.", field="text")
        comment.text = text
        comment.mentions.set(mentioned)
        comment_edited.send_robust(
            Comment,
            generation=comment.generation,
            actor=by,
            guest=guest,
            comment=comment,
            mentioned=[user for user in mentioned if user.pk not in before],
        )


def may_edit(
    comment: Comment,
    *,
    by: User | None = None,
    guest: Guest | None = None,
    now: datetime | None = None,
) -> bool:
    """Whether its words may still be changed by this voice."""
    return is_own(comment, by, guest) and (now or timezone.now()) - comment.created_at < EDIT_FOR


def delete(
    *, comment: Comment, by: User | None = None, guest: Guest | None = None
) -> dict[str, Any]:
    """Take one's own comment away; return what `bring_back` needs, fit for JSON.

    What others built on stays: one with replies, with a take that answers it, or that is the
    reason of a verdict which counts. Raises StudioError.
    """
    if not is_own(comment, by, guest):
        raise StudioError("Only who wrote a comment can delete it.")
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=comment.generation.project_id)
        if comment.replies.exists():
            raise StudioError("It has replies, so it stays. Resolve it instead.")
        answer = Generation.objects.filter(answers_comment=comment).first()
        if answer is not None:
            raise StudioError(f"Take {answer.take} answers it, so it stays. Resolve it instead.")
        reasons = GivenVerdict.objects.filter(comment=comment)
        if reasons.filter(current=True, verdict=Verdict.NEEDS_CHANGES).exists():
            raise StudioError(
                "It says why you asked for changes, so it stays. Take that verdict back first."
            )
        kept = {
            "code": str(comment.code),
            "generation": comment.generation_id,
            "author": comment.author_id,
            "guest": comment.guest_id,
            "guest_name": comment.guest_name,
            "parent": comment.parent_id,
            "drawing": comment.drawing,
            "at_ms": comment.at_ms,
            "text": comment.text,
            "created_at": comment.created_at.isoformat(),
            "resolved_at": comment.resolved_at.isoformat() if comment.resolved_at else None,
            "resolved_by": comment.resolved_by_id,
            "mentions": list(comment.mentions.values_list("pk", flat=True)),
            "reason_of": list(reasons.values_list("pk", flat=True)),
        }
        Comment.objects.filter(pk=comment.pk).delete()
        lifecycle.touch(comment.generation_id)
    return kept


def bring_back(*, kept: dict[str, Any]) -> Comment:
    """Undo `delete`. A second time returns the comment that is there. Raises StudioError."""
    moments = {
        name: datetime.fromisoformat(kept[name]) if kept[name] else None
        for name in ("created_at", "resolved_at")
    }
    with transaction.atomic():
        if not lifecycle.touch(kept["generation"]):
            raise StudioError("The clip is gone.")
        there = Comment.objects.filter(code=kept["code"]).first()
        if there is not None:
            return there
        if kept["parent"] and not Comment.objects.filter(pk=kept["parent"]).exists():
            raise StudioError("The comment it replied to is gone.")
        made = Comment.objects.create(
            code=kept["code"],
            generation_id=kept["generation"],
            author_id=kept["author"],
            guest_id=kept["guest"],
            guest_name=kept["guest_name"],
            parent_id=kept["parent"],
            drawing=kept["drawing"],
            at_ms=kept["at_ms"],
            text=kept["text"],
            resolved_by_id=kept["resolved_by"],
            **moments,
        )
        made.mentions.set(User.objects.filter(pk__in=kept["mentions"]))
        GivenVerdict.objects.filter(pk__in=kept["reason_of"]).update(comment=made)
        comment_made.send_robust(
            Comment,
            generation=made.generation,
            actor=made.author,
            guest=made.guest,
            comment=made,
        )
    return made


def resolve(*, comment: Comment, by: User, resolved: bool) -> None:
    """Mark a comment as dealt with, or open it again. A reply stands and falls with its comment."""
    pk = comment.parent_id or comment.pk
    with transaction.atomic():
        changed = Comment.objects.filter(pk=pk, resolved_at__isnull=resolved).update(
            resolved_at=timezone.now() if resolved else None, resolved_by=by if resolved else None
        )
        if changed:
            lifecycle.touch(comment.generation_id)


def _checked(text: str, *, drawn: bool) -> str:
    """Return the words to keep. Raises StudioError, with the field "text"."""
    text = text.strip()
    if drawn and not text:
        raise StudioError("Say in a few words what the drawing is about.", field="text")
    if not 1 <= len(text) <= MAX_COMMENT_CHARS:
        raise StudioError(
            f"The comment has {len(text)} characters; 1 to {MAX_COMMENT_CHARS} are allowed.",
            field="text",
        )
    return text
