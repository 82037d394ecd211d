"""Uploading an archive in parts: refusals, repeats, two tabs, lost connections, and its end."""

from __future__ import annotations

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO
from threading import Semaphore

import pytest
from django.core.files.storage import default_storage
from django.db import connections
from django.http import UnreadablePostError
from django.test import Client
from django.utils import timezone

from studio.address_rules import RARE
from studio.models import Generation, ImportRun, Membership, Project, RateLimit, StudioSettings
from studio.services import disk, tally
from studio.services.errors import StudioError
from studio.services.exchange import archive_uploads, import_runs, upload_parts
from studio.services.exchange.manifests import MOST_BYTES
from studio.services.files import scratch_dir
from studio.services.retention.routine import clear_up
from studio.services.retention.uploads import LIFE
from tests.people import make_person
from tests.test_archives import alice, elsewhere, project

__all__ = ["alice", "elsewhere", "project"]

pytestmark = pytest.mark.django_db
PAGE = "/projects/import/"
BEGIN = "/projects/import/uploads/"
PART = 1000
EDGE = 100
BYTES = "application/octet-stream"


@pytest.fixture(autouse=True)
def small(settings, tmp_path, monkeypatch):
    """Parts and edges of a size that a test's archive has several of."""
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(archive_uploads, "PART_BYTES", PART)
    monkeypatch.setattr(archive_uploads, "EDGE_BYTES", EDGE)


@pytest.fixture
def bob():
    return make_person("Bob")


@pytest.fixture
def client(bob):
    return signed_in(bob)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def some_zip(size=3500, last=b"."):
    return b"PK\x03\x04" + b"x" * (size - 5) + last


def edges_of(data):
    return data[:EDGE] + data[max(EDGE, len(data) - EDGE) :]


def begin(client, data, name="winter.zip", **more):
    query = {"name": name, "size": len(data)} | more
    address = f"{BEGIN}?{'&'.join(f'{key}={value}' for key, value in query.items())}"
    return client.post(address, edges_of(data), content_type=BYTES)


def begun(client, data, name="winter.zip"):
    answer = begin(client, data, name)
    assert answer.status_code == 200, answer.content
    return answer.json()


def send(client, url, data, offset, length=PART):
    part = data[offset : offset + length]
    return client.post(f"{url}part/?offset={offset}", part, content_type=BYTES)


def send_all(client, url, data):
    for offset in range(0, len(data), PART):
        answer = send(client, url, data, offset)
        assert answer.json() == {"received": min(offset + PART, len(data))}


def said(answer, status):
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"].startswith("text/plain")
    return answer.content.decode()


def stored():
    """Every name under uploads/ of the storage."""
    return [name for folder in upload_parts.folders() for name in upload_parts.files_in(folder)]


def make_old(folder, age):
    at = time.time() - age.total_seconds()
    for name in upload_parts.files_in(folder):
        os.utime(default_storage.path(name), (at, at))


# ---- From the first part to the import ---------------------------------------------------------


def test_an_archive_in_parts_is_brought_in_as_one(client, bob, elsewhere, asked):
    assert len(elsewhere) > 5 * PART
    answer = begun(client, elsewhere)
    assert answer["part_bytes"] == PART and answer["received"] == 0
    send_all(client, answer["url"], elsewhere)
    assert client.get(answer["url"]).json() == {"received": len(elsewhere)}
    assert not ImportRun.objects.exists()

    for _ in range(2):  # the answer to the first may be lost
        assert client.post(f"{answer['url']}finish/").status_code == 204
    run = ImportRun.objects.get()
    assert (run.by, run.file_name, run.total) == (bob, "winter.zip", 4)
    assert "Unfinished uploads" not in client.get(PAGE).content.decode()
    asked.run("work_import")

    run.refresh_from_db()
    assert run.state == "done"
    assert import_runs.told(run).startswith("4 clips and 2 stills came in. What Alice said")
    assert Generation.objects.count() == 4 and stored() == []
    assert client.post(f"{answer['url']}finish/").status_code == 204
    assert ImportRun.objects.count() == 1
    assert client.get(answer["url"]).status_code == 404


