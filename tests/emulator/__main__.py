"""Run the emulator by hand: `python -m tests.emulator --port 9099`."""

from __future__ import annotations

import argparse
import signal

from tests.emulator.server import Emulator


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.emulator", description=__doc__)
    parser.add_argument("--port", type=int, default=9099)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--queue", type=float, default=2, help="seconds a job is queued")
    parser.add_argument("--finish", type=float, default=12, help="seconds until a job ends")
    parser.add_argument("--spread", type=float, default=6, help="up to so many seconds more")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME=RATE",
        help="for example rate_limited=0.1; may be given more than once",
    )
    options = parser.parse_args()
    rates = {}
    for text in options.fault:
        name, _, rate = text.partition("=")
        rates[name] = float(rate or 0.1)
    # SIGTERM ends it like Ctrl-C, so that a supervisor can stop it cleanly.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Emulator(
            options.port,
            host=options.host,
            queue_s=options.queue,
            finish_after_s=options.finish,
            spread_s=options.spread,
            rates=rates,
        ) as emulator:
            print(" ".join(f"{name}={value}" for name, value in emulator.environment.items()))
            print(f"Counts: {emulator.url}/_emulator/stats   Ctrl-C stops.", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print("Stopped.")


if __name__ == "__main__":
    main()
