"""Lost shots at a provider whose answers are scripted: what is taken, refused, or left to a person."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from studio.models import Generation, ProviderAccount
from studio.models.generation import Charged, State
from studio.providers import base
from studio.providers.base import Job, ProviderUnavailable, RecentJobs, RequestEcho, Status
from studio.providers.catalog import get_spec
from studio.providers.registry import make_provider
from studio.services.errors import StudioError
from studio.services.work import reconcile, recovery
from studio.services.work.reconcile import reconcile_account
from studio.services.work.submitting import submit_next
from tests.emulator import Emulator, Scripted
from tests.factories import make_project, make_still
from tests.paid import account_at, again, make_due, queue_shot

pytestmark = pytest.mark.django_db
WORDS = "The same ridge"


class Listing:
    """A provider that lists these jobs, and knows these request ids."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.complete = True
        self.by_request_id: dict[str, Job] = {}
        self.error: Exception | None = None
        self.asked: list[str] = []
        self.meanwhile: Callable[[], object] | None = None

    def find_recent(self, *, model: str, since: Any, skip: Any = frozenset()) -> RecentJobs:
        self.asked.append(model)
        if self.error:
            raise self.error
        if self.meanwhile:
            do, self.meanwhile = self.meanwhile, None
            do()
        jobs = [job for job in self.jobs if job.id not in skip]
        return RecentJobs(jobs, complete=self.complete)

    def find_by_request_ids(self, request_ids: Sequence[str], *, since: Any) -> dict[str, Job]:
        self.asked += request_ids
        if self.error:
            raise self.error
        return {one: self.by_request_id[one] for one in request_ids if one in self.by_request_id}

    def fetch(self, job_id: str) -> Job:
        if any(job.id == job_id for job in self.jobs):
            return Job(job_id, Status.FAILED)
        raise base.NotFound("It does not know this job.")


@pytest.fixture
def listing(monkeypatch: pytest.MonkeyPatch) -> Listing:
    provider = Listing()

    @contextmanager
    def open_it(*args: object):
        yield provider

    monkeypatch.setattr(reconcile, "open_door", open_it)
    return provider


@pytest.fixture
def public(settings) -> None:
    settings.PUBLIC_URL = "https://studio.example"


def lost(
    project, emulator: Emulator, dialect: str = "luma", *, label: str = "", **fields
) -> Generation:
    """Return a shot whose answer was lost, its search due."""
    emulator.configure(script=[Scripted("reset", kind="submit")])
    account = account_at(emulator, dialect)
    if label:
        account, _ = ProviderAccount.objects.get_or_create(
            provider=account.provider,
            label=label,
            defaults={"base_url": account.base_url, "key_locked": account.key_locked},
        )
    shot = queue_shot(project, account, **({"prompt": WORDS} | fields))
    submit_next(account.pk)
    assert again(shot).state == State.UNCERTAIN, again(shot).failure_text
    make_due(shot)
    return again(shot)


def job_of(shot: Generation, job_id: str, **echo: Any) -> Job:
    """Return the job this shot would have bought, repeating all of its request but for `echo`."""
    sent = shot.sent_request
    told = {
        name: sent[name]
        for name in ("prompt", "duration_s", "aspect_ratio", "resolution", "loop", "start", "end")
    }
    told["concepts"] = tuple(sent["concepts"])
    return Job(
        job_id,
        Status.RUNNING,
        model=shot.model,
        echo=RequestEcho(**(told | echo)),
        created_at=shot.submitted_at + timedelta(seconds=1),
    )


def test_the_job_bought_with_other_frames_is_not_taken(project, emulator, asked, listing, public):
    """The first was never bought, the answer about the second was dropped: same words, other frame."""
    first = lost(project, emulator, start_keyframe=make_still(project, shade=10))
    second = lost(project, emulator, start_keyframe=make_still(project, shade=200))
    listing.jobs = [job_of(second, "bought")]
    assert reconcile_account(first.account_id) == 1
    assert (again(first).state, again(first).provider_job_id) == (State.UNCERTAIN, "")
    assert (again(second).state, again(second).provider_job_id) == (State.RUNNING, "bought")