def test_the_same_file_again_goes_on_where_it_stopped(client, elsewhere):
    first = begun(client, elsewhere)
    for offset in (0, PART):
        send(client, first["url"], elsewhere, offset)
    tokens = RateLimit.objects.count()
    again = begun(client, elsewhere)
    assert again == first | {"received": 2 * PART}
    assert RateLimit.objects.count() == tokens
    page = client.get(PAGE).content.decode()
    percent = 100 * 2 * PART // len(elsewhere)
    assert f"{percent} % is here already" in page and f'data-percent="{percent}"' in page
    assert "Choose the same file again to go on." in page


def test_what_is_read_of_the_parts_is_what_was_sent(client, bob):
    data = bytes(os.urandom(4 * PART + 1))
    data = b"PK\x03\x04" + data
    url = begun(client, data)["url"]
    send_all(client, url, data)
    (upload,) = archive_uploads.unfinished(bob)
    with upload_parts.open_archive(upload.folder) as file:
        assert file.read() == data and file.read() == b""
        for start, length in (
            (0, 10),
            (PART - 5, 10),
            (3 * PART + 1, 2 * PART),
            (len(data) - 1, 9),
        ):
            file.seek(start)
            assert file.read(length) == data[start : start + length]
        assert file.seek(-4, os.SEEK_END) == len(data) - 4
        assert file.read() == data[-4:]


# ---- Parts ------------------------------------------------------------------------------------


def test_a_part_that_is_here_is_answered_with_how_far_it_is(client):
    data = some_zip()
    url = begun(client, data)["url"]
    send(client, url, data, 0)
    send(client, url, data, PART)
    answer = send(client, url, b"y" * len(data), 0)
    assert (answer.status_code, answer.json()) == (200, {"received": 2 * PART})
    name = [name for name in stored() if name.endswith("000000.part")][0]
    with default_storage.open(name) as file:
        assert file.read() == data[:PART]


@pytest.mark.parametrize("offset", ["1", "500", "2000", "3500", "99999999999999", "-1", "x", ""])
def test_a_part_out_of_order_is_refused_with_how_far_it_is(client, offset):
    data = some_zip()
    url = begun(client, data)["url"]
    send(client, url, data, 0)
    answer = client.post(f"{url}part/?offset={offset}", data[:PART], content_type=BYTES)
    assert (answer.status_code, answer.json()) == (409, {"received": PART})
    assert client.get(url).json() == {"received": PART}


@pytest.mark.parametrize(("offset", "length"), [(PART, PART - 1), (PART, 1), (3 * PART, PART)])
def test_a_file_that_shrank_or_grew_is_refused(client, offset, length):
    data = some_zip()
    url = begun(client, data)["url"]
    for before in range(0, offset, PART):
        send(client, url, data, before)
    sentence = said(
        client.post(f"{url}part/?offset={offset}", b"x" * length, content_type=BYTES), 422
    )
    assert "“winter.zip” has changed since its upload began." in sentence
    assert f"{length:,} bytes" in sentence and f"must have {min(PART, 3500 - offset):,}" in sentence
    assert client.get(url).json() == {"received": offset}


def part_of(bob, number, read):
    """Send one part as the view does, with what `read(n)` yields."""
    (upload,) = archive_uploads.unfinished(bob)
    return archive_uploads.add_part(
        by=bob, code=upload.code, offset=number * PART, length=PART, read=read
    )


def away(count):
    raise UnreadablePostError("the browser is gone")


@pytest.mark.parametrize(
    ("then", "error"), [(lambda count: b"", archive_uploads.CutShort), (away, UnreadablePostError)]
)
def test_a_part_cut_short_leaves_nothing(client, bob, then, error):
    data = some_zip()
    url = begun(client, data)["url"]
    send(client, url, data, 0)
    chunks = iter([b"x" * 300])
    with pytest.raises(error):
        part_of(bob, 1, lambda count: next(chunks, None) or then(count))
    assert client.get(url).json() == {"received": PART}
    assert not list(scratch_dir().iterdir())
    assert send(client, url, data, PART).json() == {"received": 2 * PART}


def test_a_part_is_read_in_chunks(client, bob, monkeypatch):
    monkeypatch.setattr(archive_uploads, "CHUNK_BYTES", 300)
    data = some_zip()
    begun(client, data)
    body, asked_for = BytesIO(data), []

    def read(count):
        asked_for.append(count)
        return body.read(count)

    assert part_of(bob, 0, read) == PART
    assert asked_for == [300, 300, 300, 100]


