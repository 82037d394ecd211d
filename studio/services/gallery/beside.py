"""What stands on cards beside the clips' own rows: tags, chains, unread comments, what is waited for.

One statement for a whole page. It is written by hand: the gallery asks it for every page and every
poll that brings news, and putting four of them together took longer than answering them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection

from studio.models import User


@dataclass(frozen=True, slots=True)
class Part:
    """A clip's place in a chain: number 3 of 5."""

    number: int
    of: int
    chain: UUID
    title: str
    segment: int

    @property
    def url(self) -> str:
        return f"/chains/{self.chain}/?segment={self.segment}"


@dataclass(frozen=True, slots=True)
class Beside:
    """By clips' pks; what has none is left out."""

    tags: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    parts: dict[int, Part] = field(default_factory=dict)  # in the oldest of its chains
    unread: dict[int, int] = field(default_factory=dict)  # comments
    unfinished: dict[int, int] = field(default_factory=dict)  # the number of what is not a clip yet


_TAGS = """SELECT 'tag', l.generation_id, 0, 0, 0, 0, t.name, ''
  FROM studio_tag_generations l JOIN studio_tag t ON t.id = l.tag_id
  WHERE l.generation_id IN ({shown})"""
_PARTS = """SELECT 'part', s.generation_id, s.position,
    (SELECT max(position) FROM studio_segment WHERE chain_id = s.chain_id), s.id, s.chain_id,
    c.title, CAST(c.code AS text)
  FROM studio_segment s JOIN studio_chain c ON c.id = s.chain_id
  WHERE s.generation_id IN ({shown}) AND c.archived_at IS NULL"""
# Made by others since the reader's last look; of what was said before they joined nothing is unread.
_UNREAD = """SELECT 'unread', c.generation_id, count(*), 0, 0, 0, '', ''
  FROM studio_comment c JOIN studio_generation g ON g.id = c.generation_id
  LEFT JOIN studio_seen l ON l.generation_id = g.id AND l.user_id = %s
  LEFT JOIN studio_membership m ON m.project_id = g.project_id AND m.user_id = %s
  WHERE c.generation_id IN ({shown}) AND (c.author_id IS NULL OR c.author_id <> %s)
    AND c.created_at > COALESCE(l.at, m.created_at)
  GROUP BY c.generation_id"""
_UNFINISHED = """SELECT 'unfinished', id, number, 0, 0, 0, '', ''
  FROM studio_generation WHERE id IN ({ends}) AND state <> 'succeeded'"""


def look_up(
    shown: Collection[int], *, reader: User | None = None, ends: Collection[int] = ()
) -> Beside:
    """Return what stands beside these clips; one query.

    `reader` is whose unread comments are counted; `ends` are the clips that shots join.
    """
    found = Beside()
    if not shown:
        return found
    parts, params = [_TAGS, _PARTS], [*shown, *shown]
    if reader is not None:
        parts.append(_UNREAD)
        params += [reader.pk, reader.pk, *shown, reader.pk]
    if ends:
        parts.append(_UNFINISHED)
        params += ends
    sql = " UNION ALL ".join(parts).format(shown=_places(shown), ends=_places(ends))
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows = cursor.fetchall()
    # The oldest chain comes last and stays.
    for row in sorted(rows, key=lambda row: (-row[5], row[6])):
        _keep(found, row)
    return found


def _keep(found: Beside, row: tuple[Any, ...]) -> None:
    kind, pk, first, second, third, _, text, code = row
    if kind == "tag":
        found.tags[pk].append(text)
    elif kind == "part":
        found.parts[pk] = Part(first, second, UUID(code), text, third)
    elif kind == "unread":
        found.unread[pk] = first
    else:
        found.unfinished[pk] = first


def _places(values: Collection[int]) -> str:
    return ", ".join(["%s"] * len(values))