def test_a_draft_does_not_take_its_masters_job(project, emulator, asked, listing):
    draft = lost(project, emulator, resolution="540p")
    master = lost(project, emulator, resolution="1080p")
    listing.jobs = [job_of(master, "dear")]
    assert reconcile_account(draft.account_id) == 1
    assert again(draft).state == State.UNCERTAIN
    assert again(master).provider_job_id == "dear"


def test_what_cannot_be_told_is_left_to_a_person_who_sees_both(
    project, emulator, asked, listing, public, me
):
    first = lost(project, emulator, title="Ridge A", start_keyframe=make_still(project, shade=10))
    second = lost(project, emulator, title="Ridge B", start_keyframe=make_still(project, shade=200))
    listing.jobs = [job_of(second, "bought", start=None)]
    before = again(first).version
    assert reconcile_account(first.account_id) == 0
    for shot, other in ((first, second), (second, first)):
        row = again(shot)
        assert row.state == State.UNCERTAIN
        assert row.version > before, "the card is drawn anew"
        assert "cannot tell which" in row.waiting_text
        assert "may be charged" in row.waiting_text
        page = me.get(f"/clips/{shot.code}/").content.decode()
        for words in ("It is this one", "bought", "frames not listed", other.title, "start frame"):
            assert words in page, words
    me.post(f"/clips/{second.code}/arrived/", {"job_id": "bought"})
    assert (again(second).state, again(second).provider_job_id) == (State.RUNNING, "bought")
    assert again(second).job_candidates == {}
    listing.jobs = []
    assert reconcile_account(first.account_id) == 0, "it is looked for again at once"
    row = again(first)
    assert (row.state, row.job_candidates) == (State.UNCERTAIN, {})
    assert "It is this one" not in me.get(f"/clips/{first.code}/").content.decode()


def test_two_jobs_for_one_shot_are_both_shown(project, emulator, asked, listing, me):
    shot = lost(project, emulator)
    listing.jobs = [job_of(shot, "one"), job_of(shot, "two")]
    assert reconcile_account(shot.account_id) == 0
    dialog = me.get(f"/clips/{shot.code}/ways/", headers={"HX-Request": "true"}).content.decode()
    assert dialog.count("It is this one") == 2
    for words in ("One of these jobs may be it", "one", "two", "5 s", "16:9", "720p", "no frames"):
        assert words in dialog


def test_a_shot_of_another_project_is_not_named(emulator, asked, listing, me, project):
    mine = lost(project, emulator, title="Mine", resolution="540p")
    secret = lost(make_project(name="Elsewhere"), emulator, title="Secret", resolution="1080p")
    listing.jobs = [job_of(mine, "j", resolution=None)]
    assert reconcile_account(mine.account_id) == 0
    page = me.get(f"/clips/{mine.code}/").content.decode()
    assert "a shot in another project" in page
    assert "Secret" not in page
    assert str(secret.code) not in page


def test_a_job_listed_twice_is_one_job(project, emulator, asked, listing):
    """Pages overlap when a job is made between two requests."""
    shot = lost(project, emulator)
    listing.jobs = [job_of(shot, "one"), job_of(shot, "one")]
    assert reconcile_account(shot.account_id) == 1


def test_like_shots_take_like_jobs(project, emulator, asked, listing):
    shots = [lost(project, emulator) for _ in range(2)]
    listing.jobs = [job_of(shots[0], "one"), job_of(shots[1], "two")]
    assert reconcile_account(shots[0].account_id) == 2
    assert {again(shot).provider_job_id for shot in shots} == {"one", "two"}


