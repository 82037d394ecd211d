"""A studio killed in the middle of a part: that part alone is lost, and the upload goes on."""

from __future__ import annotations

import json
import re
import socket
import time

import httpx
import pytest

from studio.services.exchange.archive_uploads import EDGE_BYTES, PART_BYTES
from tests.processes import START_WITHIN_S

pytestmark = pytest.mark.processes
# Somebody signed in, and an archive of three parts.
MAKE = """
import json, zipfile
from pathlib import Path
from django.conf import settings
from django.test import Client
from studio.models import Generation
from tests.factories import make_generation, make_project, make_user
from tests.test_archives import archived
elsewhere = make_project(make_user(), name="Ridge")
make_generation(elsewhere, files=True, seconds=1)
path = Path(settings.DATA_DIR) / "ridge.zip"
path.write_bytes(archived(elsewhere))
with zipfile.ZipFile(path, "a") as file:
    file.writestr("padding.bin", bytes(17 * 2**20))
Generation.objects.filter(project=elsewhere).delete()
elsewhere.delete()
client = Client()
client.force_login(make_user("Maja Aas"))
print(json.dumps({name: cookie.value for name, cookie in client.cookies.items()}))
"""
BYTES = {"Content-Type": "application/octet-stream"}


def wait_for(read):
    until = time.monotonic() + START_WITHIN_S
    while not read() and time.monotonic() < until:
        time.sleep(0.1)
    assert read()


def test_a_killed_studio_loses_the_part_it_was_at(start_studio):
    studio = start_studio("--workers", "1")
    done = studio.manage("shell", "-v0", "-c", MAKE)
    assert done.returncode == 0, done.stdout + done.stderr
    cookies = json.loads(done.stdout)
    data = (studio.data_dir / "ridge.zip").read_bytes()
    assert 2 * PART_BYTES < len(data) < 3 * PART_BYTES
    with httpx.Client(base_url=studio.url, cookies=cookies, timeout=60) as owner:
        page = owner.get("/projects/import/").text
        owner.headers["X-CSRFToken"] = re.findall(r'"X-CSRFToken": "(\w+)"', page)[0]

        def send(offset):
            part = data[offset : offset + PART_BYTES]
            return owner.post(f"{url}part/?offset={offset}", content=part, headers=BYTES).json()

        answer = owner.post(
            f"/projects/import/uploads/?name=ridge.zip&size={len(data)}",
            content=data[:EDGE_BYTES] + data[-EDGE_BYTES:],
            headers=BYTES,
        )
        url = answer.json()["url"]
        assert send(0) == {"received": PART_BYTES}

        request = owner.build_request(
            "POST", f"{url}part/?offset={PART_BYTES}", content=bytes(PART_BYTES), headers=BYTES
        )
        head = f"POST {url}part/?offset={PART_BYTES} HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in request.headers.items()
        )
        with socket.create_connection(("127.0.0.1", studio.port)) as half:
            half.sendall(f"{head}\r\n".encode() + data[PART_BYTES : PART_BYTES * 3 // 2])
            # The web server keeps it to itself until it is whole.
            assert owner.get(url).json() == {"received": PART_BYTES}
            studio.kill()

        studio = start_studio("--workers", "1", port=studio.port)
        assert owner.get(url).json() == {"received": PART_BYTES}
        assert send(PART_BYTES) == {"received": 2 * PART_BYTES}
        assert send(2 * PART_BYTES) == {"received": len(data)}
        assert owner.post(f"{url}finish/").status_code == 204
        wait_for(lambda: "1 clip came in." in owner.get("/projects/import/").text)
        assert not list((studio.data_dir / "media/uploads").glob("*/*"))
