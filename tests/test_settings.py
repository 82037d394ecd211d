"""The environment is read once, refused with a sentence, and documented."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys

import pytest
from django.core.exceptions import ValidationError

from studio.settings import kept_secret
from tests.processes import ROOT, studio_environment

PUBLIC = {"STUDIO_PUBLIC_URL": "https://studio.example"}


def read(tmp_path, *names, **environment):
    """Import the settings in a fresh process; return these settings, or the one-sentence refusal."""
    code = (
        "import json, sys\n"
        "from django.core.exceptions import ImproperlyConfigured\n"
        "try:\n"
        "    from studio import settings\n"
        "except ImproperlyConfigured as error:\n"
        "    sys.exit(str(error))\n"
        f"print(json.dumps([getattr(settings, name) for name in {names!r}], default=str))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=studio_environment(tmp_path / "data", **environment),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.strip() if done.returncode else json.loads(done.stdout)


def test_with_nothing_set_the_studio_is_embedded(tmp_path):
    debug, database, queue, hosts, storage = read(
        tmp_path, "DEBUG", "DATABASES", "Q_CLUSTER", "ALLOWED_HOSTS", "STUDIO_STORAGE"
    )
    assert debug is False
    assert database["default"]["ENGINE"] == "django.db.backends.sqlite3"
    assert database["default"]["NAME"] == str(tmp_path / "data" / "studio.sqlite3")
    assert queue["orm"] == "default"
    assert hosts == ["127.0.0.1", "localhost", "[::1]"]
    assert storage == "file"


def test_the_secret_key_is_made_once_and_kept_private(tmp_path):
    first = read(tmp_path, "SECRET_KEY", "ENCRYPTION_KEYS")
    assert read(tmp_path, "SECRET_KEY", "ENCRYPTION_KEYS") == first
    assert len(first[0]) > 50
    assert first[0] not in first[1]
    for name in ("secret_key", "encryption_key"):
        assert stat.S_IMODE((tmp_path / "data" / name).stat().st_mode) == 0o600


def test_uploads_wait_beside_the_media_and_not_in_the_systems_memory(tmp_path):
    (folder,) = read(tmp_path, "FILE_UPLOAD_TEMP_DIR")
    assert folder == str(tmp_path / "data" / "tmp")
    assert (tmp_path / "data" / "tmp").is_dir()


def test_a_secret_made_by_two_processes_at_once_is_one(tmp_path):
    path = tmp_path / "secret_key"
    kept = []

    class Meanwhile(type(path)):
        def hardlink_to(self, target):
            kept.append(kept_secret(path))
            super().hardlink_to(target)

    assert kept_secret(Meanwhile(path)) == kept[0]
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret_key"]


@pytest.mark.parametrize(
    "address",
    [{"STUDIO_PUBLIC_URL": "https://studio.example"}, {"STUDIO_HOSTS": "studio.example"}],
)
def test_a_public_address_needs_a_secret_key(tmp_path, address):
    said = read(tmp_path, **address)
    assert said.startswith("SECRET_KEY is not set, and this studio has a public address")
    assert not (tmp_path / "data" / "secret_key").exists()
    assert read(tmp_path, "SECRET_KEY", SECRET_KEY="given", **address) == ["given"]
    assert read(tmp_path, "DEBUG", DEBUG="on", **address) == [True]


def test_a_public_https_address_makes_cookies_secure(tmp_path):
    names = (
        "ALLOWED_HOSTS",
        "CSRF_TRUSTED_ORIGINS",
        "SESSION_COOKIE_SECURE",
        "SECURE_HSTS_SECONDS",
    )
    hosts, origins, secure, hsts = read(tmp_path, *names, SECRET_KEY="given", **PUBLIC)
    assert "studio.example" in hosts
    assert origins == ["https://studio.example"]
    assert secure is True
    assert hsts > 0
    assert read(tmp_path, *names)[2:] == [False, 0]


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ("", [31_536_000, False, False]),
        ("host", [31_536_000, False, False]),
        ("subdomains", [31_536_000, True, False]),
        ("PRELOAD", [31_536_000, True, True]),
        ("off", [0, False, False]),
    ],
)
def test_hsts_reaches_as_far_as_it_is_told(tmp_path, value, answer):
    names = "SECURE_HSTS_SECONDS", "SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_HSTS_PRELOAD"
    said = read(tmp_path, *names, SECRET_KEY="given", STUDIO_HSTS=value, **PUBLIC)
    assert said == answer
    assert read(tmp_path, *names, STUDIO_HSTS=value)[0] == 0


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"STUDIO_WORKERS": "many"}, "STUDIO_WORKERS is 'many'; it must be a whole number from 1"),
        ({"STUDIO_WORKERS": "0"}, "STUDIO_WORKERS is '0'; it must be a whole number from 1"),
        ({"STUDIO_PROXIES": "-1"}, "STUDIO_PROXIES is '-1'; it must be a whole number from 0"),
        ({"DEBUG": "maybe"}, "DEBUG is 'maybe'; it must be on or off."),
        ({"STUDIO_PUBLIC_URL": "studio.example"}, "it must start with http:// or https://"),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL must start with postgres:// or sqlite:///"),
        ({"DATABASE_URL": "postgres://ray@h:port/x"}, "DATABASE_URL cannot be read: Port could"),
        ({"EMAIL_URL": "mail.example"}, "EMAIL_URL cannot be read; it must begin with smtp://"),
        ({"STUDIO_DIGEST_HOUR": "24"}, "STUDIO_DIGEST_HOUR is '24'; it must be a whole number"),
        ({"REDIS_URL": "localhost"}, "REDIS_URL must start with redis://"),
        ({"STUDIO_LOG_LEVEL": "loud"}, "STUDIO_LOG_LEVEL is 'LOUD'; it must be DEBUG, INFO"),
        (
            {"STUDIO_HSTS": "yes"},
            "STUDIO_HSTS is 'yes'; it must be off, host, subdomains or preload.",
        ),
        ({"STUDIO_DIGEST_HOUR": "³"}, "STUDIO_DIGEST_HOUR is '³'; it must be a whole number"),
        ({"STUDIO_PROXIES": "٣"}, "STUDIO_PROXIES is '٣'; it must be a whole number from 0"),
        ({"SECRET_KEY": "cl\udce9"}, "SECRET_KEY is not text: it must be UTF-8."),
        ({"STUDIO_SSO_NAME": "J\udce9r"}, "STUDIO_SSO_NAME is not text: it must be UTF-8."),
        ({"STUDIO_STORAGE": "gs://bucket"}, "STUDIO_STORAGE is 'gs://bucket'; it must be file or"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(tmp_path, environment, said):
    answer = read(tmp_path, **environment)
    assert said in answer
    assert "\n" not in answer


def test_a_folder_may_be_called_by_any_bytes(tmp_path):
    place = tmp_path / "caf\udce9"
    assert read(tmp_path, "DATA_DIR_PROBLEM", STUDIO_DATA_DIR=str(place)) == [""]
    assert place.is_dir()


def test_what_stands_in_mails_and_on_buttons_is_one_line(tmp_path):
    names = "DEFAULT_FROM_EMAIL", "SSO_NAME"
    said = read(
        tmp_path, *names, STUDIO_MAIL_FROM="Ray\n<ray@x.example>", STUDIO_SSO_NAME="A\u202e\tB"
    )
    assert said == ["Ray <ray@x.example>", "A B"]


def test_manage_prints_a_refusal_as_one_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=studio_environment(tmp_path / "data", STUDIO_WORKERS="many"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "STUDIO_WORKERS is 'many'; it must be a whole number from 1 up.\n"


def test_scaling_out_takes_the_database_and_redis(tmp_path):
    database, queue, caches = read(
        tmp_path,
        "DATABASES",
        "Q_CLUSTER",
        "CACHES",
        DATABASE_URL="postgres://ray:secret@db.example:5433/studio",
        REDIS_URL="redis://redis.example:6379/2",
    )
    place = database["default"]
    assert place["ENGINE"] == "django.db.backends.postgresql"
    assert (place["HOST"], place["PORT"], place["NAME"]) == ("db.example", 5433, "studio")
    assert queue["redis"] == "redis://redis.example:6379/2"
    assert "orm" not in queue
    assert caches["default"]["LOCATION"] == "redis://redis.example:6379/2"


def test_mail_is_off_until_a_server_is_named(tmp_path):
    names = "EMAIL_BACKEND", "EMAIL_HOST", "EMAIL_PORT", "EMAIL_USE_TLS", "EMAIL_HOST_PASSWORD"
    assert read(tmp_path, *names)[0] == "django.core.mail.backends.dummy.EmailBackend"
    assert read(tmp_path, *names, EMAIL_URL="smtp+tls://ray:se%2Fcret@mail.example") == [
        "django.core.mail.backends.smtp.EmailBackend", "mail.example", 587, True, "se/cret",
    ]  # fmt: skip
    assert read(tmp_path, "DEFAULT_FROM_EMAIL", SECRET_KEY="given", **PUBLIC) == [
        "Ray Studio <studio@studio.example>"
    ]


def test_readme_lists_exactly_the_variables_that_are_read():
    source = (ROOT / "studio" / "settings.py").read_text()
    read_here = set(re.findall(r"(?:env\.str|_number|_switch|_words)\(\s*\"([A-Z_]+)\"", source))
    table = (ROOT / "README.md").read_text().split("## Settings")[1].split("\n## ")[0]
    listed = re.findall(r"^\| `([A-Z_]+)` \|", table, re.MULTILINE)
    assert sorted(read_here) == listed


def test_nothing_else_reads_the_environment():
    found = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "studio").rglob("*.py"))
        if re.search(r"os\.getenv|os\.environ\[|os\.environ\.get|environ\.Env", path.read_text())
    ]
    assert found == ["studio/settings.py"]


def test_a_new_password_has_twelve_characters():
    from django.contrib.auth.password_validation import validate_password

    validate_password("q7Rv-2mLx-9t")
    with pytest.raises(ValidationError, match="at least 12 characters"):
        validate_password("q7Rv-2mLx-9")
