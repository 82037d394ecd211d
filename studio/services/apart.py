"""Records worked on one by one, each apart from the others: a bad one ends nothing but itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import InterfaceError, OperationalError

logger = logging.getLogger(__name__)

DATABASE_AWAY = (OperationalError, InterfaceError)  # no record's fault: it is raised


@dataclass(slots=True)
class Apart:
    """Runs a block for each record and goes on after one that fails; says which did."""

    failed: list[str] = field(default_factory=list)

    @contextmanager
    def one(self, record: str) -> Iterator[None]:
        """Log and set aside what this block raises; `record` names it. Not inside a transaction."""
        try:
            yield
        except DATABASE_AWAY:
            raise
        except Exception:
            logger.exception("%s failed and is left out", record)
            self.failed.append(record)

    def __str__(self) -> str:
        """The end of a sentence: what was left out; "" when nothing was."""
        return f"; failed and left out: {', '.join(self.failed[:10])}" if self.failed else ""
