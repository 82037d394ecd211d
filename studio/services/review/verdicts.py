"""Ratings, and verdicts: one a person and take, kept for ever, rolled up into the clip's own."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.db import transaction
from django.utils import timezone

from studio import lifecycle
from studio.models import Comment, Generation, GivenVerdict, Guest, Membership, Project, User
from studio.models.generation import Verdict
from studio.services.errors import StudioError
from studio.services.review import comments
from studio.services.review.voices import as_author, as_judge, is_own
from studio.signals import verdict_given


def rate(*, generation: Generation, rating: int) -> None:
    """Give a clip 1 to 5 stars; 0 clears."""
    if not 0 <= rating <= 5:
        raise StudioError(f"Rating is {rating}; it must be from 0 to 5.", field="rating")
    if not generation.is_clip:
        raise StudioError("Only a finished clip can be rated.", field="rating")
    lifecycle.touch(generation.pk, rating=rating)


def decide(
    *,
    generation: Generation,
    verdict: str,
    by: User | None = None,
    guest: Guest | None = None,
    note: str = "",
    at_ms: int | None = None,
    drawing: object = None,
) -> GivenVerdict | None:
    """Approve a clip, ask for changes, or take one's own verdict back (an empty verdict).

    Asking for changes needs words, so that the maker knows what: a `note`, which becomes a comment
    at `at_ms` with `drawing`, or an open comment of this voice on the clip. Returns the verdict
    as kept, or None when nothing changed. Raises StudioError.
    """
    voice = as_judge(by, guest)
    if verdict not in Verdict.values:
        raise StudioError(
            f"There is no verdict “{verdict}”. Approve, or ask for changes.", field="verdict"
        )
    if not generation.is_clip:
        raise StudioError("Only a finished clip can be judged.", field="verdict")
    with transaction.atomic():
        # The project's row is the lock: two people's verdicts are rolled up one after the other.
        Project.objects.select_for_update().get(pk=generation.project_id)
        given = _current(generation)
        mine = next((row for row in given if is_own(row, by, guest)), None)
        reason = None
        if note.strip() or drawing:
            reason = comments.comment(
                generation=generation,
                by=by,
                guest=guest,
                text=note,
                at_ms=at_ms,
                drawing=drawing,
            )
        if verdict == Verdict.NEEDS_CHANGES and reason is None and not _said(generation, by, guest):
            raise StudioError(
                "Say what should change first: write a comment, then ask for changes.",
                field="verdict",
            )
        if not reason and _changes_nothing(generation, mine, verdict):
            return None
        if mine is not None:
            GivenVerdict.objects.filter(pk=mine.pk).update(current=False)
        made = GivenVerdict.objects.create(
            generation=generation, **voice, verdict=verdict, comment=reason
        )
        roll_up(generation)
        verdict_given.send_robust(
            GivenVerdict,
            generation=generation,
            verdict=verdict,
            actor=by,
            guest=guest,
            comment=reason,
        )
    return made


def roll_up(generation: Generation) -> None:
    """Write the clip's own verdict from those given on it, and set it on `generation`.

    Call inside a transaction that holds the project's row.
    """
    owners = Membership.objects.filter(
        project=generation.project_id, role=Membership.Role.OWNER
    ).values_list("user", flat=True)
    stands = standing(_current(generation), set(owners))
    changes = {
        "verdict": stands.verdict if stands else Verdict.NONE,
        "verdict_by": stands.by if stands else None,
        "verdict_at": stands.at if stands else None,
    }
    lifecycle.touch(generation.pk, **changes)
    for name, value in changes.items():
        setattr(generation, name, value)


def standing(given: Iterable[GivenVerdict], owners: Collection[int]) -> GivenVerdict | None:
    """Return the verdict that stands for the clip, of the current ones, or None.

    An owner's verdict settles everything said before it. Of what is left, one that asks for
    changes outweighs any approval; the newest of its kind speaks for it.
    """
    counted = sorted((row for row in given if row.current and row.verdict), key=lambda row: row.pk)
    settled = [index for index, row in enumerate(counted) if row.by_id in owners]
    if settled:
        counted = counted[settled[-1] :]
    objections = [row for row in counted if row.verdict == Verdict.NEEDS_CHANGES]
    chosen = objections or counted
    return chosen[-1] if chosen else None


def _current(generation: Generation) -> list[GivenVerdict]:
    """Return the verdicts that count. One from before verdicts were kept a person gets its row."""
    rows = list(
        GivenVerdict.objects.filter(generation=generation, current=True).select_related("by")
    )
    if rows:
        return rows
    old = Generation.objects.only("verdict", "verdict_by", "verdict_at").get(pk=generation.pk)
    if not old.verdict or old.verdict_by_id is None:
        return []
    if GivenVerdict.objects.filter(generation=generation).exists():
        return []
    made = GivenVerdict.objects.create(
        generation=generation,
        by_id=old.verdict_by_id,
        verdict=old.verdict,
        at=old.verdict_at or timezone.now(),
    )
    return [made]


def _changes_nothing(generation: Generation, mine: GivenVerdict | None, verdict: str) -> bool:
    """Whether it is what this voice says already, and what the clip says too.

    Where others outweigh it the same verdict is said anew: an owner's settles what came between.
    """
    if mine is None or not mine.verdict:
        return not verdict
    now = Generation.objects.values_list("verdict", flat=True).get(pk=generation.pk)
    return mine.verdict == verdict == now


def _said(generation: Generation, by: User | None, guest: Guest | None) -> bool:
    voice = as_author(by, guest)
    voice.pop("guest_name", None)
    words = Comment.objects.filter(generation=generation, resolved_at=None, **voice)
    return words.exclude(parent__resolved_at__isnull=False).exists()
