"""What a card and a clip's page say of money after every kind of failure, and what they offer first."""

from __future__ import annotations

import html
import re
from typing import get_args

import pytest

from studio.models import Generation
from studio.models.generation import Charged, State
from studio.providers.reasons import Code, read_failure
from studio.services.cards import charge_text, cost_text
from studio.services.work import failover
from studio.services.work.failover import PASSABLE
from studio.services.work.late_downloads import undownloaded_text
from tests.factories import make_generation
from tests.paid import account_at

pytestmark = pytest.mark.django_db

# Every way a shot ends without a clip: code -> (charged, the first thing offered, passed on by itself).
ENDS: dict[str, tuple[str, str, bool]] = {
    "moderation": (Charged.NO, "Edit prompt", False),
    "image": (Charged.NO, "Edit prompt", False),
    "prompt": (Charged.NO, "Edit prompt", False),
    "end": (Charged.NO, "Edit prompt", True),
    "credit": (Charged.NO, "Edit prompt", True),
    "key": (Charged.NO, "Edit prompt", True),
    "refused": (Charged.NO, "Edit prompt", False),
    "unsupported": (Charged.NO, "Edit prompt", True),
    "internal": (Charged.UNKNOWN, "Edit prompt", False),
    "capacity": (Charged.NO, "Edit prompt", True),
    "timeout": (Charged.UNKNOWN, "Edit prompt", False),
    "other": (Charged.UNKNOWN, "Edit prompt", False),
    "no_media": (Charged.UNKNOWN, "Download again", False),
    "media": (Charged.YES, "Download again", False),
    "cancelled": (Charged.UNKNOWN, "Edit prompt", False),
    "neighbour": (Charged.NO, "Edit prompt", False),
    "render": (Charged.NO, "Edit prompt", False),
}
CHARGES = [
    (Charged.NO, None, None, "You were not charged."),
    (Charged.YES, 710_000, None, "You were charged $0.71."),
    (Charged.YES, None, None, "You were charged. The amount is not known."),
    (Charged.YES, None, 51.0, "You were charged 51 credits. Their price is not known."),
    (Charged.UNKNOWN, None, None, "Whether you were charged is not known."),
    (Charged.PENDING, None, None, "Whether you were charged is not known."),
]
COSTS = {
    "You were not charged.": "Not charged",
    "You were charged $0.71.": "$0.71",
    "You were charged. The amount is not known.": "Charged, amount not known ($0.80 expected)",
    "You were charged 51 credits. Their price is not known.": (
        "Charged, amount not known ($0.80 expected), 51 credits"
    ),
    "Whether you were charged is not known.": "Not known whether charged ($0.80 expected)",
}


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def failed(project, emulator, code: str, **fields) -> Generation:
    return make_generation(
        project,
        account=account_at(emulator, "luma"),
        model="ray-2",
        resolution="720p",
        failure_code=code,
        failure_text=fields.pop("failure_text", f"Why it failed: {code}."),
        credit_unit="credits",
        **({"state": State.FAILED, "estimated_microusd": 800_000} | fields),
    )


def test_the_table_knows_every_code(project):
    assert set(ENDS) >= set(get_args(Code)) | PASSABLE


@pytest.mark.once  # sentences about one row that was read
@pytest.mark.parametrize("code", ENDS)
@pytest.mark.parametrize(("charged", "microusd", "credits", "sentence"), CHARGES)
def test_card_and_page_say_why_and_what_was_charged(
    me, project, emulator, asked, code, charged, microusd, credits, sentence
):
    shot = failed(
        project, emulator, code, charged=charged, actual_microusd=microusd, actual_credits=credits
    )
    for page in (f"/p/{project.code}/", f"/clips/{shot.code}/"):
        text = words(me.get(page).content.decode())
        assert f"Why it failed: {code}. {sentence}" in text
    assert cost_text(shot) == COSTS[sentence]
    assert COSTS[sentence] in text


