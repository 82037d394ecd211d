"""`manage.py backup`, `restore` and `prepare` as processes: other versions, other databases, kills, full disks."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError
from django.db import connection

from studio.launcher import lock
from studio.services.exchange import kept_backups, restored_media
from tests.processes import ROOT, fresh_database, run_manage, studio_environment

pytestmark = pytest.mark.processes
FIXTURE = ROOT / "tests" / "fixtures" / "studio-cfae6a0.tar"
KEY = "fixture-key-1"
LATER = {"DJANGO_SETTINGS_MODULE": "tests.later_settings"}
# What a start makes anew or looks up again; everything else is compared.
NOT_COMPARED = {"studio.ProviderAccount", "studio.Price"}


@dataclass
class Home:
    """A data folder and a database, for manage.py."""

    folder: Path
    database: dict[str, str]
    name: str  # PostgreSQL's name of the database, or empty for SQLite in the folder

    def environment(self, **more: str) -> dict[str, str]:
        return studio_environment(
            self.folder, **({"STUDIO_ENCRYPTION_KEY": KEY} | self.database | more)
        )

    def run(self, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
        return run_manage(*map(str, arguments), environment=self.environment(**more))

    def must(self, *arguments: object, **more: str) -> str:
        done = self.run(*arguments, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def state(self, **more: str) -> dict[str, str]:
        """The checksum of every table, of a backup made now. Every file that a row names is there."""
        path = self.folder / "state.tar"
        self.must("backup", path, "--force", **more)
        assert manifest_of(path)["missing"] == []
        found = sums(path)
        path.unlink()
        return found


def manifest_of(path: Path) -> dict:
    with tarfile.open(path) as tar:
        return json.load(tar.extractfile("manifest.json"))


def sums(path: Path) -> dict[str, str]:
    """A checksum of each table of a backup, whatever order its database keeps JSON in."""
    found = {}
    with tarfile.open(path) as tar:
        for label in set(manifest_of(path)["tables"]) - NOT_COMPARED:
            packed = tar.extractfile(f"tables/{label.lower()}.jsonl.gz").read()
            rows = [json.loads(line) for line in gzip.decompress(packed).split(b"\n") if line]
            for row in rows:
                row["fields"].pop("restored_at", None)  # what a restore itself writes
            plain = json.dumps(rows, sort_keys=True).encode()
            found[label] = hashlib.sha256(plain).hexdigest()
    return found


@contextmanager
def make_home(folder: Path, *, sqlite: bool = False, like: Home | None = None) -> Iterator[Home]:
    """A new data folder and database, empty or a copy; of the run's kind or of SQLite."""
    if like:
        shutil.copytree(like.folder, folder)
    else:
        folder.mkdir()
    database = {"DATABASE_URL": f"sqlite:///{folder / 'studio.sqlite3'}", "REDIS_URL": ""}
    if sqlite:
        yield Home(folder, database, "")
        return
    with fresh_database(template=like.name if like else "") as (name, fresh):
        yield Home(folder, database | fresh, name)


@pytest.fixture
def homes(tmp_path) -> Iterator:
    """A function that makes a home that lasts as long as the test."""
    with ExitStack() as stack:
        yield lambda name, **more: stack.enter_context(make_home(tmp_path / name, **more))


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Iterator[Home]:
    """A home with what the first release's backup holds, restored once: tests take copies."""
    with make_home(tmp_path_factory.mktemp("released") / "home") as home:
        home.must("restore", FIXTURE)
        yield home


# ---- Other versions and other databases -------------------------------------------------------


def test_a_backup_of_the_first_release_restores_into_an_empty_folder(homes):
    home = homes("empty")
    told = home.must("restore", FIXTURE)
    assert "20 files are back" in told and "1 shots that waited" in told
    found = home.must(
        "shell", "-v0", "-c",
        "from studio.models import *; from django.contrib.auth.models import Group\n"
        "print(ascii(Generation.objects.get(number=1, project__name='Nordlys winter').prompt))\n"
        "print(ascii(sorted(Comment.objects.values_list('text', flat=True))))\n"
        "print(Generation.objects.count(), User.objects.count(), LedgerEntry.objects.count())\n"
        "print(Group.objects.get().permissions.count(), Share.objects.get().guests.get().name)\n"
        "print(ProviderAccount.objects.get(provider='luma').reveal_key())",
    )  # fmt: skip
    # The separators that it cut rows at are there again; which of the three it was is not known.
    assert r"'Low cloud.\u2028Then the ridge.\u2028Snow\x0bwind\x0cdark\x1cend'" in found
    assert r"@{2}\u2028please\u2028now" in found and r"Love it\u2028really\u2028!" in found
    assert "6 4 1" in found and "2 Clara Client" in found and "luma-fixture-key" in found
    assert "No planned migration" in home.must("migrate", "--plan")