def test_two_searches_at_once_give_one_job_to_one_shot(project, emulator, asked, listing):
    """The account's own constraint holds; the second search sees the same list."""
    shots = [lost(project, emulator) for _ in range(2)]
    listing.jobs = [job_of(shots[0], "one")]
    listing.meanwhile = lambda: (make_due(*shots), reconcile_account(shots[0].account_id))
    reconcile_account(shots[0].account_id)
    states = sorted((again(shot).state, again(shot).provider_job_id) for shot in shots)
    assert states == [(State.RUNNING, "one"), (State.UNCERTAIN, "")]


def test_two_accounts_with_one_key_never_share_a_job(
    project, emulator, asked, listing, monkeypatch
):
    first = lost(project, emulator)
    second = lost(project, emulator, label="the same key")
    listing.jobs = [job_of(first, "one")]
    settle = reconcile._settle

    def late(*args: Any) -> int:
        # Both searches have read the list, and neither job is taken yet.
        monkeypatch.setattr(reconcile, "_settle", settle)
        reconcile_account(second.account_id)
        return settle(*args)

    monkeypatch.setattr(reconcile, "_settle", late)
    reconcile_account(first.account_id)
    owners = Generation.objects.filter(provider_job_id="one")
    assert owners.count() == 1
    make_due(*Generation.objects.filter(state=State.UNCERTAIN))
    with pytest.raises(StudioError, match="another clip"):
        other = Generation.objects.get(state=State.UNCERTAIN)
        reconcile.say_arrived(generation=other, by=project.created_by, job_id="one")


def test_sent_again_by_a_person_its_first_try_stays_a_rival(project, emulator, asked, listing):
    first = lost(project, emulator, resolution="540p")
    second = lost(project, emulator, resolution="1080p")
    late = job_of(first, "late", resolution=None)
    emulator.configure(script=[], finish_after_s=600)
    reconcile.send_again(generation=first, by=project.created_by)
    submit_next(first.account_id)
    assert again(first).state == State.RUNNING
    listing.jobs = [late]
    assert reconcile_account(second.account_id) == 0
    assert again(second).job_candidates["jobs"][0]["id"] == "late"


# ---- By the request id -------------------------------------------------------------------------


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = replace(get_spec("aimlapi", "luma/ray-2"), logs_request_ids=True)
    monkeypatch.setattr(reconcile, "get_spec", lambda *names: spec)


def test_a_lost_shot_is_found_by_its_request_id(project, emulator, asked, listing, logs):
    shot = lost(project, emulator, "aimlapi")
    listing.by_request_id = {str(shot.idempotency_key): Job("found", Status.RUNNING)}
    assert reconcile_account(shot.account_id) == 1
    row = again(shot)
    assert (row.state, row.provider_job_id) == (State.RUNNING, "found")
    assert row.next_poll_at <= timezone.now() + timedelta(seconds=2), "its cost comes with a poll"
    assert "log" in row.events.last().reason


def test_a_log_that_lags_is_looked_at_again(project, emulator, asked, listing, logs):
    shot = lost(project, emulator, "aimlapi")
    assert reconcile_account(shot.account_id) == 0
    assert again(shot).next_poll_at > timezone.now()
    listing.by_request_id = {str(shot.idempotency_key): Job("late", Status.RUNNING)}
    make_due(shot)
    assert reconcile_account(shot.account_id) == 1


def test_a_log_without_it_ends_with_a_person(project, emulator, asked, listing, logs):
    shot = lost(project, emulator, "aimlapi")
    Generation.objects.filter(pk=shot.pk).update(submitted_at=timezone.now() - timedelta(hours=25))
    assert reconcile_account(shot.account_id) == 0
    assert (again(shot).state, again(shot).next_poll_at) == (State.UNCERTAIN, None)


