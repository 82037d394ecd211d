"""The studio's shots and the emulator's purchases, read for `bench.soak_comparison`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from django.core import signing
from django.db.models import Sum

from bench.soak_comparison import ANY, FIELDS, BudgetRecord, Purchase, Shot
from studio import ledger
from studio.models import (
    Generation,
    Keyframe,
    LedgerEntry,
    Membership,
    Project,
    ProviderAccount,
)
from studio.providers.catalog import get_spec
from studio.services.requests import read_picture_token

RECORDED = ("dialect", "outcome", "delivery", "amount", "told", "answers", "clip_requests", "accepted_at")  # fmt: skip


def read_shots() -> list[Shot]:
    """Return every paid shot, oldest first."""
    rows = Generation.objects.exclude(provider="previs").select_related(
        "account", "start_keyframe", "end_keyframe", "start_generation", "end_generation"
    )
    sums = LedgerEntry.objects.order_by().values_list("generation").annotate(Sum("microusd"))
    held: dict[int, int] = dict(sums)
    pictures: dict[int, str] = {}
    return [_shot(row, held.get(row.pk, 0), pictures) for row in rows.order_by("pk")]


def _shot(row: Generation, held_microusd: int, pictures: dict[int, str]) -> Shot:
    events = list(row.events.order_by("pk").values_list("at", "new", "reason"))
    kept = ""
    if row.clip:
        with suppress(OSError), row.clip.open("rb") as file:
            kept = hashlib.sha256(file.read()).hexdigest()
    return Shot(
        pk=row.pk,
        account=row.provider,
        request=_asked(row, pictures),
        key=str(row.idempotency_key),
        state=row.state,
        job_id=row.provider_job_id,
        charged=row.charged,
        microusd_per_credit=_rate(row.account),
        estimated_microusd=row.estimated_microusd,
        actual_microusd=row.actual_microusd,
        ledger_microusd=held_microusd,
        due_microusd=ledger.due(row),
        kept_sha256=kept,
        noted_sha256=row.sha256,
        follows=row.retry_of_id,
        was_sent_again=any(reason == "sent again by a person" for _, _, reason in events),
        reason=row.failure_text or row.waiting_text,
        history=(*(f"{at:%H:%M:%S.%f} {new}: {reason}" for at, new, reason in events), _sent(row)),
    )


def _sent(row: Generation) -> str:
    """Return what its provider's list is compared with, and which jobs were offered to a person."""
    return f"sent {row.sent_request}; submitted {row.submitted_at}; offered {row.job_candidates}"


def _rate(account: ProviderAccount) -> float | None:
    nanousd = account.credit_nanousd
    return None if nanousd is None else nanousd / 1000


def _asked(row: Generation, pictures: dict[int, str]) -> dict[str, Any]:
    """Return the stored request, as its provider's answers would repeat it."""
    spec = get_spec(row.provider, row.model)
    return {
        "model": row.model,
        "prompt": row.sent_prompt,
        "duration_s": ANY if spec.fixed_duration else row.duration_s,
        "aspect_ratio": row.aspect_ratio,
        "resolution": ANY if spec.fixed_resolution else row.resolution,
        "loop": row.loop,
        "concepts": list(row.concepts) if spec.native_concepts else [],
        "start": _end(row.start_keyframe, row.start_generation, pictures),
        "end": _end(row.end_keyframe, row.end_generation, pictures),
    }


def _end(still: Keyframe | None, clip: Generation | None, pictures: dict[int, str]) -> str:
    if still is None:
        return f"job:{clip.provider_job_id}" if clip else ""
    if still.pk not in pictures:
        with still.file.open("rb") as file:
            pictures[still.pk] = hashlib.sha256(file.read()).hexdigest()
    return pictures[still.pk]


def read_purchases(rows: Iterable[Mapping[str, Any]]) -> list[Purchase]:
    """Return what `/_emulator/jobs` lists."""
    pictures: dict[str, str] = {}
    return [_purchase(row, pictures) for row in rows]


def _purchase(row: Mapping[str, Any], pictures: dict[str, str]) -> Purchase:
    key = next(iter(row["headers"].values()), "")
    asked = {name: row["asked"][name] for name in FIELDS}
    asked |= {
        side: _picture(row["asked"][side], row["frames"].get(side, ""), pictures)
        for side in ("start", "end")
    }
    return Purchase(
        id=row["id"],
        account=row["account"],
        request={name: ANY if value is None else value for name, value in asked.items()},
        key=key,
        phase=row["phase"],
        outcome=row["outcome"],
        has_clip=row["has_clip"],
        sha256=row["sha256"],
        charged=row["charged"],
        unit=row["unit"],
        amount_is_told=row["amount_is_told"],
        is_findable=row["is_listed"] or (row["is_logged"] and bool(key)),
        foreign=row["foreign"],
        record={name: row[name] for name in RECORDED},
    )


def _picture(end: Mapping[str, str] | None, digest: str, pictures: dict[str, str]) -> str:
    if end is None or digest:
        return digest
    if "job" in end:
        return f"job:{end['job']}"
    url = end["url"]
    if url not in pictures:
        pictures[url] = _of_public_url(url)
    return pictures[url]


def _of_public_url(url: str) -> str:
    """Return the SHA-256 of the still that a public address of the studio stands for."""
    token = url.rpartition("/")[2].rpartition(".")[0]
    try:
        still = Keyframe.objects.get(code=read_picture_token(token))
    except (signing.BadSignature, Keyframe.DoesNotExist):
        return f"url:{url}"
    with still.file.open("rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def read_budgets() -> list[BudgetRecord]:
    """Return every limit that is set, with the ledger rows that count for it."""
    rows = LedgerEntry.objects.order_by("pk")
    found = [
        _budget(str(project), project.budget_microusd, rows.filter(project=project))
        for project in Project.objects.exclude(budget_microusd=None)
    ]
    found += [
        _budget(
            str(one), one.budget_microusd, rows.filter(project=one.project_id, user=one.user_id)
        )
        for one in Membership.objects.exclude(budget_microusd=None).select_related(
            "user", "project"
        )
    ]
    return found + [
        _budget(str(account), account.monthly_limit_microusd, rows.filter(account=account))
        for account in ProviderAccount.objects.exclude(monthly_limit_microusd=None)
    ]


def _budget(name: str, limit_microusd: int | None, rows: Any) -> BudgetRecord:
    assert limit_microusd is not None
    counted = list(rows.values_list("kind", "microusd"))
    return BudgetRecord(name=name, limit_microusd=limit_microusd, rows=counted)
