"""Which job belongs to which shot: every echoed field, and unique in both directions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from studio.lifecycle import SENDING
from studio.models import Generation
from studio.models.generation import State
from studio.providers.base import Cost, ImageEnd, Job, JobEnd, RequestEcho, Status
from studio.providers.catalog import get_spec
from studio.services.requests import end_text
from studio.services.work.matching import SentShot, match, sent_shots

SENT = datetime(2026, 11, 20, 12, tzinfo=UTC)
LUMA = get_spec("luma", "ray-2")
REQUEST: dict[str, Any] = {
    "model": "ray-2",
    "prompt": "A ridge at dawn",
    "duration_s": 5,
    "aspect_ratio": "16:9",
    "resolution": "720p",
    "loop": False,
    "concepts": ["push_in"],
    "start": "https://studio.example/a.jpg",
    "end": "job:clip-7",
    "end_ids": ["shop-7"],
    "sent_at": SENT.isoformat(),
}
ECHO: dict[str, Any] = {
    "prompt": "A ridge at dawn",
    "duration_s": 5,
    "aspect_ratio": "16:9",
    "resolution": "720p",
    "loop": False,
    "concepts": ("push_in",),
    "start": "https://studio.example/a.jpg",
    "end": "job:clip-7",
}


def row(pk: int, *, account: int = 1, minutes: float = 0, **fields: Any) -> Generation:
    request = REQUEST | fields.pop("request", {})
    request["sent_at"] = (SENT + timedelta(minutes=minutes)).isoformat()
    values = {
        "state": State.UNCERTAIN,
        "raw_status": SENDING,
        "provider": "luma",
        "model": "ray-2",
        "sent_prompt": "A ridge at dawn",
        "duration_s": 5,
        "aspect_ratio": "16:9",
        "resolution": "720p",
        "submitted_at": SENT + timedelta(minutes=minutes),
        "sent_request": request,
        "start_keyframe_id": 1,
        "end_generation_id": 7,
    }
    return Generation(pk=pk, account_id=account, **(values | fields))


def shots(*rows: Generation) -> list[SentShot]:
    return [shot for one in rows for shot in sent_shots(one, LUMA, account_pk=1)]


def job(job_id: str = "j", *, minutes: float = 0, **echo: Any) -> Job:
    return Job(
        job_id,
        Status.RUNNING,
        model="ray-2",
        echo=RequestEcho(**(ECHO | echo)),
        created_at=SENT + timedelta(minutes=minutes, seconds=1),
    )


def found(rows: list[Generation], jobs: list[Job]) -> dict[int, str]:
    return {shot.row.pk: job.id for shot, job in match(shots(*rows), jobs).found}


def doubtful(rows: list[Generation], jobs: list[Job]) -> dict[int, list[str]]:
    matches = match(shots(*rows), jobs)
    assert matches.found == []
    return {shot.row.pk: [one.id for one in mine] for shot, mine, _ in matches.doubtful}


def test_a_job_that_repeats_everything_is_ours():
    assert found([row(1)], [job()]) == {1: "j"}


@pytest.mark.parametrize("minutes", [-5, 5])
def test_a_job_is_excluded_by_its_time_only_where_both_clocks_say_so(minutes):
    """Who dates the answer may not be who dates its jobs: then a person chooses."""
    off, true = job(minutes=minutes).created_at, job().created_at
    one = replace(job(), created_at=true, created_as_told=off)
    assert found([row(1)], [one]) == {1: "j"}
    one = replace(job(), created_at=off, created_as_told=true)
    assert doubtful([row(1)], [one]) == {1: ["j"]}
    one = replace(job(), created_at=off, created_as_told=off)
    assert match(shots(row(1)), [one]).none


@pytest.mark.parametrize(
    "echo",
    [
        {"duration_s": 9},
        {"aspect_ratio": "1:1"},
        {"resolution": "1080p"},
        {"loop": True},
        {"concepts": ("pull_out",)},
        {"concepts": ()},
        {"start": "https://studio.example/b.jpg"},
        {"start": ""},
        {"start": "job:clip-7"},
        {"end": "job:clip-8"},
        {"end": ""},
    ],
    ids=str,
)
def test_any_echoed_field_that_differs_excludes(echo):
    matches = match(shots(row(1)), [job(**echo)])
    assert (matches.found, matches.doubtful, len(matches.none)) == ([], [], 1)


def test_a_text_alone_that_differs_takes_no_job_and_proves_no_absence():
    matches = match(shots(row(1)), [job(prompt="A ridge at dusk")])
    assert (matches.found, matches.none) == ([], [])
    [(shot, jobs, rivals)] = matches.doubtful
    assert (shot.row.pk, [one.id for one in jobs], rivals) == (1, ["j"], [])


def test_another_model_excludes():
    other = Job("j", Status.RUNNING, model="ray-flash-2", echo=RequestEcho(**ECHO))
    assert found([row(1)], [other]) == {}


@pytest.mark.parametrize("name", [name for name in ECHO if name != "prompt"])
def test_a_field_that_is_not_echoed_says_nothing(name):
    assert found([row(1)], [job(**{name: None})]) == {1: "j"}


def test_an_answer_without_the_prompt_is_not_enough():
    assert found([row(1)], [job(prompt=None)]) == {}


def test_white_space_and_the_order_of_concepts_make_no_difference():
    mine = row(1, request={"concepts": ["push_in", "orbit"]})
    assert found([mine], [job(prompt="  A ridge \n at dawn ", concepts=("orbit", "push_in"))])


def test_an_end_may_be_echoed_by_the_clips_own_id():
    assert found([row(1)], [job(end="job:shop-7")]) == {1: "j"}


def test_what_the_model_is_not_sent_is_not_compared():
    fixed = get_spec("luma", "ray-1-6")
    (mine,) = sent_shots(row(1, request={"model": "ray-1-6"}), fixed, account_pk=1)
    other = job(resolution="1080p", duration_s=4, concepts=())
    other = Job(other.id, other.status, model="ray-1-6", echo=other.echo, created_at=SENT)
    assert [one.id for _, one in match([mine], [other]).found] == ["j"]


@pytest.mark.parametrize(
    ("seconds", "ours"),
    [(-60, False), (-30, False), (-5, True), (0, True), (90, True), (1200, False)],
)
def test_a_job_is_made_when_the_shot_was_sent(seconds, ours):
    """The times are in our clock: a small slack only."""
    made = Job(
        "j", Status.RUNNING, echo=RequestEcho(**ECHO), created_at=SENT + timedelta(seconds=seconds)
    )
    assert bool(found([row(1)], [made])) is ours


def test_a_job_without_a_time_is_not_excluded():
    made = Job("j", Status.RUNNING, echo=RequestEcho(**ECHO))
    assert found([row(1)], [made]) == {1: "j"}


# ---- Unique in both directions -----------------------------------------------------------------

OTHER_FRAME = {"request": {"start": "https://studio.example/b.jpg"}, "start_keyframe_id": 2}
MASTER = {"request": {"resolution": "1080p"}}


def test_draft_and_master_take_their_own():
    rows = [row(1), row(2, **MASTER)]
    assert found(rows, [job("m", resolution="1080p")]) == {2: "m"}
    assert found(rows, [job("m", resolution="1080p"), job("d")]) == {1: "d", 2: "m"}


@pytest.mark.parametrize(
    ("other", "hidden"),
    [(OTHER_FRAME, {"start": None}), (MASTER, {"resolution": None})],
    ids=["frames", "size"],
)
def test_two_shots_that_could_be_one_job_ask_a_person(other, hidden):
    """The first was never bought, the second's answer was lost: only the words are echoed."""
    rows = [row(1), row(2, **other)]
    assert doubtful(rows, [job(**hidden)]) == {1: ["j"], 2: ["j"]}