def test_a_backup_of_the_first_release_is_migrated_to_a_later_version(homes):
    home = homes("later")
    home.must("restore", FIXTURE, **LATER)
    later = "from django.db import connection as c; k = c.cursor(); "
    look = f"{later}k.execute('SELECT later FROM studio_tag'); print(ascii(sorted(k.fetchall())))"
    assert r"[('NIGHT',), ('\xdcBER',)]" in home.must("shell", "-v0", "-c", look, **LATER)

    later_backup = home.folder / "later.tar"
    home.must("backup", later_backup, **LATER)

    # Back again: this version's tables are made anew over the later ones.
    refused = home.run("prepare")
    assert refused.returncode and "of a newer Ray Studio" in refused.stderr
    assert "9999_later" in refused.stderr and "Traceback" not in refused.stderr
    assert "newer Ray Studio" in home.run("backup", home.folder / "b.tar").stderr
    home.must("restore", FIXTURE, "--replace")
    home.must("prepare")
    assert home.state()["studio.Tag"]

    # And a backup of the later version is refused by this one.
    before = home.state()
    refused = home.run("restore", later_backup, "--replace")
    assert "made by a newer Ray Studio" in refused.stderr and "Nothing was" in refused.stderr
    assert home.state() == before


def test_rows_and_files_are_the_same_after_a_way_through_both_databases(homes, released):
    first, second = homes("first", like=released), homes("second", sqlite=True)
    third = homes("third")
    rows = first.state()
    path = first.folder / "b.tar"
    first.must("backup", path)
    for home in (second, third):
        whole = home.must("restore", path, "--check")
        assert "Whole: 106 rows and 20 files" in whole
        home.must("restore", path)
        assert home.state() == rows
        path = home.folder / "b.tar"
        home.must("backup", path)


# ---- Before an upgrade --------------------------------------------------------------------------


def test_the_rows_are_kept_before_an_upgrade_changes_the_tables(homes, released, prepared):
    nobody = homes("nobody", like=Home(prepared.folder, {}, prepared.database))
    nobody.must("prepare", **LATER)
    assert not (nobody.folder / "backups").exists(), "nobody was there yet"

    unsaved = homes("unsaved", like=released)
    unsaved.must("prepare", STUDIO_BACKUP_BEFORE_MIGRATING="off", **LATER)
    assert not (unsaved.folder / "backups").exists()

    home = homes("home", like=released)
    backups = home.folder / "backups"
    rows = home.state()
    home.must("prepare")
    assert not backups.exists(), "nothing was to be migrated"
    home.must("prepare", **LATER)
    (kept,) = backups.glob("before-migrating-*.tar")
    assert kept.stat().st_mode & 0o777 == 0o600 and backups.stat().st_mode & 0o777 == 0o700
    assert sums(kept) == rows
    home.must("prepare", **LATER)
    assert len(list(backups.glob("*.tar"))) == 1

    # The way back: the version before restores it, beside the files that are there.
    home.must("restore", kept, "--replace")
    assert home.state() == rows


def test_a_backup_that_fails_stops_the_upgrade_with_a_sentence(homes, released):
    home = homes("home", like=released)
    rows = home.state()
    (home.folder / "backups").write_text("in the way")
    refused = home.run("prepare", **LATER)
    assert refused.returncode and "The database was not changed" in refused.stderr
    assert "STUDIO_BACKUP_BEFORE_MIGRATING=off" in refused.stderr
    assert "Traceback" not in refused.stderr
    (home.folder / "backups").unlink()
    assert home.state() == rows


# ---- Beside a running studio --------------------------------------------------------------------


def test_a_running_studio_is_not_restored_over(start_studio):
    studio = start_studio()
    refused = studio.manage("restore", str(FIXTURE), "--replace")
    assert refused.returncode and "is running on" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_worker_or_a_web_server_alone_is_not_restored_over(tmp_path):
    with (
        lock.share_data_folder(tmp_path),
        lock.share_data_folder(tmp_path),
        pytest.raises(CommandError, match="A web server or a worker .* is running"),
    ):
        lock.hold_every_process(tmp_path)
    with (
        lock.hold_every_process(tmp_path),
        pytest.raises(CommandError, match="A backup is being restored"),
    ):
        lock.share_data_folder(tmp_path)
    lock.share_data_folder(tmp_path).close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="PostgreSQL's")
def test_a_database_that_others_use_is_not_restored_over():
    lock.refuse_live_connections()
    values = connection.get_connection_params()
    values = {name: values[name] for name in ("dbname", "host", "port", "user") if name in values}
    with psycopg.connect(**values) as other:
        other.execute("SELECT 1")
        with pytest.raises(CommandError, match="in use by 1 other connection"):
            lock.refuse_live_connections()


