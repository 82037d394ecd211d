"""Tags, collections and chains, for many clips at once."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Max

from studio import lifecycle
from studio.models import (
    BulkRun,
    Chain,
    Collection,
    CollectionItem,
    Membership,
    Segment,
    Tag,
)
from studio.services import chains
from studio.services.bulk.deeds import Applied, Deed, Pair, Params, Told, left
from studio.services.errors import StudioError
from studio.services.gallery import collections, tags

MOST_IN_CHAIN = 200


# ---- Tags ----------------------------------------------------------------------------------


def _check_tag(membership: Membership, params: Params) -> Params:
    tag = tags.get_or_make(project=membership.project, name=str(params.get("tag", "")))
    return {"tag": tag.pk, "name": tag.name}


def _check_untag(membership: Membership, params: Params) -> Params:
    tag = tags.find(project=membership.project, name=str(params.get("tag", "")))
    return {"tag": tag.pk, "name": tag.name}


def _tagged(run: BulkRun, pairs: Sequence[Pair]) -> set[int]:
    rows = Tag.generations.through._default_manager.filter(
        tag=run.params["tag"], generation__in=[clip.pk for _, clip in pairs]
    )
    return set(rows.values_list("generation_id", flat=True))


def _put(run: BulkRun, pks: Sequence[int]) -> None:
    through = Tag.generations.through
    through._default_manager.bulk_create(
        [through(tag_id=run.params["tag"], generation_id=pk) for pk in pks], ignore_conflicts=True
    )
    lifecycle.touch_rows(run.project_id, [(pk, {}) for pk in pks])


def _take(run: BulkRun, pks: Sequence[int]) -> None:
    rows = Tag.generations.through._default_manager.filter(
        tag=run.params["tag"], generation__in=pks
    )
    rows.delete()
    lifecycle.touch_rows(run.project_id, [(pk, {}) for pk in pks])


def _gone(run: BulkRun) -> str:
    there = Tag.objects.filter(pk=run.params["tag"]).exists()
    return "" if there else f"The tag “{run.params['name']}” is gone."


def _tag(run: BulkRun, pairs: Sequence[Pair]) -> Applied:
    if gone := _gone(run):
        return Applied([], stop=gone)
    had = _tagged(run, pairs)
    _put(run, [clip.pk for _, clip in pairs if clip.pk not in had])
    return Applied([Told({"had": clip.pk in had}) for _, clip in pairs])


def _untag(run: BulkRun, pairs: Sequence[Pair]) -> Applied:
    had = _tagged(run, pairs)
    _take(run, [clip.pk for _, clip in pairs if clip.pk in had])
    return Applied([Told({"had": clip.pk in had}) for _, clip in pairs])


def _undo_tag(run: BulkRun, pairs: Sequence[Pair]) -> Sequence[str]:
    has = _tagged(run, pairs)
    _take(run, [c.pk for item, c in pairs if not item.before["had"] and c.pk in has])
    return [
        "" if item.before["had"] or clip.pk in has else "The tag was taken off since."
        for item, clip in pairs
    ]


def _undo_untag(run: BulkRun, pairs: Sequence[Pair]) -> Sequence[str]:
    if gone := _gone(run):
        return [gone if item.before["had"] else "" for item, _ in pairs]
    has = _tagged(run, pairs)
    _put(run, [c.pk for item, c in pairs if item.before["had"] and c.pk not in has])
    return [
        "The tag was put on again since." if item.before["had"] and clip.pk in has else ""
        for item, clip in pairs
    ]


TAG = Deed(check=_check_tag, apply=_tag, undo=_undo_tag)
UNTAG = Deed(check=_check_untag, apply=_untag, undo=_undo_untag)


# ---- Collections ---------------------------------------------------------------------------


def _check_collection(membership: Membership, params: Params) -> Params:
    """`collection` is a code, or empty: then one is made with `title`."""
    found = collections.find_or_make(
        project=membership.project,
        by=membership.user,
        code=str(params.get("collection", "")),
        title=str(params.get("title", "")),
    )
    return {"collection": str(found.code), "title": found.title}


def _collection(run: BulkRun) -> Collection | None:
    rows = Collection.objects.filter(project=run.project_id, archived_at=None)
    return rows.filter(code=UUID(run.params["collection"])).first()


def _collect(run: BulkRun, pairs: Sequence[Pair]) -> Applied:
    collection = _collection(run)
    if collection is None:
        return Applied([], stop=f"The collection “{run.params['title']}” is gone.")
    pks = [clip.pk for _, clip in pairs]
    items = CollectionItem.objects.filter(collection=collection)
    had = set(items.filter(generation__in=pks).values_list("generation_id", flat=True))
    last = items.aggregate(last=Max("position"))["last"] or 0
    fresh = [pk for pk in pks if pk not in had]
    CollectionItem.objects.bulk_create(
        CollectionItem(collection=collection, generation_id=pk, position=last + index)
        for index, pk in enumerate(fresh, 1)
    )
    lifecycle.touch_rows(run.project_id, [(pk, {}) for pk in fresh])
    return Applied([Told({"had": clip.pk in had}) for _, clip in pairs])


def _uncollect(run: BulkRun, pairs: Sequence[Pair]) -> Sequence[str]:
    items = CollectionItem.objects.filter(
        collection__code=UUID(run.params["collection"]), generation__in=[c.pk for _, c in pairs]
    )
    has = set(items.values_list("generation_id", flat=True))
    away = [c.pk for item, c in pairs if not item.before["had"] and c.pk in has]
    items.filter(generation__in=away).delete()
    lifecycle.touch_rows(run.project_id, [(pk, {}) for pk in away])
    return [
        "" if item.before["had"] or clip.pk in has else "It was taken out since."
        for item, clip in pairs
    ]


COLLECT = Deed(check=_check_collection, apply=_collect, undo=_uncollect)


# ---- Chains --------------------------------------------------------------------------------


def _check_chain(membership: Membership, params: Params) -> Params:
    code = str(params.get("chain", ""))
    rows = Chain.objects.filter(project=membership.project, archived_at=None)
    found = next((chain for chain in rows if str(chain.code) == code), None)
    if found is None:
        raise StudioError("Choose a chain of this project.", field="chain")
    return {"chain": str(found.code), "title": found.title}


def _chain(run: BulkRun, pairs: Sequence[Pair]) -> Applied:
    chain = Chain.objects.filter(code=UUID(run.params["chain"]), archived_at=None).first()
    if chain is None:
        return Applied([], stop=f"The chain “{run.params['title']}” is gone.")
    path = chains.path_of(chain)
    held = {segment.generation_id for segment in path}
    shape = path[0].generation.aspect_ratio if path else pairs[0][1].aspect_ratio
    reasons = []
    for _, clip in pairs:
        if clip.pk in held:
            reasons.append("It is in this chain already.")
        elif not clip.is_clip:
            reasons.append("It is not a finished clip.")
        elif clip.aspect_ratio != shape:
            reasons.append(f"It is {clip.aspect_ratio}, and the chain is {shape}.")
        else:
            reasons.append("")
    fresh = [clip for (_, clip), why in zip(pairs, reasons, strict=True) if not why]
    made = iter(chains.append_clips(chain=chain, clips=fresh) if fresh else [])
    return Applied([left(why) if why else Told({"segment": next(made).pk}) for why in reasons])


def _unchain(run: BulkRun, pairs: Sequence[Pair]) -> Sequence[str]:
    rows = Segment.objects.select_related("chain").filter(chain__archived_at=None)
    kept = []
    for item, clip in pairs:
        segment = rows.filter(pk=item.before["segment"], generation=clip).first()
        if segment is None:
            kept.append("It was taken out of the chain since.")
            continue
        try:
            chains.remove_segment(segment=segment)
        except StudioError as error:
            kept.append(error.message)
        else:
            kept.append("")
    return kept


CHAIN = Deed(
    check=_check_chain, apply=_chain, undo=_unchain, batch=MOST_IN_CHAIN, most=MOST_IN_CHAIN
)
