"""An app that shortens the waits of every process of the studio it is installed in."""

from __future__ import annotations

from django.apps import AppConfig


class HurriedConfig(AppConfig):
    name = "bench.chaos"
    label = "chaos"

    def ready(self) -> None:
        from tests.hurry import hurry
        from tests.soak import stub_pictures

        hurry(faults=True, timeout_s=2)
        stub_pictures()
