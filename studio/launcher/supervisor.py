"""Keep the children running until a signal asks for the end; then end all of them, in time."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Sequence

from studio.launcher.children import Child

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Together under five seconds on a machine with more work than it has time for.
ASKED_NICELY_S = 2.0
KILLED_S = 1.0
READY_TICK_S = 0.1
DEATHS_BEFORE_READY = 3


class SignalPipe:
    """Signals as bytes in a pipe: nothing is lost between two waits, and waiting costs no CPU."""

    def __init__(self) -> None:
        self._read, write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)

    def wait(self, timeout_s: float | None) -> bool:
        """Wait for any signal, at most timeout_s; return whether it asks the studio to stop."""
        ready, _, _ = select.select([self._read], [], [], timeout_s)
        return bool(ready) and any(number in STOP_SIGNALS for number in os.read(self._read, 512))


def supervise(
    children: Sequence[Child],
    *,
    is_ready: Callable[[], bool],
    announce: Callable[[], None],
    say: Callable[[str], None],
) -> bool:
    """Run the children until SIGINT, SIGTERM or SIGHUP, and leave no process behind.

    `announce` is called once, when `is_ready` first holds. Returns False when a child ended
    DEATHS_BEFORE_READY times before that: then something is wrong that starting again does
    not mend.
    """
    signals = SignalPipe()
    announced = False
    for child in children:
        child.start()
    try:
        while True:
            waits = [child.tend(say) for child in children]
            if not announced and is_ready():
                announce()
                announced = True
            if not announced:
                if any(child.deaths >= DEATHS_BEFORE_READY for child in children):
                    return False
                waits.append(READY_TICK_S)
            if signals.wait(min((w for w in waits if w is not None), default=None)):
                say("Stopping.")
                return True
    finally:
        stop(children, signals)


def stop(children: Sequence[Child], signals: SignalPipe) -> None:
    """End every child: asked first, killed when the time is up or a second signal comes."""
    for child in children:
        child.ask_to_stop()
    if _end_within(ASKED_NICELY_S, children, signals, hurry=True):
        return
    for child in children:
        child.end_group()
    _end_within(KILLED_S, children, signals, hurry=False)


def _end_within(
    seconds: float, children: Sequence[Child], signals: SignalPipe, *, hurry: bool
) -> bool:
    """Wait until every child is gone; with `hurry`, a second stop signal ends the waiting."""
    until = time.monotonic() + seconds
    while not all(child.has_stopped() for child in children):
        asked_again = signals.wait(0.05)
        if time.monotonic() > until or (asked_again and hurry):
            return False
    return True
