"""The index on SQLite: FTS5 over `studio_searchtext`, whose rows it does not store again.

`studio_search_fts` finds words in any script, folded as everywhere (studio.search.words).
`studio_search_tri` holds only texts in scripts that put no spaces between words (Chinese, Japanese,
Thai and others), folded too, and finds any three characters in a row.
"""

# ruff: noqa: S608 (nothing from outside stands in these statements)
from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

# Kana as wide as Latin letters, which folding makes ordinary ones.
HALFWIDTH_KANA = "\uff66-\uff9f"
# Thai, Lao, Myanmar, Khmer, kana, Han, Hangul: what people search a part of a "word" in.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    f"{HALFWIDTH_KANA}\U00020000-\U0003ffff"
)
_TRIGRAMS = f"(%s.title || %s.prompt || %s.comments) GLOB '*[{UNSPACED}]*'"
NEW_HAS_TRIGRAMS = _TRIGRAMS.replace("%s", "NEW")
OLD_HAS_TRIGRAMS = _TRIGRAMS.replace("%s", "OLD")
ROW_HAS_TRIGRAMS = _TRIGRAMS.replace("%s", "studio_searchtext")

COMMENTS_OF = """COALESCE((SELECT group_concat(text, char(10)) FROM
  (SELECT text FROM studio_comment WHERE generation_id = {owner} ORDER BY id)), '')"""
PLACE = "{row}.project_id * 4294967296 + {row}.number"

FOLDED = ("title", "prompt", "comments")
TABLES = f"""
CREATE VIEW IF NOT EXISTS studio_searchfolded AS
  SELECT place, {", ".join(f"studio_search_fold({name}) AS {name}" for name in FOLDED)}, concepts
  FROM studio_searchtext;
CREATE VIRTUAL TABLE IF NOT EXISTS studio_search_fts USING fts5(
  title, prompt, comments, concepts, content='studio_searchfolded', content_rowid='place',
  tokenize="unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'", prefix='1 2 3');
CREATE VIRTUAL TABLE IF NOT EXISTS studio_search_tri USING fts5(
  title, prompt, comments, content='studio_searchfolded', content_rowid='place',
  tokenize='trigram');
"""


def _folded(row: str) -> str:
    return ", ".join(f"studio_search_fold({row}.{name})" for name in FOLDED)


_ADD = f"""INSERT INTO studio_search_fts(rowid, title, prompt, comments, concepts)
  VALUES (NEW.place, {_folded("NEW")}, NEW.concepts)"""
_DROP = f"""INSERT INTO studio_search_fts(studio_search_fts, rowid, title, prompt, comments, concepts)
  VALUES ('delete', OLD.place, {_folded("OLD")}, OLD.concepts)"""
_ADD_TRI = f"""INSERT INTO studio_search_tri(rowid, title, prompt, comments)
  SELECT NEW.place, {_folded("NEW")} WHERE {NEW_HAS_TRIGRAMS}"""
_DROP_TRI = f"""INSERT INTO studio_search_tri(studio_search_tri, rowid, title, prompt, comments)
  SELECT 'delete', OLD.place, {_folded("OLD")} WHERE {OLD_HAS_TRIGRAMS}"""


def _say(owner: str) -> str:
    return f"""UPDATE studio_searchtext SET comments = {COMMENTS_OF.format(owner=owner)}
  WHERE generation_id = {owner}"""