def test_two_jobs_that_could_be_one_shot_ask_a_person():
    assert doubtful([row(1)], [job("a"), job("b")]) == {1: ["a", "b"]}


def test_like_shots_take_like_jobs_in_order():
    rows = [row(1), row(2, minutes=1), row(3, minutes=2)]
    assert found(rows, [job("b", minutes=1), job("a")]) == {1: "a", 2: "b"}


def test_a_shot_that_was_given_up_may_still_own_the_job():
    gone = row(1, state=State.ABANDONED, **OTHER_FRAME)
    assert doubtful([gone, row(2)], [job(start=None)]) == {2: ["j"]}
    assert found([gone, row(2)], [job()]) == {2: "j"}


def test_a_try_before_it_was_sent_again_may_still_own_the_job():
    tries = [{"first": SENT.isoformat(), "last": SENT.isoformat()}]
    resent = row(
        1,
        minutes=30,
        state=State.RUNNING,
        provider_job_id="new",
        start_keyframe_id=2,
        request={"start": "https://studio.example/b.jpg", "earlier": tries},
    )
    assert doubtful([resent, row(2)], [job(start=None)]) == {2: ["j"]}


@pytest.mark.parametrize(
    "fields",
    [
        {"state": State.SUBMITTING},
        {"state": State.SUBMITTING, "raw_status": "", "concepts": ["push_in"]},
        {"state": State.QUEUED},
    ],
    ids=["being sent", "being prepared", "to be sent again"],
)
def test_while_one_that_it_could_be_is_under_way_nothing_is_taken(fields):
    matches = match(shots(row(1), row(2, **(OTHER_FRAME | fields))), [job(start=None)])
    assert (matches.found, matches.doubtful) == ([], [])
    assert [shot.row.pk for shot in matches.waits] == [1]


def test_a_shot_at_another_account_is_a_rival_that_takes_nothing_here():
    """Two accounts may hold one key."""
    other = row(2, account=2, **OTHER_FRAME)
    assert doubtful([row(1), other], [job(start=None)]) == {1: ["j"]}
    assert found([row(1), row(2, account=2)], [job()]) == {1: "j"}


def test_a_row_of_an_earlier_version_is_matched_by_its_columns():
    old = row(1, sent_request={}, uploads={"start": "https://studio.example/a.jpg?token=1"})
    assert found([old], [job(concepts=None)]) == {1: "j"}
    assert found([old], [job(concepts=None, start="https://studio.example/b.jpg")]) == {}


def test_an_end_is_compared_without_query_and_fragment():
    assert end_text(ImageEnd("https://a.example/x.jpg?sig=1#top")) == "https://a.example/x.jpg"
    assert end_text(JobEnd("j-1")) == "job:j-1"
    assert end_text(None) == ""


def test_the_price_of_a_job_takes_no_part():
    priced = Job("j", Status.RUNNING, echo=RequestEcho(**ECHO), cost=Cost(credits=51))
    assert found([row(1)], [priced]) == {1: "j"}
