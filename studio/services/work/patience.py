"""Writing down what cannot be had again, also while the database is started again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)

# A database that is started again is back within seconds; one that stays away needs a person.
WITHIN_S = 120
AGAIN_S = 0.5
T = TypeVar("T")


def write_patiently(write: Callable[[], T], what: str) -> T:
    """Return what `write` returns, trying again while the database is away. Not in a transaction.

    `write` must bear being called twice: a commit may be made and its answer lost. Raises what is
    wrong with the values (IntegrityError, DataError) at once; OperationalError or InterfaceError
    when the time is over, after `what` is in the log.
    """
    until = time.monotonic() + WITHIN_S
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() >= until:
                logger.error("%s, and that could not be kept", what)
                raise
            logger.warning("%s; the database does not take it yet: %s", what, error)
            connection.close_if_unusable_or_obsolete()
            time.sleep(AGAIN_S)
