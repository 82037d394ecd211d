"""What the adapters make of odd answers fits the columns, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json

import pytest

from studio import lifecycle
from studio.models import Generation, Orphan
from studio.models.generation import State
from studio.providers.answers import MAX_JOB_ID_BYTES, MAX_JOB_ID_CHARS
from studio.providers.base import ProtocolError, SubmitUncertain
from studio.services.work.outcomes import record_submitted
from tests.paid import account_at, again, queue_shot
from tests.providers.accounts import ACCOUNTS, LUMA, Account

pytestmark = pytest.mark.django_db

DEEP = '{"a":' * 40 + "1" + "}" * 40
POISON = (
    '"n": 1e400, "i": -Infinity, "x": NaN, "big": 123456789012345678901234567890, "f": 1e300, '
    '"nul": "a\\u0000b", "half": "\\ud800", "k\\u0000y": "\\udfff", '
    f'"huge": {"9" * 5000}, "deep": {DEEP}}}'
)


def odd_answer(account: Account, job_id: str, **fields: object) -> str:
    known = {"jobId": job_id, "id": job_id, "request_id": job_id, "status": "queued"}
    body = json.dumps(known | {"state": "queued"} | fields)
    return f"{body[:-1]}, {POISON}"


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda one: one.name)
@pytest.mark.parametrize("job_id", ["j" * 300, "j" * MAX_JOB_ID_CHARS, "日" * 600, "1" * 300])
def test_an_odd_answer_to_a_submit_is_stored(project, emulator, account, job_id):
    shot = queue_shot(project, account_at(emulator, account.name))
    lifecycle.claim_submit(shot.pk)
    body = odd_answer(account, job_id, progress=1e300, creditCost=1e300, createdAt=1e300)
    job = account.answering(202, body).submit(account.shot())
    assert record_submitted(again(shot), job)
    row = again(shot)
    assert (row.state, row.provider_job_id) == (State.RUNNING, job_id)
    assert row.raw_answer["nul"] == "ab"
    Orphan.objects.create(account=shot.account, job_id=job_id, prompt=job.prompt, error=job.error)


def test_a_bare_number_as_id_keeps_all_its_digits(project, emulator):
    job = LUMA.answering(201, f'{{"id": {"7" * 20}, "state": "queued"}}').submit(LUMA.shot())
    assert job.id == "7" * 20
    shot = queue_shot(project, account_at(emulator, "luma"))
    lifecycle.claim_submit(shot.pk)
    assert record_submitted(again(shot), job)
    assert Generation.objects.get(provider_job_id="7" * 20) == shot


@pytest.mark.parametrize("job_id", ["j" * (MAX_JOB_ID_CHARS + 1), "日" * MAX_JOB_ID_BYTES])
def test_an_id_too_long_for_its_column_is_unreadable(job_id):
    body = {"id": job_id, "state": "queued"}
    with pytest.raises(SubmitUncertain):
        LUMA.answering(201, body).submit(LUMA.shot())
    with pytest.raises(ProtocolError):
        LUMA.answering(200, {"id": job_id}).fetch("")
    assert LUMA.answering(200, body).fetch("asked").id == "asked"
