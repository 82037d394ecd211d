"""How well an amount is known stands beside it, wherever it is shown; one helper writes it."""

from __future__ import annotations

import ast
import re
from html import unescape
from pathlib import Path

import pytest

from studio import amounts
from studio.models import Activity, SpendRequest
from studio.services.accounts import ensure_accounts
from studio.services.csv_text import csv_lines
from studio.services.money.agreement import hold_if_dearer
from studio.services.money.spending import ledger_rows
from studio.services.news.activity import record
from studio.services.news.payloads import payload
from tests.paid import account_at, queue_shot
from tests.people import make_cast, make_clip
from tests.sharing import browser, share_clips
from tests.test_compose import shot

ROOT = Path(__file__).parent.parent
CENT = 10_000
CEILING = {
    "provider": "gmicloud",
    "model": "Luma-Ray2",
    "estimated_microusd": 127 * CENT,
    "estimate_kind": "ceiling",
}


@pytest.fixture
def cast(db):
    ensure_accounts()
    return make_cast()


def text_of(page):
    """Return what a page shows, without its markup, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.content.decode())).split())


# ---- The helper --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("microusd", "kind", "text"),
    [
        (1_270_000, "published", "$1.27"),
        (1_270_000, "learned", "about $1.27"),
        (1_270_000, "estimated", "about $1.27"),
        (1_270_000, "ceiling", "at most $1.27"),
        (1_270_000, "", "$1.27"),  # from before the kind was recorded
        (4_000, "learned", "about < $0.01"),
        (0, "ceiling", "free"),
        (None, "ceiling", "not known"),
    ],
)
def test_an_amount_says_how_well_it_is_known(microusd, kind, text):
    assert amounts.amount_text(microusd, amounts.certainty_of(kind)) == text


def test_a_sum_is_known_as_well_as_its_least_known_part():
    assert amounts.least_certain([]) == "exact"
    assert amounts.least_certain(["exact", "about", "exact"]) == "about"
    assert amounts.least_certain(["at most", "about"]) == "at most"


# ---- Nothing goes round it ---------------------------------------------------------------------
# What is exact by its nature: limits that people set, balances that providers tell, and sums of the
# ledger, which are what counts against a limit.
EXACT = re.compile(
    r"(\.limit|\.left|\.spent|budget_microusd|balance_microusd|ask_above_microusd|"
    r"^one\.microusd)\|(money|dollars)$"
)
PRINTED = re.compile(r"\{\{\s*(.*?)\s*\}\}")


def raw_amounts(source):
    """Return the amounts that a template prints past the helper; values of form fields are none."""
    shown = re.sub(r'value="\{\{.*?\}\}"|max="\{\{.*?\}\}"', "", source)
    printed = [re.sub(r"\|default:.*", "", one) for one in PRINTED.findall(shown)]
    of_money = [one for one in printed if re.search(r"microusd|\|(money|dollars|price)\b", one)]
    return [one for one in of_money if not EXACT.search(one)]


def test_the_walk_finds_raw_amounts():
    assert raw_amounts("{{ g.estimated_microusd|money }}{{ now|price }}") == [
        "g.estimated_microusd|money",
        "now|price",
    ]
    assert raw_amounts("{{ card.quote.microusd|money }}") and raw_amounts("{{ a.microusd }}")
    assert not raw_amounts('<input value="{{ quote.microusd }}">{{ budget.left|money }}')


def test_no_template_prints_an_amount_past_the_helper():
    pages = [path for path in (ROOT / "templates").rglob("*") if path.is_file()]
    assert len(pages) > 200
    raw = {path.name: raw_amounts(path.read_text()) for path in pages}
    assert {name: found for name, found in raw.items() if found} == {}


ESTIMATED = re.compile(r"estimated_microusd|cost_microusd|quote|offer|\bnow\b|each|master")


def money_calls(path):
    """Yield the arguments of each call of `money` in a module, as source."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in ("money", "dollars"):
                yield ", ".join(ast.unparse(arg) for arg in node.args)


