"""Ratings and verdicts, for many clips at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from django.db.models import Q
from django.utils import timezone

from studio import lifecycle, signals
from studio.models import BulkRun, Comment, Generation, GivenVerdict, Membership
from studio.models.generation import Verdict
from studio.services.bulk.deeds import Applied, Deed, Pair, Params, Told, left
from studio.services.errors import StudioError
from studio.services.review import MAX_COMMENT_CHARS
from studio.services.review.mentions import keep_mentions
from studio.services.review.verdicts import standing

NOT_A_CLIP = "It is not a finished clip."


# ---- Rating --------------------------------------------------------------------------------


def _check_rating(membership: Membership, params: Params) -> Params:
    raw = str(params.get("rating", ""))
    if raw not in {"0", "1", "2", "3", "4", "5"}:
        raise StudioError(f"Rating is “{raw[:20]}”; it must be from 0 to 5.", field="rating")
    return {"rating": int(raw)}


def _rate(run: BulkRun, pairs: Sequence[Pair]) -> Applied:
    rating = run.params["rating"]
    told = [Told({"rating": c.rating}) if c.is_clip else left(NOT_A_CLIP) for _, c in pairs]
    changed = [
        (clip.pk, {"rating": rating}) for _, clip in pairs if clip.is_clip and clip.rating != rating
    ]
    lifecycle.touch_rows(run.project_id, changed)
    return Applied(told)


def _unrate(run: BulkRun, pairs: Sequence[Pair]) -> Sequence[str]:
    kept = [
        "" if clip.rating == run.params["rating"] else "It was rated anew since."
        for _, clip in pairs
    ]
    changed = [
        (clip.pk, {"rating": item.before["rating"]})
        for (item, clip), why in zip(pairs, kept, strict=True)
        if not why and clip.rating != item.before["rating"]
    ]
    lifecycle.touch_rows(run.project_id, changed)
    return kept


RATE = Deed(check=_check_rating, apply=_rate, undo=_unrate, may="see")


# ---- Verdict -------------------------------------------------------------------------------


def _check_verdict(membership: Membership, params: Params) -> Params:
    verdict, note = str(params.get("verdict", "")), str(params.get("note", ""))
    note = note.strip()
    if verdict not in Verdict.values:
        raise StudioError(
            f"There is no verdict “{verdict[:20]}”. Approve, or ask for changes.", field="verdict"
        )
    if verdict == Verdict.NEEDS_CHANGES and not note:
        raise StudioError("Say what should change: the same comment goes to each.", field="note")
    if len(note) > MAX_COMMENT_CHARS:
        raise StudioError(
            f"The comment has {len(note)} characters; 1 to {MAX_COMMENT_CHARS} are allowed.",
            field="note",
        )
    return {"verdict": verdict, "note": note}


def _judge(run: BulkRun, pairs: Sequence[Pair]) -> Applied:
    """As studio.services.review.decide for each clip, in a constant number of statements."""
    verdict = run.params["verdict"]
    given = _current([clip for _, clip in pairs])
    mine = {pk: next((r for r in rows if r.by_id == run.by_id), None) for pk, rows in given.items()}
    told = [_said(run, clip, mine.get(clip.pk)) for _, clip in pairs]
    anew = [
        clip
        for (_, clip), one in zip(pairs, told, strict=True)
        if not one.reason and "given" in one.before
    ]
    comments = _comment(run, anew)
    now = timezone.now()
    old = [row.pk for clip in anew if (row := mine.get(clip.pk)) is not None]
    GivenVerdict.objects.filter(pk__in=old).update(current=False)
    made = GivenVerdict.objects.bulk_create(
        GivenVerdict(
            generation=clip, by=run.by, verdict=verdict, comment=comments.get(clip.pk), at=now
        )
        for clip in anew
    )
    fresh = {row.generation_id: row for row in made}
    for (_, clip), one in zip(pairs, told, strict=True):
        if clip.pk in fresh:
            said = comments.get(clip.pk)
            one.before.update(given=fresh[clip.pk].pk, comment=said.pk if said else None)
    _roll_up(run, anew)
    if run.tells_of_each:
        _tell(run, anew, fresh, comments)
    else:
        _announce(run, {clip.pk: verdict for clip in anew}, comments)
    return Applied(told)


def _said(run: BulkRun, clip: Generation, mine: GivenVerdict | None) -> Told:
    verdict = run.params["verdict"]
    if not clip.is_clip:
        return left(NOT_A_CLIP)
    silent = not verdict if mine is None or not mine.verdict else mine.verdict == verdict
    if silent and not run.params["note"] and (not verdict or clip.verdict == verdict):
        return Told({})  # it is what this person says, and what the clip says, already
    return Told({"given": 0, "mine": mine.pk if mine else None})


def _current(clips: Sequence[Generation]) -> dict[int, list[GivenVerdict]]:
    """Return the verdicts that count, by clip. One from before they were kept a person gets its row."""
    found: dict[int, list[GivenVerdict]] = defaultdict(list)
    pks = [clip.pk for clip in clips]
    known = set()
    for row in GivenVerdict.objects.filter(generation__in=pks):
        known.add(row.generation_id)
        if row.current:
            found[row.generation_id].append(row)
    old = GivenVerdict.objects.bulk_create(
        GivenVerdict(
            generation=clip,
            by_id=clip.verdict_by_id,
            verdict=clip.verdict,
            at=clip.verdict_at or timezone.now(),
        )
        for clip in clips
        if clip.verdict and clip.verdict_by_id and clip.pk not in known
    )
    for row in old:
        found[row.generation_id].append(row)
    return found


def _comment(run: BulkRun, clips: Sequence[Generation]) -> dict[int, Comment]:
    if not run.params["note"] or not clips:
        return {}
    text, mentioned = keep_mentions(run.params["note"], run.project_id)
    made = Comment.objects.bulk_create(
        Comment(generation=clip, author=run.by, text=text) for clip in clips
    )
    if mentioned:
        through = Comment.mentions.through
        through._default_manager.bulk_create(
            through(comment_id=one.pk, user_id=user.pk) for one in made for user in mentioned
        )
    return {one.generation_id: one for one in made}


def _roll_up(run: BulkRun, clips: Sequence[Generation]) -> None:
    owners = Membership.objects.filter(project=run.project_id, role=Membership.Role.OWNER)
    settling = set(owners.values_list("user", flat=True))
    given = _current(clips)
    changed = []
    for clip in clips:
        stands = standing(given[clip.pk], settling)
        columns = {
            "verdict": stands.verdict if stands else Verdict.NONE.value,
            "verdict_by": stands.by_id if stands else None,
            "verdict_at": stands.at if stands else None,
        }
        changed.append((clip.pk, columns))
        clip.verdict, clip.verdict_by_id = columns["verdict"], columns["verdict_by"]  # type: ignore[assignment]  # as written
    lifecycle.touch_rows(run.project_id, changed)


def _tell(
    run: BulkRun,
    clips: Sequence[Generation],
    fresh: dict[int, GivenVerdict],
    comments: dict[int, Comment],
) -> None:
    for clip in clips:
        said = comments.get(clip.pk)
        who = {"generation": clip, "actor": run.by, "guest": None, "comment": said}
        if said is not None:
            signals.comment_made.send_robust(Comment, **who)
        signals.verdict_given.send_robust(GivenVerdict, verdict=fresh[clip.pk].verdict, **who)


def _announce(run: BulkRun, verdicts: dict[int, str], comments: dict[int, Comment]) -> None:
    """Say each verdict to other programs alone: people are told of the run once, when it is over."""
    if verdicts:
        signals.verdicts_changed.send_robust(
            GivenVerdict, verdicts=verdicts, actor=run.by, comments=comments
        )


def _unjudge(run: BulkRun, pairs: Sequence[Pair]) -> Sequence[str]:
    given = [item.before["given"] for item, _ in pairs if "given" in item.before]
    still = set(
        GivenVerdict.objects.filter(pk__in=given, current=True).values_list("pk", flat=True)
    )
    kept, back = [], []
    for item, clip in pairs:
        if "given" not in item.before:
            kept.append("")
        elif item.before["given"] not in still:
            kept.append("It was judged anew since.")
        else:
            kept.append("")
            back.append((item, clip))
    # The row stays, as all do, but counts no more; the one before it counts again.
    GivenVerdict.objects.filter(pk__in=[item.before["given"] for item, _ in back]).update(
        current=False
    )
    earlier = GivenVerdict.objects.in_bulk(
        [pk for item, _ in back if (pk := item.before.get("mine"))]
    )
    GivenVerdict.objects.filter(pk__in=earlier).update(current=True)
    said = [pk for item, _ in back if (pk := item.before.get("comment"))]
    answered = Q(replies__isnull=False) | Q(answers__isnull=False)
    unanswered = Comment.objects.filter(pk__in=said).exclude(
        pk__in=Comment.objects.filter(answered, pk__in=said).values("pk")
    )
    Comment.objects.filter(pk__in=list(unanswered.values_list("pk", flat=True))).delete()
    _roll_up(run, [clip for _, clip in back])
    again = {row.generation_id: row.verdict for row in earlier.values()}
    _announce(run, {clip.pk: again.get(clip.pk, "") for _, clip in back}, {})
    return kept


VERDICT = Deed(check=_check_verdict, apply=_judge, undo=_unjudge, may="see")
