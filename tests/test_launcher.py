"""`manage.py studio` starts, stops, restarts and refuses as a person expects."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import select
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings

from studio.launcher.children import Child
from studio.launcher.listening import is_loopback, local_host
from tests.processes import ROOT, START_WITHIN_S, free_port, run_manage, studio_environment

# Under five on a quiet machine; whoever stops it (docker, systemd) kills after ten or more.
SLOTS = settings.Q_CLUSTER["workers"]
STOP_WITHIN_S = 10.0
# Whatever is told to die is gone by then; what was forgotten would live on for ever.
GONE_WITHIN_S = 15.0


def family(pid):
    """Return the command line of each living descendant, by process id."""
    rows = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    parents, names = {}, {}
    for row in rows:
        child, parent, state, name = row.split(None, 3)
        if not state.startswith("Z"):
            parents[int(child)], names[int(child)] = int(parent), name
    found = {pid}
    for _ in rows:
        found |= {child for child, parent in parents.items() if parent in found}
    return {child: names[child] for child in found - {pid} if child in names}


def whole_family(studio):
    """Return the family once its slowest part is there: what django-q2's sentinel starts."""
    launcher = studio.process.pid
    until = time.monotonic() + START_WITHIN_S
    while len(members(launcher, "qcluster")) < SLOTS + 4 or len(members(launcher, "gunicorn")) < 3:
        assert time.monotonic() < until, family(launcher)
        time.sleep(0.1)
    return family(launcher)


def members(pid, word):
    return sorted(child for child, name in family(pid).items() if word in name)


class Watch:
    """Open handles on processes, so that waiting for their ends needs no asking again."""

    def __init__(self, pids):
        self.handles = {os.pidfd_open(pid): pid for pid in pids}

    def left_after(self, seconds):
        until = time.monotonic() + seconds
        while self.handles and time.monotonic() < until:
            ended, _, _ = select.select(list(self.handles), [], [], until - time.monotonic())
            for handle in ended:
                os.close(handle)
                del self.handles[handle]
        return sorted(self.handles.values())


def get(studio, path="/healthz"):
    connection = http.client.HTTPConnection("127.0.0.1", studio.port, timeout=START_WITHIN_S)
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.body = answer.read()
    connection.close()
    return answer


def run_task(studio, function="math.sqrt", argument="16", wait_ms=60_000):
    """Put a task in the queue; return what it gave, or None if it was not done in time."""
    code = (
        "from django_q.tasks import async_task, result;"
        f"print('gave', result(async_task({function!r}, {argument}), wait={wait_ms}))"
    )
    done = studio.manage("shell", "-v0", "-c", code)
    found = re.search(r"gave (.*)", done.stdout)
    assert found, done.stdout + done.stderr
    return None if found[1] == "None" else found[1]


@contextlib.contextmanager
def busy_worker(studio):
    """A studio with a task that goes on as long as this lasts; it has begun."""
    pipe = studio.data_dir / "pipe"
    os.mkfifo(pipe)
    run_task(studio, "pathlib.Path.read_bytes", f"__import__('pathlib').Path({str(pipe)!r})", 1)
    # Opens once the task, which reads it to the end, has opened it too.
    until = time.monotonic() + START_WITHIN_S
    while True:
        try:
            writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError:
            assert time.monotonic() < until, f"no worker took the task:\n{studio.output}"
            time.sleep(0.05)
    try:
        yield
    finally:
        os.close(writer)


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.once),
        pytest.param(signal.SIGHUP, marks=pytest.mark.once),
    ],
)
def test_a_signal_ends_everything_in_time(start_studio, number):
    studio = start_studio()
    assert get(studio).status == 200
    everyone = Watch([studio.process.pid, *whole_family(studio)])
    assert studio.stop(number) < STOP_WITHIN_S
    assert studio.process.returncode == 0
    assert everyone.left_after(GONE_WITHIN_S) == []
    assert studio.lines[-1] == "Stopping."


def test_a_running_task_does_not_hold_up_the_end(studio_process):
    with busy_worker(studio_process):
        everyone = Watch(whole_family(studio_process))
        assert studio_process.stop() < STOP_WITHIN_S
        assert everyone.left_after(GONE_WITHIN_S) == []