@pytest.mark.django_db(transaction=True)
def test_two_tabs_at_once_keep_each_part_once(bob, elsewhere, asked):
    # More would be told to come back, as the page does.
    begin_at_once = Semaphore(RARE.at_once)

    def upload_it(number):
        try:
            client = signed_in(bob)
            with begin_at_once:
                answer = begun(client, elsewhere)
            received = answer["received"]
            while received < len(elsewhere):
                part = send(client, answer["url"], elsewhere, received)
                assert part.status_code in (200, 409), part.content
                received = part.json()["received"]
            return client.post(f"{answer['url']}finish/").status_code, answer["url"]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as tabs:
        ended = list(tabs.map(upload_it, range(4)))
    assert {status for status, _ in ended} == {204} and len({url for _, url in ended}) == 1
    run = ImportRun.objects.get()
    with upload_parts.open_archive(run.archive) as file:
        assert hashlib.sha256(file.read()).digest() == hashlib.sha256(elsewhere).digest()
    asked.run("work_import")
    run.refresh_from_db()
    assert (run.state, run.clips) == ("done", 4)


# ---- What is refused before a byte is sent ------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "more"),
    [
        (b"no zip at all, however long", {}),
        (some_zip(), {"size": 0}),
        (some_zip(), {"size": "x"}),
        (some_zip(), {"size": 10**30}),
        (some_zip(150), {"size": 149}),
    ],
)
def test_what_is_no_zip_begins_nothing(client, data, more):
    assert "a ZIP made by Ray Studio" in said(begin(client, data, **more), 422)
    assert stored() == [] and not RateLimit.objects.exists()


def test_more_than_an_archive_may_have_is_refused_with_the_limit(client):
    sentence = said(begin(client, some_zip(), size=MOST_BYTES + 10**9), 422)
    assert sentence == "“winter.zip” has 537.9 GB; an archive may have at most 536.9 GB."
    assert stored() == []


def test_more_than_the_disk_has_room_for_is_refused_with_what_it_has(
    client, bob, settings, monkeypatch
):
    settings.DISK_LEAST_BYTES = 10**6
    monkeypatch.setattr(disk, "free_bytes", lambda: 10**6 + 5_000_000)
    begun(signed_in(make_person("Erin")), some_zip(3_000_000))
    sentence = said(begin(client, some_zip(), size=2_000_001), 507)
    assert sentence.startswith(
        "“winter.zip” has 2.0 MB, and the studio’s disk has room for 2.0 MB of uploads."
    )
    assert begin(client, some_zip(), size=2_000_000).status_code == 200


def test_room_is_kept_for_an_upload_that_goes_on_and_no_other(client, bob, settings, monkeypatch):
    settings.DISK_LEAST_BYTES = 10**6
    monkeypatch.setattr(disk, "free_bytes", lambda: 10**6 + 5_000_000)
    begun(signed_in(make_person("Erin")), some_zip(3_000_000))
    assert begin(client, some_zip(), size=2_000_001).status_code == 507
    later = timezone.now() + archive_uploads.ROOM_KEPT_FOR
    monkeypatch.setattr(archive_uploads.timezone, "now", lambda: later)
    assert begin(client, some_zip(), size=2_000_001).status_code == 200


def test_a_short_disk_takes_no_upload_and_no_part(client, settings):
    data = some_zip()
    url = begun(client, data)["url"]
    settings.DISK_LEAST_BYTES = 10**18
    assert "disk is nearly full" in said(send(client, url, data, 0), 507)
    assert "disk is nearly full" in said(begin(client, data, "other.zip"), 507)
    assert client.get(url).json() == {"received": 0}


def test_a_person_has_two_unfinished_uploads_at_most(client, monkeypatch):
    for name in ("one.zip", "two.zip"):
        begun(client, some_zip(), name)
    sentence = said(begin(client, some_zip(), "three.zip"), 422)
    assert sentence.startswith("2 uploads of yours are unfinished: “")
    assert "“one.zip”" in sentence and "“two.zip”" in sentence
    assert begin(client, some_zip(), "two.zip").status_code == 200
    assert begin(signed_in(make_person("Erin")), some_zip(), "three.zip").status_code == 200


