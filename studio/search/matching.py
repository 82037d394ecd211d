"""Conditions of SQL that find terms in the index, for each kind of database.

Each is a SELECT of pks of generations, newest first when `most` limits it; or of their numbers in the
project, which SQLite's index tells by itself. Nothing typed stands in the text of a statement: all of
it is parameters.
"""

# ruff: noqa: S608 (nothing from outside stands in these statements)
from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from studio.search.sqlite import HALFWIDTH_KANA
from studio.search.words import Term, Terms

Statement = tuple[str, list[Any]]
_COLUMNS = "title", "prompt", "comments"
_NOWHERE = "1 = 0"
LAST_NUMBER = 2**32 - 1  # of a clip in a project


def statement(
    connection: BaseDatabaseWrapper,
    project_id: int,
    terms: Terms,
    *,
    most: int | None = None,
    up_to: int = LAST_NUMBER,
) -> Statement:
    """Return a SELECT of pks of what carries all the terms, up to a clip's number."""
    if connection.vendor == "postgresql":
        sql, params = _postgresql(terms)
        source, place = "studio_searchtext s", "s.place"
    else:
        sql, params = _sqlite(terms)
        source, place = _source(sql, texts=True)
    sql = f"SELECT s.generation_id FROM {source} WHERE {place} BETWEEN %s AND %s{sql}"
    params = [*_span(project_id, up_to), *params]
    if most is not None:
        sql += f" ORDER BY {place} DESC LIMIT %s"
        params.append(most)
    return sql, params


def gathering(project_id: int, terms: Terms, *, most: int, loose: bool = False) -> Statement:
    """Return a SELECT, for PostgreSQL, of places and pks of what carries all the terms, in no order.

    `loose`: also of what carries words like them. With "+ 0" and without an order it never walks over
    every text of the project, hoping for a match soon: it cannot tell how rare the beginning of a
    word is, nor what is like it. It is left nothing to go by but the index of words.
    """
    sql, params = _postgresql(terms, loose)
    sql = f"""SELECT s.place, s.generation_id FROM studio_searchtext s
      WHERE s.place + 0 BETWEEN %s AND %s{sql} LIMIT %s"""
    return sql, [*_span(project_id), *params, most]


def carried(terms: Terms) -> Statement:
    """Return a condition, for PostgreSQL, on a row of studio_generation: that its texts carry the terms."""
    sql, params = _postgresql(terms)
    sql = f"""EXISTS (SELECT 1 FROM studio_searchtext s
      WHERE s.generation_id = studio_generation.id{sql} OFFSET 0)"""
    return sql, params


def numbers(project_id: int, terms: Terms) -> Statement:
    """Return a SELECT, for SQLite, of the numbers of what carries all the terms.

    A place tells the number: where words alone are looked for, no text is opened.
    """
    sql, params = _sqlite(terms)
    source, place = _source(sql, texts="s." in sql)
    span = _span(project_id)
    sql = f"SELECT {place} - %s FROM {source} WHERE {place} BETWEEN %s AND %s{sql}"
    return sql, [span[0], *span, *params]


def _span(project_id: int, up_to: int = LAST_NUMBER) -> list[int]:
    """Return the places of a project's first and last clip."""
    low = project_id << 32
    return [low, low + min(up_to, LAST_NUMBER)]


# ---- SQLite ------------------------------------------------------------------------------------


def _source(condition: str, *, texts: bool) -> tuple[str, str]:
    """Return what to select from under a condition of `_sqlite`, and what a place is called in it.

    `texts`: the texts' own table must be there.
    """
    if "f.studio_search_fts MATCH" not in condition:
        return "studio_searchtext s", "s.place"
    joined = " CROSS JOIN studio_searchtext s ON s.place = f.rowid" if texts else ""
    return f"studio_search_fts f{joined}", "f.rowid"


def _quoted(term: Term) -> str:
    """Return the term as FTS5 takes it: quoted, so that AND is a word; folding left no sign in it."""
    return f'"{term.folded}"' if term.phrase else f'"{term.folded}" *'


def _sqlite(terms: Terms) -> Statement:
    sql, params = "", []
    want = [_quoted(t) for t in terms if not t.without and not t.anywhere]
    avoid = [_quoted(t) for t in terms if t.without and not t.anywhere]
    within = "{title prompt comments} : "
    if want:
        query = f"{within}({' AND '.join(want)})"
        if avoid:
            query = f"({query}) NOT ({within}({' OR '.join(avoid)}))"
        sql, params = " AND f.studio_search_fts MATCH %s", [query]
    elif avoid:
        sql = """ AND s.place NOT IN
          (SELECT rowid FROM studio_search_fts WHERE studio_search_fts MATCH %s)"""
        params = [f"{within}({' OR '.join(avoid)})"]
    for term in terms:
        if term.anywhere:
            found, values = _anywhere_in_sqlite(term)
            sql += f" AND NOT {found}" if term.without else f" AND {found}"
            params += values
    return (sql, params) if terms else (f" AND {_NOWHERE}", [])


def with_concepts(project_id: int, slugs: Sequence[str]) -> Statement:
    """Return a SELECT of the numbers of what may carry all these concepts: their words in a row."""
    query = " AND ".join(f'concepts : "{slug.replace("_", " ")}"' for slug in slugs)
    span = _span(project_id)
    sql = """SELECT f.rowid - %s FROM studio_search_fts f
      WHERE f.rowid BETWEEN %s AND %s AND f.studio_search_fts MATCH %s"""
    return sql, [span[0], *span, query]


def _anywhere_in_sqlite(term: Term) -> Statement:
    if len(term.folded) >= 3:
        found = "SELECT rowid FROM studio_search_tri WHERE studio_search_tri MATCH %s"
        return f"s.place IN ({found})", [f'"{term.folded}"']
    # Under three characters there is no trigram to look up. Texts are folded where it matters alone:
    # folding all of a project would take seconds.
    like = " OR ".join(
        f"""s.{column} LIKE %s ESCAPE '\\'
          OR s.{column} GLOB '*[{HALFWIDTH_KANA}]*' AND studio_search_fold(s.{column}) LIKE %s"""
        for column in _COLUMNS
    )
    composed = unicodedata.normalize("NFKC", term.text)
    return f"({like})", [f"%{_literal(composed)}%", f"%{term.folded}%"] * len(_COLUMNS)


def _literal(text: str) -> str:
    """Return text for LIKE, its own signs taken as they are."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


# ---- PostgreSQL --------------------------------------------------------------------------------


def as_tsquery(term: Term) -> str:
    """Return one term in the language of to_tsquery; folding left no sign of it in the words."""
    words = [f"'{word}'" for word in term.folded.split()]
    return " <-> ".join(words) + ("" if term.phrase else ":*")


def whole_tsquery(terms: Terms) -> str:
    """Return the words to be found, for ranking; empty when there are none."""
    return " & ".join(f"({as_tsquery(t)})" for t in terms if not t.without and not t.anywhere)


def _postgresql(terms: Terms, loose: bool = False) -> Statement:
    sql, params = "", []
    for term in terms:
        if term.anywhere:
            found, values = "s.plain LIKE %s", [f"%{_literal(term.folded)}%"]
        elif loose and not term.without:
            found = "(s.words @@ to_tsquery('simple', %s) OR s.plain %%> %s)"
            values = [as_tsquery(term), term.folded]
        else:
            found, values = "s.words @@ to_tsquery('simple', %s)", [as_tsquery(term)]
        sql += f" AND NOT {found}" if term.without else f" AND {found}"
        params += values
    return (sql, params) if terms else (f" AND {_NOWHERE}", [])
