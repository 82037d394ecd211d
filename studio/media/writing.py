"""A media file in the making: whole when its block ends well, gone when it does not."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType

import av
from av.container import OutputContainer


class WholeOrGone:
    """The end of a context manager that writes `path` through `_container`.

    `_finish` flushes and closes. Where the block or `_finish` raises, the file is deleted.
    """

    path: Path
    _container: OutputContainer

    def _finish(self) -> None:
        self._container.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        whole = False
        try:
            if kind is None:
                self._finish()
                whole = True
        finally:
            if not whole:
                with contextlib.suppress(av.FFmpegError):
                    self._container.close()
                self.path.unlink(missing_ok=True)