def test_a_persons_unfinished_uploads_have_a_size_together(client, monkeypatch):
    monkeypatch.setattr(archive_uploads, "MAX_UNFINISHED_BYTES", 5000)
    begun(client, some_zip(3000), "one.zip")
    assert "would have 0.0 MB; at most 0.0 MB" in said(
        begin(client, some_zip(2001), "two.zip"), 422
    )
    assert begin(client, some_zip(2000), "two.zip").status_code == 200


def test_another_file_of_the_same_name_is_refused(client):
    data = some_zip()
    url = begun(client, data)["url"]
    send(client, url, data, 0)
    for other in (some_zip(3400), some_zip(last=b"!")):
        assert "28 % of another file named “winter.zip” is here" in said(begin(client, other), 422)
    assert client.post(f"{url}cancel/").status_code == 302
    assert begun(client, some_zip(3400))["received"] == 0


def test_fifty_uploads_are_begun_in_a_day(client, monkeypatch):
    monkeypatch.setattr(tally, "count_this_minute", lambda what: 0)
    for number in range(50):
        url = begun(client, some_zip(), f"{number}.zip")["url"]
        client.post(f"{url}cancel/")
    answer = begin(client, some_zip(), "more.zip")
    assert "50 archives imported are the most" in said(answer, 422)
    assert stored() == []


def test_a_form_is_no_upload(client):
    data = some_zip()
    url = begun(client, data)["url"]
    for address in (f"{BEGIN}?name=a.zip&size=10", f"{url}part/?offset=0"):
        for kind in ({}, {"content_type": "application/x-www-form-urlencoded"}):
            body = {"a": "b"} if not kind else "a=b"
            assert "Send the bytes themselves" in said(client.post(address, body, **kind), 415)


# ---- Who ---------------------------------------------------------------------------------------


def test_only_who_began_it_may_go_on(client):
    data = some_zip()
    url = begun(client, data)["url"]
    erin = signed_in(make_person("Erin"))
    assert erin.get(url).status_code == 404
    assert "not here any more" in said(send(erin, url, data, 0), 404)
    assert erin.post(f"{url}finish/").status_code == 404
    erin.post(f"{url}cancel/")
    assert client.get(url).json() == {"received": 0}
    assert "winter.zip" not in erin.get(PAGE).content.decode()
    assert begun(erin, data)["url"] != url


def test_who_may_not_import_leaves_no_byte(client, bob, monkeypatch):
    data = some_zip()
    url = begun(client, data)["url"]
    StudioSettings.objects.update_or_create(pk=1, defaults={"project_makers": "staff"})
    monkeypatch.setattr("django.test.client.FakePayload.read", unread)
    for answer in (
        begin(client, data, "other.zip"), send(client, url, data, 0), client.post(f"{url}finish/"),
        client.post(PAGE, data, content_type="multipart/form-data; boundary=x"),
    ):  # fmt: skip
        assert answer.status_code == 403
        assert "You may not make projects in this studio." in answer.content.decode()
    assert len(stored()) == 1
    # Into a project of others that they add to, they may.
    monkeypatch.undo()
    others = Project.objects.create(name="Winter", created_by=make_person("Erin"))
    membership = Membership.objects.create(project=others, user=bob, role="editor")
    assert client.post(f"{url}part/?offset=1", b"x", content_type=BYTES).status_code == 409
    Membership.objects.filter(pk=membership.pk).update(role="reviewer")
    assert client.post(f"{url}part/?offset=1", b"x", content_type=BYTES).status_code == 403


def unread(self, *args):
    raise AssertionError("the body was read")


def test_strangers_leave_no_byte(monkeypatch, bob):
    data = some_zip()
    url = begun(signed_in(bob), data)["url"]
    monkeypatch.setattr("django.test.client.FakePayload.read", unread)
    for answer in (begin(Client(), data), send(Client(), url, data, 0)):
        assert answer.status_code == 302 and answer["Location"].startswith("/login/")
    assert len(stored()) == 1


# ---- The end ------------------------------------------------------------------------------------


def test_it_is_not_finished_before_it_is_here(client):
    data = some_zip()
    url = begun(client, data)["url"]
    send(client, url, data, 0)
    answer = client.post(f"{url}finish/")
    assert (answer.status_code, answer.json()) == (409, {"received": PART})