def test_a_log_of_a_failed_request_says_that_nothing_was_bought_once_it_had_time(
    project, emulator, asked, listing, logs
):
    shot = lost(project, emulator, "aimlapi")
    failed = Job("refused", Status.FAILED, error="The log says that it failed.")
    listing.by_request_id = {str(shot.idempotency_key): failed}
    assert reconcile_account(shot.account_id) == 0
    assert again(shot).state == State.UNCERTAIN, "the row of an accepted request may come later"
    Generation.objects.filter(pk=shot.pk).update(submitted_at=timezone.now() - timedelta(hours=1))
    make_due(shot)
    assert reconcile_account(shot.account_id) == 0
    row = again(shot)
    assert (row.state, row.charged, row.provider_job_id) == (State.FAILED, Charged.NO, "")
    assert row.failure_text == "The log says that it failed."
    assert asked.count("fail_over") == 1


def test_a_job_that_failed_is_watched_for_its_reason(project, emulator, asked, listing, logs):
    shot = lost(project, emulator, "aimlapi")
    failed = Job("moderated", Status.FAILED, error="The log says that it failed.")
    listing.by_request_id = {str(shot.idempotency_key): failed}
    listing.jobs = [failed]
    assert reconcile_account(shot.account_id) == 1
    assert (again(shot).state, again(shot).provider_job_id) == (State.RUNNING, "moderated")


def test_a_failed_request_of_an_earlier_try_says_nothing_of_the_last(
    project, emulator, asked, listing, logs
):
    shot = lost(project, emulator, "aimlapi")
    sent = {**shot.sent_request, "sent_at": timezone.now().isoformat()}
    hour_ago = timezone.now() - timedelta(hours=1)
    Generation.objects.filter(pk=shot.pk).update(submitted_at=hour_ago, sent_request=sent)
    failed = Job("refused", Status.FAILED, created_at=hour_ago)
    listing.by_request_id = {str(shot.idempotency_key): failed}
    assert reconcile_account(shot.account_id) == 0
    assert again(shot).state == State.UNCERTAIN


def test_a_log_that_does_not_answer_uses_up_no_look(project, emulator, asked, listing, logs):
    shot = lost(project, emulator, "aimlapi")
    Generation.objects.filter(pk=shot.pk).update(submitted_at=timezone.now() - timedelta(hours=1))
    listing.error = ProviderUnavailable("no answer")
    assert reconcile_account(shot.account_id) == 0
    assert again(shot).next_poll_at > timezone.now()


def test_one_job_that_cannot_be_read_does_not_hide_the_others(
    project, emulator, asked, listing, logs, monkeypatch
):
    first, second = lost(project, emulator, "aimlapi"), lost(project, emulator, "aimlapi")
    listing.by_request_id = {
        str(first.idempotency_key): Job("unreadable", Status.FAILED),
        str(second.idempotency_key): Job("found", Status.RUNNING),
    }

    def fetch(job_id: str) -> Job:
        raise base.ProtocolError("unreadable")

    monkeypatch.setattr(listing, "fetch", fetch)
    assert reconcile_account(first.account_id) == 1
    assert again(second).provider_job_id == "found"
    assert again(first).state == State.UNCERTAIN


# ---- A refusal that does not prove that nothing was bought --------------------------------------


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def answer(provider: str, code: str) -> None:
        def submit(self: object, request: object) -> Job:
            raise base.Refused("GMI Cloud refuses this shot: bad.", code=code, unproven=True)

        monkeypatch.setattr(type(make_provider(provider, api_key="k" * 20)), "submit", submit)

    return answer


def unproven(
    project,
    emulator,
    refused,
    dialect: str = "gmicloud",
    code: str = "refused",
    prompt: str = WORDS,
) -> Generation:
    refused(dialect, code)
    shot = queue_shot(project, account_at(emulator, dialect), prompt=prompt)
    submit_next(shot.account_id)
    return again(shot)


