from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from studio import vault
from studio.models import Export, Orphan, ProviderAccount, SpendRequest
from tests.control_room import allow, fill, make_failure, make_staff
from tests.factories import make_generation, make_previs

pytestmark = pytest.mark.django_db


def waits(client):
    return {one.words: one.count for one in client.get("/admin/").context["waits"]}


def test_nothing_waits_in_a_quiet_studio(client, root, cast):
    make_previs()
    make_generation(cast.project)
    assert waits(client) == {}
    assert "Nothing does." in client.get("/admin/").content.decode()


def test_what_waits_for_a_person_is_counted_and_its_links_list_it(client, root, cast):
    account = make_previs()
    make_generation(cast.project, state="uncertain")
    make_generation(cast.project, state="stalled")
    make_generation(cast.project, state="failed", result_url="https://cdn.example/a.mp4")
    make_generation(cast.project, state="failed")
    SpendRequest.objects.create(
        project=cast.project, by=cast.bob, estimated_microusd=10, rule="Over $0.01"
    )
    Orphan.objects.create(account=account, job_id="lost", status="succeeded")
    Orphan.objects.create(
        account=account, job_id="old", status="failed", dismissed_at=timezone.now()
    )
    chain = cast.project.chains.create(title="Night", created_by=cast.alice)
    Export.objects.create(
        chain=chain, created_by=cast.alice, state="failed", finished_at=timezone.now()
    )
    ProviderAccount.objects.create(provider="luma", label="Spare", trouble="No credit left.")
    found = client.get("/admin/").context["waits"]
    assert [one.count for one in found] == [1] * 8
    for one in found:
        rows = client.get(one.href).context["cl"].result_list
        assert len(rows) >= one.count, one.words
    clips = [one for one in found if "generation" in one.href]
    assert [len(client.get(one.href).context["cl"].result_list) for one in clips] == [1, 1, 1]


def test_a_failed_task_shows_its_traceback_and_no_markup_of_it(client, root):
    make_failure(1)
    page = client.get("/admin/").content.decode()
    assert "Traceback (most recent call last)" in page
    assert "OSError: &lt;b&gt;disk full" in page


def test_each_part_takes_the_right_to_see_its_table(client, cast):
    make_generation(cast.project, state="uncertain")
    make_failure(1)
    ProviderAccount.objects.create(provider="luma", label="Spare")
    person = make_staff()
    client.force_login(person)
    seen = client.get("/admin/").context
    assert (seen["waits"], seen["purses"], seen["broken"], seen["locks"]) == ([], [], [], None)
    allow(person, "view_generation")
    client.force_login(person)
    seen = client.get("/admin/").context
    assert [one.count for one in seen["waits"]] == [1]
    assert (seen["purses"], seen["broken"]) == ([], [])


def test_the_first_page_takes_the_same_queries_however_much_there_is(client, root, cast):
    fill(cast, 1)
    client.get("/admin/")
    with CaptureQueriesContext(connection) as before:
        client.get("/admin/")
    for number in range(2, 6):
        fill(cast, number)
        ProviderAccount.objects.create(provider="luma", label=f"Team {number}")
    with CaptureQueriesContext(connection) as after:
        client.get("/admin/")
    assert len(after) == len(before)


def test_keys_locked_with_an_older_key_are_named_and_locked_again(client, root, settings):
    settings.ENCRYPTION_KEYS = ["old"]
    account = ProviderAccount(provider="luma", label="Team")
    account.set_key("sk-luma")
    account.save()
    settings.ENCRYPTION_KEYS = ["new", "old"]
    assert "1 kept secret is locked with an older" in client.get("/admin/").content.decode()
    assert client.get("/admin/encrypt-again/").status_code == 405
    client.post("/admin/encrypt-again/")
    account.refresh_from_db()
    assert vault.is_newest(account.key_locked)
    assert "older encryption key" not in client.get("/admin/").content.decode()


def test_locking_again_takes_the_right_to_change_accounts(client):
    person = make_staff("view_provideraccount")
    client.force_login(person)
    assert client.post("/admin/encrypt-again/").status_code == 403
