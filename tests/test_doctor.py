"""`manage.py doctor` says what is well and what to fix, and its exit code agrees."""

from __future__ import annotations

import http.server
import socket
import threading
from io import StringIO

import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from studio.models import ProviderAccount
from studio.services.accounts import ensure_accounts
from tests.people import make_person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data_folder(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "media"
    ensure_accounts()
    return tmp_path


def examine():
    """Return what the doctor said, and whether it found anything to fix."""
    said = StringIO()
    try:
        call_command("doctor", stdout=said)
    except CommandError as error:
        return said.getvalue(), str(error)
    return said.getvalue(), ""


def test_a_sound_studio_needs_no_fixing():
    make_person("Maja")
    said, wrong = examine()
    assert wrong == ""
    assert "fix " not in said
    for thing in ("Python 3.", "Data folder", "Database", "Queue on", "Media storage file"):
        assert f"ok    {thing}" in said
    assert "No account for AI/ML API, Apiframe, GMI Cloud, Luma." in said
    assert "Nobody has an account yet" not in said


def test_nothing_is_left_behind(data_folder):
    examine()
    left = {path.name for path in data_folder.rglob("*") if path.is_file()}
    assert left <= {"studio.lock"}


def test_a_full_disk_is_named(settings):
    settings.DISK_LEAST_BYTES = 2**62
    said, wrong = examine()
    assert wrong == "1 thing needs fixing."
    assert "MB left" in said


def test_a_readable_secret_is_named(data_folder):
    secret = data_folder / "secret_key"
    secret.write_text("secret")
    secret.chmod(0o644)
    said, wrong = examine()
    assert f"fix   Others on this machine can read {secret}.\n      chmod 600 {secret}" in said
    assert wrong


def test_missing_migrations_are_counted():
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'axes'")
    said, wrong = examine()
    assert "migrations." in said
    assert "manage.py prepare" in said
    assert wrong


def test_tables_of_a_newer_version_are_named():
    MigrationRecorder(connection).record_applied("studio", "9999_later")
    report, wrong = examine()
    assert (
        "fix   The database is of a newer Ray Studio: this version does not know studio.9999_later."
        in report
    )
    assert "up to date" not in report and wrong


def test_a_storage_that_refuses_is_named(monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError("bucket says no")

    monkeypatch.setattr(default_storage, "save", refuse)
    said, wrong = examine()
    assert "fix   Media cannot be stored in file: bucket says no." in said
    assert wrong


def test_keys_are_looked_at_but_never_shown(settings):
    account = ProviderAccount(provider="luma", label="film")
    account.set_key("luma-very-secret")
    account.save()
    ProviderAccount.objects.create(provider="apiframe", label="empty")
    said, wrong = examine()
    assert "ok    Luma film has a key" in said
    assert "fix   Apiframe empty has no key." in said
    assert "very-secret" not in said
    settings.ENCRYPTION_KEYS = ["another"]
    said, wrong = examine()
    assert "STUDIO_ENCRYPTION_KEY has changed" in said
    assert wrong == "2 things need fixing."


@pytest.mark.parametrize(("body", "verdict"), [(b"ok", "ok "), (b"hello", "fix")])
def test_the_public_address_must_lead_here(settings, body, verdict):
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            return

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.PUBLIC_URL = f"http://127.0.0.1:{server.server_port}"
        said, _ = examine()
        server.shutdown()
    (line,) = [line for line in said.splitlines() if settings.PUBLIC_URL in line]
    assert line.startswith(verdict)


def test_a_public_address_that_does_not_answer_is_named(settings):
    settings.PUBLIC_URL = "http://127.0.0.1:1"
    said, wrong = examine()
    assert "http://127.0.0.1:1, does not answer from here: [Errno 111] Connection refused." in said
    assert wrong


# ---- Mail -------------------------------------------------------------------------------
def test_no_mail_is_no_fault(settings):
    settings.EMAIL_URL = ""
    said, wrong = examine()
    assert "note  EMAIL_URL is not set" in said
    assert wrong == ""


def test_mail_that_works_is_well(settings):
    settings.EMAIL_URL = "smtp://mail.example"
    settings.PUBLIC_URL = "https://studio.example"
    said, _ = examine()
    assert f"ok    Mail goes out as {settings.DEFAULT_FROM_EMAIL}" in said


def test_a_mail_server_that_is_not_there_is_named(settings):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        settings.EMAIL_URL = f"smtp://127.0.0.1:{port}"
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        said, wrong = examine()
    assert "fix   The mail server does not let the studio in: " in said
    assert "fix   Mail has no address to link to" in said
    assert wrong
