"""Which fault hits which request: scripted ones first, then rates rolled from the seed.

A roll depends on the seed, the fault, the subject and how often that subject was seen, never on
the order in which requests of different jobs arrive.
"""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b

from tests.emulator.config import Config

CALLS = frozenset({"submit", "fetch", "batch", "list", "upload", "balance", "models", "delete"})

# fault -> the kinds of event it can hit: breakdowns of machines and networks, and of renders
BREAKDOWNS: dict[str, frozenset[str]] = {
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
SUBMIT, OUTCOME, DELIVERY = (frozenset({kind}) for kind in ("submit", "outcome", "delivery"))
AMOUNT, READ = frozenset({"amount"}), frozenset({"fetch", "batch"})
# Answers that a machine in order gives: wrong, odd, or in a form that misleads.
MANNERS: dict[str, frozenset[str]] = {
    # Not accepted. A web page or a redirect says that something stands before the API.
    "html_400": CALLS,
    "html_403": CALLS,
    "html_404": CALLS,
    "redirect": CALLS,
    "redirect_301": CALLS,
    "error_502": CALLS,
    "error_in_200": SUBMIT,  # the provider's own error body, with status 200
    "trouble_in_200": SUBMIT,  # an error that does not say whether the request was taken
    "credit_in_200": SUBMIT,
    "rate_limited_absurd": SUBMIT,  # 429 with a Retry-After of twenty digits
    "wrapped_400": SUBMIT,  # a 500 around the 400 of a server behind
    # Accepted.
    "wrapped_400_after": SUBMIT,
    "misleading_500_after": SUBMIT,  # its text merely holds "422" and "validation"
    "html_408_after": SUBMIT,
    "html_409_after": SUBMIT,
    "conflict_after": SUBMIT,  # 409 in the provider's own form
    "id_without_status": frozenset({"submit", "fetch"}),
    "long_id": frozenset({"identity"}),  # 300 characters
    "foreign_twin": frozenset({"twin"}),  # somebody else's job of the same words
    "altered_echo": frozenset({"echo"}),  # answers repeat the prompt in other words
    # Polls.
    "not_json": frozenset({"fetch", "batch", "list"}),
    "overflow": READ,  # 1e400 among the numbers
    "absurd_progress": READ,
    "other_job": READ,  # the answer is about a job that nobody asked about
    "zero_while_running": READ,  # an amount, before there is one
    # A job whose clip was asked for: for once it failed, or has no clip any more.
    "failed_after_done": READ,
    "gone_after_done": READ,
    # Amounts, the same in every answer about a job.
    "amount_zero": AMOUNT,  # truly charged nothing
    "amount_negative": AMOUNT,
    "amount_absurd": AMOUNT,
    "amount_missing": AMOUNT,
    "amount_text": AMOUNT,  # the right number, as a string
    "amount_overflow": AMOUNT,
    "charged_failure": OUTCOME,  # failed, charged, and says so
    "moderation_reworded": OUTCOME,  # refused by content rules, in words that no list holds
    # The media host in the first `media_late_s` after the end, and every other time.
    "media_404_early": DELIVERY,
    "media_403_early": DELIVERY,
    "media_410_early": DELIVERY,
    "media_html_early": DELIVERY,
    "media_flapping": DELIVERY,
}
FAULTS = BREAKDOWNS | MANNERS


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
