"""The full-text index over titles, prompts and comments: what keeps it true, in the database itself.

Triggers on generations and comments write the table `studio_searchtext`, whoever writes: a service,
a bulk update, raw SQL. From it each database keeps its own index: SQLite an FTS5 table (and one of
trigrams for scripts without spaces), PostgreSQL a weighted tsvector (and trigrams for misspelt
words, where the extension may be made).

Migrations may remake the tables the triggers stand on, which drops triggers on SQLite and is refused
on PostgreSQL. So `manage.py migrate` takes them off before it changes the studio's tables and puts
them back afterwards (studio.apps), and the index is then filled anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from studio.search import postgresql, sqlite

TEXTS = "studio_searchtext"


def engine(connection: BaseDatabaseWrapper) -> ModuleType:
    """Return the module that speaks to this kind of database."""
    return postgresql if connection.vendor == "postgresql" else sqlite


def install(connection: BaseDatabaseWrapper) -> None:
    """Make what is missing of the index and its triggers, and fill it. Safe to call again."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        engine(connection).make(cursor, connection)
    rebuild(connection)


def ensure(connection: BaseDatabaseWrapper) -> None:
    """Install what is missing; one query when nothing is."""
    with connection.cursor() as cursor:
        if not _has_texts(connection) or engine(connection).has_triggers(cursor):
            return
    install(connection)


def take_off(connection: BaseDatabaseWrapper) -> None:
    """Drop the triggers. The index stays and falls behind until `ensure` is called."""
    if not _has_texts(connection):
        return
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        engine(connection).drop_triggers(cursor)


def remove(connection: BaseDatabaseWrapper) -> None:
    """Drop triggers and index: the way back."""
    with connection.cursor() as cursor:
        engine(connection).drop(cursor)


def rebuild(connection: BaseDatabaseWrapper) -> int:
    """Fill the index anew from generations and comments; return how many clips it holds."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        engine(connection).fill(cursor)
        cursor.execute(f"SELECT count(*) FROM {TEXTS}")  # noqa: S608 (a name of our own)
        return int(cursor.fetchone()[0])


def _has_texts(connection: BaseDatabaseWrapper) -> bool:
    return TEXTS in connection.introspection.table_names()


@dataclass(frozen=True, slots=True)
class Standing:
    """How the search stands: what is wrong with the index, and what cannot be had here."""

    problem: str  # empty: the index is true
    lacks_trigrams: bool


def standing(connection: BaseDatabaseWrapper) -> Standing:
    """Look at the index; three queries at most."""
    with connection.cursor() as cursor:
        problem: str = engine(connection).problem(cursor)
        lacks = connection.vendor == "postgresql" and not postgresql.has_trigrams(cursor)
    return Standing(problem, lacks)
