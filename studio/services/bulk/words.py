"""A run in words: what it is doing, what it did, and what it left as it was."""

from __future__ import annotations

from collections import Counter

from django.conf import settings
from django.db.models import Count

from studio.models import BulkItem, BulkRun
from studio.models.generation import Verdict

A = BulkRun.Action
S = BulkRun.State


def clips(count: int) -> str:
    return f"{count:,} clip{'' if count == 1 else 's'}"


def doing(run: BulkRun) -> str:
    """Say what is going on: Rating 5,000 clips."""
    if run.state == S.UNDOING:
        return f"Undoing: {_name(run)}, {clips(run.done)}"
    if run.action == A.RETRY:
        return f"Putting {run.total:,} shots in line"
    verb = {
        A.RATE: "Rating",
        A.VERDICT: "Judging",
        A.TAG: "Tagging",
        A.UNTAG: f"Taking “{run.params.get('name', '')}” off",
        A.COLLECT: "Collecting",
        A.CHAIN: "Chaining",
        A.ARCHIVE: "Archiving",
        A.RESTORE: "Bringing back",
        A.DELETE: "Deleting",
    }[A(run.action)]
    return f"{verb} {clips(run.total)}"


def title(run: BulkRun) -> str:
    """Name a run for a list: Rate 4 of 5."""
    return _name(run)


def _name(run: BulkRun) -> str:
    params, action = run.params, A(run.action)
    if action == A.RATE:
        return f"Rate {params['rating']} of 5" if params.get("rating") else "Clear the rating"
    if action == A.VERDICT:
        return {Verdict.APPROVED: "Approve", Verdict.NEEDS_CHANGES: "Needs changes"}.get(
            params.get("verdict", ""), "Take the verdict back"
        )
    named = {
        A.TAG: ("Tag", "name"),
        A.UNTAG: ("Remove the tag", "name"),
        A.COLLECT: ("Add to", "title"),
        A.CHAIN: ("Add to the chain", "title"),
    }
    if action in named:
        word, key = named[action]
        return f"{word} “{params.get(key, '')}”"
    return str(action.label)


def told(run: BulkRun) -> str:
    """Say what a run that is over did, in one to three sentences."""
    if run.state == S.UNDONE:
        return _undone(run)
    if run.state == S.FAILED:
        return f"{run.failure_text} {_done(run)}".strip()
    parts = [_done(run)]
    if run.failure_text:
        parts.append(f"Stopped: {run.failure_text}")
    elif run.skipped:
        parts.append(_skipped(run))
    if away := run.params.get("left_out"):
        parts.append(f"{away:,} came or changed after you chose, and were left out.")
    return " ".join(parts)


def _done(run: BulkRun) -> str:
    if run.done == 0:
        return "Nothing was changed."
    many, params, action = clips(run.done), run.params, A(run.action)
    if action == A.RATE:
        rating = params.get("rating")
        return f"Rated {many} {rating} of 5." if rating else f"Cleared the rating of {many}."
    if action == A.VERDICT:
        return {
            Verdict.APPROVED: f"Approved {many}.",
            Verdict.NEEDS_CHANGES: f"Asked for changes on {many}.",
        }.get(params.get("verdict", ""), f"Took your verdict back on {many}.")
    if action == A.RETRY:
        return f"{run.done:,} of {run.total:,} shots are in line again."
    return {
        A.TAG: f"Tagged {many} “{params.get('name', '')}”.",
        A.UNTAG: f"Took “{params.get('name', '')}” off {many}.",
        A.COLLECT: f"Added {many} to “{params.get('title', '')}”.",
        A.CHAIN: f"Added {many} to the chain “{params.get('title', '')}”.",
        A.ARCHIVE: f"Archived {many}.",
        A.RESTORE: f"Brought back {many}.",
        A.DELETE: f"Deleted {many}. {'It stays' if run.done == 1 else 'They stay'} in the bin for "
        f"{settings.BIN_DAYS} days.",
    }[action]


def _skipped(run: BulkRun) -> str:
    reasons = _reasons(run, BulkItem.Outcome.SKIPPED)
    verb = "was left as it is" if run.skipped == 1 else "were left as they are"
    return f"{clips(run.skipped)} {verb}{_why(reasons)}"


def _undone(run: BulkRun) -> str:
    kept = _reasons(run, BulkItem.Outcome.DONE)
    count = sum(kept.values())
    back = f"Undone for {clips(run.done - count)}." if count < run.done else "Nothing was undone."
    if not count:
        return back
    verb = "was kept as it is" if count == 1 else "were kept as they are"
    return f"{back} {clips(count)} {verb}{_why(kept)}"


def _why(reasons: Counter[str]) -> str:
    """Go on after a count of clips: each reason is a sentence about one of them."""
    if len(reasons) != 1:
        return ", each for a reason of its own."
    why = _small(next(iter(reasons)))
    return f": {why}" if reasons.total() == 1 else f", each for the same reason: {why}"


def _reasons(run: BulkRun, outcome: str) -> Counter[str]:
    rows = run.items.filter(outcome=outcome).exclude(reason="").order_by()
    return Counter(dict(rows.values_list("reason").annotate(count=Count("pk"))))


def _small(sentence: str) -> str:
    """Return a sentence as it goes on after a colon."""
    return sentence[:1].lower() + sentence[1:]


def progress(run: BulkRun) -> tuple[int, int]:
    """Return how many clips are behind a run that is going on, and of how many; one query at most."""
    if run.state != S.UNDOING:
        return run.done + run.skipped, run.total
    rows = run.items.filter(outcome=BulkItem.Outcome.DONE, reason="")
    return run.done - rows.count(), run.done
