"""What an admin may do about shots at a provider: through the services, asked first where it costs."""

from __future__ import annotations

import pytest
from django.utils import timezone

from studio.models import Generation
from studio.models.generation import Charged, State
from tests.control_room import make_staff
from tests.factories import make_generation
from tests.paid import account_at, again

pytestmark = pytest.mark.django_db
LIST = "/admin/studio/generation/"
YES = {"confirmed": "1"}


@pytest.fixture
def shot(cast, emulator, asked):
    """A function that makes a paid shot in this state, estimated at $0.71."""

    def make(state: str, **fields):
        account = account_at(emulator, "luma")
        return make_generation(
            cast.project,
            **{
                "state": state, "account": account, "provider": "luma", "model": "ray-2",
                "estimated_microusd": 710_000, "provider_job_id": "", **fields,
            },
        )  # fmt: skip

    return make


def press(client, row: Generation, name: str, **more: str):
    return client.post(f"{LIST}{row.pk}/do/{name}/", more, follow=True)


def said(answer) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


@pytest.mark.parametrize("state", ["running", "stalled", "uncertain"])
def test_asking_now_makes_the_shot_due_and_costs_nothing(client, root, shot, state):
    row = shot(state, provider_job_id="job", next_poll_at=None)
    press(client, row, "look_now")
    assert again(row).next_poll_at <= timezone.now()


def test_asking_about_what_has_ended_is_refused_in_words(client, root, shot):
    row = shot("failed")
    assert "It has ended" in said(press(client, row, "look_now"))


@pytest.mark.parametrize(
    ("name", "state", "risk", "becomes"),
    [
        ("send_again", "uncertain", "$0.71 is paid a second time", State.QUEUED),
        ("give_up", "stalled", "Luma may still render it and charge $0.71", State.ABANDONED),
        ("give_up", "uncertain", "Luma may still render it and charge $0.71", State.ABANDONED),
    ],
)
def test_what_may_cost_names_the_money_and_asks_first(
    client, root, shot, name, state, risk, becomes
):
    row = shot(state, provider_job_id="job" if state == "stalled" else "")
    page = press(client, row, name)
    assert page.status_code == 200
    assert risk in page.content.decode()
    assert again(row).state == state

    press(client, row, name, **YES)
    assert again(row).state == becomes
    assert row.events.get().actor == root


def test_a_retry_names_its_price_and_what_became_of_the_first_money(client, root, shot):
    row = shot("failed", charged=Charged.UNKNOWN)
    page = press(client, row, "retry").content.decode()
    assert "Costs $0.71." in page
    assert "Whether the first one was charged is not known." in page
    assert not row.retries.exists()
    press(client, row, "retry", **YES)
    assert row.retries.get().by == root


def test_a_free_retry_asks_nothing(client, root, cast):
    row = make_generation(cast.project, state="failed", estimated_microusd=0)
    press(client, row, "retry")
    assert row.retries.count() == 1


def test_an_unknown_price_is_said_to_be_unknown(client, root, shot):
    page = press(client, shot("uncertain", estimated_microusd=None), "send_again")
    assert "its price, which is not known, is paid a second time" in page.content.decode()


def test_it_arrived_takes_the_job_id(client, root, shot):
    row = shot("uncertain")
    page = press(client, row, "arrived").content.decode()
    assert 'name="job_id"' in page and "Nothing is bought" in page

    press(client, row, "arrived", job_id=" job-7 ", **YES)
    watched = again(row)
    assert (watched.state, watched.provider_job_id) == (State.RUNNING, "job-7")


def test_a_job_id_that_is_taken_is_refused_and_stays_in_the_field(client, root, shot):
    shot("succeeded", provider_job_id="job-7")
    row = shot("uncertain")
    page = press(client, row, "arrived", job_id="job-7", **YES)
    assert page.status_code == 422
    text = page.content.decode()
    assert "already belongs to another clip" in text and 'value="job-7"' in text
    assert again(row).state == State.UNCERTAIN


def test_each_arrival_has_its_own_job_id(client, root, shot):
    rows = [shot("uncertain"), shot("uncertain")]
    chosen = {"action": "arrived", "_selected_action": [row.pk for row in rows]}
    assert "Choose one clip" in said(client.post(LIST, chosen, follow=True))


def test_fetch_again_costs_nothing_and_asks_nothing(client, root, shot, asked):
    row = shot("failed", result_url="https://example.com/a.mp4", failure_code="media")
    press(client, row, "fetch_again")
    assert again(row).state == State.STORING
    assert ("store_clip", (row.pk,)) in asked


def test_many_are_confirmed_together_with_their_sum(client, root, shot):
    rows = [shot("uncertain"), shot("uncertain")]
    ended = shot("failed")
    chosen = {"action": "send_again", "_selected_action": [r.pk for r in [*rows, ended]]}
    page = client.post(LIST, chosen).content.decode()
    assert "Together up to $1.42." in page
    assert f'value="{ended.pk}"' not in page

    client.post(LIST, chosen | YES)
    assert {again(row).state for row in rows} == {State.QUEUED}
    assert again(ended).state == State.FAILED


@pytest.mark.parametrize(
    ("state", "fields", "buttons"),
    [
        ("queued", {}, {"cancel"}),
        ("running", {"provider_job_id": "job"}, {"look_now", "give_up"}),
        ("stalled", {}, {"look_now", "give_up", "archive"}),
        ("uncertain", {}, {"look_now", "arrived", "send_again", "give_up", "archive"}),
        ("failed", {"result_url": "https://x.example/a"}, {"fetch_again", "retry", "archive"}),
        ("abandoned", {"provider_job_id": "job"}, {"fetch_again", "retry", "archive"}),
    ],
)
def test_buttons_fit_the_state(client, root, shot, state, fields, buttons):
    row = shot(state, **fields)
    actions = client.get(f"{LIST}{row.pk}/change/").context["page_actions"]
    assert {name for name, _ in actions} == buttons


@pytest.mark.parametrize("name", ["look_now", "arrived", "send_again", "give_up", "fetch_again"])
def test_seeing_clips_is_not_enough(client, shot, name):
    row = shot("uncertain")
    person = make_staff("view_generation")
    client.force_login(person)
    assert client.post(f"{LIST}{row.pk}/do/{name}/", YES).status_code == 403
    client.post(LIST, {"action": name, "_selected_action": [row.pk], **YES})
    assert again(row).state == State.UNCERTAIN


@pytest.mark.parametrize("who", ["alice", "bob", "carol", "dave"])
def test_members_who_are_no_staff_are_sent_to_sign_in(client, cast, shot, who):
    row = shot("uncertain")
    client.force_login(getattr(cast, who))
    answer = client.post(f"{LIST}{row.pk}/do/give_up/", YES)
    assert answer.status_code in (302, 403, 404)
    assert again(row).state == State.UNCERTAIN
