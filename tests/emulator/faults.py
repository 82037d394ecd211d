"""Which fault hits which request: scripted ones first, then rates rolled from the seed.

A roll depends on the seed, the fault, the subject and how often that subject was seen, never on
the order in which requests of different jobs arrive.
"""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b

from tests.emulator.config import Config

CALLS = frozenset({"submit", "fetch", "batch", "list", "upload", "balance", "models", "delete"})

# fault -> the kinds of event it can hit
FAULTS: dict[str, frozenset[str]] = {
    "error_500": CALLS,
    "error_503": CALLS,
    "rate_limited": CALLS,
    "rate_limited_bare": CALLS,
    "hang": CALLS,
    "reset": CALLS,
    "html": CALLS,
    "slow_body": CALLS,
    "truncated": CALLS,
    "unauthorized": CALLS,
    "dropped": frozenset({"submit"}),  # accepted, then the connection is closed
    "hang_after": frozenset({"submit"}),
    "error_after": frozenset({"submit"}),
    "html_after": frozenset({"submit"}),
    "empty_after": frozenset({"submit"}),
    "out_of_credit": frozenset({"submit"}),
    "unknown_state": frozenset({"fetch", "batch"}),
    "not_found": frozenset({"fetch"}),
    "missing": frozenset({"batch_row"}),  # the job is left out of a batch answer
    "instant": frozenset({"outcome"}),  # done in the submit's own answer
    "moderation": frozenset({"outcome"}),
    "failed": frozenset({"outcome"}),
    "capacity": frozenset({"outcome"}),
    "unreadable_image": frozenset({"outcome"}),
    "stuck": frozenset({"outcome"}),  # queued for ever
    "expired": frozenset({"outcome"}),
    "dead_link": frozenset({"outcome"}),
    "no_media": frozenset({"outcome"}),
    "cancelled": frozenset({"outcome"}),
    "duplicate_webhook": frozenset({"webhook"}),
    "forged_webhook": frozenset({"webhook"}),
    "lost_webhook": frozenset({"webhook"}),
    "early_webhook": frozenset({"webhook"}),  # before the submit's answer
    "media_404": frozenset({"media"}),
    "media_500": frozenset({"media"}),
    "media_html": frozenset({"media"}),
    "media_empty": frozenset({"media"}),
    "media_truncated": frozenset({"media"}),
    "media_slow": frozenset({"media"}),
    "media_endless": frozenset({"media"}),
    "media_redirect_private": frozenset({"media"}),
    "media_redirect_loop": frozenset({"media"}),
}


class FaultPicker:
    """Decides, and counts what it decided in `hits`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.hits: Counter[str] = Counter()
        self._seen: Counter[tuple[str, str, str]] = Counter()

    def pick(self, kind: str, provider: str, subject: str) -> str:
        """Return the fault for this event, or an empty string."""
        config = self.config
        if not config.script and not config.rates:
            return ""
        fault = self._scripted(kind, provider, subject) or self._rolled(kind, provider, subject)
        if fault:
            self.hits[fault] += 1
        return fault

    def _scripted(self, kind: str, provider: str, subject: str) -> str:
        for entry in self.config.script:
            if kind not in FAULTS[entry.fault] or entry.times <= 0:
                continue
            wanted = ((entry.kind, kind), (entry.provider, provider), (entry.subject, subject))
            if any(want and want != is_ for want, is_ in wanted):
                continue
            if entry.skip > 0:
                entry.skip -= 1
                continue
            entry.times -= 1
            return entry.fault
        return ""

    def _rolled(self, kind: str, provider: str, subject: str) -> str:
        if not self.config.rates:
            return ""
        place = (kind, provider, subject)
        self._seen[place] += 1
        stem = f"{self.config.seed}|{kind}|{provider}|{subject}|{self._seen[place]}"
        for fault, rate in self.config.rates.items():
            if rate > 0 and kind in FAULTS[fault] and roll(f"{stem}|{fault}") < rate:
                return fault
        return ""


def roll(text: str) -> float:
    """Return a number in [0, 1) fixed by the text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=7).digest()) / 2**56
