"""The figure decides whether a job was charged; a figure that cannot be true is unknown."""

from __future__ import annotations

from typing import Any

import pytest

from studio.providers.base import Cost
from tests.providers.accounts import AIMLAPI, APIFRAME, GMI, LEGACY, LUMA, Account

ID = "7c880e75-9892-4238-8464-49cb0c6deabd"
CLIP = "https://cdn.example/clip.mp4"
BAD_FIGURES = ["-0.25", "1e300", "1e400", "12345678901234567890", '"much"', "true", "[0]"]


def aimlapi(status: str, usage: Any) -> dict[str, Any]:
    return {
        "id": ID,
        "status": status,
        "state": status,
        "video": {"url": CLIP},
        "meta": {"usage": usage},
    }


@pytest.mark.parametrize("account", [AIMLAPI, LEGACY], ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("status", "usage", "charged"),
    [
        ("failed", {"usd_spent": 0.25}, True),
        ("failed", {"usd_spent": 0}, False),
        ("failed", {"credits_used": 500_000}, True),
        ("failed", {"usd_spent": 0, "credits_used": 500_000}, True),
        ("failed", {"usd_spent": None}, False),
        ("failed", None, False),
        ("cancelled", {"usd_spent": 0.25}, True),
        ("cancelled", None, None),
        ("completed", {"usd_spent": 0.25}, True),
        ("completed", {"usd_spent": 0, "credits_used": 0}, False),
        ("completed", None, True),
        ("generating", {"usd_spent": 0.25}, None),
    ],
)
def test_the_figure_decides_and_then_the_rule(
    account: Account, status: str, usage: Any, charged: bool | None
) -> None:
    assert account.answering(200, aimlapi(status, usage)).fetch(ID).charged is charged


@pytest.mark.parametrize("account", [AIMLAPI, LEGACY], ids=lambda one: one.name)
@pytest.mark.parametrize("figure", BAD_FIGURES)
def test_a_figure_that_cannot_be_true_is_unknown(account: Account, figure: str) -> None:
    body = (
        f'{{"id": "{ID}", "status": "failed", "state": "failed", '
        f'"meta": {{"usage": {{"usd_spent": {figure}}}}}}}'
    )
    job = account.answering(200, body).fetch(ID)
    assert (job.cost, job.charged) == (Cost(), None)


@pytest.mark.parametrize("figure", BAD_FIGURES)
def test_credits_that_cannot_be_true_are_unknown(figure: str) -> None:
    body = f'{{"id": "{ID}", "status": "FAILED", "creditCost": {figure}}}'
    job = APIFRAME.answering(200, body).fetch(ID)
    assert (job.cost, job.charged) == (Cost(), None)


def test_zero_is_an_amount() -> None:
    job = APIFRAME.answering(200, {"id": ID, "status": "CANCELLED", "creditCost": 0}).fetch(ID)
    assert (job.cost, job.charged) == (Cost(credits=0, unit="credits"), False)


@pytest.mark.parametrize(
    ("account", "body", "charged"),
    [
        (GMI, {"request_id": ID, "status": "failed"}, None),
        (LUMA, {"id": ID, "state": "failed"}, False),
        (APIFRAME, {"id": ID, "status": "FAILED", "creditCost": None}, None),
    ],
)
def test_without_a_figure_the_documented_rule_holds(
    account: Account, body: Any, charged: bool | None
) -> None:
    assert account.answering(200, body).fetch(ID).charged is charged


@pytest.mark.parametrize("figure", ["1e300", "1e400", '"x"', "null", "[]"])
def test_a_balance_that_cannot_be_true_is_unknown(figure: str) -> None:
    assert LUMA.answering(200, f'{{"credit_balance": {figure}}}').balance().microusd is None
    assert AIMLAPI.answering(200, f'{{"current_balance": {figure}}}').balance().microusd is None
    team = f'{{"team": {{"credits": {figure}}}}}'
    assert APIFRAME.answering(200, team).balance().credits is None


def test_a_balance_may_be_below_zero() -> None:
    assert AIMLAPI.answering(200, {"current_balance": -2.5}).balance().microusd == -2_500_000


def test_no_dollars_beside_credits_are_no_amount_of_dollars() -> None:
    usage = {"credits_used": 500_000, "usd_spent": 0}
    body = {"id": ID, "status": "completed", "video": {"url": "https://cdn.example/a.mp4"}}
    job = AIMLAPI.answering(200, body | {"meta": {"usage": usage}}).fetch(ID)
    assert (job.cost, job.charged) == (Cost(None, 500_000, "credits"), True)
