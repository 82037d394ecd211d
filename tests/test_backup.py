"""A backup holds every row and every file, is refused when a byte is wrong, and restores whole."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import models
from django.utils import timezone

from studio import ledger, lifecycle
from studio.models import (
    BulkRun,
    Chain,
    Comment,
    Generation,
    Membership,
    Project,
    ProviderAccount,
    Segment,
    StudioSettings,
    Tag,
    User,
)
from studio.services.accounts import ensure_accounts
from studio.services.errors import StudioError
from studio.services.exchange import backups
from studio.services.exchange.backups import restore_backup, verify_backup, write_backup
from studio.services.work import failover, recovery
from tests.factories import make_comment, make_generation, make_still
from tests.people import make_cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    """A small studio with a bit of everything in it."""
    ensure_accounts()
    StudioSettings.load()
    cast = make_cast()
    account, _ = ProviderAccount.objects.get_or_create(provider="luma", label="")
    account.set_key("luma-secret-key")
    account.save()
    first = make_generation(cast.project, files=True, title="Første 朝 🌅")
    second = make_generation(cast.project, files=True, start_generation=first)
    paid = make_generation(
        cast.project, state="queued", provider="luma", model="ray-2", account=account,
        estimated_microusd=710_000,
    )  # fmt: skip
    ledger.reserve([paid])
    make_still(cast.project)
    said = make_comment(first, cast.carol)
    said.mentions.set([cast.alice, cast.bob])
    Comment.objects.create(generation=first, author=cast.bob, text="Yes.", parent=said)
    chain = Chain.objects.create(project=cast.project, title="Night", created_by=cast.alice)
    for position, clip in enumerate((first, second)):
        Segment.objects.create(chain=chain, position=position, generation=clip)
    Tag.objects.create(project=cast.project, name="night").generations.set([first, second])
    return cast


def checksums():
    """A checksum of every row of every table, the links between tables too."""
    found = {}
    for model in backups.backed_up_models():
        digest = hashlib.sha256()
        names = [one.attname for one in model._meta.concrete_fields if one.name != "restored_at"]
        for row in model._base_manager.order_by("pk").values_list(*names):
            digest.update(repr(row).encode())
        found[model.__name__] = digest.hexdigest()
        for many in model._meta.many_to_many:
            through = many.remote_field.through
            names = [f.attname for f in through._meta.concrete_fields if not f.primary_key]
            rows = sorted(map(repr, through._base_manager.values_list(*names)))
            found[through.__name__] = hashlib.sha256("".join(rows).encode()).hexdigest()
    return found


def files():
    names = [
        name
        for model in backups.backed_up_models()
        for one in model._meta.concrete_fields
        if isinstance(one, models.FileField)
        for name in model._base_manager.exclude(**{one.name: ""}).values_list(one.name, flat=True)
    ]
    return {name: hashlib.sha256(default_storage.open(name).read()).hexdigest() for name in names}


def changed(source, target, change):
    """Copy a backup; `change` gets each member's name and bytes, and returns them or None to leave out."""
    with tarfile.open(source) as tar, tarfile.open(target, "w") as out:
        for member in tar:
            data = change(member.name, tar.extractfile(member).read())
            if data is not None:
                member.size = len(data)
                out.addfile(member, io.BytesIO(data))
    return target


def changed_manifest(folder, change):
    def edit(name, data):
        if name != "manifest.json":
            return data
        manifest = json.loads(data)
        change(manifest)
        return json.dumps(manifest).encode()

    return changed(folder / "b.tar", folder / "changed.tar", edit)


def test_every_row_and_file_comes_back(cast, tmp_path):
    path = tmp_path / "studio.tar"
    Generation.objects.filter(state="queued").update(held=True, waiting_text=backups.HELD)
    rows, media = checksums(), files()
    report = write_backup(path)
    assert (report.files, report.missing) == (len(media), [])
    assert len(media) >= 9
    assert not list(tmp_path.glob(".*.part"))
    Comment.objects.all().delete()
    Segment.objects.all().delete()
    Generation.objects.update(title="Changed", prompt="Changed")
    User.objects.create_user("late@example.com", "x", name="Late")
    for name in media:
        default_storage.delete(name)
    restored = restore_backup(path, replace=True)
    assert (restored.rows, restored.files) == (report.rows, report.files)
    assert checksums() == rows
    assert files() == media


