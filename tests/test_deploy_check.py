"""What a studio behind TLS tells browsers, and that Django's own list for deploying is empty."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from django.test import Client

from tests.people import make_person
from tests.processes import ROOT, run_manage, studio_environment

BEHIND_TLS = {
    "SECRET_KEY": "nU8-3kVw0q2RrX7cYt5dLz1hGf9sJb4mPa6eQo_WiTyEuKxBvNCDHMSAFjlgZOI",
    "STUDIO_PUBLIC_URL": "https://studio.example",
    "STUDIO_PROXIES": "1",
    "DATABASE_URL": "postgres://studio:password@db.example:5432/studio",
    "REDIS_URL": "redis://redis.example:6379/0",
}
# Asks a studio with these settings in a process of its own: settings are read once.
ASK = """
import django, json
django.setup()
from django.test import Client
from django.test.utils import setup_test_environment
setup_test_environment()
by_tls = {"HTTP_HOST": "studio.example", "HTTP_X_FORWARDED_PROTO": "https"}
client = Client()
answers = {
    "door": client.get("/sso/link/", **by_tls),
    "health": client.get("/healthz", HTTP_HOST="127.0.0.1"),
    "plain": client.get("/login/?next=/account/", HTTP_HOST="studio.example"),
    "foreign": client.get("/healthz", HTTP_HOST="evil.example"),
}
said = {
    name: [answer.status_code, dict(answer.headers), {
        key: {flag: str(morsel[flag]) for flag in ("secure", "httponly", "samesite", "path", "domain")}
        for key, morsel in answer.cookies.items()
    }] for name, answer in answers.items()
}
from django.conf import settings
said["cookies"] = {
    kind: [getattr(settings, f"{kind}_COOKIE_{name}")
           for name in ("NAME", "SECURE", "HTTPONLY", "SAMESITE", "PATH", "DOMAIN")]
    for kind in ("SESSION", "CSRF")
}
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deploy")
    values = studio_environment(folder, **BEHIND_TLS, DJANGO_SETTINGS_MODULE="studio.settings")
    # Signed cookies: the answers asked for touch no database.
    ask = (
        "from studio import settings; "
        "settings.SESSION_ENGINE = 'django.contrib.sessions.backends.signed_cookies'\n" + ASK
    )
    done = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=ROOT,
        env=values,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_djangos_list_for_deploying_is_empty(tmp_path):
    values = studio_environment(tmp_path, **BEHIND_TLS)
    values.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)  # conftest's, for Playwright
    done = run_manage("check", "--deploy", "--fail-level", "WARNING", environment=values)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_a_proxy_that_was_forgotten_is_named(tmp_path):
    values = studio_environment(tmp_path, **(BEHIND_TLS | {"STUDIO_PROXIES": "0"}))
    done = run_manage("check", "--deploy", "--fail-level", "WARNING", environment=values)
    assert done.returncode == 1
    assert "studio.W002" in done.stderr and "Set STUDIO_PROXIES" in done.stderr


def test_browsers_are_told_to_be_strict(said):
    _, headers, _ = said["door"]
    policy = dict(
        part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    for name in ("object-src", "base-uri", "frame-ancestors"):
        assert policy[name] == "'none'", name
    for name in ("script-src", "style-src", "form-action", "connect-src"):
        assert policy[name] == "'self'", name
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "fullscreen=(self)" in headers["Permissions-Policy"]


def test_cookies_are_for_this_host_by_tls_and_not_for_scripts(said):
    for kind, (name, *flags) in said["cookies"].items():
        assert re.fullmatch(rf"__Host-ray-{kind.lower()}-[0-9a-f]{{8}}", name)
        assert flags == [True, True, "Lax", "/", None]


def test_plain_http_is_sent_on_and_health_is_answered_inside(said):
    status, headers, cookies = said["plain"]
    assert (status, headers["Location"]) == (301, "https://studio.example/login/?next=/account/")
    assert not cookies
    assert said["health"][0] == 200


def test_another_host_name_is_refused(said):
    assert said["foreign"][0] == 400


@pytest.mark.django_db
def test_every_kind_of_answer_has_the_headers(settings):
    settings.WHITENOISE_USE_FINDERS = settings.WHITENOISE_AUTOREFRESH = True
    client = Client()
    everywhere = ["Referrer-Policy", "X-Content-Type-Options", "Cross-Origin-Resource-Policy"]
    policies = ["Content-Security-Policy", "Permissions-Policy"]
    for path in (
        "/login/",
        "/nothing-here/",
        "/healthz",
        "/s/made-up/",
        "/static/studio/icons/mark.svg",
    ):
        headers = client.get(path).headers
        for name in (*policies, *everywhere):
            assert name in headers, (path, name)
    for path in (
        "/static/studio/css/studio.css",
        "/static/studio/js/studio.js",
        "/static/studio/fonts/geist-mono-latin-wght-normal.woff2",
    ):
        answer = client.get(path)
        headers = answer.headers
        assert answer.status_code == 200
        assert [name for name in (*policies, *everywhere) if name in headers] == everywhere, path


@pytest.mark.django_db
def test_no_page_is_kept_for_somebody_else(client):
    client.force_login(make_person("Alice"))
    for path in ("/", "/account/", "/nothing-here/"):
        assert "private" in client.get(path)["Cache-Control"], path
