"""A backup holds every row and every file, is refused when a byte is wrong, and restores whole."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import models

from studio import ledger
from studio.models import (
    Chain,
    Comment,
    Generation,
    Membership,
    Project,
    ProviderAccount,
    Segment,
    Tag,
    User,
)
from studio.services.accounts import ensure_accounts
from studio.services.errors import StudioError
from studio.services.exchange import backups
from studio.services.exchange.backups import restore_backup, verify_backup, write_backup
from tests.factories import make_comment, make_generation, make_still
from tests.people import make_cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    """A small studio with a bit of everything in it."""
    ensure_accounts()
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
        for row in model._base_manager.order_by("pk").values_list():
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


def test_a_backup_of_other_tables_is_refused(cast, tmp_path, monkeypatch):
    write_backup(tmp_path / "b.tar")
    monkeypatch.setattr(backups, "_migrations", lambda: ["studio.0099_later"])
    with pytest.raises(StudioError, match="another version of the tables"):
        restore_backup(tmp_path / "b.tar", replace=True)


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