# name -> (when, what). The texts follow generations and comments, the indexes follow the texts.
TRIGGERS = {
    "studio_search_clip_added": (
        "AFTER INSERT ON studio_generation",
        f"""INSERT INTO studio_searchtext(place, generation_id, title, prompt, comments, concepts)
  VALUES ({PLACE.format(row="NEW")}, NEW.id, NEW.title, NEW.prompt, '', NEW.concepts)""",
    ),
    "studio_search_clip_changed": (
        """AFTER UPDATE OF title, prompt, concepts, number, project_id ON studio_generation
WHEN OLD.title IS NOT NEW.title OR OLD.prompt IS NOT NEW.prompt
  OR OLD.concepts IS NOT NEW.concepts OR OLD.number IS NOT NEW.number
  OR OLD.project_id IS NOT NEW.project_id""",
        f"""UPDATE studio_searchtext SET place = {PLACE.format(row="NEW")}, title = NEW.title,
  prompt = NEW.prompt, concepts = NEW.concepts WHERE generation_id = NEW.id""",
    ),
    "studio_search_clip_deleted": (
        "AFTER DELETE ON studio_generation",
        "DELETE FROM studio_searchtext WHERE generation_id = OLD.id",
    ),
    "studio_search_comment_added": (
        "AFTER INSERT ON studio_comment",
        _say("NEW.generation_id"),
    ),
    "studio_search_comment_changed": (
        """AFTER UPDATE OF text, generation_id ON studio_comment
WHEN OLD.text IS NOT NEW.text OR OLD.generation_id IS NOT NEW.generation_id""",
        f"{_say('OLD.generation_id')}; {_say('NEW.generation_id')}",
    ),
    "studio_search_comment_deleted": (
        "AFTER DELETE ON studio_comment",
        _say("OLD.generation_id"),
    ),
    "studio_search_text_added": ("AFTER INSERT ON studio_searchtext", f"{_ADD}; {_ADD_TRI}"),
    "studio_search_text_changed": (
        "AFTER UPDATE ON studio_searchtext",
        f"{_DROP}; {_DROP_TRI}; {_ADD}; {_ADD_TRI}",
    ),
    "studio_search_text_deleted": ("AFTER DELETE ON studio_searchtext", f"{_DROP}; {_DROP_TRI}"),
}


def make(cursor: Any, connection: BaseDatabaseWrapper) -> None:
    cursor.execute(
        """SELECT name FROM sqlite_master WHERE sql NOT LIKE '%studio_searchfolded%'
          AND name IN ('studio_search_fts', 'studio_search_tri')"""
    )
    for (name,) in cursor.fetchall():
        # Of a version that left the folding to SQLite, which has one of its own.
        cursor.execute(f"DROP TABLE {name}")
    for statement in TABLES.split(";\n"):
        if statement.strip():
            cursor.execute(statement)
    drop_triggers(cursor)
    for name, (when, what) in TRIGGERS.items():
        cursor.execute(f"CREATE TRIGGER {name} {when}\nBEGIN\n{what};\nEND")


def has_triggers(cursor: Any) -> bool:
    cursor.execute(
        "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'studio_search_%'"
    )
    return int(cursor.fetchone()[0]) == len(TRIGGERS)


def drop_triggers(cursor: Any) -> None:
    for name in TRIGGERS:
        cursor.execute(f"DROP TRIGGER IF EXISTS {name}")


def drop(cursor: Any) -> None:
    drop_triggers(cursor)
    cursor.execute("DROP TABLE IF EXISTS studio_search_fts")
    cursor.execute("DROP TABLE IF EXISTS studio_search_tri")
    cursor.execute("DROP VIEW IF EXISTS studio_searchfolded")


def fill(cursor: Any) -> None:
    """Write texts and indexes anew, with the triggers between them out of the way."""
    between = [name for name in TRIGGERS if name.startswith("studio_search_text_")]
    for name in between:
        cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
    cursor.execute("DELETE FROM studio_searchtext")
    place, comments = PLACE.format(row="g"), COMMENTS_OF.format(owner="g.id")
    cursor.execute(
        f"""INSERT INTO studio_searchtext(place, generation_id, title, prompt, comments, concepts)
  SELECT {place}, g.id, g.title, g.prompt, {comments}, g.concepts FROM studio_generation g"""
    )
    cursor.execute("INSERT INTO studio_search_fts(studio_search_fts) VALUES ('rebuild')")
    cursor.execute("INSERT INTO studio_search_tri(studio_search_tri) VALUES ('delete-all')")
    cursor.execute(
        f"""INSERT INTO studio_search_tri(rowid, title, prompt, comments)
  SELECT place, {_folded("studio_searchtext")} FROM studio_searchtext WHERE {ROW_HAS_TRIGRAMS}"""
    )
    for name in between:
        when, what = TRIGGERS[name]
        cursor.execute(f"CREATE TRIGGER {name} {when}\nBEGIN\n{what};\nEND")


def problem(cursor: Any) -> str:
    """Return what is wrong with the index, or an empty string."""
    if not has_triggers(cursor):
        return "the triggers that keep it true are missing"
    cursor.execute(
        "SELECT (SELECT count(*) FROM studio_generation), count(*) FROM studio_searchtext"
    )
    clips, texts = cursor.fetchone()
    return "" if clips == texts else f"it holds {texts} of {clips} clips"
