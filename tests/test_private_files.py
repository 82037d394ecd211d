"""No other user of the machine reads the data folder; the front server reads media and static alone."""

from __future__ import annotations

import errno
import logging
import os
import stat
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from studio.launcher.private_files import protect_data_folder
from studio.launcher.unusable import unusable_file
from tests.processes import run_manage, studio_environment


def modes(root: Path) -> dict[str, str]:
    """The mode of the folder and of all in it, by name."""
    paths = [root, *(path for path in root.rglob("*") if not path.is_symlink())]
    return {str(path.relative_to(root)): oct(stat.S_IMODE(path.stat().st_mode)) for path in paths}


def open_to_others(root: Path, allowed: int = 0) -> dict[str, str]:
    return {name: mode for name, mode in modes(root).items() if int(mode, 8) & 0o077 & ~allowed}


@pytest.fixture
def folder(settings, tmp_path):
    """A data folder as versions before this one left it."""
    root = tmp_path / "data"
    for name in ("media/clips", "static/css", "metrics/host"):
        (root / name).mkdir(parents=True)
    for name in ("studio.sqlite3", "media/clips/a.mp4", "static/css/a.css", "studio.tar"):
        (root / name).write_text(name)
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    settings.DATA_DIR, settings.MEDIA_ROOT = root, root / "media"
    settings.STATIC_ROOT, settings.STUDIO_ACCEL = root / "static", ""
    return root


def test_an_open_folder_is_closed_with_one_line(folder, caplog):
    caplog.set_level(logging.INFO)
    logging.getLogger("studio").addHandler(caplog.handler)
    protect_data_folder()
    assert open_to_others(folder) == {}
    assert set(modes(folder).values()) == {"0o700", "0o600"}
    (line,) = caplog.messages
    assert line == (
        f"Other users of this machine could read {folder}; "
        "11 files and folders in it are private now."
    )
    protect_data_folder()
    assert caplog.messages == [line]


def test_one_loose_file_at_the_top_is_enough(folder):
    protect_data_folder()
    (folder / "studio.sqlite3").chmod(0o644)
    (folder / "media" / "clips" / "a.mp4").chmod(0o604)
    protect_data_folder()
    assert open_to_others(folder) == {}


def test_the_group_of_a_front_server_reads_media_and_static_and_nothing_else(folder, settings):
    settings.STUDIO_ACCEL = "/_media"
    protect_data_folder()
    found = modes(folder)
    assert found["."] == "0o710"
    assert found["media"] == found["media/clips"] == found["static/css"] == "0o750"
    assert found["media/clips/a.mp4"] == found["static/css/a.css"] == "0o640"
    assert found["metrics"] == "0o700"
    assert found["studio.sqlite3"] == found["studio.tar"] == "0o600"
    # And no more when the front server is gone.
    settings.STUDIO_ACCEL = ""
    protect_data_folder()
    assert open_to_others(folder) == {}


def test_links_are_not_followed_but_for_the_media_folder(folder, settings, tmp_path):
    disk, other = tmp_path / "disk", tmp_path / "other"
    (folder / "media").rename(disk)
    (folder / "media").symlink_to(disk)
    other.mkdir()
    other.chmod(0o755)
    (folder / "elsewhere").symlink_to(other)
    protect_data_folder()
    assert open_to_others(disk) == {}
    assert stat.S_IMODE(other.stat().st_mode) == 0o755


def test_what_cannot_be_changed_is_said_and_stops_nothing(folder, caplog, monkeypatch):
    logging.getLogger("studio").addHandler(caplog.handler)
    monkeypatch.setattr(Path, "chmod", lambda *_: (_ for _ in ()).throw(PermissionError()))
    protect_data_folder()
    (line,) = caplog.messages
    assert line.startswith(f"Other users of this machine may be able to read {folder}: of 11 files")


def test_a_stored_file_is_private_whatever_the_umask(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    before = os.umask(0)
    try:
        default_storage.save("clips/a/b.mp4", ContentFile(b"clip"))
    finally:
        os.umask(before)
    assert open_to_others(tmp_path / "media") == {}


@pytest.mark.processes
@pytest.mark.parametrize("accel", ["", "/_media"])
def test_a_running_studio_leaves_nothing_open(start_studio, accel, tmp_path):
    old = tmp_path / "old"
    old.mkdir(mode=0o755)
    old.chmod(0o755)
    before = os.umask(0o022)
    try:
        studio = start_studio("--workers", "1", data_dir=old, STUDIO_ACCEL=accel)
        made = studio.manage("generate", "--project", "Film", "--prompt", "Dawn", "--wait")
        assert made.returncode == 0, made.stdout + made.stderr
        backup = studio.manage("backup", str(old / "studio.tar"))
        assert backup.returncode == 0, backup.stderr
    finally:
        os.umask(before)
    assert studio.output.count("private now.") == 1
    assert (old / "studio.tar").stat().st_size
    clips = [name for name in modes(old) if name.endswith(".mp4")]
    assert clips
    if accel:
        assert open_to_others(old, allowed=0o050) == {}
        assert {modes(old)[name] for name in clips} == {"0o640"}
        packed = [mode for name, mode in modes(old / "static").items() if name.endswith(".gz")]
        assert packed and set(packed) == {"0o640"}
        assert modes(old)["."] == "0o710"
        assert modes(old)["studio.tar"] == modes(old)["secret_key"] == "0o600"
    else:
        assert open_to_others(old) == {}


@pytest.mark.once
def test_any_command_makes_its_folder_private(tmp_path):
    before = os.umask(0o022)
    try:
        done = run_manage("prepare", environment=studio_environment(tmp_path / "data"))
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stderr
    assert open_to_others(tmp_path / "data") == {}
    assert "private now" not in done.stderr


def test_a_full_disk_is_called_that_and_not_a_matter_of_rights():
    full = OSError(errno.ENOSPC, "No space left on device", "/data/studio.lock")
    assert unusable_file(full) == (
        "/data/studio.lock cannot be used: No space left on device. Make room on its disk."
    )
    assert unusable_file(PermissionError(errno.EACCES, "Permission denied", "/data/key")) == (
        "/data/key cannot be used: Permission denied. "
        "Everything in the data folder must belong to the user who starts the studio."
    )
