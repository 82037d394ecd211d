"""What the providers do wrong in the mixed soak, and how often."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from tests.emulator import Phase
from tests.emulator.world import ACCOUNTS

RATE = 0.1
# What a person would call it -> the emulator's faults, which share the rate between them.
MANNERS: dict[str, tuple[str, ...]] = {
    "web pages and redirects": ("html_400", "html_403", "html_404", "redirect", "redirect_301"),
    "502, nothing bought": ("error_502",),
    "200 with an error body": ("error_in_200",),
    "500 around a 400": ("wrapped_400", "wrapped_400_after", "misleading_500_after"),
    "id without status": ("id_without_status",),
    "answer dropped, job kept": ("dropped", "error_after", "html_408_after", "html_409_after", "conflict_after"),
    "late media link": (
        "media_404_early", "media_403_early", "media_410_early", "media_html_early",
    ),
    "flapping media link": ("media_flapping",),
    "amount of zero": ("amount_zero",),
    "negative amount": ("amount_negative",),
    "absurd amount": ("amount_absurd", "amount_overflow"),
    "missing amount": ("amount_missing",),
    "amount as text": ("amount_text",),
    "ids missing in a batch": ("missing",),
    "1e400 in an answer": ("overflow",),
    "absurd progress": ("absurd_progress",),
    "answer that is not JSON": ("not_json",),
    "words no one documents": ("unknown_state",),
    "an answer about another job": ("other_job",),
    "an amount of zero while it runs": ("zero_while_running",),
    "failed, after it was done": ("failed_after_done",),
    "gone, after it was done": ("gone_after_done",),
    "prompt repeated in other words": ("altered_echo",),
    "somebody else's twin": ("foreign_twin",),
    "id of 300 characters": ("long_id",),
    "no capacity": ("capacity",),
    "content rules": ("moderation", "moderation_reworded"),
    "failed, and charged": ("charged_failure",),
}  # fmt: skip
SHUT = {"dry": "out of credit for a while", "locked": "key refused for a while"}
# Minutes, in both directions: by the shipped rules none of them may matter.
CLOCKS = {"apiframe": -150.0, "aimlapi": 200.0, "gmicloud": 170.0, "luma": -190.0}
LOG_LAG_S = LIST_LAG_S = 1.5
SHUT_S, SHUT_EVERY_S, SHUT_UNTIL_S = 3.0, 4.0, 1800.0


def rates(rate: float = RATE) -> dict[str, float]:
    """Return the rate of each fault, so that each manner has `rate`."""
    return {fault: rate / len(faults) for faults in MANNERS.values() for fault in faults}


def phases() -> list[Phase]:
    """Return when each account cannot pay, and when its key is refused: in turn, all the time.

    Each is shut in either way for about a tenth of it.
    """
    turns = [(state, account) for state in SHUT for account in ACCOUNTS]
    count = int(SHUT_UNTIL_S / SHUT_EVERY_S)
    return [
        Phase(account, state, number * SHUT_EVERY_S, number * SHUT_EVERY_S + SHUT_S)
        for number, (state, account) in zip(range(count), itertools.cycle(turns), strict=False)
    ]


def settings(rate: float = RATE, *, seed: int = 1) -> dict[str, Any]:
    """Return the emulator's configuration for the mixed soak."""
    return {
        "finish_after_s": 1, "spread_s": 2, "clip_s": 0.5, "hang_s": 3, "slow_s": 0.2,
        "retry_after_s": 0, "media_late_s": 2, "log_lag_s": LOG_LAG_S, "list_lag_s": LIST_LAG_S, "record_bodies": False,
        "seed": seed, "priced_by_size": True, "clock_offsets": CLOCKS, "rates": rates(rate),
        "phases": phases(),
    }  # fmt: skip


def counted(faults: Mapping[str, int]) -> dict[str, int]:
    """Return how often each manner was met, by the emulator's count of its faults."""
    met = {name: sum(faults.get(one, 0) for one in group) for name, group in MANNERS.items()}
    return met | {words: faults.get(state, 0) for state, words in SHUT.items()}