def test_a_killed_launcher_leaves_no_process(studio_process):
    with busy_worker(studio_process):
        everyone = Watch(whole_family(studio_process))
        studio_process.kill()
        assert everyone.left_after(GONE_WITHIN_S) == []


def test_a_killed_cluster_is_started_again(studio_process):
    launcher = studio_process.process.pid
    whole_family(studio_process)
    old = members(launcher, "qcluster")
    watch = Watch(old)
    (parent,) = set(old) & set(children_of(launcher))
    os.kill(parent, signal.SIGKILL)
    studio_process.wait_for("The background work stopped (SIGKILL). Starting it again in 0.5 s.")
    assert watch.left_after(GONE_WITHIN_S) == []
    assert run_task(studio_process) == "4.0"


@pytest.mark.once
def test_a_killed_web_server_is_started_again(studio_process):
    launcher = studio_process.process.pid
    whole_family(studio_process)
    old = members(launcher, "gunicorn")
    watch = Watch(old)
    (parent,) = set(old) & set(children_of(launcher))
    os.kill(parent, signal.SIGKILL)
    assert watch.left_after(GONE_WITHIN_S) == []
    # Nobody is refused meanwhile: the connection waits at the launcher's socket.
    assert get(studio_process).status == 200
    studio_process.wait_for("The web server stopped (SIGKILL). Starting it again in 0.5 s.")


def test_killing_every_idle_worker_pusher_and_monitor_does_not_stop_the_queue(studio_process):
    launcher = studio_process.process.pid
    whole_family(studio_process)
    leaves = [pid for pid in members(launcher, "qcluster") if not children_of(pid)]
    assert len(leaves) == SLOTS + 2
    for pid in leaves:
        os.kill(pid, signal.SIGKILL)
    assert run_task(studio_process) == "4.0"
    assert run_task(studio_process) == "4.0"


def test_a_worker_killed_as_it_ends_a_task_does_not_stop_the_queue(studio_process):
    """It dies holding the lock of its timer, which the sentinel takes on its rounds."""
    whole_family(studio_process)
    assert run_task(studio_process, "tests.probe.die_at_the_end", "", 2_000) is None
    studio_process.wait_for("reincarnated worker")
    assert run_task(studio_process) == "4.0"


def children_of(pid):
    return [child for child in family(pid) if parent_of(child) == pid]


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def test_a_taken_port_is_one_sentence(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run_manage(
            "studio", "--port", str(port), environment=studio_environment(tmp_path / "data")
        )
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"Port {port} on 127.0.0.1 is already in use." in done.stderr
    assert "--port" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "0"], "0 is not a whole number from 1 to 65535"),
        (["--port", "65536"], "65536 is not a whole number from 1 to 65535"),
        (["--workers", "none"], "none is not a whole number from 1 to 64"),
        (["--host", "192.0.2.1"], "--host is 192.0.2.1; this machine has no such address."),
    ],
)
def test_an_impossible_option_is_named(tmp_path, arguments, said):
    environment = studio_environment(tmp_path / "data")
    done = run_manage("studio", "--port", str(free_port()), *arguments, environment=environment)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.once
def test_one_data_folder_has_one_studio(start_studio):
    first = start_studio()
    second = start_studio(ready=False)
    second.wait_for(f"Another studio (process {first.process.pid}) is running on")
    assert second.process.wait(START_WITHIN_S) == 1
    assert get(first).status == 200


def test_a_second_start_keeps_all_data(start_studio):
    first = start_studio()
    assert first.welcome_url.startswith(first.url)
    made = first.manage(
        "shell",
        "-v0",
        "-c",
        "from studio.models import User;"
        "User.objects.create_superuser('maja@example.com', 'long enough', name='Maja')",
    )
    assert made.returncode == 0, made.stderr
    secret = (first.data_dir / "secret_key").read_text()
    first.stop()
    second = start_studio(port=first.port)
    assert (second.data_dir / "secret_key").read_text() == secret
    assert "/welcome/" not in second.output
    found = second.manage(
        "shell", "-v0", "-c", "from studio.models import User; print(User.objects.get().email)"
    )
    assert found.stdout.strip() == "maja@example.com"