# ---- Kills and full disks -----------------------------------------------------------------------

GROW = """
from studio.models import *
clip = Generation.objects.get(number=1, project__name="Nordlys winter")
GenerationEvent.objects.bulk_create(
    GenerationEvent(generation=clip, old="", new="succeeded", reason=f"{n}" * 20) for n in range(4000)
)
Comment.objects.update(text="Changed")
for clip in Generation.objects.exclude(clip=""):
    with clip.poster.storage.open(clip.poster.name, "wb") as file:
        file.write(b"another picture " * 500)
"""


@pytest.fixture(scope="module")
def two_backups(released, tmp_path_factory) -> tuple[Path, Path]:
    """Two backups of one studio in different states, made once; `released` is in the first."""
    folder = tmp_path_factory.mktemp("states")
    first, second = folder / "first.tar", folder / "second.tar"
    released.must("backup", first)
    with make_home(folder / "home", like=released) as home:
        home.must("shell", "-v0", "-c", GROW)
        home.must("backup", second)
    return first, second


@pytest.fixture
def two_states(homes, released, two_backups):
    """A studio, and two backups of different states; it is in the first."""
    return homes("home", like=released), *two_backups


def is_whole(home: Home, states: list[Path]) -> Path:
    """Return which of these states the studio is in: rows and files."""
    rows = home.state()
    (found,) = [path for path in states if sums(path) == rows]
    return found


def test_a_restore_that_is_killed_leaves_the_old_or_the_new(two_states):
    home, first, second = two_states
    draw, now = random.Random(11), first
    for _ in range(4):
        target = second if now == first else first
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "restore", str(target), "--replace"],
            env=home.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr
        # Its first lines come when it has read the backup; from there it takes about a second.
        for line in process.stderr:
            if line.startswith("Putting the media"):
                break
        try:
            process.wait(draw.random() * 1.5)
        except subprocess.TimeoutExpired:
            process.kill()
        process.stderr.close()
        process.wait()
        now = is_whole(home, [first, second])
    home.must("restore", second, "--replace")
    assert is_whole(home, [first, second]) == second
    assert not (home.folder / restored_media.JOURNAL).exists()
    stored = {
        str(path.relative_to(home.folder / "media"))
        for path in (home.folder / "media").rglob("*")
        if path.is_file()
    }
    assert stored == set(manifest_of(second)["files"]), "and no file besides"


def test_a_backup_that_is_killed_leaves_no_half_file(two_states):
    home, first, _ = two_states
    folder = home.folder / "kept"
    folder.mkdir()
    draw = random.Random(12)
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "backup", "--keep", "9", str(folder)],
            env=home.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr
        process.stderr.readline()
        try:
            process.wait(draw.random() * 0.3)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.stderr.close()
        process.wait()
        for path in folder.glob("*.tar"):
            assert "Whole" in home.must("restore", path, "--check")
    home.must("backup", "--keep", "1", folder)
    names = {path.name for path in folder.iterdir()}
    assert len(names) == 2 and kept_backups.LIST in names, names
    assert is_whole(home, [first]) == first


def limited(home: Home, size: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run manage.py where no file may grow beyond `size` bytes: every write past it fails."""
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *map(str, arguments)],
        env=home.environment(),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )


@pytest.mark.parametrize("size", [2_000, 30_000, 400_000])
def test_where_writes_fail_the_studio_stays_whole(two_states, size):
    home, first, second = two_states
    done = limited(home, size, "restore", second, "--replace")
    assert "Traceback" not in done.stderr, done.stderr
    if done.returncode:
        assert "Nothing was changed." in done.stderr or "is restored, but" in done.stderr
    now = is_whole(home, [first, second])
    assert ("Nothing was changed." in done.stderr) == (now == first)
    path = home.folder / "small.tar"
    done = limited(home, size, "backup", path)
    assert "Traceback" not in done.stderr, done.stderr
    assert path.exists() == (done.returncode == 0)
    assert not list(home.folder.glob(".*.part"))


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk of one's own takes root")
@pytest.mark.parametrize("spare_kb", [0, 20, 700])
def test_on_a_full_disk_the_studio_stays_whole(homes, released, two_backups, tmp_path, spare_kb):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(small)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        home, (first, second) = homes("small/home", like=released), two_backups
        with (small / "ballast").open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    continue
            except OSError:
                pass
            file.truncate(max(file.tell() - spare_kb * 1024, 0))
        done = home.run("restore", second, "--replace")
        assert "Traceback" not in done.stderr, done.stderr
        (small / "ballast").unlink()
        now = is_whole(home, [first, second])
        assert ("Nothing was changed." in done.stderr) == (now == first), done.stderr
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=False)
