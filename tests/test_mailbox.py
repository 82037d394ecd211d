"""Messages between processes that may be killed at any instruction."""

from __future__ import annotations

import random
import signal
import threading
import time
from contextlib import suppress
from multiprocessing import get_context

import pytest

from studio.launcher.mailbox import Flag, Mailbox, Results

pytestmark = pytest.mark.once
fork = get_context("fork")
KILLS = 60  # multiprocessing's Queue stood still after 300, every time
COMES_WITHIN_S = 60.0


def test_messages_come_whole_and_in_order():
    box = Mailbox(3)
    assert box.empty()
    box.put({"func": "studio.tasks.sweep", "args": (1, "two")})
    box.put("STOP")
    assert not box.empty() and box.qsize() == 1
    assert [box.get(), box.get()] == [{"func": "studio.tasks.sweep", "args": (1, "two")}, "STOP"]
    assert box.empty() and box.qsize() == 0


def test_what_was_put_is_there_although_its_writer_died():
    box = Mailbox()
    writer = fork.Process(target=lambda: [box.put("first"), signal.pause()])
    writer.start()
    assert box.get() == "first"
    box.put("second")
    writer.kill()
    writer.join()
    assert box.get() == "second"


def test_a_full_box_makes_its_writer_wait():
    box = Mailbox(9)
    put = []

    def write():
        for number in range(200):
            box.put("x" * 600)
            put.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    until = time.monotonic() + COMES_WITHIN_S
    while not put and time.monotonic() < until:
        time.sleep(0.01)
    writer.join(0.3)
    assert 5 < len(put) < 30, "it keeps too many from the other machines, or too few"
    for _ in range(200):
        box.get()
    writer.join(COMES_WITHIN_S)
    assert not writer.is_alive()


def test_a_worker_does_not_wait_for_ever_with_its_result():
    box = Results()
    box._writer.setblocking(False)  # stands for the time it waits
    with suppress(BlockingIOError):
        while True:
            box._writer.send(b"x" * 600)
    box.put({"result": "done"})


def test_a_result_that_is_too_long_is_cut():
    box = Results()
    box.put({"name": "sweep", "result": "x" * 2_000_000})
    assert box.get() == {"name": "sweep", "result": "x" * 10_000}
    with pytest.raises(ValueError, match="too long"):
        Mailbox().put("x" * 2_000_000)


def test_a_flag_is_seen_by_processes_forked_before():
    flag = Flag()

    def wait():
        while not flag.is_set():
            time.sleep(0.01)

    child = fork.Process(target=wait, daemon=True)
    child.start()
    child.join(0.1)
    assert child.is_alive()
    flag.set()
    child.join(COMES_WITHIN_S)
    assert child.exitcode == 0


def test_killing_readers_and_writers_at_random_stops_nothing():
    tasks, results = Mailbox(9), Mailbox()
    chance = random.Random(5)

    def write():
        while True:
            tasks.put({"name": "x" * 600})

    def work():
        while True:
            results.put(tasks.get())

    def read():
        while True:
            results.get()

    parts = [write, read, work, work, work]
    running = [fork.Process(target=part, daemon=True) for part in parts]
    for process in running:
        process.start()
    try:
        for _ in range(KILLS):
            time.sleep(chance.uniform(0, 0.005))
            place = chance.randrange(len(parts))
            running[place].kill()
            running[place].join()
            running[place] = fork.Process(target=parts[place], daemon=True)
            running[place].start()
        running[1].kill()
        running[1].join()
        # A pipe would bring halves, and a lock nothing at all.
        for _ in range(500):
            until = time.monotonic() + COMES_WITHIN_S
            while results.empty():
                assert time.monotonic() < until, "nothing comes any more"
            assert results.get() == {"name": "x" * 600}
    finally:
        for process in running:
            process.kill()
            process.join()
