"""The studio's settings as the tests see them: nothing of the person's own environment.

TEST_DATABASE_URL and TEST_REDIS_URL choose another database and broker than SQLite's. Of several
test processes side by side each has a database, a Redis number and a data folder of its own.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

KEPT = "TEST_DATABASE_URL", "TEST_REDIS_URL"
OURS = "STUDIO_", "APIFRAME_", "AIMLAPI_", "GMICLOUD_", "LUMA_"
PLAIN = "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DEBUG", "EMAIL_URL"

for name in list(os.environ):
    if name.startswith(OURS) and not name.startswith("STUDIO_TEST_") or name in PLAIN:
        del os.environ[name]

DATA_DIR_FOR_TESTS = tempfile.mkdtemp(prefix="ray-studio-tests-")
atexit.register(shutil.rmtree, DATA_DIR_FOR_TESTS, ignore_errors=True)
os.environ["STUDIO_DATA_DIR"] = DATA_DIR_FOR_TESTS
for name in KEPT:
    if os.environ.get(name):
        os.environ[name.removeprefix("TEST_")] = os.environ[name]
if worker := os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw"):
    # pytest-django names the databases. Two numbers each: the second is that of child processes.
    place = urlsplit(os.environ.get("TEST_REDIS_URL", ""))
    if place.netloc:
        number = int(place.path.strip("/") or 0) + 2 * int(worker)
        os.environ["REDIS_URL"] = urlunsplit(place._replace(path=f"/{number}"))

from studio.settings import *  # noqa: E402, F403
from studio.settings import DATABASES, STATIC_ROOT, STORAGES  # noqa: E402

# A test's rows need not outlive a power cut. Studios as child processes have the real settings.
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, not memory: threads and processes of a test see one database, as in the studio.
    DATABASES["default"]["TEST"] = {"NAME": f"{DATA_DIR_FOR_TESTS}/test.sqlite3"}
    DATABASES["default"]["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"
else:
    DATABASES["default"]["OPTIONS"]["options"] += " -c synchronous_commit=off"
DATABASES["default"]["CONN_MAX_AGE"] = 0

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# WhiteNoise warns of a folder that is not there; nothing is collected into it here.
Path(STATIC_ROOT).mkdir()
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}
