"""`manage.py prepare` may wait for a database that comes up later than the machine."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection

from studio.launcher import prepare
from tests.processes import free_port, run_manage, studio_environment


@pytest.fixture
def database(monkeypatch):
    """A database that answers after two tries, and a clock that only waiting moves."""
    clock = {"now": 0.0, "tries": 0, "answers_after": 2}

    def connect():
        clock["tries"] += 1
        if clock["tries"] <= clock["answers_after"]:
            raise OperationalError("the connection is refused")

    def sleep(seconds):
        clock["now"] += seconds

    monkeypatch.setattr(connection, "ensure_connection", connect)
    monkeypatch.setattr(prepare.time, "monotonic", lambda: clock["now"])
    monkeypatch.setattr(prepare.time, "sleep", sleep)
    return clock


def test_it_waits_until_the_database_answers(database):
    prepare.wait_for_database(60)
    assert (database["tries"], database["now"]) == (3, 2 * prepare.ASK_AGAIN_S)


def test_it_waits_no_longer_than_it_is_told(database):
    database["answers_after"] = 10**6
    prepare.wait_for_database(5)
    assert database["now"] == 5
    database["tries"] = 0
    prepare.wait_for_database(0)
    assert database["tries"] == 1


def test_it_says_why_in_the_end(tmp_path):
    environment = studio_environment(
        tmp_path / "data", DATABASE_URL=f"postgres://nobody@127.0.0.1:{free_port()}/none"
    )
    done = run_manage("prepare", "--wait", "1", environment=environment)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("CommandError: The database cannot be used:")
    assert "Traceback" not in done.stderr
