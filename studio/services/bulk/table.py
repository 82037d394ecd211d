"""Every deed by its name."""

from __future__ import annotations

from studio.models import BulkRun
from studio.services.bulk import grouping, keeping, marks, retrying
from studio.services.bulk.deeds import Deed

A = BulkRun.Action
DEEDS: dict[str, Deed] = {
    A.RATE: marks.RATE,
    A.VERDICT: marks.VERDICT,
    A.TAG: grouping.TAG,
    A.UNTAG: grouping.UNTAG,
    A.COLLECT: grouping.COLLECT,
    A.CHAIN: grouping.CHAIN,
    A.ARCHIVE: keeping.ARCHIVE,
    A.RESTORE: keeping.RESTORE,
    A.DELETE: keeping.DELETE,
    A.RETRY: retrying.RETRY,
}
