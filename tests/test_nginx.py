"""docs/deploy/nginx.conf, run by Debian's nginx before a real studio."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from django.test import RequestFactory

from studio.proxies import UNKNOWN_ADDRESS, client_address
from tests.processes import END_WITHIN_S, ROOT, START_WITHIN_S, free_port

DEPLOY = ROOT / "docs" / "deploy"
CONFIGURATION = DEPLOY / "nginx.conf"
# What a distribution's nginx.conf says around it; here as an ordinary process of whoever tests.
AROUND = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/errors.log warn;
events {{ worker_connections 4096; }}
http {{
    include {mime_types};
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/studio.conf;
}}
"""
PEOPLE = """
import json
from django.test import Client
from studio.services.sharing import making
from tests.factories import make_generation, make_project, make_user
from tests.sharing import share_clips
owner = make_user()
clip = make_generation(make_project(owner), files=True)
_, token = share_clips(clip.project, owner, clip)
client = Client()
client.force_login(owner)
print(json.dumps({
    "cookies": {name: cookie.value for name, cookie in client.cookies.items()},
    "clip": clip.clip_url,
    "stored": clip.clip.name,
    "shared": f"/s/{token}/media/{clip.code}-poster.webp",
    "poster": clip.poster.name,
}))
"""


def find_nginx() -> str:
    """Return Debian's nginx. Skips the test where there is none, unless everything is required."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        reason = "No nginx: install it (on Debian: nginx-light)."
        if os.environ.get("STUDIO_TEST_REQUIRE_ALL") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return found


def configured(folder: Path, data_dir: Path, studio_port: int, port: int) -> Path:
    """Write the shipped configuration with addresses of here, and what goes around it."""
    shipped = CONFIGURATION.read_text()
    for theirs, ours in {
        "listen 80;": f"listen 127.0.0.1:{port};",
        "web:8000": f"127.0.0.1:{studio_port}",
        "root /srv;": f"root {data_dir};",
        "/data/media/": f"{data_dir}/media/",
    }.items():
        assert shipped.count(theirs) == 1, theirs
        shipped = shipped.replace(theirs, ours)
    (folder / "studio.conf").write_text(shipped)
    main = folder / "nginx.conf"
    main.write_text(AROUND.format(folder=folder, mime_types="/etc/nginx/mime.types"))
    return main


@pytest.fixture
def front(start_studio, tmp_path):
    """nginx before a studio: (where it listens, the studio)."""
    nginx = find_nginx()
    studio = start_studio("--workers", "1", STUDIO_ACCEL="/_media", STUDIO_PROXIES="1")
    folder, port = tmp_path / "nginx", free_port()
    folder.mkdir()
    main = configured(folder, studio.data_dir, studio.port, port)
    errors = folder / "errors.log"
    running = subprocess.Popen([nginx, "-p", str(folder), "-e", str(errors), "-c", str(main)])
    try:
        until = time.monotonic() + START_WITHIN_S
        while not (folder / "nginx.pid").exists():
            assert running.poll() is None and time.monotonic() < until, errors.read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", studio
    finally:
        running.terminate()
        running.wait(END_WITHIN_S)


def test_nginx_serves_what_the_studio_allows(front):
    url, studio = front
    done = studio.manage("shell", "-v0", "-c", PEOPLE)
    assert done.returncode == 0, done.stdout + done.stderr
    made = json.loads(done.stdout)
    stored = (studio.data_dir / "media" / made["stored"]).read_bytes()
    with httpx.Client(base_url=url) as stranger:
        page = stranger.get("/login/")
        assert page.status_code == 200 and page.headers["Content-Encoding"] == "gzip"
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]

        style = re.search(r"/static/studio/css/[\w.-]+\.css", page.text)
        assert style, page.text
        answer = stranger.get(style[0])
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Content-Type"].startswith("text/css")
        assert answer.headers["Server"] == "nginx"
        assert stranger.get("/static/nothing.css").status_code == 404
        for path in ("/login/", "/healthz", "/robots.txt", "/favicon.ico", style[0]):
            assert stranger.head(path).status_code == 200, path
        assert stranger.head("/").status_code == 302
        assert stranger.head("/static/nothing.css").status_code == 404

        assert stranger.get(made["clip"]).status_code == 404
        assert stranger.get(f"/_media/{made['stored']}").status_code == 404
        assert stranger.get(f"/_media/../_media/{made['stored']}").status_code == 404
        for path in ("/login/", "/projects/import/"):
            assert stranger.post(path, content=bytes(65 * 2**20)).status_code == 413, path

        shared = stranger.get(made["shared"])
        assert shared.content == (studio.data_dir / "media" / made["poster"]).read_bytes()
        assert shared.headers["Cache-Control"] == "private, no-cache"
        assert shared.headers["Referrer-Policy"] == "no-referrer"
        assert "noindex" in shared.headers["X-Robots-Tag"]

    with httpx.Client(base_url=url, cookies=made["cookies"]) as owner:
        assert owner.get("/").status_code == 200
        whole = owner.get(made["clip"])
        assert whole.content == stored
        assert whole.headers["Content-Type"] == "video/mp4"
        assert whole.headers["Cache-Control"] == "private, max-age=31536000, immutable"
        assert whole.headers["X-Content-Type-Options"] == "nosniff"
        assert whole.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "X-Accel-Redirect" not in whole.headers
        head = owner.head(made["clip"])
        assert (head.status_code, head.content) == (200, b"")
        for name in ("Content-Length", "Content-Type", "ETag", "Cache-Control", "Accept-Ranges"):
            assert head.headers[name] == whole.headers[name], name
        part = owner.get(made["clip"], headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, stored[10:20])
        assert part.headers["Content-Range"] == f"bytes 10-19/{len(stored)}"
        past = owner.get(made["clip"], headers={"Range": f"bytes={len(stored)}-"})
        assert past.status_code == 416
        saved = owner.get(made["clip"] + "&download")
        assert saved.headers["Content-Disposition"].startswith("attachment; filename=")


def test_nginx_takes_what_compose_gives_it(tmp_path):
    nginx = find_nginx()
    main = (DEPLOY / "nginx-main.conf").read_text()
    for theirs, ours in {
        "/etc/nginx/conf.d/*.conf": f"{tmp_path}/studio.conf",
        "/run/nginx.pid": f"{tmp_path}/nginx.pid",
        "http {": f"http {{ client_body_temp_path {tmp_path}; proxy_temp_path {tmp_path};"
        f" fastcgi_temp_path {tmp_path}; uwsgi_temp_path {tmp_path}; scgi_temp_path {tmp_path};",
    }.items():
        assert main.count(theirs) == 1, theirs
        main = main.replace(theirs, ours)
    (tmp_path / "nginx.conf").write_text(main)
    shipped = CONFIGURATION.read_text().replace("listen 80;", f"listen 127.0.0.1:{free_port()};")
    (tmp_path / "studio.conf").write_text(shipped)
    shutil.copy(DEPLOY / "nginx-proxies.conf", tmp_path / "studio-proxies.conf")
    done = subprocess.run(
        [nginx, "-T", "-p", tmp_path, "-e", tmp_path / "errors", "-c", tmp_path / "nginx.conf"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "set_real_ip_from 10." in done.stdout  # included as a file of its own


@pytest.mark.parametrize(
    ("proxies", "said", "address"),
    [
        (0, "198.51.100.7", "10.0.0.1"),
        (1, "198.51.100.7", "198.51.100.7"),
        (1, "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        (2, "203.0.113.9, 198.51.100.7, 10.1.1.1", "198.51.100.7"),
        (2, "198.51.100.7", "10.0.0.1"),
        (1, "", "10.0.0.1"),
        (1, "198.51.100.7:51002", "198.51.100.7"),
        (1, "[2001:db8::7]:51002", "2001:db8::7"),
        (1, "2001:db8::7", "2001:db8::7"),
        (1, "unknown", UNKNOWN_ADDRESS),
    ],
)
def test_an_address_is_believed_from_our_own_proxies_only(settings, proxies, said, address):
    settings.PROXIES = proxies
    request = RequestFactory().get("/", headers={"X-Forwarded-For": said}, REMOTE_ADDR="10.0.0.1")
    assert client_address(request) == address