def test_what_is_made_after_a_restore_gets_a_key_of_its_own(cast, tmp_path):
    write_backup(tmp_path / "b.tar")
    restore_backup(tmp_path / "b.tar", replace=True)
    highest = max(Generation.objects.values_list("pk", flat=True))
    assert make_generation(Project.objects.get()).pk > highest


def test_shots_that_waited_for_a_paid_provider_are_held(cast, tmp_path):
    write_backup(tmp_path / "b.tar")
    report = restore_backup(tmp_path / "b.tar", replace=True)
    (shot,) = Generation.objects.filter(state="queued")
    assert (report.held, shot.held) == (1, True)
    assert "may have been sent" in shot.waiting_text


def paid_shot(cast, **fields):
    account = ProviderAccount.objects.get(provider="luma")
    return make_generation(
        cast.project, provider="luma", model="ray-2", account=account, resolution="720p", **fields
    )


def test_a_shot_that_was_about_to_be_sent_is_held_too(cast, tmp_path):
    shot = paid_shot(cast, state="submitting", lease_token="gone", attempts=0)
    left = paid_shot(cast, state="submitting", lease_token="gone", raw_status=lifecycle.SENDING)
    write_backup(tmp_path / "b.tar")
    assert restore_backup(tmp_path / "b.tar", replace=True).held == 2
    recovery.revive()
    row = Generation.objects.get(pk=shot.pk)
    assert (row.state, row.held) == ("queued", True)
    assert "may have been sent" in row.waiting_text
    assert Generation.objects.get(pk=left.pk).state == "uncertain"


def test_nothing_asked_for_before_a_restore_goes_on_to_another_provider_by_itself(
    cast, tmp_path, monkeypatch
):
    """It may have gone on there after the backup was made."""
    other, _ = ProviderAccount.objects.get_or_create(provider="gmicloud", label="")
    other.set_key("gmi-secret-key")
    other.save()
    Project.objects.filter(pk=cast.project.pk).update(failover_microusd=10**9, all_accounts=True)
    failed = {"state": "failed", "failure_code": "capacity", "charged": "no"}
    ended = paid_shot(cast, **failed, finished_at=timezone.now() - timedelta(minutes=5))
    under_way = paid_shot(cast, state="running", provider_job_id="job-1")
    write_backup(tmp_path / "b.tar")
    restore_backup(tmp_path / "b.tar", replace=True)
    assert failover.ask_again(timezone.now()) == 0
    Generation.objects.filter(pk=under_way.pk).update(**failed, finished_at=timezone.now())
    for shot in (ended, under_way):
        assert "before a backup was put back" in failover.fail_over_by_itself(shot.pk)
        assert failover.can_fail_over(Generation.objects.get(pk=shot.pk)), "a person may choose"
    later = paid_shot(cast, **failed, finished_at=timezone.now() - timedelta(minutes=5))
    assert failover.ask_again(timezone.now()) == 1
    assert failover.fail_over_by_itself(later.pk).startswith("goes on")


def test_retrying_many_shots_does_not_go_on_after_a_restore(cast, tmp_path):
    fields = {"project": cast.project, "by": cast.bob, "params": {"agreed": 9, "spent": 0}}
    retrying = BulkRun.objects.create(action="retry", state="running", **fields)
    marking = BulkRun.objects.create(action="archive", state="running", **fields)
    write_backup(tmp_path / "b.tar")
    restore_backup(tmp_path / "b.tar", replace=True)
    retrying.refresh_from_db()
    assert (retrying.state, retrying.lease_until) == ("failed", None)
    assert "put back" in retrying.failure_text
    marking.refresh_from_db()
    assert marking.state == "running"


