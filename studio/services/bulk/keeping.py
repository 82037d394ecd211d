"""Archive, delete and restore, for many clips at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from studio import lifecycle
from studio.models import BulkRun, Generation, Membership
from studio.models.generation import MOVING_STATES
from studio.services.bulk.deeds import Applied, Deed, Pair, Params, Told, iso, left, moment, stamp
from studio.services.gallery import bin as bin_

CHANGED = "It was archived, deleted or brought back again since."


def _nothing(membership: Membership, params: Params) -> Params:
    return {}


def _may(membership: Membership, params: Params) -> Params:
    """Keep how far this person reaches: an editor's own clips, an owner's all."""
    return {"all": membership.can_manage}


def _write(run: BulkRun, told: Sequence[Told], pairs: Sequence[Pair], columns: Params) -> Applied:
    changed = [
        (clip.pk, columns) for (_, clip), one in zip(pairs, told, strict=True) if not one.reason
    ]
    lifecycle.touch_rows(run.project_id, changed)
    return Applied(told)


def _before(clip: Generation) -> dict[str, Any]:
    return {
        "archived_at": iso(clip.archived_at),
        "deleted_at": iso(clip.deleted_at),
        "deleted_by": clip.deleted_by_id,
    }


# ---- Archive -------------------------------------------------------------------------------


def _archive(run: BulkRun, pairs: Sequence[Pair]) -> Applied:
    return _write(run, [_archived(c) for _, c in pairs], pairs, {"archived_at": stamp(run)})


def _archived(clip: Generation) -> Told:
    if clip.archived_at is not None:
        return left("It is archived already." if clip.deleted_at is None else "It is in the bin.")
    if clip.state in MOVING_STATES:
        return left("It is still in flight. Cancel it first, or wait.")
    return Told({})


def _unarchive(run: BulkRun, pairs: Sequence[Pair]) -> Sequence[str]:
    at = stamp(run)
    kept = [
        "" if clip.archived_at == at and clip.deleted_at is None else CHANGED for _, clip in pairs
    ]
    changed = [
        (clip.pk, {"archived_at": None})
        for (_, clip), why in zip(pairs, kept, strict=True)
        if not why
    ]
    lifecycle.touch_rows(run.project_id, changed)
    return kept


ARCHIVE = Deed(check=_nothing, apply=_archive, undo=_unarchive)


# ---- Delete --------------------------------------------------------------------------------


def _delete(run: BulkRun, pairs: Sequence[Pair]) -> Applied:
    used = bin_.uses_of([clip.pk for _, clip in pairs])
    told = [_deleted(run, clip, used.get(clip.pk, "")) for _, clip in pairs]
    at = stamp(run)
    lifecycle.touch_rows(
        run.project_id,
        [
            (
                clip.pk,
                {
                    "archived_at": clip.archived_at or at,
                    "deleted_at": at,
                    "deleted_by": run.by_id,
                },
            )
            for (_, clip), one in zip(pairs, told, strict=True)
            if not one.reason
        ],
    )
    return Applied(told)


def _deleted(run: BulkRun, clip: Generation, used: str) -> Told:
    if clip.deleted_at is not None:
        return left("It is in the bin already.")
    if not run.params.get("all") and clip.by_id != run.by_id:
        return left("Somebody else made it; deleting it takes an owner of the project.")
    if not clip.is_terminal:
        return left("It is not over yet. Cancel it or give it up first, or wait.")
    return left(used) if used else Told(_before(clip))


def _undelete(run: BulkRun, pairs: Sequence[Pair]) -> Sequence[str]:
    at = stamp(run)
    kept = []
    for _, clip in pairs:
        if clip.purged_at is not None:
            kept.append("It was deleted for good since.")
        else:
            kept.append("" if clip.deleted_at == at else CHANGED)
    changed = [
        (
            clip.pk,
            {
                "archived_at": moment(item.before.get("archived_at")),
                "deleted_at": None,
                "deleted_by": None,
            },
        )
        for (item, clip), why in zip(pairs, kept, strict=True)
        if not why
    ]
    lifecycle.touch_rows(run.project_id, changed)
    return kept


DELETE = Deed(check=_may, apply=_delete, undo=_undelete)


# ---- Restore -------------------------------------------------------------------------------


def _restore(run: BulkRun, pairs: Sequence[Pair]) -> Applied:
    nothing = {"archived_at": None, "deleted_at": None, "deleted_by": None}
    return _write(run, [_restored(run, clip) for _, clip in pairs], pairs, nothing)


def _restored(run: BulkRun, clip: Generation) -> Told:
    if clip.archived_at is None:
        return left("It is in the gallery already.")
    if clip.purged_at is not None:
        return left("It was deleted for good.")
    if clip.deleted_at is not None and not bin_.may_restore(
        clip, user_pk=run.by_id, everything=bool(run.params.get("all"))
    ):
        return left("Somebody else made and deleted it; bringing it back takes an owner.")
    return Told(_before(clip))


def _unrestore(run: BulkRun, pairs: Sequence[Pair]) -> Sequence[str]:
    kept = [CHANGED if clip.archived_at is not None else "" for _, clip in pairs]
    changed = [
        (
            clip.pk,
            {
                "archived_at": moment(item.before["archived_at"]),
                "deleted_at": moment(item.before["deleted_at"]),
                "deleted_by": item.before["deleted_by"],
            },
        )
        for (item, clip), why in zip(pairs, kept, strict=True)
        if not why
    ]
    lifecycle.touch_rows(run.project_id, changed)
    return kept


RESTORE = Deed(check=_may, apply=_restore, undo=_unrestore)
