"""What is wrong with a backup is a sentence, and a restore that fails leaves everything as it was."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import re
import stat
import zipfile

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import UniqueConstraint
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from studio.models import Comment, Generation, ProviderAccount, Tag, User
from studio.services.errors import StudioError
from studio.services.exchange import backup_reading, kept_backups, restored_media, restoring
from studio.services.exchange.backups import restore_backup, verify_backup, write_backup
from studio.services.exchange.folded_names import FOLDED
from studio.settings import kept_secret
from tests.factories import make_comment, make_generation, make_project, make_user
from tests.test_backup import cast, changed, changed_manifest, checksums, files

__all__ = ["cast"]

pytestmark = pytest.mark.django_db
LINE_ENDS = "\u2028 \u2029 \u0085 \x0b \x0c \x1c \x1d \x1e \r \r\n \n end"


@pytest.fixture(autouse=True)
def apart(settings, tmp_path):
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()


# ---- Texts ------------------------------------------------------------------------------------


def test_no_character_of_a_text_ends_a_row(cast, tmp_path):
    clip = Generation.objects.first()
    comment = make_comment(clip, cast.carol, f"Darker{LINE_ENDS}")
    Generation.objects.filter(pk=clip.pk).update(prompt=LINE_ENDS, raw_answer={"a": LINE_ENDS})
    Generation.objects.filter(state="queued").update(held=True, waiting_text=restoring.HELD)
    before = checksums()
    write_backup(tmp_path / "b.tar")
    call_command("restore", str(tmp_path / "b.tar"), "--check")
    restore_backup(tmp_path / "b.tar", replace=True)
    assert Comment.objects.get(pk=comment.pk).text == f"Darker{LINE_ENDS}"
    assert checksums() == before


# What no database of the studio takes as text: halves of characters; PostgreSQL also NUL.
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    | st.sampled_from([*LINE_ENDS, "\ufeff", "\ufffe", "\U0010ffff", "\u202e", '"', "\\", "}"]),
    max_size=300,
)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)


@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS, raw=st.dictionaries(TEXTS, JSONS, max_size=4))
def test_hostile_texts_come_back_as_they_were(tmp_path, text, raw):
    people = User.objects.all()
    owner = people.first() or make_user("Owner")
    project = (
        owner.memberships.first().project if owner.memberships.exists() else make_project(owner)
    )
    Generation.objects.all().delete()
    clip = make_generation(project, prompt=text, state="failed", raw_answer=raw)
    path = tmp_path / "hostile.tar"
    write_backup(path)
    restore_backup(path, replace=True)
    again = Generation.objects.get(pk=clip.pk)
    assert (again.prompt, again.raw_answer) == (text, raw)


def test_a_very_long_text_comes_back(cast, tmp_path):
    long = "北\u2028" * 2_000_000
    Generation.objects.filter(number=1).update(prompt=long)
    write_backup(tmp_path / "b.tar")
    restore_backup(tmp_path / "b.tar", replace=True)
    assert Generation.objects.get(number=1).prompt == long


def rewritten_row(tmp_path, label, edit):
    """Change the first row of a table, with a manifest that agrees."""
    sums = {}

    def table(name, data):
        if name != f"tables/{label}.jsonl.gz":
            return data
        lines = gzip.decompress(data).split(b"\n")
        row = json.loads(lines[0])
        edit(row)
        plain = b"\n".join([json.dumps(row).encode(), *lines[1:]])
        sums["sha256"] = hashlib.sha256(plain).hexdigest()
        return gzip.compress(plain)

    changed(tmp_path / "b.tar", tmp_path / "edited.tar", table)
    (tmp_path / "b.tar").write_bytes((tmp_path / "edited.tar").read_bytes())

    def agree(manifest):
        name = next(name for name in manifest["tables"] if name.lower() == label)
        manifest["tables"][name] |= sums

    return changed_manifest(tmp_path, agree)


BAD_ROWS = [
    ("studio.generation", "prompt", "half \ud800", "half a character"),
    ("studio.generation", "prompt", None, "“prompt” is empty and must not be"),
    ("studio.generation", "duration_s", "five", "Row 1 of studio.generation"),
    ("studio.generation", "created_at", "yesterday", "Row 1 of studio.generation"),
    ("studio.generation", "project", 987654, "studio.project 987654, which is not in it"),
    ("studio.generation", "by", ["nobody@example.com"], "nobody@example.com.*which is not there"),
    ("studio.generation", "colour", "red", "a field “colour” that this table does not have"),
    ("studio.tag", "generations", [987654], "studio.generation 987654, which is not in it"),
    ("studio.tag", "generations", 7, "“generations” must be a list"),
]


@pytest.mark.parametrize(("label", "field", "value", "words"), BAD_ROWS)
def test_a_row_that_cannot_be_restored_is_named_by_the_check(
    cast, tmp_path, label, field, value, words
):
    write_backup(tmp_path / "b.tar")
    bad = rewritten_row(tmp_path, label, lambda row: row["fields"].update({field: value}))
    before = checksums()
    with pytest.raises(CommandError, match=words):
        call_command("restore", str(bad), "--check")
    with pytest.raises(CommandError, match=words):
        call_command("restore", str(bad), "--replace")
    assert checksums() == before


def test_what_postgresql_cannot_store_is_left_out_and_counted(cast, tmp_path, capsys):
    write_backup(tmp_path / "b.tar")
    answer = {"\0key": ["a\0b", "half \ud800"], "n": 1}
    odd = rewritten_row(
        tmp_path,
        "studio.generation",
        lambda row: row["fields"].update(prompt="a\0b", raw_answer=answer),
    )
    call_command("restore", str(odd), "--replace")
    clip = Generation.objects.order_by("pk").first()
    if connection.vendor == "postgresql":
        assert (clip.prompt, clip.raw_answer) == ("ab", {"key": ["ab", "half \ufffd"], "n": 1})
        assert "1 rows hold characters that PostgreSQL cannot store" in capsys.readouterr().err
    else:
        assert (clip.prompt, clip.raw_answer) == ("a\0b", answer)


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no widths")
@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("title", "x" * 121, "121 characters long"), ("number", 2**31, "PostgreSQL takes")],
)
def test_what_postgresql_has_no_room_for_is_named_by_the_check(cast, tmp_path, field, value, words):
    write_backup(tmp_path / "b.tar")
    odd = rewritten_row(
        tmp_path, "studio.generation", lambda row: row["fields"].update({field: value})
    )
    with pytest.raises(StudioError, match=words):
        verify_backup(odd)


def test_every_name_that_is_unique_without_case_is_followed():
    found = {
        model._meta.label_lower
        for model in apps.get_app_config("studio").get_models()
        for one in model._meta.constraints
        if isinstance(one, UniqueConstraint) and "Lower" in str(one.expressions)
    }
    # Of tags and views the folded name is unique now; in older backups it is theirs.
    assert found == set(FOLDED) - {"studio.tag", "studio.savedview"}


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="PostgreSQL folds every script")
def test_two_names_that_differ_in_case_alone_both_come_in(cast, tmp_path, capsys):
    project = Generation.objects.first().project
    Tag.objects.create(project=project, name="über")
    write_backup(tmp_path / "b.tar")
    odd = rewritten_row(tmp_path, "studio.tag", lambda row: row["fields"].update(name="Über"))
    call_command("restore", str(odd), "--check")
    assert "“über” is “über (2)” here: there is “Über” too." in capsys.readouterr().err
    call_command("restore", str(odd), "--replace")
    assert sorted(Tag.objects.values_list("name", flat=True)) == ["Über", "über (2)"]


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="PostgreSQL folds every script")
def test_two_accounts_whose_addresses_differ_in_case_alone_are_named_by_the_check(cast, tmp_path):
    User.objects.create_user("übrig@example.com", "a password of length", name="U")
    first = User.objects.order_by("pk").first()
    assert first.email != "übrig@example.com"
    write_backup(tmp_path / "b.tar")
    odd = rewritten_row(
        tmp_path, "studio.user", lambda row: row["fields"].update(email="Übrig@example.com")
    )
    with pytest.raises(StudioError, match="“Übrig@example.com”; PostgreSQL takes one of the two"):
        verify_backup(odd)


# ---- Files that are no whole backup -------------------------------------------------------------


def without(key):
    return lambda manifest: manifest.pop(key)


def replaced(key, value):
    return lambda manifest: manifest.update({key: value})


MANIFESTS = [
    (without("tables"), "lacks a readable “tables”"),
    (without("files"), "lacks a readable “files”"),
    (without("migrations"), "lacks a readable “migrations”"),
    (without("version"), "lacks a readable “version”"),
    (without("format"), "its manifest is missing"),
    (replaced("version", "one"), "lacks a readable “version”"),
    (replaced("version", 2), "made by a newer Ray Studio"),
    (replaced("missing", [1]), "lacks a readable “missing”"),
    (replaced("tables", {"studio.Generation": 4}), "“studio.Generation” has no “rows”"),
    (replaced("migrations", []), "lacks migrations of its tables"),
    (lambda m: m["tables"].pop("studio.Tag"), "it has no table studio.tag"),
    (lambda m: m["tables"].update({"studio.Odd": m["tables"]["studio.Tag"]}), "unknown table"),
    (lambda m: m["tables"]["studio.Tag"].update(rows=9), "has 1 rows; 9 are listed"),
    (lambda m: m["tables"]["studio.Tag"].update(sha256="0"), "damaged: its checksum"),
    (lambda m: m["files"].update({"x.mp4": {"bytes": 1, "sha256": "0"}}), "x.mp4 is missing"),
    (lambda m: m["files"].update({"../x": {"bytes": 1, "sha256": "0"}}), "no name of a file"),
    (lambda m: m["files"].popitem(), "not listed in its manifest"),
    (lambda m: m["files"].update({k: v | {"bytes": 1} for k, v in m["files"].items()}), "damaged"),
]


@pytest.mark.parametrize(("change", "words"), MANIFESTS)
def test_a_manifest_that_is_wrong_is_said(cast, tmp_path, change, words):
    write_backup(tmp_path / "b.tar")
    bad = changed_manifest(tmp_path, change)
    before = checksums()
    for option in ("--check", "--replace"):
        with pytest.raises(CommandError, match=words) as refused:
            call_command("restore", str(bad), option)
        assert "Nothing was changed." in str(refused.value)
    assert checksums() == before


def test_every_cut_of_a_backup_is_refused(cast, tmp_path):
    write_backup(tmp_path / "b.tar")
    whole = (tmp_path / "b.tar").read_bytes()
    cut = tmp_path / "cut.tar"
    for eighth in range(8):
        cut.write_bytes(whole[: len(whole) * eighth // 8 + 17 * eighth])
        with pytest.raises(CommandError, match="Nothing was changed"):
            call_command("restore", str(cut), "--check")


def test_other_files_are_refused_with_a_sentence(tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("manifest.json", "{}")
    packed = tmp_path / "b.tar.gz"
    packed.write_bytes(gzip.compress(b"x" * 20_000))
    for path in (archive, packed):
        with pytest.raises(CommandError, match="cannot be read as a backup"):
            call_command("restore", str(path), "--check")
    with pytest.raises(CommandError, match="There is no file"):
        call_command("restore", str(tmp_path), "--check")


def test_a_member_that_is_there_twice_is_refused(cast, tmp_path):
    write_backup(tmp_path / "b.tar")
    seen = []

    def twice(name, data):
        seen.append((name, data))
        return data

    changed(tmp_path / "b.tar", tmp_path / "x.tar", twice)
    import io
    import tarfile

    name, data = next(pair for pair in seen if pair[0].startswith("media/"))
    with tarfile.open(tmp_path / "x.tar", "a") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    with pytest.raises(StudioError, match="is in the backup twice"):
        verify_backup(tmp_path / "x.tar")


def test_a_key_file_that_cannot_be_read_is_a_sentence(tmp_path):
    from django.core.exceptions import ImproperlyConfigured

    (tmp_path / "secret_key").mkdir()
    with pytest.raises(
        ImproperlyConfigured, match="It must belong to the user that runs the studio"
    ):
        kept_secret(tmp_path / "secret_key")


def test_another_encryption_key_is_said_and_the_rest_comes_back(cast, tmp_path, settings, capsys):
    write_backup(tmp_path / "b.tar")
    settings.ENCRYPTION_KEYS = ["another"]
    call_command("restore", str(tmp_path / "b.tar"), "--check")
    assert "keys of 1 provider accounts cannot be decrypted" in capsys.readouterr().err
    call_command("restore", str(tmp_path / "b.tar"), "--replace")
    assert "keys of 1 provider accounts cannot be decrypted" in capsys.readouterr().err
    assert ProviderAccount.objects.get(provider="luma").key_locked


# ---- All or nothing -----------------------------------------------------------------------------


def all_files(settings):
    root = settings.MEDIA_ROOT
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.mark.parametrize("at", ["media", "rows", "end"])
def test_a_full_disk_leaves_rows_and_files_as_they_were(cast, tmp_path, settings, monkeypatch, at):
    write_backup(tmp_path / "b.tar")
    first, second, *_ = sorted(files())
    default_storage.delete(first)
    default_storage.save(second, ContentFile(b"of now"))
    Comment.objects.all().delete()
    rows, media = checksums(), all_files(settings)
    calls = []

    def full(*args, **options):
        calls.append(1)
        raise OSError(errno.ENOSPC, "No space left on device")

    owner, name = {
        "media": (restored_media, "keep"),
        "rows": (restoring, "_insert"),
        "end": (restoring, "_stop_buying"),
    }[at]
    monkeypatch.setattr(owner, name, full)
    with pytest.raises(CommandError, match="The disk is full.*Nothing was changed"):
        call_command("restore", str(tmp_path / "b.tar"), "--replace")
    assert calls and checksums() == rows and all_files(settings) == media
    assert not (settings.DATA_DIR / restored_media.JOURNAL).exists()
    assert not list((settings.DATA_DIR / "tmp").iterdir())


def test_a_file_of_now_with_other_content_gives_way_after_the_rows_are_back(
    cast, tmp_path, settings
):
    write_backup(tmp_path / "b.tar")
    media = files()
    for name in media:
        default_storage.save(name, ContentFile(b"of now"))
    restore_backup(tmp_path / "b.tar", replace=True)
    assert files() == media
    assert set(all_files(settings)) == set(media), "nothing is left beside them"


def test_the_files_of_a_killed_restore_are_cleared_up(cast, tmp_path, settings):
    kept = next(iter(files()))
    for name in ("projects/x/late.mp4", "projects/x/late-2.mp4"):
        default_storage.save(name, ContentFile(b"x"))
    journal = settings.DATA_DIR / restored_media.JOURNAL
    names = ["projects/x/late.mp4", kept, "projects/gone.mp4"]
    journal.write_text("".join(f"{json.dumps(name)}\n" for name in names) + '"projects/x/la')
    restored_media.clear_up_after_restore()
    assert not default_storage.exists("projects/x/late.mp4")
    assert default_storage.exists(kept) and default_storage.exists("projects/x/late-2.mp4")
    assert not journal.exists()


def test_who_is_signed_in_does_not_stop_a_restore(cast, tmp_path):
    client = Client()
    client.force_login(cast.alice)
    client.get("/")
    write_backup(tmp_path / "b.tar")
    restore_backup(tmp_path / "b.tar", replace=True)
    assert not Session.objects.exists()


def test_permissions_come_back_by_their_names(cast, tmp_path):
    group = Group.objects.create(name="Producers")
    group.permissions.set(Permission.objects.filter(codename__in=["view_price", "change_price"]))
    cast.bob.groups.add(group)
    cast.carol.user_permissions.set(Permission.objects.filter(codename="view_price"))
    write_backup(tmp_path / "b.tar")
    report = restore_backup(tmp_path / "b.tar", replace=True)
    assert not report.left_out
    names = Group.objects.get().permissions.values_list("codename", flat=True)
    assert sorted(names) == ["change_price", "view_price"]
    assert User.objects.get(name="Bob").has_perm("studio.change_price")
    assert User.objects.get(name="Carol").has_perm("studio.view_price")


def test_an_address_in_capitals_comes_back(cast, tmp_path):
    User.objects.filter(pk=cast.bob.pk).update(email="Bob@Example.com")
    write_backup(tmp_path / "b.tar")
    restore_backup(tmp_path / "b.tar", replace=True)
    assert User.objects.get(pk=cast.bob.pk).email == "Bob@Example.com"


# ---- The command `backup` -----------------------------------------------------------------------


def test_a_backup_is_for_its_owner_alone(cast, tmp_path):
    write_backup(tmp_path / "b.tar")
    assert stat.S_IMODE((tmp_path / "b.tar").stat().st_mode) == 0o600


def test_a_backup_that_would_not_restore_is_not_made(cast, tmp_path, monkeypatch):
    def wrong(self):
        raise StudioError("Row 1 of studio.tag in the backup cannot be read: it is odd.")

    (tmp_path / "b.tar").write_bytes(b"of yesterday")
    monkeypatch.setattr(backup_reading.Backup, "check", wrong)
    with pytest.raises(CommandError, match="The backup was not written: Row 1 of studio.tag"):
        call_command("backup", str(tmp_path / "b.tar"), "--force")
    assert (tmp_path / "b.tar").read_bytes() == b"of yesterday"
    assert [p.name for p in tmp_path.glob(".*")] == []


def test_a_full_disk_stops_a_backup_with_a_sentence(cast, tmp_path, monkeypatch):
    from studio.services.exchange import backups

    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(backups, "_add_file", full)
    with pytest.raises(CommandError, match="could not be written: the disk is full"):
        call_command("backup", str(tmp_path / "b.tar"))
    assert not list(tmp_path.glob("*.tar*")) and not list(tmp_path.glob(".*"))


def test_the_newest_stay_and_nothing_else_is_removed(cast, tmp_path):
    folder = tmp_path / "backups"
    folder.mkdir()
    foreign = ["ray-studio-2020-01-01-000000.tar", "notes.txt", "before-migrating-2020-01-01.tar"]
    for name in foreign:
        (folder / name).write_bytes(b"somebody's")
    made = []
    for _ in range(4):
        path, _, removed = kept_backups.write_and_rotate(folder, keep=2)
        made.append(path.name)
    assert removed == [made[1]]
    there = {path.name for path in folder.iterdir()} - {kept_backups.LIST}
    assert there == {*foreign, made[2], made[3]}
    assert re.fullmatch(r"ray-studio-\d{4}-\d\d-\d\d-\d{6}(-\d)?\.tar", made[3])


def test_a_backup_that_somebody_replaced_is_not_removed(cast, tmp_path):
    first, _, _ = kept_backups.write_and_rotate(tmp_path, keep=1)
    first.write_bytes(b"mine now")
    kept_backups.write_and_rotate(tmp_path, keep=1)
    assert first.read_bytes() == b"mine now"


def test_without_a_readable_list_nothing_is_removed(cast, tmp_path):
    first, _, _ = kept_backups.write_and_rotate(tmp_path, keep=1)
    (tmp_path / kept_backups.LIST).write_text('["../../x"')
    kept_backups.write_and_rotate(tmp_path, keep=1)
    assert first.exists()


def test_what_a_killed_backup_left_is_removed_by_the_next(cast, tmp_path, monkeypatch):
    left = tmp_path / ".ray-studio-2020-01-01-000000.tar.part"
    left.write_bytes(b"half")
    other = tmp_path / ".other.part"
    other.write_bytes(b"somebody's")
    (tmp_path / kept_backups.LIST).write_text(json.dumps({left.name: 0}))
    kept_backups.write_and_rotate(tmp_path, keep=3)
    assert not left.exists() and other.exists()


def test_the_command_keeps_so_many(cast, tmp_path, settings, capsys):
    call_command("backup", "--keep", "1")
    first = capsys.readouterr().out.strip()
    call_command("backup", "--keep", "1")
    out = capsys.readouterr()
    assert first.startswith(str(settings.DATA_DIR / "backups"))
    assert f"Removed, older than the newest 1: {first.rpartition('/')[2]}" in out.err
    with pytest.raises(CommandError, match="There is no folder"):
        call_command("backup", "--keep", "1", str(tmp_path / "none"))
    with pytest.raises(CommandError, match="is not a whole number from 1"):
        call_command("backup", "--keep", "0")
    with pytest.raises(CommandError, match="Name the file to write"):
        call_command("backup")
    with pytest.raises(CommandError, match="is a folder"):
        call_command("backup", str(tmp_path))


def test_rows_alone_come_back_beside_the_files_of_now(cast, tmp_path, settings, capsys):
    media = files()
    report = write_backup(tmp_path / "b.tar", media=False)
    assert (report.files, report.missing) == (0, [])
    call_command("restore", str(tmp_path / "b.tar"), "--check")
    assert "no media files (rows only)" in capsys.readouterr().out
    Comment.objects.all().delete()
    restore_backup(tmp_path / "b.tar", replace=True)
    assert Comment.objects.exists() and files() == media


def test_the_help_names_the_key_file_as_it_is_called(settings):
    from studio.management.commands.backup import Command

    assert "encryption_key" in Command.help and "encryption.key" not in Command.help
