"""A lock is free again the moment its holder is dead."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from contextlib import contextmanager
from multiprocessing import get_context

import pytest

from studio.launcher.deathlock import DeathLock

pytestmark = pytest.mark.once
fork = get_context("fork")


def hold(lock, told):
    lock.acquire()
    told.send("held")
    signal.pause()


@contextmanager
def held_elsewhere(lock):
    here, there = fork.Pipe()
    process = fork.Process(target=hold, args=(lock, there))
    process.start()
    assert here.recv() == "held"
    try:
        yield process
    finally:
        process.kill()
        process.join()


def test_one_process_at_a_time():
    lock = DeathLock()
    with held_elsewhere(lock):
        assert not lock.acquire(False)
        assert not lock.acquire(True, 0.05)


def test_the_death_of_its_holder_frees_it():
    lock = DeathLock()
    with held_elsewhere(lock) as process:
        assert not lock.acquire(False)
        os.kill(process.pid, signal.SIGKILL)
        assert lock.acquire(True, 30)
    lock.release()
    with held_elsewhere(lock):
        assert not lock.acquire(False)


def test_it_is_held_as_often_as_it_was_taken():
    lock = DeathLock()
    with lock, lock:
        pass
    with lock:
        with lock:
            pass
        process = fork.Process(target=lambda: os._exit(lock.acquire(False)))
        process.start()
        process.join()
        assert process.exitcode == 0, "a child took what its parent holds"
    with pytest.raises(ValueError, match="does not hold"):
        lock.release()


def test_a_child_does_not_hold_what_its_parent_does():
    lock = DeathLock()

    def release():
        try:
            lock.release()
        except ValueError:
            os._exit(7)
        os._exit(0)

    with lock:
        process = fork.Process(target=release)
        process.start()
        process.join()
        assert process.exitcode == 7


def test_crossed_waits_of_threads_are_no_deadlock():
    """The kernel calls it one: each process holds what a thread of the other waits for."""
    first, second = DeathLock(), DeathLock()
    here, there = fork.Pipe()

    def other():
        second.acquire()
        there.send("held")
        first.acquire()  # waits for this process, which waits for it
        there.send("both")
        signal.pause()

    first.acquire()
    process = fork.Process(target=other)
    process.start()
    assert here.recv() == "held"
    taken = threading.Event()
    waiting = threading.Thread(target=lambda: second.acquire() and taken.set())
    waiting.start()
    assert not taken.wait(0.2)
    first.release()
    assert here.recv() == "both"
    process.kill()
    process.join()
    assert taken.wait(30)
    assert first.acquire(True, 30)


def test_it_is_not_sent_anywhere():
    with pytest.raises((TypeError, RuntimeError)):
        pickle.dumps(DeathLock())
