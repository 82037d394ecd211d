"""What goes wrong, one thing after the other, in an order that the seed decides."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from bench.chaos.disk import Disk
from bench.chaos.servers import Postgres, Redis
from bench.chaos.tree import Tree
from bench.chaos.wire import Wire

# How often each comes, on average. One process of the tree dies every second and a half.
EVERY_S = {
    "worker killed": 2.0,
    "web worker killed": 12.0,
    "web server killed": 60.0,
    "sentinel killed": 45.0,
    "cluster killed": 75.0,
    "launcher killed": 200.0,
    "network reset": 40.0,
    "network silent": 60.0,
    "clock set forward": 80.0,
    "clock set back": 80.0,
    "disk full": 60.0,
    "PostgreSQL restarted": 75.0,
    "PostgreSQL crashed": 75.0,
    "Redis restarted": 60.0,
}
KILLS = {f"{place} killed": place for place in ("worker", "web worker", "web server", "sentinel", "cluster")}  # fmt: skip
CLOCK_MOST_S = 1800


class Faults:
    """Brings the faults that are possible here, until `stop`. `brought` counts them."""

    def __init__(
        self, *, tree: Tree, wire: Wire, disk: Disk, clock: Path, seed: int,
        postgres: Postgres | None, redis: Redis | None,
    ) -> None:  # fmt: skip
        self.brought: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._tree, self._wire, self._disk, self._clock = tree, wire, disk, clock
        self._postgres, self._redis = postgres, redis
        self._chance = random.Random(seed)
        self._ended = threading.Event()
        # What lasts has a thread of its own: processes go on dying while a disk is full.
        kinds: list[dict[str, Callable[[], object]]] = [
            {name: self._killing(place) for name, place in KILLS.items()}
            | {"launcher killed": self._kill_launcher},
            {"network reset": self._reset, "network silent": self._silence},
            {"clock set forward": self._set_forward, "clock set back": self._set_back},
        ]
        if disk.can_fill:
            kinds.append({"disk full": self._fill})
        if postgres is not None:
            kinds.append(
                {
                    "PostgreSQL restarted": lambda: self._restart_postgres("fast"),
                    "PostgreSQL crashed": lambda: self._restart_postgres("immediate"),
                }
            )
        if redis is not None:
            kinds.append({"Redis restarted": self._restart_redis})
        self._threads = [
            threading.Thread(target=self._bring, args=(kind, self._chance.random()), daemon=True)
            for kind in kinds
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Bring nothing more, and mend everything."""
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._clock.write_text("0")
        self._wire.mend()
        self._disk.empty()

    def _bring(self, faults: dict[str, Callable[[], object]], seed: float) -> None:
        chance = random.Random(seed)
        rates = [1 / EVERY_S[name] for name in faults]
        while not self._ended.wait(chance.expovariate(sum(rates))):
            name = chance.choices(list(faults), rates)[0]
            try:
                came = faults[name]()
            except Exception as error:  # noqa: BLE001  # a run without its faults proves nothing
                self.wrong.append(f"{name} could not be brought: {error}")
                return
            if came is not False:
                self.brought[name] += 1

    def _last(self, least_s: float, most_s: float) -> None:
        self._ended.wait(self._chance.uniform(least_s, most_s))

    def _killing(self, place: str) -> Callable[[], bool]:
        # What takes others along dies only once all is back: else nothing would ever run where
        # a start takes long.
        alone = place in ("worker", "web worker")
        return lambda: (alone or self._tree.is_whole()) and self._tree.kill(place, self._chance)

    def _kill_launcher(self) -> bool:
        if not self._tree.is_whole():
            return False
        left = self._tree.kill_all()
        until = time.monotonic() + 10
        while (left := [pid for pid in left if _lives(pid)]) and time.monotonic() < until:
            time.sleep(0.05)
        if left:
            self.wrong.append(f"{len(left)} processes outlived their launcher")
        return True

    def _reset(self) -> None:
        self._wire.cut()
        self._last(1, 6)
        self._wire.mend()

    def _silence(self) -> None:
        self._wire.hold()
        self._last(2, 8)
        self._wire.mend()

    def _set_forward(self) -> None:
        self._shift(self._chance.uniform(5, CLOCK_MOST_S))

    def _set_back(self) -> None:
        self._shift(-self._chance.uniform(5, CLOCK_MOST_S))

    def _shift(self, seconds: float) -> None:
        self._clock.write_text(f"{seconds:.0f}")
        self._last(5, 20)
        self._clock.write_text("0")

    def _fill(self) -> None:
        until = time.monotonic() + self._chance.uniform(3, 10)
        while time.monotonic() < until and not self._ended.is_set():
            self._disk.fill()  # again: what the studio tidies away is free space
            time.sleep(0.2)
        self._disk.empty()

    def _restart_postgres(self, mode: str) -> None:
        assert self._postgres is not None
        self._postgres.stop(mode)
        self._last(0, 4)
        self._postgres.start()

    def _restart_redis(self) -> None:
        assert self._redis is not None
        self._redis.stop()
        self._last(0, 4)
        self._redis.start()


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
