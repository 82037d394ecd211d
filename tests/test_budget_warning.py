"""At 80 % of a budget whoever should know is told: once a budget and month."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection, connections

from studio.models import (
    Activity,
    Generation,
    LedgerEntry,
    Membership,
    Notification,
    Project,
    ProviderAccount,
)
from studio.services.accounts import ensure_accounts
from studio.services.news.notifications import notes
from studio.services.shots import NewShot, OverLimit, create_shots
from tests.people import make_cast

pytestmark = pytest.mark.django_db
COST = 707_789  # micro-USD, what Luma asks for such a shot


@pytest.fixture
def cast():
    ensure_accounts()
    return make_cast()


@pytest.fixture
def account(cast):
    made = ProviderAccount(provider="luma", label="")
    made.set_key("luma-key")
    made.save()
    return made


def queue(cast, account, *, who: str = "bob", model: str = "ray-2") -> Generation:
    (made,) = create_shots(
        project=Project.objects.get(pk=cast.project.pk),
        by=getattr(cast, who),
        new=NewShot(prompt="A boat", account=account, model=model),
    )
    return made


def limit(cast, shots: float, *, who: str = "") -> None:
    """Set a budget of so many shots: the project's, or one person's own."""
    rows = (
        Membership.objects.filter(project=cast.project, user=getattr(cast, who))
        if who
        else Project.objects.filter(pk=cast.project.pk)
    )
    rows.update(budget_microusd=int(COST * shots))


def warnings():
    return Activity.objects.filter(kind="spend", data__has_key="warned")


def told() -> set[str]:
    rows = Notification.objects.filter(activity__in=warnings())
    return set(rows.values_list("user__name", flat=True))


def test_the_owners_are_told_once_when_most_is_used(cast, account):
    limit(cast, 4.4)
    for _ in range(3):
        queue(cast, account)
    assert not warnings().exists(), "68 %"
    queue(cast, account)
    (said,) = warnings()
    assert said.text.startswith("The project has used 90 % of its budget for ")
    assert said.text.endswith(": $2.83 of $3.11")
    assert told() == {"Alice"}
    (note,) = [n for n in notes(cast.alice) if n.reason == "spend"]
    assert note.text == said.text
    assert note.line.url == f"/p/{cast.project.code}/spend/"


def test_an_owner_is_told_of_what_they_did_themselves(cast, account):
    limit(cast, 1.2)
    queue(cast, account, who="alice")
    assert told() == {"Alice"}


def test_a_persons_own_budget_is_theirs_and_the_owners(cast, account):
    limit(cast, 1.2, who="bob")
    queue(cast, account)
    (said,) = warnings()
    assert said.text.startswith("Bob has used 83 % of their own budget for ")
    assert told() == {"Alice", "Bob"}


def test_crossing_back_and_forth_says_it_once(cast, account):
    limit(cast, 1.2)
    first = queue(cast, account)
    LedgerEntry.objects.filter(generation=first).update(microusd=0)
    limit(cast, 100)
    queue(cast, account)
    limit(cast, 2.4)
    queue(cast, account)
    assert warnings().count() == 1


def test_the_next_month_is_another_budget(cast, account):
    limit(cast, 1.2)
    queue(cast, account)
    Activity.objects.update(data={"warned": "project", "month": "2001-01"})
    Activity.objects.update(at=Activity.objects.latest("pk").at - timedelta(days=40))
    LedgerEntry.objects.update(microusd=0)
    cache.clear()
    queue(cast, account)
    assert warnings().count() == 2


def test_free_shots_and_projects_without_a_budget_ask_nothing(cast, account):
    limit(cast, 1)
    queue(cast, ProviderAccount.objects.get(provider="previs", label=""), model="previs-1")
    Project.objects.update(budget_microusd=None)
    queue(cast, account)
    assert not warnings().exists()


def test_a_refused_shot_says_nothing(cast, account):
    limit(cast, 0.9)
    with pytest.raises(OverLimit):
        queue(cast, account)
    assert not warnings().exists()


@pytest.mark.django_db(transaction=True)
def test_two_at_once_say_it_once(cast, account):
    # With what is held already, either of the two brings it over 80 %, and both still fit.
    queue(cast, account)
    LedgerEntry.objects.update(microusd=7 * COST)
    limit(cast, 9.9)
    start = threading.Barrier(2)

    def press() -> None:
        try:
            start.wait(10)
            queue(cast, account)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert Generation.objects.count() == 3
    assert warnings().count() == 1
    assert Notification.objects.filter(activity__in=warnings()).count() == 1
    connection.close()