def test_a_studio_killed_by_force_starts_again_at_once(start_studio):
    first = start_studio()
    first.kill()
    assert get(start_studio(port=first.port)).status == 200


def test_a_data_folder_that_is_a_file_is_one_sentence(tmp_path):
    place = tmp_path / "data"
    place.write_text("not a folder")
    done = run_manage("studio", environment=studio_environment(place))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"The data folder {place} cannot be used: File exists." in done.stderr
    assert "STUDIO_DATA_DIR" in done.stderr


@pytest.mark.parametrize("name", ["secret_key", "studio.lock", "static"])
def test_something_unusable_in_the_data_folder_is_one_sentence(tmp_path, name):
    """As after a start by root: what is there belongs to somebody else."""
    folder = tmp_path / "data"
    folder.mkdir()
    if name == "static":
        (folder / name).write_text("not a folder")
    else:
        (folder / name).mkdir()
    done = run_manage("studio", "--port", str(free_port()), environment=studio_environment(folder))
    assert done.returncode == 1
    assert f"{folder / name}" in done.stderr.splitlines()[-1], done.stderr
    assert re.search("belong to the user (who starts|that runs) the studio", done.stderr)
    assert "Traceback" not in done.stderr


def test_a_database_that_does_not_answer_is_one_sentence(tmp_path):
    environment = studio_environment(
        tmp_path / "data", DATABASE_URL=f"postgres://nobody@127.0.0.1:{free_port()}/none"
    )
    done = run_manage("studio", "--port", str(free_port()), environment=environment)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("CommandError: The database cannot be used:")
    assert "DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_old_python_is_one_sentence():
    code = (
        "import sys, runpy; sys.version_info = (3, 9, 2, 'final', 0);"
        "runpy.run_path('manage.py', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        "Ray Studio needs Python 3.11 or newer; this is Python 3.9. "
        "Install a newer one and run it again.\n"
    )


@pytest.mark.once  # elsewhere the database is prepared already
def test_the_first_start_makes_what_must_exist(start_studio, tmp_path):
    folder = tmp_path / "new"
    folder.mkdir()
    studio = start_studio("--workers", "3", data_dir=folder)
    code = (
        "from studio.models import ProviderAccount; from django_q.models import Schedule;"
        "print(ProviderAccount.objects.get(provider='previs').concurrent_limit,"
        " Schedule.objects.filter(name='sweep').count())"
    )
    assert studio.manage("shell", "-v0", "-c", code).stdout.strip() == "3 1"
    assert len(list((studio.data_dir / "static").glob("studio/css/studio.*.css"))) >= 1
    assert stat.S_IMODE((studio.data_dir / "secret_key").stat().st_mode) == 0o600


@pytest.mark.once
def test_a_start_collects_static_files_only_when_one_changed(start_studio, prepared):
    first = start_studio()
    manifest = first.data_dir / "static" / "staticfiles.json"
    made = (prepared.folder / "static" / "staticfiles.json").stat().st_mtime_ns
    assert manifest.stat().st_mtime_ns == made
    first.stop()
    (first.data_dir / "static" / ".sources").write_text("another version's")
    start_studio()
    assert manifest.stat().st_mtime_ns > made


def test_a_child_that_keeps_ending_waits_longer_each_time():
    child = Child("thing", [sys.executable, "-c", "raise SystemExit(3)"], environment=os.environ)
    said = []
    for delay in (0.5, 1.0, 2.0):
        child.start()
        assert Watch([child._process.pid]).left_after(GONE_WITHIN_S) == []
        wait = child.tend(said.append)
        assert wait == pytest.approx(delay, abs=0.1)
    assert said[0] == "The thing stopped (exit code 3). Starting it again in 0.5 s."
    assert child.deaths == 3
    assert child.has_stopped()


@pytest.mark.parametrize(
    ("host", "shown", "loopback"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("localhost", "localhost", True),
        ("::1", "[::1]", True),
        ("0.0.0.0", "127.0.0.1", False),
        ("::", "[::1]", False),
        ("192.0.2.7", "192.0.2.7", False),
        ("studio.example", "studio.example", False),
    ],
)
def test_an_address_is_shown_as_a_browser_takes_it(host, shown, loopback):
    assert local_host(host) == shown
    assert is_loopback(host) is loopback