def test_no_sentence_writes_a_price_past_the_helper():
    modules = list((ROOT / "studio").rglob("*.py"))
    calls = [(path.name, call) for path in modules for call in money_calls(path)]
    assert len(calls) > 30
    assert [one for one in calls if ESTIMATED.search(one[1])] == []


# ---- Where people read it ----------------------------------------------------------------------
def test_the_queue_says_what_a_ceiling_is_now(cast, emulator, asked, client):
    account = account_at(emulator, "aimlapi")
    made = queue_shot(cast.project, account, estimated_microusd=24 * CENT)
    assert hold_if_dearer(made.pk)
    client.force_login(cast.bob)
    page = text_of(client.get(f"/p/{cast.project.code}/line/"))
    assert "$0.24 now at most $" in page
    assert "Release for at most $" in page


def test_compose_says_about_where_a_price_is_estimated(cast, emulator, client):
    account = account_at(emulator, "luma")
    client.force_login(cast.bob)
    draft = {"prompt": "Fog", "offer": f"{account.pk}:ray-2"}
    page = text_of(client.post(f"/p/{cast.project.code}/quote/", draft))
    assert "About $0.71" in page  # the press
    assert page.count("about $0.71") == 1  # its row


def test_a_request_to_spend_says_how_well_its_price_is_known(cast, emulator, client):
    cast.project.budget_microusd = 30 * CENT
    cast.project.save()
    account = account_at(emulator, "gmicloud")
    client.force_login(cast.bob)
    fields = shot(offer=f"{account.pk}:Luma-Ray2", do="ask", ask_reason="The hero shot")
    client.post(f"/p/{cast.project.code}/new/", fields)
    request = SpendRequest.objects.get()
    assert request.price_text == "at most $1.27"
    client.force_login(cast.alice)
    page = text_of(client.get(f"/requests/{request.code}/"))
    assert "Bob asks for at most $1.27" in page
    assert "Price when asked at most $1.27 Price now at most $1.27" in page
    assert "Approve and run, at most $1.27" in page
    assert "at most $1.27" in text_of(client.get(f"/p/{cast.project.code}/spend/"))
    assert "asks to spend at most $1.27" in text_of(client.get(f"/p/{cast.project.code}/activity/"))


def test_the_spend_page_says_what_is_held_at_a_ceiling(cast, emulator, asked, client):
    account = account_at(emulator, "gmicloud")
    client.force_login(cast.bob)
    client.post(f"/p/{cast.project.code}/new/", shot(offer=f"{account.pk}:Luma-Ray2"))
    page = text_of(client.get(f"/p/{cast.project.code}/spend/"))
    assert "at most $1.27 held for 1 shot in flight" in page
    assert "Held at most $1.27" in page
    assert "On pace for about $" in page
    assert list(csv_lines(ledger_rows(cast.project, None)))[1].rstrip().endswith(",held,at most")


def test_guests_read_how_well_a_cost_is_known(cast):
    clip = make_clip(cast.project, charged="unknown", actual_microusd=None, **CEILING)
    unknown = make_clip(cast.project, charged="yes", actual_microusd=None, **CEILING)
    _, token = share_clips(cast.project, cast.alice, clip, unknown, shows_costs=True)
    guest = browser()
    assert ", at most $1.27" in text_of(guest.get(f"/s/{token}/clips/{clip.code}/"))
    assert ", cost not known" in text_of(guest.get(f"/s/{token}/clips/{unknown.code}/"))


def test_a_webhook_tells_how_well_an_estimate_is_known(cast):
    clip = make_clip(cast.project, charged="unknown", actual_microusd=None, **CEILING)
    finished = record(Activity.Kind.FINISHED, project_id=clip.project_id, generation=clip)
    cost = payload(finished, prices=True, titles={finished.generation.pk: ""})["data"]["cost"]
    assert (cost["estimated_microusd"], cost["estimate"]) == (127 * CENT, "at most")
