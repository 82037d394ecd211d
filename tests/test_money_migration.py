"""Money of the version before: amounts below nothing become unknown, and sums stay true."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Sum
from django.utils import timezone

from studio import migrations

FOLDER = Path(migrations.__file__).parent
BEFORE = "0011_sent_requests_and_account_holds"
pytestmark = pytest.mark.django_db(transaction=True)


def named(ending: str) -> str:
    return next(path.stem for path in FOLDER.glob(f"*_{ending}.py"))


def migrate(name: str):
    executor = MigrationExecutor(connection)
    executor.migrate([("studio", name)])
    return MigrationExecutor(connection).loader.project_state([("studio", name)]).apps


@pytest.fixture
def old():
    apps = migrate(BEFORE)
    yield apps
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def make_shot(apps, number, *, charged="yes", actual, estimate=400_000):
    get = apps.get_model
    user, _ = get("studio", "User").objects.get_or_create(
        email="a@example.com", defaults={"name": "A"}
    )
    project, _ = get("studio", "Project").objects.get_or_create(name="P", created_by=user)
    account, _ = get("studio", "ProviderAccount").objects.get_or_create(provider="luma", label="")
    now = timezone.now()
    return get("studio", "Generation").objects.create(
        project=project, by=user, account=account, number=number, prompt="A boat", provider="luma",
        model="ray-2", duration_s=5, aspect_ratio="16:9", resolution="720p", state="failed",
        finished_at=now, charged=charged, estimated_microusd=estimate, actual_microusd=actual,
        shot=uuid.uuid4(),
    )  # fmt: skip


def book(apps, shot, kind, microusd):
    apps.get_model("studio", "LedgerEntry").objects.create(
        kind=kind, generation=shot, project=shot.project, user=shot.by, account=shot.account,
        month=shot.created_at.date().replace(day=1), microusd=microusd,
    )  # fmt: skip


def test_negative_amounts_become_unknown_and_are_counted_at_the_estimate(old):
    wrong = make_shot(old, 1, actual=-700_000)
    for kind, microusd in (("reserved", 400_000), ("released", -400_000), ("charged", -700_000)):
        book(old, wrong, kind, microusd)
    right = make_shot(old, 2, actual=300_000)
    book(old, right, "charged", 300_000)
    prices = old.get_model("studio", "Price").objects
    prices.create(
        provider="gmicloud", model="m", duration_s=5, resolution="720p", charged_microusd=-1
    )
    prices.create(
        provider="gmicloud", model="m", duration_s=9, resolution="720p", charged_microusd=640_000
    )

    migrate(named("money_in_one_unit"))
    new = migrate(named("no_negative_amounts"))

    shots = new.get_model("studio", "Generation").objects
    assert shots.get(pk=wrong.pk).actual_microusd is None
    assert shots.get(pk=right.pk).actual_microusd == 300_000
    ledger = new.get_model("studio", "LedgerEntry").objects
    assert ledger.filter(generation=wrong.pk).aggregate(t=Sum("microusd"))["t"] == 400_000
    assert ledger.filter(generation=right.pk).count() == 1
    assert not ledger.filter(kind="charged", microusd__lt=0).exists()
    charges = new.get_model("studio", "Price").objects.filter(provider="gmicloud", model="m")
    assert [(row.charged_microusd, row.charges) for row in charges.order_by("duration_s")] == [
        (None, None),
        (640_000, [{"microusd": 640_000, "credits": None}]),
    ]