def test_an_unproven_refusal_is_not_failed_over(project, emulator, asked, listing, refused):
    shot = unproven(project, emulator, refused)
    assert (shot.state, shot.charged) == (State.UNCERTAIN, Charged.PENDING)
    assert "does not prove" in shot.waiting_text
    assert asked.count("fail_over") == 0
    recovery.revive()
    assert asked.count("fail_over") == 0
    assert shot.next_poll_at <= timezone.now() + timedelta(seconds=10)


@pytest.mark.parametrize(("code", "passes"), [("refused", 1), ("moderation", 1)])
def test_a_list_without_it_proves_the_refusal(
    project, emulator, asked, listing, refused, code, passes
):
    shot = unproven(project, emulator, refused, code=code)
    make_due(shot)
    reconcile_account(shot.account_id)
    assert again(shot).state == State.UNCERTAIN, "lists lag behind: one look is no proof"
    assert asked.count("fail_over") == 0
    assert again(shot).next_poll_at > timezone.now()
    look_after_all_looks(shot)
    row = again(shot)
    assert (row.state, row.charged, row.failure_code) == (State.FAILED, Charged.NO, code)
    assert row.failure_text == "GMI Cloud refuses this shot: bad."
    assert asked.count("fail_over") == passes, "what may go on is decided by its code"


def test_a_list_read_with_another_key_proves_nothing(project, emulator, asked, listing, refused):
    """The account behind it may be another one; the shot may stand in the first one's list."""
    shot = unproven(project, emulator, refused)
    account = ProviderAccount.objects.get(pk=shot.account_id)
    account.set_key("the-key-of-another-account")
    account.save()
    look_after_all_looks(shot)
    row = again(shot)
    assert (row.state, row.charged) == (State.UNCERTAIN, Charged.PENDING)
    assert asked.count("fail_over") == 0


REWORDED: dict[str, Callable[[str], str]] = {
    "escaped": html.escape,
    "straight quotes": lambda text: text.replace("’", "'"),
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "cut": lambda text: text[:12] + "…",
    "lower case": str.lower,
    "letters lost": lambda text: text.encode("ascii", "replace").decode(),
    "appended": lambda text: text + ", cinematic, 4k",
}


def look_after_all_looks(shot: Generation, age: timedelta | None = None) -> None:
    """Look for it when the looks that find nearly all are over."""
    sent = timezone.now() - (age or reconcile.LOOKS[-1] + timedelta(seconds=1))
    Generation.objects.filter(pk=shot.pk).update(submitted_at=sent)
    make_due(shot)
    reconcile_account(shot.account_id)


@pytest.mark.parametrize("reword", REWORDED.values(), ids=REWORDED)
def test_a_job_whose_text_is_repeated_otherwise_is_for_a_person_to_judge(
    project, emulator, asked, listing, refused, me, reword
):
    text = 'Rain on "glass" & steel — d’hiver café'
    shot = unproven(project, emulator, refused, prompt=text)
    listing.jobs = [job_of(shot, "bought", prompt=reword(shot.sent_request["prompt"]))]
    make_due(shot)
    assert reconcile_account(shot.account_id) == 0
    look_after_all_looks(shot)
    row = again(shot)
    assert (row.state, row.charged) == (State.UNCERTAIN, Charged.PENDING)
    assert [job["id"] for job in row.job_candidates["jobs"]] == ["bought"]
    assert asked.count("fail_over") == 0
    page = me.get(f"/clips/{shot.code}/").content.decode()
    assert "its text differs from what was sent" in page


def test_after_a_dropped_answer_a_reworded_job_is_offered(project, emulator, asked, listing):
    shot = lost(project, emulator, prompt="d’Arc in the rain")
    listing.jobs = [job_of(shot, "bought", prompt="d'Arc in the rain")]
    assert reconcile_account(shot.account_id) == 0
    row = again(shot)
    assert (row.state, row.provider_job_id) == (State.UNCERTAIN, "")
    assert [job["id"] for job in row.job_candidates["jobs"]] == ["bought"]


