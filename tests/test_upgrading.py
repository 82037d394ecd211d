"""An upgrade beside a running studio: migrations that the version before can live with."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, connections, migrations, models
from django.db.migrations.recorder import MigrationRecorder

from studio.launcher import migrating

FOLDER = Path(migrating.__file__).parents[1] / "migrations"
on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="PostgreSQL's")
# Before this one there was no upgrade without a pause to keep.
FIRST = "0008"
SAFE = (
    migrations.CreateModel,
    migrations.AddIndex,
    migrations.AddConstraint,
    migrations.AlterModelOptions,
    migrations.AlterModelManagers,
    migrations.RemoveConstraint,
    migrations.RemoveIndex,
    migrations.RunPython,
    migrations.RunSQL,
    migrations.SeparateDatabaseAndState,
)


def test_the_version_before_can_work_with_the_new_tables():
    for path in sorted(FOLDER.glob("0*.py")):
        if path.stem[:4] >= FIRST:
            module = importlib.import_module(f"studio.migrations.{path.stem}")
            for operation in module.Migration.operations:
                assert problem_of(operation) == "", path.name


def problem_of(operation: migrations.operations.base.Operation) -> str:
    """Say why the version before would fail on what this makes; empty when it would not."""
    if isinstance(operation, SAFE):
        return ""
    if isinstance(operation, migrations.AddField):
        field = operation.field
        if field.many_to_many or field.null or field.db_default is not models.NOT_PROVIDED:
            return ""
        return f"{operation.model_name}.{operation.name} needs null=True or a db_default"
    if isinstance(operation, migrations.AlterField):
        return ""  # looked at by whoever writes it: docs/upgrading.md
    return f"{operation.describe()}: the version before still asks for it"


@pytest.mark.parametrize(
    ("operation", "safe"),
    [
        (migrations.AddField("clip", "note", models.TextField()), False),
        (migrations.AddField("clip", "note", models.TextField(default="")), False),
        (migrations.AddField("clip", "note", models.TextField(db_default="")), True),
        (migrations.AddField("clip", "note", models.TextField(null=True)), True),
        (migrations.RemoveField("clip", "note"), False),
        (migrations.RenameField("clip", "note", "said"), False),
        (migrations.DeleteModel("clip"), False),
    ],
)
def test_what_the_version_before_cannot_work_with_is_found(operation, safe):
    assert (problem_of(operation) == "") == safe


# ---- On PostgreSQL -------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@on_postgresql
def test_a_table_in_use_is_not_waited_for_but_tried_again(monkeypatch):
    monkeypatch.setattr(migrating, "LOCK_WITHIN", "20ms")
    monkeypatch.setattr(migrating, "PAUSE_S", 0.01)
    tried, let_go, held = [], threading.Event(), threading.Event()

    def use_the_table():
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE studio_tag IN SHARE MODE")
            held.set()
            let_go.wait(30)
            cursor.execute("ROLLBACK")
        connections.close_all()

    def alter(*_, **__):
        tried.append(len(tried))
        if len(tried) == 3:
            let_go.set()
            user.join()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE studio_tag ALTER COLUMN name SET NOT NULL")

    user = threading.Thread(target=use_the_table)
    user.start()
    assert held.wait(30)
    monkeypatch.setattr(migrating, "call_command", alter)
    migrating.migrate()
    assert tried == [0, 1, 2]


@pytest.mark.django_db(transaction=True)
@on_postgresql
def test_another_failure_ends_it_at_once_and_lets_the_next_one_try(monkeypatch):
    def fail(*_, **__):
        raise OperationalError("the disk is full")

    monkeypatch.setattr(migrating, "call_command", fail)
    with pytest.raises(OperationalError, match="disk"):
        migrating.migrate()
    monkeypatch.setattr(migrating, "call_command", call_command)
    migrating.migrate()
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert cursor.fetchone() == (0,)


@pytest.mark.django_db
def test_a_worker_of_the_version_before_says_that_the_tables_are_newer(caplog):
    migrating.warn_of_newer_tables()
    assert not caplog.records
    MigrationRecorder(connection).record_applied("studio", "9999_later")
    migrating.warn_of_newer_tables()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "this version does not know studio.9999_later. During an upgrade" in record.getMessage()
