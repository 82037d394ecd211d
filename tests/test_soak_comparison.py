"""The soak's comparison complains of every wrong world, and of nothing in a right one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from bench.soak_comparison import (
    ANY,
    KINDS,
    BudgetRecord,
    Comparison,
    Purchase,
    Shot,
    compare,
    details,
    differences,
    table,
)
from bench.soak_manners import MANNERS, counted, phases, rates
from tests.emulator import FAULTS
from tests.emulator.world import ACCOUNTS

REQUEST: dict[str, Any] = {
    "model": "ray-2", "prompt": "Low cloud", "duration_s": 5, "aspect_ratio": "16:9",
    "resolution": "720p", "loop": False, "concepts": [], "start": "", "end": "",
}  # fmt: skip
OTHER = {
    "model": "ray-flash-2", "prompt": "High cloud", "duration_s": 9, "aspect_ratio": "9:16",
    "resolution": "1080p", "loop": True, "concepts": ["pan_left"], "start": "aa", "end": "job:7",
}  # fmt: skip
DOLLARS = 0.7
MICROUSD = 700_000


def shot(pk: int = 1, **fields: Any) -> Shot:
    """Return a shot that has its clip and its money, from Luma."""
    values: dict[str, Any] = {
        "account": "luma", "request": REQUEST, "key": f"key-{pk}", "state": "succeeded",
        "job_id": f"job-{pk}", "charged": "yes", "estimated_microusd": MICROUSD,
        "ledger_microusd": MICROUSD, "kept_sha256": f"sha-{pk}", "noted_sha256": f"sha-{pk}",
    }  # fmt: skip
    values |= fields
    values.setdefault("due_microusd", values["ledger_microusd"])
    return Shot(pk=pk, **values)


def job(number: int = 1, **fields: Any) -> Purchase:
    """Return the job that was bought for the shot of this number."""
    values: dict[str, Any] = {
        "account": "luma", "request": REQUEST, "sha256": f"sha-{number}", "charged": DOLLARS,
        "is_findable": True,
    }  # fmt: skip
    return Purchase(id=f"job-{number}", **(values | fields))


def unfinished(pk: int = 1, **fields: Any) -> Shot:
    """Return a shot without job, clip and money."""
    values: dict[str, Any] = {
        "state": "uncertain", "job_id": "", "charged": "", "kept_sha256": "", "noted_sha256": "",
        "reason": "It may be rendering.",
    }  # fmt: skip
    return shot(pk, **(values | fields))


def failed(pk: int = 1, **fields: Any) -> Shot:
    """Return a shot that ended without a clip and was not charged."""
    values = {"state": "failed", "charged": "no", "ledger_microusd": 0, "reason": "No capacity."}
    return unfinished(pk, **(values | fields))


def kinds(
    shots: list[Shot], jobs: list[Purchase], budgets: list[BudgetRecord] | None = None
) -> list[str]:
    return [finding.kind for finding in compare(shots, jobs, budgets or []).findings]


def aiml(number: int = 1, **fields: Any) -> Purchase:
    return job(number, **({"account": "aimlapi", "key": f"key-{number}"} | fields))


# ---- Worlds in which all is well -----------------------------------------------------------


@pytest.mark.parametrize(
    ("shots", "jobs"),
    [
        ([], []),
        ([shot(1), shot(2)], [job(1), job(2)]),
        # Like shots: which has which of the like jobs is all the same.
        (
            [shot(1, job_id="job-2", kept_sha256="sha-2", noted_sha256="sha-2"), unfinished(2)],
            [job(2)],
        ),
        ([failed(1)], []),
        # Not there, so that nobody can tell but a person.
        ([unfinished(1)], []),
        # Two wait, one is there: not unique.
        ([unfinished(1), unfinished(2)], [job(1)]),
        # Two are there for one that waits and one that ended is no such world; for two, it is.
        ([unfinished(1), unfinished(2)], [job(1), job(2)]),
        # Somebody else's job is nobody's.
        ([shot(1)], [job(1), job(2, foreign=True)]),
        # Neither list nor log.
        ([unfinished(1, account="aimlapi")], [aiml(is_findable=False)]),
        # A failure that was charged, and says so.
        (
            [failed(1, job_id="job-1", charged="yes", actual_microusd=MICROUSD,
                    ledger_microusd=MICROUSD)],
            [job(1, phase="failed", has_clip=False, amount_is_told=True)],
        ),
        # Nobody told the amount: marked unknown.
        (
            [failed(1, job_id="job-1", charged="unknown", ledger_microusd=MICROUSD)],
            [job(1, phase="failed", has_clip=False)],
        ),
        # Sent again by a person: two jobs are what they asked for.
        (
            [shot(1, account="aimlapi", was_sent_again=True)],
            [aiml(1), aiml(2, key="key-1")],
        ),
        ([shot(1, was_sent_again=True)], [job(1), job(2)]),
        # A model that takes no length and no size.
        (
            [shot(1, request=REQUEST | {"duration_s": ANY, "resolution": ANY})],
            [job(1, request=REQUEST | {"duration_s": ANY, "resolution": ANY})],
        ),
    ],
)  # fmt: skip
def test_a_right_world_has_no_finding(shots: list[Shot], jobs: list[Purchase]) -> None:
    assert details(compare(shots, jobs)) == []


# ---- Right job -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", OTHER)
def test_a_job_of_another_request_is_the_wrong_job(name: str) -> None:
    theirs = REQUEST | {name: OTHER[name]}
    assert kinds([shot()], [job(request=theirs)]) == ["wrong job"]
    assert differences(REQUEST, theirs) == [name]


def test_two_shots_of_the_same_words_that_swapped_their_jobs() -> None:
    large = REQUEST | {"resolution": "1080p"}
    swapped = [
        shot(1, job_id="job-2", kept_sha256="sha-2", noted_sha256="sha-2"),
        shot(2, request=large, job_id="job-1", kept_sha256="sha-1", noted_sha256="sha-1"),
    ]
    assert kinds(swapped, [job(1), job(2, request=large)]) == ["wrong job", "wrong job"]


def test_the_job_of_another_shots_key() -> None:
    holder = shot(1, account="aimlapi", job_id="job-2", kept_sha256="sha-2", noted_sha256="sha-2")
    found = kinds([holder, unfinished(2, account="aimlapi")], [aiml(2)])
    assert found == ["wrong job", "asked", "wrong money"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (shot(), []),
        (shot(job_id="job-9"), [job(1)]),
        (shot(), [job(foreign=True)]),
        (shot(account="gmicloud"), [job()]),
    ],
)
def test_a_job_that_was_not_bought_for_it(ours: Shot, theirs: list[Purchase]) -> None:
    assert "wrong job" in kinds([ours], theirs)


def test_a_job_that_two_shots_hold() -> None:
    both = [shot(1), shot(2, job_id="job-1", kept_sha256="sha-1", noted_sha256="sha-1")]
    assert "wrong job" in kinds(both, [job(1)])


# ---- Nothing twice, nothing lost ------------------------------------------------------------


def test_two_jobs_under_one_key() -> None:
    assert kinds([shot(account="aimlapi")], [aiml(1), aiml(2, key="key-1")])[0] == "bought twice"


def test_a_second_job_of_a_like_request() -> None:
    assert kinds([shot()], [job(1), job(2)]) == ["bought twice"]
    assert kinds([shot(1), shot(2)], [job(1), job(2), job(3)]) == ["bought twice"]


def test_a_second_job_is_seen_beside_one_that_waits() -> None:
    assert kinds([shot(1), unfinished(2)], [job(1), job(2), job(3)]) == ["bought twice"]


def test_a_job_of_a_request_that_no_shot_made() -> None:
    assert kinds([shot()], [job(1), job(2, request=OTHER)]) == ["orphan"]
    assert kinds([shot(account="aimlapi")], [aiml(1), aiml(2, key="stranger")]) == ["orphan"]


@pytest.mark.parametrize("state", ["failed", "cancelled", "abandoned"])
def test_a_job_that_its_shot_does_not_know_of(state: str) -> None:
    lost = failed(state=state)
    assert "lost job" in kinds([lost], [job()])
    assert "lost job" in kinds([replace(lost, account="aimlapi")], [aiml()])


@pytest.mark.parametrize("state", ["queued", "submitting"])
def test_a_shot_on_its_way_may_have_a_job_but_is_not_at_rest(state: str) -> None:
    moving = unfinished(state=state)
    assert kinds([moving], [job()]) == ["moves"]
    assert kinds([replace(moving, account="aimlapi")], [aiml()]) == ["moves"]
    assert kinds([moving], [job(1), job(2)]) == ["moves", "bought twice"]


def test_a_shot_with_another_job_explains_no_key() -> None:
    holder = shot(account="aimlapi", job_id="job-9", kept_sha256="sha-9", noted_sha256="sha-9")
    assert "lost job" in kinds([holder], [aiml(1), aiml(9, key="")])


# ---- Nobody asked in vain --------------------------------------------------------------------


def test_a_question_that_the_list_answers() -> None:
    assert kinds([unfinished()], [job()]) == ["asked"]


def test_a_question_that_the_log_answers_even_for_twins() -> None:
    waiting = [unfinished(1, account="aimlapi"), unfinished(2, account="aimlapi")]
    assert kinds(waiting, [aiml(1), aiml(2)]) == ["asked", "asked"]


def test_a_question_about_one_of_many_sizes() -> None:
    large = REQUEST | {"resolution": "1080p"}
    waiting = [unfinished(1), unfinished(2, request=large)]
    assert kinds(waiting, [job(1), job(2, request=large)]) == ["asked", "asked"]


# ---- Right clip -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"kept_sha256": "another"}, "wrong clip"),
        ({"noted_sha256": "another"}, "wrong clip"),
        ({"kept_sha256": ""}, "lost clip"),
        ({"state": "failed", "reason": "The link does not work."}, "lost clip"),
        ({"state": "abandoned"}, "lost clip"),
    ],
)
def test_a_clip_that_is_not_the_jobs(changes: dict[str, Any], kind: str) -> None:
    assert kinds([shot(**changes)], [job()]) == [kind]


def test_no_clip_where_there_is_none_is_no_loss() -> None:
    ended = failed(job_id="job-1", charged="unknown", ledger_microusd=MICROUSD)
    assert kinds([ended], [job(has_clip=False)]) == []


# ---- Right money ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "theirs", "kind"),
    [
        # The ledger differs from what the row says.
        ({"due_microusd": 1}, {}, "wrong money"),
        # Told, and not booked: an estimate, another amount, the amount with its sign turned.
        ({}, {"amount_is_told": True}, "wrong money"),
        ({"actual_microusd": 1, "ledger_microusd": 1}, {"amount_is_told": True}, "wrong money"),
        ({"actual_microusd": -MICROUSD, "ledger_microusd": -MICROUSD}, {}, "wrong money"),
        ({"actual_microusd": 10**18, "ledger_microusd": 10**18}, {}, "wrong money"),
        # Charged nothing, and booked an amount.
        ({"actual_microusd": MICROUSD}, {"charged": 0.0, "amount_is_told": True}, "wrong money"),
        # Credits: without a rate, and by another rate.
        ({"actual_microusd": MICROUSD}, {"unit": "credits", "charged": 70.0}, "wrong money"),
        (
            {"actual_microusd": MICROUSD, "microusd_per_credit": 9_000.0},
            {"unit": "credits", "charged": 70.0},
            "wrong money",
        ),
        ({"charged": "no", "ledger_microusd": 0}, {}, "said free"),
        ({"charged": "no"}, {"charged": 0.0}, "wrong money"),
    ],
)
def test_money_that_is_not_what_was_charged(
    changes: dict[str, Any], theirs: dict[str, Any], kind: str
) -> None:
    assert kinds([shot(**changes)], [job(**theirs)]) == [kind]


def test_credits_become_money_by_the_rate_of_the_account() -> None:
    ours = shot(actual_microusd=MICROUSD, microusd_per_credit=10_000.0)
    assert kinds([ours], [job(unit="credits", charged=70.0, amount_is_told=True)]) == []


def test_money_for_nothing() -> None:
    charged = failed(charged="yes", ledger_microusd=MICROUSD)
    assert kinds([charged], []) == ["wrong money"]


def test_a_failure_said_to_be_free_whose_job_was_charged() -> None:
    free = failed(account="aimlapi", job_id="job-1")
    assert "said free" in kinds([free], [aiml(phase="failed", has_clip=False)])


# ---- Failover, budgets, states ----------------------------------------------------------------


@pytest.mark.parametrize(
    "first",
    [
        {"charged": DOLLARS, "phase": "failed", "has_clip": False, "outcome": "failed"},
        {"charged": 0.0, "phase": "failed", "has_clip": False, "outcome": "moderation"},
        {"charged": 0.0, "has_clip": True},
    ],
)
def test_what_may_not_go_on_to_another_provider(first: dict[str, Any]) -> None:
    other = shot(2, account="aimlapi", follows=1)
    found = kinds([failed(job_id="job-1"), other], [job(1, **first), aiml(2)])
    assert "went on" in found


def test_a_verified_failure_may_go_on() -> None:
    refused = job(1, charged=0.0, phase="failed", has_clip=False, outcome="capacity")
    other = shot(2, account="aimlapi", follows=1)
    assert kinds([failed(job_id="job-1"), other], [refused, aiml(2)]) == []


def budget(*rows: tuple[str, int], limit: int = 100) -> BudgetRecord:
    return BudgetRecord(name="Soak", limit_microusd=limit, rows=rows)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([("reserved", 60), ("reserved", 41)], ["over budget"]),
        ([("reserved", 101)], ["over budget"]),
        ([("reserved", 60), ("reserved", 40)], []),
        ([("reserved", 60), ("released", -60), ("reserved", 100)], []),
        # A price that turned out dearer is nobody's fault; reserving after it is.
        ([("reserved", 100), ("released", -100), ("charged", 130)], []),
        (
            [("reserved", 100), ("released", -100), ("charged", 130), ("reserved", 1)],
            ["over budget"],
        ),
    ],
)
def test_a_budget_holds_at_every_reservation(rows: list[tuple[str, int]], found: list[str]) -> None:
    assert kinds([], [], [budget(*rows)]) == found


@pytest.mark.parametrize(
    ("ours", "theirs", "kind"),
    [
        (unfinished(state="queued"), [], "moves"),
        (unfinished(state="storing", job_id="job-1"), [job()], "moves"),
        (unfinished(state="stalled", job_id="job-1"), [job()], "moves"),
        (unfinished(reason=""), [], "silent"),
        (failed(reason=""), [], "silent"),
        (failed(charged="", ledger_microusd=0), [], "silent"),
    ],
)
def test_a_shot_that_does_not_come_to_rest_or_says_nothing(
    ours: Shot, theirs: list[Purchase], kind: str
) -> None:
    assert kinds([ours], theirs) == [kind]


# ---- In words ---------------------------------------------------------------------------------


def test_every_rule_is_in_the_table_with_its_count() -> None:
    result = compare([shot(), shot(2, state="queued")], [job(1), job(2, request=OTHER)])
    lines = table(result)
    broken = Counter(finding.kind for finding in result.findings)
    assert broken
    for kind in KINDS:
        assert any(
            line.split() == [*kind.split(), str(broken[kind]), "must", "be", "0"] for line in lines
        )


def test_a_finding_is_told_with_the_shots_history_and_the_jobs_record() -> None:
    ours = unfinished(history=("10:00:00 submitting: being sent", "10:00:01 uncertain: no answer"))
    lines = details(compare([ours], [job(record={"delivery": "media_flapping"})]))
    assert lines[0].startswith("ASKED: shot 1 at luma")
    assert any("uncertain: no answer" in line for line in lines)
    assert any("job job-1" in line for line in lines)
    assert any("media_flapping" in line for line in lines)


def test_many_findings_of_a_kind_are_cut_short_and_counted() -> None:
    result = compare([unfinished(n, state="queued") for n in range(9)], [])
    assert details(result, most_each=2)[-1] == "moves: 7 more"


def test_a_kind_that_is_not_documented_cannot_be_found() -> None:
    with pytest.raises(AssertionError):
        Comparison().add("odd", "something")


# ---- What the soak orders ---------------------------------------------------------------------


def test_each_manner_has_the_rate_that_is_asked_for() -> None:
    ordered = rates(0.1)
    assert set(ordered) <= set(FAULTS)
    for faults in MANNERS.values():
        assert sum(ordered[fault] for fault in faults) == pytest.approx(0.1)
    assert len(ordered) == sum(len(faults) for faults in MANNERS.values())


def test_each_manner_is_counted_by_its_faults() -> None:
    met = counted({"html_400": 2, "redirect": 3, "locked": 4, "hang": 9})
    assert met["web pages and redirects"] == 5
    assert met["key refused for a while"] == 4
    assert sum(met.values()) == 9


def test_every_account_is_shut_in_both_ways_for_a_tenth_of_the_time() -> None:
    planned = phases()
    whole = max(phase.end_s for phase in planned)
    for account in ACCOUNTS:
        for state in ("dry", "locked"):
            shut = [
                p.end_s - p.start_s for p in planned if (p.account, p.state) == (account, state)
            ]
            assert 0.07 < sum(shut) / whole < 0.13
