from __future__ import annotations

import itertools

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from studio import export_lifecycle
from studio.export_lifecycle import MOVES
from studio.models import Chain, Export

pytestmark = pytest.mark.django_db

State = Export.State
ALLOWED = {
    ("queued", "running"), ("queued", "cancelled"), ("queued", "failed"),
    ("running", "succeeded"), ("running", "failed"), ("running", "cancelled"),
    ("running", "queued"), ("failed", "queued"), ("cancelled", "queued"),
}  # fmt: skip


@pytest.fixture
def chain(project):
    return Chain.objects.create(project=project, title="Ridges", created_by=project.created_by)


def test_the_table_names_every_state():
    assert set(MOVES) == set(State)
    assert {(o, n) for o, news in MOVES.items() for n in news} == ALLOWED


@pytest.mark.parametrize(("old", "new"), list(itertools.product(State.values, repeat=2)))
def test_an_export_moves_only_where_its_table_allows_it(chain, old, new):
    ended = old in Export.TERMINAL
    export = Export.objects.create(
        chain=chain,
        state=old,
        created_by=chain.created_by,
        finished_at=timezone.now() if ended else None,
        file="film.mp4" if old == "succeeded" else "",
    )
    changes = {"file": "film.mp4"} if new == "succeeded" else {}
    moved = export_lifecycle.move(export.pk, new, **changes)
    assert moved is ((old, new) in ALLOWED)
    assert Export.objects.get(pk=export.pk).state == (new if moved else old)


def test_the_database_refuses_exports_that_cannot_be(chain):
    for columns in (
        {"state": "lost"},
        {"state": "queued", "finished_at": timezone.now()},
        {"state": "succeeded", "finished_at": timezone.now(), "file": ""},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Export.objects.create(chain=chain, created_by=chain.created_by, **columns)