def test_what_is_no_archive_is_removed(client):
    data = some_zip()
    url = begun(client, data)["url"]
    send_all(client, url, data)
    assert "not a ZIP archive" in said(client.post(f"{url}finish/"), 422)
    assert stored() == []


def test_a_file_that_changed_on_its_way_is_removed(client, elsewhere):
    url = begun(client, elsewhere)["url"]
    send_all(client, url, elsewhere[:-1] + b"!")
    assert "“winter.zip” has changed" in said(client.post(f"{url}finish/"), 422)
    assert stored() == [] and not ImportRun.objects.exists()


def test_a_storage_that_does_not_answer_costs_no_upload(client, elsewhere, monkeypatch):
    url = begun(client, elsewhere)["url"]
    send_all(client, url, elsewhere)
    with monkeypatch.context() as patch:
        patch.setattr(import_runs, "look_into", broken)
        assert client.post(f"{url}finish/").status_code == 422
    assert client.post(f"{url}finish/").status_code == 204


def broken(file):
    raise StudioError("This is not a ZIP archive, or it is cut short.") from OSError("away")


def test_a_project_that_is_archived_costs_no_upload(client, bob, elsewhere, asked):
    url = begun(client, elsewhere)["url"]
    send_all(client, url, elsewhere)
    client.post(f"{url}finish/")
    asked.run("work_import")
    Project.objects.filter(created_by=bob).update(archived_at=timezone.now())
    url = begun(client, elsewhere)["url"]
    send_all(client, url, elsewhere)
    assert "is archived. Bring it back" in said(client.post(f"{url}finish/"), 422)
    Project.objects.update(archived_at=None)
    assert begun(client, elsewhere)["received"] == len(elsewhere)
    assert client.post(f"{url}finish/").status_code == 204


def test_cancelling_removes_what_is_here(client, elsewhere):
    url = begun(client, elsewhere)["url"]
    send(client, url, elsewhere, 0)
    page = client.post(f"{url}cancel/", follow=True).content.decode()
    assert "The upload of “winter.zip” was cancelled." in page and stored() == []
    assert client.post(f"{url}cancel/", headers={"HX-Request": "true"}).status_code == 404
    url = begun(client, elsewhere)["url"]
    send_all(client, url, elsewhere)
    client.post(f"{url}finish/")
    page = client.post(f"{url}cancel/", follow=True).content.decode()
    assert "“winter.zip” is being imported already." in page
    assert len(stored()) > 5


# ---- What nobody goes on with ---------------------------------------------------------------------


def test_an_upload_nobody_goes_on_with_is_removed_after_a_day(client, bob, elsewhere, asked):
    urls = [begun(client, some_zip(), name)["url"] for name in ("old.zip", "young.zip")]
    for url in urls:
        send(client, url, some_zip(), 0)
    old = next(upload for upload in archive_uploads.unfinished(bob) if upload.name == "old.zip")
    make_old(old.folder, LIFE + timedelta(minutes=1))
    # An import's archive stays for as long as it takes, and what a killed request left does not.
    client.post(f"{urls[1]}cancel/")
    url = begun(client, elsewhere)["url"]
    send_all(client, url, elsewhere)
    client.post(f"{url}finish/")
    waiting = ImportRun.objects.get().archive
    make_old(waiting, LIFE * 3)
    stray = upload_parts.folder_of(bob.pk, old.code).replace(str(old.code)[:4], "0000")
    default_storage.save(f"{stray}/000003.part", default_storage.open(stored()[0]))
    make_old(stray, LIFE * 3)

    report = clear_up()

    heap = next(heap for heap in report.heaps if heap.part.name == "unfinished uploads")
    assert sorted(thing.name for thing in heap.things) == sorted([old.folder, stray])
    assert heap.bytes > PART and list(upload_parts.folders()) == [waiting]
    asked.run("work_import")
    assert ImportRun.objects.get().state == "done" and list(upload_parts.folders()) == []


def test_an_upload_that_goes_on_is_not_removed(client, bob):
    data = some_zip()
    url = begun(client, data)["url"]
    make_old(archive_uploads.unfinished(bob)[0].folder, LIFE * 3)
    send(client, url, data, 0)
    clear_up()
    assert client.get(url).json() == {"received": PART}
