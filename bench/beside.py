"""Work asked for beside the one that is measured, and how long each piece took to begin."""

from __future__ import annotations

import threading
import time
import uuid
from pathlib import Path
from typing import Any

from bench.fleet import wait_until


class OtherWork:
    """Asks for a trivial task each second, and notes how long each took to begin."""

    def __init__(self, folder: Path) -> None:
        self.delays: list[float] = []
        self._folder = folder
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> OtherWork:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        from django_q.tasks import async_task

        while not self._ended.wait(1):
            path = self._folder / uuid.uuid4().hex
            asked = time.time()
            async_task("bench.worker.note_time", str(path), save=False)
            if wait_until(path.exists, seconds=30, every=0.01):
                time.sleep(0.01)
                self.delays.append(float(path.read_text() or time.time()) - asked)
            else:
                self.delays.append(30.0)


class RealWork(OtherWork):
    """Asks for a previs and for a download in turn, and notes how long each took to begin.

    A render is stopped as it begins: how long it takes is no part of this.
    """

    def __init__(self, folder: Path, clip_url: str) -> None:
        super().__init__(folder)
        self._clip_url = clip_url

    def _run(self) -> None:
        from django.db import connection

        while not self._ended.wait(0.5):
            for ask in (self._render, self._download):
                begun, asked = ask(), time.time()
                came = wait_until(begun.exists, seconds=30, every=0.01)
                self.delays.append(time.time() - asked if came else 30.0)
        connection.close()

    def _shot(self, provider: str, model: str) -> Any:
        from studio import lifecycle
        from studio.models import Generation, Project, ProviderAccount, User

        shot = Generation(
            project=Project.objects.get(), by=User.objects.get(), title="Beside", prompt="Beside",
            sent_prompt="Beside", duration_s=5, aspect_ratio="16:9", resolution="540p",
            provider=provider, model=model,
            account=ProviderAccount.objects.filter(provider=provider).latest("pk"),
        )  # fmt: skip
        lifecycle.create([shot], actor=shot.by)
        return shot

    def _render(self) -> Any:
        from studio import lifecycle
        from studio.models import Generation
        from studio.queue import enqueue

        for old in Generation.objects.filter(provider="previs", state="running"):
            lifecycle.move(old.pk, "cancelled", charged="no")
        shot = self._shot("previs", "previs-1")
        enqueue("submit_next", shot.account_id)
        return Generation.objects.filter(pk=shot.pk, work_attempts__gt=0, state="running")

    def _download(self) -> Any:
        from studio import lifecycle
        from studio.models import Generation
        from studio.queue import enqueue

        shot = self._shot("luma", "ray-2")
        lifecycle.claim_submit(shot.pk)
        lifecycle.move(shot.pk, "storing", result_url=self._clip_url, work_attempts=0)
        enqueue("store_clip", shot.pk)
        return Generation.objects.filter(pk=shot.pk, work_attempts__gt=0)