@pytest.mark.parametrize("echo", [{"aspect_ratio": "1:1"}, {"duration_s": 10}])
def test_a_job_that_differs_in_more_than_its_text_is_not_offered(
    project, emulator, asked, listing, echo
):
    shot = lost(project, emulator, prompt="d’Arc in the rain", aspect_ratio="16:9", duration_s=5)
    listing.jobs = [job_of(shot, "other", prompt="d'Arc in the rain", **echo)]
    reconcile_account(shot.account_id)
    assert again(shot).job_candidates == {}


@pytest.mark.parametrize("age", [None, timedelta(hours=25)])
def test_a_list_that_is_not_complete_proves_nothing(
    project, emulator, asked, listing, refused, age
):
    shot = unproven(project, emulator, refused)
    listing.complete = False
    look_after_all_looks(shot, age)
    assert again(shot).state == State.UNCERTAIN
    assert reconcile.asks_a_person(again(shot))
    assert asked.count("fail_over") == 0


def test_a_job_whose_details_never_come_is_left_to_a_person(
    project, emulator, asked, listing, refused
):
    shot = unproven(project, emulator, refused)
    listing.jobs = [Job("silent", Status.RUNNING)]
    look_after_all_looks(shot, timedelta(hours=25))
    assert again(shot).state == State.UNCERTAIN
    assert again(shot).next_poll_at is None
    assert asked.count("fail_over") == 0


def test_a_list_with_it_means_that_it_was_bought(project, emulator, asked, listing, refused):
    shot = unproven(project, emulator, refused)
    listing.jobs = [job_of(shot, "bought")]
    make_due(shot)
    assert reconcile_account(shot.account_id) == 1
    assert (again(shot).state, again(shot).provider_job_id) == (State.RUNNING, "bought")


def test_a_list_that_does_not_answer_proves_nothing(project, emulator, asked, listing, refused):
    shot = unproven(project, emulator, refused)
    listing.error = ProviderUnavailable("no answer")
    make_due(shot)
    reconcile_account(shot.account_id)
    assert again(shot).state == State.UNCERTAIN


def test_a_list_whose_details_did_not_come_proves_nothing(
    project, emulator, asked, listing, refused
):
    shot = unproven(project, emulator, refused)
    listing.jobs = [Job("silent", Status.RUNNING, created_at=shot.submitted_at)]
    make_due(shot)
    reconcile_account(shot.account_id)
    assert again(shot).state == State.UNCERTAIN


def test_without_a_list_a_person_decides(project, emulator, asked, refused):
    shot = unproven(project, emulator, refused, "aimlapi")
    make_due(shot)
    reconcile_account(shot.account_id)
    assert again(shot).state == State.UNCERTAIN
    assert asked.count("fail_over") == 0


def test_pressing_check_too_soon_does_not_shorten_the_wait(
    project, emulator, asked, listing, refused
):
    """A job made a second ago may not be listed yet."""
    shot = unproven(project, emulator, refused)
    reconcile.check_again(generation=shot)
    assert again(shot).next_poll_at == shot.next_poll_at


def test_an_answer_with_the_job_of_another_account_is_uncertain(
    project, emulator, asked, monkeypatch
):
    """Two accounts with one key: the same job is not watched, nor charged, twice."""
    first = account_at(emulator, "luma")
    second = ProviderAccount(
        provider="luma",
        label="second",
        base_url=first.base_url,
        key_locked=first.key_locked,
        concurrent_limit=5,
    )
    second.save()
    monkeypatch.setattr(
        type(make_provider("luma", api_key="k" * 20)),
        "submit",
        lambda self, request: Job("same", Status.RUNNING),
    )
    shots = [queue_shot(project, account) for account in (first, second)]
    for shot in shots:
        submit_next(shot.account_id)
    one, other = map(again, shots)
    assert (one.state, one.provider_job_id) == (State.RUNNING, "same")
    assert (other.state, other.provider_job_id) == (State.UNCERTAIN, "")
