"""The emulator as a context manager: an aiohttp server on its own thread and event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from aiohttp import web

from tests.emulator import aimlapi, apiframe, control, gmicloud, hooks, luma, media
from tests.emulator.config import Config
from tests.emulator.serving import MAX_BODY_BYTES, WORLD, set_date
from tests.emulator.world import World

T = TypeVar("T")
PATHS = {
    "apiframe": "/apiframe",
    "aimlapi": "/aimlapi",
    "gmicloud": "/gmicloud",
    "luma": "/luma",
}


def make_app(world: World) -> web.Application:
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app[WORLD] = world
    app.on_response_prepare.append(set_date)
    app.add_routes(
        [
            *apiframe.routes(PATHS["apiframe"]),
            *aimlapi.routes(PATHS["aimlapi"]),
            *gmicloud.routes(PATHS["gmicloud"]),
            *luma.routes(PATHS["luma"]),
            web.get("/media/uploads/{id}", media.uploaded),
            web.get("/media/{name}.mp4", media.clip),
            web.get("/media/{name}.jpg", media.thumbnail),
            *control.routes(),
            web.route("*", "/{anything:.*}", _unknown),
        ]
    )
    return app


async def _unknown(request: web.Request) -> web.Response:
    request.app[WORLD].violate("any", f"unknown path {request.method} {request.path}")
    return web.json_response({"error": "no such path"}, status=404)


PATIENCE_S = 60  # a busy machine may take its time over what is done at once


class Emulator:
    """`with Emulator(finish_after_s=1) as emulator:` serves on `emulator.url` until the end.

    Keyword arguments are the fields of Config. Port 0 takes a free one.
    """

    def __init__(self, port: int = 0, *, host: str = "127.0.0.1", **config: Any) -> None:
        self.config = Config()
        self.world = World(self.config)
        control.configure(self.world, config)
        self._host, self._port = host, port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="emulator", daemon=True)
        self._ready = threading.Event()
        self._runner: web.AppRunner | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> Emulator:
        self._thread.start()
        assert self._ready.wait(PATIENCE_S), "The emulator does not start."
        if self._error is not None:
            raise self._error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(PATIENCE_S)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(PATIENCE_S)
        self._loop.close()

    @property
    def url(self) -> str:
        return self.world.base_url

    def base_url(self, provider: str) -> str:
        """Return the base URL of one provider: apiframe, aimlapi, gmicloud or luma."""
        return f"{self.url}{PATHS[provider]}"

    def key(self, provider: str) -> str:
        return self.config.keys[provider]

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that point a studio here."""
        lines = {}
        for provider in PATHS:
            lines[f"{provider.upper()}_BASE_URL"] = self.base_url(provider)
            lines[f"{provider.upper()}_API_KEY"] = self.key(provider)
        lines["STUDIO_MEDIA_HOSTS"] = self.url.partition("://")[2]
        return lines

    @property
    def stats(self) -> dict[str, Any]:
        return self._ask(self.world.snapshot)

    @property
    def violations(self) -> list[str]:
        return self._ask(lambda: list(self.world.violations))

    @property
    def received(self) -> list[dict[str, Any]]:
        """Return what was accepted: {dialect, id, body}, oldest first."""
        return self._ask(lambda: list(self.world.received))

    def jobs(self) -> list[Any]:
        """Return the jobs, oldest first; they move by the clock."""
        return self._ask(lambda: list(self.world.jobs.values()))

    def purchases(self) -> list[dict[str, Any]]:
        """Return the jobs as `/_emulator/jobs` lists them, oldest first."""
        jobs = self.jobs()
        return [control.describe(self.world, job) for job in jobs]

    def configure(self, **changes: Any) -> None:
        """Change fields of Config, faults included, while running."""
        self._ask(lambda: control.configure(self.world, changes))

    def reset(self) -> None:
        """Forget jobs, counts, uploads and violations; keep the configuration."""
        self._ask(self.world.reset)

    def finish_all(self) -> None:
        """Let every job that is under way end now."""

        def finish() -> None:
            for job in self.world.jobs.values():
                job.starts_at = job.finishes_at = min(job.finishes_at, job.accepted_at)

        self._ask(finish)

    def _ask(self, question: Callable[[], T]) -> T:
        async def answer() -> T:
            return question()

        return asyncio.run_coroutine_threadsafe(answer(), self._loop).result(PATIENCE_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._start())
        except OSError as error:
            self._error = error
            self._ready.set()
            return
        self._ready.set()
        self._loop.run_forever()

    async def _start(self) -> None:
        self._runner = web.AppRunner(make_app(self.world), access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        port = self._runner.addresses[0][1]
        self.world.base_url = f"http://{self._host}:{port}"

    async def _stop(self) -> None:
        hooks.cancel_all(self.world)
        if self._runner is not None:
            await self._runner.cleanup()
        # Requests that hang on purpose: a loop must not be closed over them.
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
