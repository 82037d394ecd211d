"""Looking through long texts that no index holds, folded by the database as the index is."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.signals import connection_created
from django.db.backends.sqlite3.base import DatabaseWrapper as SQLite

from studio.search.postgresql import MOST_CHARS
from studio.search.words import fold


class Folded(models.Func):
    """A text column without case, accents and punctuation."""

    function = "studio_search_fold"
    output_field = models.TextField()


def teach(sender: Any, connection: Any, **more: Any) -> None:
    """Give a connection to SQLite the function that PostgreSQL's tables bring along."""
    if isinstance(connection, SQLite):
        connection.connection.create_function(Folded.function, 1, _fold, deterministic=True)


def _fold(value: Any) -> Any:
    return fold(value[:MOST_CHARS]) if isinstance(value, str) else value


connection_created.connect(teach, dispatch_uid="studio.search.looking_through")
