"""`manage.py studio`: the whole studio in one process tree."""

from __future__ import annotations

import os
import socket
import sys
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections

from studio.launcher.children import Child
from studio.launcher.lifeline import adopt_orphans
from studio.launcher.listening import answers, is_loopback, listen, local_host
from studio.launcher.lock import folder_errors, hold_data_folder
from studio.launcher.prepare import collect_static, prepare_database
from studio.launcher.private_files import protect_data_folder
from studio.launcher.supervisor import supervise
from studio.launcher.welcome import invitation
from studio.management.base import StudioCommand

GRACE_S = 2
LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})


def _whole(text: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise ArgumentTypeError(f"{text} is not a whole number from {least} to {most}")
    return int(text)


def port_number(text: str) -> int:
    return _whole(text, 1, 65535)


def worker_count(text: str) -> int:
    return _whole(text, 1, 64)


class Command(StudioCommand):
    help = "Start the studio: web server and background work in one process tree. Ctrl-C stops it."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=port_number, default=8000)
        parser.add_argument(
            "--workers",
            type=worker_count,
            default=settings.WORKERS,
            help="renders side by side; downloads and sends have slots of their own; "
            "default: STUDIO_WORKERS, or 2",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if os.name != "posix":
            raise CommandError("The studio runs on Linux and macOS. On Windows, start it in WSL.")
        host, port = options["host"], options["port"]
        # What the start prepares must agree with what the children, who get it by environment, see.
        settings.WORKERS = options["workers"]
        adopt_orphans()
        with hold_data_folder(settings.DATA_DIR), listen(host, port) as listener:
            with folder_errors():
                protect_data_folder()
                prepare_database()
                collect_static()
            ran = supervise(
                [web_server(listener), background_work()],
                is_ready=lambda: answers(host, port),
                announce=lambda: self.announce(host, port),
                say=self.say,
            )
        if not ran:
            raise CommandError("The studio could not start; the reason stands above.")

    def announce(self, host: str, port: int) -> None:
        """Say where the studio is and, while nobody has an account, how to make the first."""
        local = f"http://{local_host(host)}:{port}"
        self.say(f"Ray Studio is running at {settings.PUBLIC_URL or local}")
        if how := invitation(settings.PUBLIC_URL or local):
            self.say(how)
        connections.close_all()
        if not is_loopback(host) and LOCAL_NAMES.issuperset(settings.ALLOWED_HOSTS):
            self.say(
                "Other machines are refused until STUDIO_HOSTS (or STUDIO_PUBLIC_URL) names the "
                "address they use, and SECRET_KEY is set."
            )
        self.say("Ctrl-C stops it.")

    def say(self, text: str) -> None:
        try:
            for line in text.splitlines():
                self.stdout.write(line)
            self.stdout.flush()
        except OSError:
            # The terminal is gone; the studio ends by the signal that comes with it, not by this.
            return


def web_server(listener: socket.socket) -> Child:
    """Make gunicorn, behind the launcher's socket."""
    return Child(
        "web server",
        [
            *(sys.executable, "-m", "gunicorn", "--config", "python:studio.launcher.web"),
            *("--bind", f"fd://{listener.fileno()}", "--graceful-timeout", str(GRACE_S)),
            *("--chdir", str(settings.BASE_DIR), "studio.wsgi"),
        ],
        environment=_environment(),
        pass_fds=[listener.fileno()],
    )


def background_work() -> Child:
    """Make django-q2's cluster."""
    return Child(
        "background work",
        [sys.executable, str(settings.BASE_DIR / "manage.py"), "qcluster"],
        environment=_environment(),
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "STUDIO_WORKERS": str(settings.WORKERS)}
