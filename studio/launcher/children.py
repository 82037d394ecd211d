"""One child of the launcher: a process with its descendants, started, restarted and ended as one."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from studio.launcher.lifeline import die_with

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
SETTLED_AFTER_S = 60.0


class Child:
    """A command in a process group of its own, so that a Ctrl-C in the terminal misses it.

    `deaths` counts the ends nobody asked for since it last ran SETTLED_AFTER_S; the delay
    before the next start doubles with each.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.deaths = 0
        self._command = list(command)
        self._environment = dict(environment)
        self._pass_fds = tuple(pass_fds)
        self._process: subprocess.Popen[bytes] | None = None
        self._group = 0
        self._started_at = 0.0
        self._start_at = 0.0

    def start(self) -> None:
        launcher = os.getpid()
        self._process = subprocess.Popen(  # noqa: S603 (our own command, no shell)
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            pass_fds=self._pass_fds,
            start_new_session=True,
            preexec_fn=lambda: die_with(launcher),
        )
        self._group = self._process.pid
        self._started_at = time.monotonic()

    def tend(self, say: Callable[[str], None]) -> float | None:
        """Start it again where it ended; return seconds until it needs tending, None for never."""
        now = time.monotonic()
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return None
            self._process = None
            self.end_group()
            self.deaths = 1 if now - self._started_at > SETTLED_AFTER_S else self.deaths + 1
            delay = min(FIRST_DELAY_S * 2 ** (self.deaths - 1), LONGEST_DELAY_S)
            self._start_at = now + delay
            say(f"The {self.name} stopped ({_how(code)}). Starting it again in {delay:g} s.")
        if now < self._start_at:
            return self._start_at - now
        self.start()
        return None

    def ask_to_stop(self) -> None:
        # Never the whole group: django-q2 hangs when its workers get SIGTERM beside their parent.
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def has_stopped(self) -> bool:
        """Whether it and all its descendants are gone."""
        if self._process is not None and self._process.poll() is None:
            return False
        return not self._group_lives()

    def end_group(self) -> None:
        """Kill whatever is left of it, at once."""
        if self._group:
            try:
                os.killpg(self._group, signal.SIGKILL)
            except ProcessLookupError:
                return

    def _group_lives(self) -> bool:
        if not self._group:
            return False
        # Adopted orphans (lifeline.adopt_orphans) stay zombies of the group until reaped.
        try:
            while os.waitpid(-self._group, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        try:
            os.killpg(self._group, 0)
        except ProcessLookupError:
            return False
        return True


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
