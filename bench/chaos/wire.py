"""A wire between the studio and the providers that can be cut: a TCP proxy on its own thread."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from types import TracebackType

READ_BYTES = 64 * 1024


class Wire:
    """`with Wire("127.0.0.1", port) as wire:` carries `wire.port` to that port.

    `cut()` resets what is on it and every new connection; `hold()` lets all of it stand still,
    so that only time tells; `mend()` lets new connections through again.
    """

    def __init__(self, host: str, port: int) -> None:
        self._there = (host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()
        self._whole = asyncio.Event()
        self._is_cut = False
        self.port = 0
        self.carried = 0  # connections

    def __enter__(self) -> Wire:
        self._thread.start()
        self._do(self._serve())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        self._do(self._set(cut=True, held=False))

    def hold(self) -> None:
        self._do(self._set(cut=False, held=True))

    def mend(self) -> None:
        # What stood still is torn: its bytes may have been waited for too long already.
        self._do(self._set(cut=True, held=False))
        self._do(self._set(cut=False, held=False))

    def _do(self, work: object) -> None:
        assert asyncio.iscoroutine(work)
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _serve(self) -> None:
        self._whole.set()
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _set(self, *, cut: bool, held: bool) -> None:
        self._is_cut = cut
        if held:
            self._whole.clear()
        else:
            self._whole.set()
        if cut:
            for writer in list(self._writers):
                writer.transport.abort()

    async def _end(self) -> None:
        self._server.close()
        await self._set(cut=True, held=False)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        self._writers.add(writer)
        far: asyncio.StreamWriter | None = None
        try:
            await self._whole.wait()
            far_reader, far = await asyncio.open_connection(*self._there)
            self._writers.add(far)
            self.carried += 1
            await asyncio.gather(self._copy(reader, far), self._copy(far_reader, writer))
        except OSError:
            pass
        finally:
            for end in (writer, far):
                if end is not None:
                    self._writers.discard(end)
                    end.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(READ_BYTES):
            await self._whole.wait()
            writer.write(data)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()