@pytest.mark.parametrize(("code", "end"), ENDS.items())
def test_the_first_thing_offered_is_never_to_buy_what_was_bought(
    me, project, emulator, asked, code, end
):
    charged, first, passed_on = end
    account_at(emulator, "apiframe")
    shot = failed(project, emulator, code, charged=charged)
    project.failover_microusd = 10**9
    project.save(update_fields=["failover_microusd"])
    gallery = me.get(f"/p/{project.code}/").content.decode()
    card = re.search(rf'<article[^>]*id="clip-{shot.code}".*?</article>', gallery, re.S)[0]
    buttons = re.findall(r'class="btn[^"]*"[^>]*>(.*?)</(?:a|button)>', card, re.S)
    offered = [words(button).removesuffix(" of " + shot.title) for button in buttons]
    assert offered[0].startswith(first), offered
    page = me.get(f"/clips/{shot.code}/").content.decode()
    stage = page[page.index('id="stage"') : page.index('id="ways"')]
    if first == "Download again":
        assert not any(text.startswith("Retry") for text in offered)
        assert f'action="/clips/{shot.code}/fetch/"' in stage
        assert "/retry/" not in stage
        assert "Buys the shot a second time" in page, "it is still possible, further down"
        assert page.count(f'action="/clips/{shot.code}/fetch/"') == 1, "one button for it"
    else:
        assert any(text.startswith("Retry") for text in offered)
        assert "/retry/" in stage
    said = failover.fail_over_by_itself(shot.pk)
    assert said.startswith("goes on") is passed_on, said


@pytest.mark.once  # decided by the row alone; what is passed on is written in the test above
@pytest.mark.parametrize("charged", [Charged.YES, Charged.UNKNOWN, Charged.PENDING])
@pytest.mark.parametrize("code", ENDS)
def test_what_was_or_may_have_been_charged_is_never_passed_on_by_itself(
    project, emulator, asked, code, charged
):
    account_at(emulator, "apiframe")
    shot = failed(project, emulator, code, charged=charged)
    project.failover_microusd = 10**9
    project.save(update_fields=["failover_microusd"])
    assert failover.fail_over_by_itself(shot.pk).startswith("skipped")
    assert Generation.objects.count() == 1


@pytest.mark.parametrize(
    ("charged", "beginning"),
    [
        (Charged.YES, "The clip was rendered and charged, but could not be downloaded. Why."),
        (Charged.NO, "The clip was rendered, but could not be downloaded. Why."),
        (Charged.UNKNOWN, "The clip was rendered, but could not be downloaded. Why."),
    ],
)
def test_a_clip_that_could_not_be_downloaded_says_what_to_do(charged, beginning):
    text = undownloaded_text(charged, "Why.", by_itself=True)
    assert text == (
        f"{beginning} Download it again; there is no need to buy it again. "
        "The studio also tries by itself, every hour for a day."
    )
    assert len(undownloaded_text(charged, "Why. " * 200, by_itself=True)) <= 500


def test_not_downloaded_is_not_called_not_rendered(me, project, emulator, asked):
    failed(project, emulator, "media", charged=Charged.YES)
    text = words(me.get(f"/p/{project.code}/").content.decode())
    assert "Not downloaded" in text
    assert "Not rendered" not in text


@pytest.mark.once  # sentences about one row that was read
@pytest.mark.parametrize("state", [State.STALLED, State.UNCERTAIN])
@pytest.mark.parametrize(
    ("money", "sentence"),
    [
        ({}, "Not known yet whether you are charged; $0.80 is held until then."),
        (
            {"estimate_kind": "ceiling"},
            "Not known yet whether you are charged; at most $0.80 is held until then.",
        ),
        ({"estimated_microusd": None}, "Not known yet whether you are charged."),
        ({"estimated_microusd": 0}, "Not known yet whether you are charged."),
        ({"charged": Charged.YES, "actual_microusd": 710_000}, "You were charged $0.71."),
    ],
)
def test_a_shot_that_waits_for_a_person_says_what_is_known_of_its_charge(
    me, project, emulator, state, money, sentence
):
    shot = failed(project, emulator, "", state=state, failure_text="", **money)
    for page in (f"/p/{project.code}/", f"/clips/{shot.code}/"):
        assert sentence in words(me.get(page).content.decode())


def test_no_sentence_about_a_failure_speaks_of_a_charge():
    for text in ("moderation", "credit", "bad image url", "capacity", "timeout", "prompt", "?"):
        assert "charge" not in read_failure(text).sentence


def test_previs_does_not_speak_of_money(project):
    shot = make_generation(project, state=State.FAILED, failure_code="render")
    assert (charge_text(shot), cost_text(shot)) == ("", "Free")
