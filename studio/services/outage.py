"""Whether an error says that the database or Redis does not answer, and not that the studio is wrong."""

from __future__ import annotations

import psycopg
from django.db import InterfaceError, OperationalError
from redis import exceptions as redis

REDIS = (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError)

# PostgreSQL's: connection exceptions, too many connections, shutting down, crashed, starting.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
AWAY_CLASS, AWAY_STATES = "08", frozenset({"53300", "57P01", "57P02", "57P03"})
AWAY_WORDS = ("database is locked", "unable to open database file")  # SQLite's


def is_outage(error: BaseException | None) -> bool:
    """Whether this error, or one it came from, is a service that does not answer."""
    seen = 0
    while error is not None and seen < 20:
        if isinstance(error, (*REDIS, InterfaceError)):
            return True
        if isinstance(error, OperationalError) and _is_away(error):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def _is_away(error: OperationalError) -> bool:
    cause = error.__cause__
    if isinstance(cause, psycopg.Error):
        state = cause.sqlstate or AWAY_CLASS  # none where no server was reached, or it hung up
        return state.startswith(AWAY_CLASS) or state in AWAY_STATES
    return any(words in str(error) for words in AWAY_WORDS)