def test_a_studio_with_people_in_it_is_not_overwritten_by_mistake(cast, tmp_path):
    write_backup(tmp_path / "b.tar")
    before = checksums()
    with pytest.raises(StudioError, match="--replace"):
        restore_backup(tmp_path / "b.tar")
    assert checksums() == before


def test_an_empty_studio_takes_it_without_being_told_twice(cast, tmp_path):
    write_backup(tmp_path / "b.tar")
    rows = checksums()["Membership"]
    for model in reversed(backups.backed_up_models()):
        backups._empty(model)
    restore_backup(tmp_path / "b.tar")
    assert checksums()["Membership"] == rows
    assert Membership.objects.count() == 3


def test_keys_are_in_it_only_encrypted(cast, tmp_path):
    path = tmp_path / "b.tar"
    write_backup(path)
    with tarfile.open(path) as tar:
        packed = tar.extractfile("tables/studio.provideraccount.jsonl.gz").read()
    assert b"luma-secret-key" not in gzip.decompress(packed)
    restore_backup(path, replace=True)
    assert ProviderAccount.objects.get(provider="luma").reveal_key() == "luma-secret-key"


@pytest.mark.parametrize("where", ["tables/studio.generation.jsonl.gz", "media/"])
def test_a_damaged_backup_is_refused_and_nothing_changes(cast, tmp_path, where):
    path, broken = tmp_path / "b.tar", tmp_path / "broken.tar"
    write_backup(path)
    with tarfile.open(path) as tar, tarfile.open(broken, "w") as out:
        hit = False
        for member in tar:
            data = bytearray(tar.extractfile(member).read())
            if member.name.startswith(where) and not hit:
                data[len(data) // 2] ^= 0xFF
                hit = True
            out.addfile(member, io.BytesIO(bytes(data)))
    assert hit
    before = checksums()
    with pytest.raises(StudioError):
        restore_backup(broken, replace=True)
    assert checksums() == before


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "cannot be read|not a whole backup"), (b"hello" * 400, "cannot be read")],
)
def test_what_is_no_backup_is_said(tmp_path, content, words):
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    with pytest.raises(StudioError, match=words):
        verify_backup(path)


def test_half_a_backup_is_refused(cast, tmp_path):
    path = tmp_path / "b.tar"
    write_backup(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(StudioError):
        verify_backup(path)


def test_a_backup_of_newer_tables_is_refused(cast, tmp_path):
    write_backup(tmp_path / "b.tar")
    newer = changed_manifest(tmp_path, lambda m: m["migrations"].append("studio.9999_later"))
    with pytest.raises(StudioError, match="made by a newer Ray Studio.*studio.9999_later"):
        restore_backup(newer, replace=True)


def test_a_file_that_is_gone_is_named_and_the_rest_is_kept(cast, tmp_path):
    lost = Generation.objects.exclude(clip="").first().clip.name
    default_storage.delete(lost)
    report = write_backup(tmp_path / "b.tar")
    assert report.missing == [lost]
    assert verify_backup(tmp_path / "b.tar")["missing"] == [lost]


def test_the_commands_write_check_and_restore(cast, tmp_path, capsys):
    path = tmp_path / "b.tar"
    call_command("backup", str(path))
    out = capsys.readouterr()
    assert Path(out.out.strip()) == path.resolve()
    assert "written and read back" in out.err
    with pytest.raises(CommandError, match="already"):
        call_command("backup", str(path))
    call_command("restore", str(path), "--check")
    assert "Whole:" in capsys.readouterr().out
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("restore", str(path))
    call_command("restore", str(path), "--replace")
    assert "1 shots" in capsys.readouterr().out
    with pytest.raises(CommandError, match="There is no file"):
        call_command("restore", str(tmp_path / "none.tar"))


def test_the_manifest_counts_every_row(cast, tmp_path):
    report = write_backup(tmp_path / "b.tar")
    with tarfile.open(tmp_path / "b.tar") as tar:
        manifest = json.load(tar.extractfile("manifest.json"))
    assert sum(table["rows"] for table in manifest["tables"].values()) == report.rows
    assert manifest["tables"]["studio.Generation"]["rows"] == Generation.objects.count()
