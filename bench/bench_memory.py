"""Memory of the web processes while four of the largest accepted pictures are uploaded at once.

    python -m bench.bench_memory [--database sqlite] [--only WebP]

A real gunicorn with the studio's own settings. For each kind of picture four members send one at
once to *Stills*, each to a project of their own; at the end four compose forms bring two frames
each. Printed are the most that each web process held (VmHWM, with what it shares with others; PSS
without) and what it holds after. Exits 1 above LIMIT_MB, or when a picture is not taken.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bench.databases import run_on_each
from bench.fleet import ROOT, process_families, wait_until

LIMIT_MB = 400
AT_ONCE = 4
PSS_PACE_S = 0.05
MAX_TRIES = 5
BUSY = "Other pictures are being read"  # on a machine slower than the studio waits for


@dataclass
class Sender:
    """A member who is signed in, and a project of theirs."""

    project: str
    cookies: dict[str, str]
    token: str


@dataclass
class Watch:
    """The memory of processes while the block lasts, MB; VmHWM begins anew."""

    pids: list[int]
    peak: dict[int, int] = field(default_factory=dict)
    peak_pss: dict[int, int] = field(default_factory=dict)
    after: dict[int, int] = field(default_factory=dict)

    def __enter__(self) -> Watch:
        for pid in self.pids:
            Path(f"/proc/{pid}/clear_refs").write_text("5")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()
        for pid in self.pids:
            self.peak[pid] = read_mb(f"/proc/{pid}/status", "VmHWM:")
            self.after[pid] = read_mb(f"/proc/{pid}/status", "VmRSS:")

    def _sample(self) -> None:
        while not self._ended.wait(PSS_PACE_S):
            for pid in self.pids:
                pss = read_mb(f"/proc/{pid}/smaps_rollup", "Pss:")
                self.peak_pss[pid] = max(pss, self.peak_pss.get(pid, 0))


def read_mb(path: str, name: str) -> int:
    return int(Path(path).read_text().partition(name)[2].split()[0]) // 1024


def make_senders() -> list[Sender]:
    from django.test import Client

    from bench.gallery_rows import make_project
    from studio.models import User

    senders = []
    for number in range(AT_ONCE):
        user = User.objects.create_user(f"sender-{number}@bench.example", name="Sender")
        project = make_project(f"Stills {number}", [user], 1)
        client = Client(SERVER_NAME="127.0.0.1")
        client.force_login(user)
        client.get(f"/p/{project.code}/stills/")
        cookies = {name: morsel.value for name, morsel in client.cookies.items()}
        token = next(value for name, value in cookies.items() if "csrf" in name)
        senders.append(Sender(str(project.code), cookies, token))
    return senders


def send(base: str, sender: Sender, address: str, files: dict[str, Path]) -> str:
    """Send a form with files, as often as others are being read; return why not kept, or nothing."""
    from studio.models import Keyframe

    stills = Keyframe.objects.filter(project__code=sender.project)
    before = stills.count()
    for _ in range(MAX_TRIES):
        answer = httpx.post(
            f"{base}/p/{sender.project}/{address}/",
            files={name: (path.name, path.read_bytes()) for name, path in files.items()},
            cookies=sender.cookies,
            headers={"X-CSRFToken": sender.token, "Accept": "application/json"},
            timeout=300,
        )
        if stills.count() - before == len(files):
            return ""
        if BUSY not in answer.text:
            break
    return f"{answer.status_code} {answer.text[:200]}"


def send_at_once(
    base: str, senders: list[Sender], pids: list[int], address: str, files: list[dict[str, Path]]
) -> tuple[Watch, list[str]]:
    with Watch(pids) as watch, ThreadPoolExecutor(len(senders)) as pool:
        jobs = [
            pool.submit(send, base, sender, address, each)
            for sender, each in zip(senders, files, strict=True)
        ]
        refusals = [job.result() for job in jobs]
    return watch, [refusal for refusal in refusals if refusal]


def report(name: str, watch: Watch, refusals: list[str], seconds: float) -> bool:
    """Print one line; return whether it is within the limit."""
    columns = (watch.peak, watch.peak_pss, watch.after)
    row = [" / ".join(f"{each[pid]}" for pid in watch.pids) for each in columns]
    print(f"  {name:26} {row[0]:>12} {row[1]:>12} {row[2]:>12} {seconds:8.1f}", flush=True)
    for refusal in refusals:
        print(f"    not taken: {refusal}")
    return not refusals and max(watch.peak.values()) <= LIMIT_MB


def run_here(database: str, only: str) -> int:
    import django

    django.setup()
    from django.core.management import call_command

    from tests.processes import free_port

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    senders = make_senders()
    base = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "gunicorn", "--config", "python:studio.launcher.web"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "bench.memory_pictures", folder], check=True)
        pictures = sorted(Path(folder).iterdir())
        pictures = [path for path in pictures if only.lower() in path.name.lower()]
        server = subprocess.Popen([*command, "--bind", base[7:], "studio.wsgi"], cwd=ROOT)
        try:
            assert wait_until(lambda: _answers(base), seconds=180), "gunicorn does not answer"
            pids = process_families()[server.pid]
            print(f"{database}: {len(pids)} web processes, {AT_ONCE} uploads at once, MB")
            print(f"  {'':26} {'VmHWM':>12} {'PSS':>12} {'RSS after':>12} {'s':>8}")
            well = True
            with Watch(pids) as idle:
                time.sleep(1)
            report("idle", idle, [], 1)
            for picture in pictures:
                began = time.monotonic()
                found = send_at_once(base, senders, pids, "stills", [{"stills": picture}] * AT_ONCE)
                well &= report(picture.name[3:], *found, time.monotonic() - began)
            if not only:
                from studio.models import Keyframe

                Keyframe.objects.all().delete()
                began = time.monotonic()
                forms = [
                    {"start_file": pictures[n], "end_file": pictures[n + AT_ONCE]}
                    for n in range(AT_ONCE)
                ]
                found = send_at_once(base, senders, pids, "new", forms)
                well &= report("two frames a form, mixed", *found, time.monotonic() - began)
            assert process_families()[server.pid] == pids, "a web process ended"
        finally:
            server.terminate()
            server.wait(60)
    print(f"  {'within' if well else 'ABOVE'} the limit of {LIMIT_MB} MB for each process")
    return 0 if well else 1


def _answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/healthz").is_success
    except httpx.TransportError:
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="only this one")
    parser.add_argument("--only", default="", help="kinds of pictures with this in their name")
    parser.add_argument("--here", metavar="DATABASE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        return run_here(options.here, options.only)
    try:
        run_on_each("bench_memory", options.database, "--only", options.only)
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
