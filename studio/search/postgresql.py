"""The index on PostgreSQL: a weighted tsvector for words and, where it may be had, trigrams.

Titles weigh A, prompts B, comments C. `plain` is all of it in one, without case, accents and
punctuation: parts of words in scripts without spaces are looked for there, and misspelt words.
"""

# ruff: noqa: S608 (nothing from outside stands in these statements)
from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from studio.folding import fold_letter

# What parts words, as a class of regular expressions: the parser sees plain words then, and nothing it
# takes for a file name, a host or a number with a sign.
SIGNS = r"\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a0\u2000-\u206f\u3000-\u303f"
MOST_CHARS = 200_000  # of one text; what stands behind is not found
_FOLD = r"""
CREATE OR REPLACE FUNCTION studio_search_fold(said text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE folded text := normalize(left(said, {most}), NFKD);
BEGIN
  IF folded ~ '[^\u0001-\u007f]' THEN
{letters}
  END IF;
  RETURN regexp_replace(lower(folded COLLATE "C"), '[{signs}]+', ' ', 'g');
END $$
"""
_LETTERS_OF_BLOCK = """    IF folded ~ '[\\U{first:08x}-\\U{last:08x}]' THEN
      folded := translate(folded, '{letters}', '{plain}');
    END IF;"""
_LAST_CASED = 0x1F000  # behind it no letter has another case


@cache
def fold_function() -> str:
    """Return the function that folds as `studio.search.words.fold` does, whatever the database's locale is.

    Its letters are those of `studio.folding`, block by block: a text is looked through only for those it
    may hold, as `translate` compares each letter with each. What of them goes stands last.
    """
    blocks: dict[int, list[tuple[str, str]]] = {}
    several: list[tuple[str, str]] = []
    for letter in map(chr, range(0x80, _LAST_CASED)):
        if 0xD800 <= ord(letter) < 0xE000 or unicodedata.normalize("NFKD", letter) != letter:
            continue
        plain = fold_letter.__wrapped__(letter)
        if len(plain) > 1:
            several.append((letter, plain))
        elif plain != letter:
            blocks.setdefault(ord(letter) >> 8, []).append((letter, plain))
    statements = []
    for block, pairs in blocks.items():
        pairs.sort(key=lambda pair: not pair[1])
        statements.append(
            _LETTERS_OF_BLOCK.format(
                first=block << 8,
                last=(block << 8) + 0xFF,
                letters="".join(letter for letter, _ in pairs),
                plain="".join(plain for _, plain in pairs).replace("'", "''"),
            )
        )
    statements += [f"    folded := replace(folded, '{one}', '{plain}');" for one, plain in several]
    return _FOLD.format(letters="\n".join(statements), signs=SIGNS, most=MOST_CHARS)


COLUMNS = (
    """ALTER TABLE studio_searchtext ADD COLUMN IF NOT EXISTS words tsvector GENERATED ALWAYS AS (
  setweight(to_tsvector('simple', studio_search_fold(title)), 'A') ||
  setweight(to_tsvector('simple', studio_search_fold(prompt)), 'B') ||
  setweight(to_tsvector('simple', studio_search_fold(comments)), 'C')) STORED""",
    """ALTER TABLE studio_searchtext ADD COLUMN IF NOT EXISTS plain text GENERATED ALWAYS AS (
  studio_search_fold(title || ' ' || prompt || ' ' || comments)) STORED""",
    "CREATE INDEX IF NOT EXISTS studio_search_words ON studio_searchtext USING gin (words)",
    "CREATE INDEX IF NOT EXISTS studio_search_concepts ON studio_generation"
    " USING gin (concepts jsonb_path_ops)",
)
TRIGRAMS = (
    "CREATE INDEX IF NOT EXISTS studio_search_plain ON studio_searchtext"
    " USING gin (plain gin_trgm_ops)"
)

COMMENTS_OF = """COALESCE((SELECT string_agg(text, E'\\n' ORDER BY id)
    FROM studio_comment WHERE generation_id = {owner}), '')"""
PLACE = "{row}.project_id * 4294967296 + {row}.number"
CLIP = f"""
CREATE OR REPLACE FUNCTION studio_search_clip() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO studio_searchtext(place, generation_id, title, prompt, comments, concepts)
    VALUES ({PLACE.format(row="NEW")}, NEW.id, NEW.title, NEW.prompt, '', NEW.concepts::text);
  ELSIF TG_OP = 'UPDATE' THEN
    UPDATE studio_searchtext SET place = {PLACE.format(row="NEW")}, title = NEW.title,
      prompt = NEW.prompt, concepts = NEW.concepts::text WHERE generation_id = NEW.id;
  ELSE
    DELETE FROM studio_searchtext WHERE generation_id = OLD.id;
  END IF;
  RETURN NULL;
END $$
"""
COMMENT = f"""
CREATE OR REPLACE FUNCTION studio_search_comment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    UPDATE studio_searchtext SET comments = {COMMENTS_OF.format(owner="OLD.generation_id")}
    WHERE generation_id = OLD.generation_id;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    UPDATE studio_searchtext SET comments = {COMMENTS_OF.format(owner="NEW.generation_id")}
    WHERE generation_id = NEW.generation_id;
  END IF;
  RETURN NULL;
END $$
"""
# name -> (when, table, condition, function)
TRIGGERS = {
    "studio_search_clip_there": ("INSERT OR DELETE", "studio_generation", "", "clip"),
    "studio_search_clip_changed": (
        "UPDATE OF title, prompt, concepts, number, project_id",
        "studio_generation",
        "WHEN ((OLD.title, OLD.prompt, OLD.concepts, OLD.number, OLD.project_id)"
        " IS DISTINCT FROM (NEW.title, NEW.prompt, NEW.concepts, NEW.number, NEW.project_id))",
        "clip",
    ),
    "studio_search_comment_there": ("INSERT OR DELETE", "studio_comment", "", "comment"),
    "studio_search_comment_changed": (
        "UPDATE OF text, generation_id",
        "studio_comment",
        "WHEN ((OLD.text, OLD.generation_id) IS DISTINCT FROM (NEW.text, NEW.generation_id))",
        "comment",
    ),
}


def make(cursor: Any, connection: BaseDatabaseWrapper) -> None:
    cursor.execute(fold_function())
    cursor.execute("SELECT to_regclass('studio_search_concepts') IS NOT NULL")
    if not cursor.fetchone()[0]:
        for statement in COLUMNS:
            cursor.execute(statement)
    try:
        if not has_trigrams(cursor):
            with transaction.atomic(using=connection.alias):
                cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
                cursor.execute(TRIGRAMS)
    except DatabaseError:
        pass  # no right to make it: words are found as ever, misspelt ones are not; doctor says so
    cursor.execute(CLIP)
    cursor.execute(COMMENT)
    drop_triggers(cursor)
    for name, (when, table, condition, function) in TRIGGERS.items():
        cursor.execute(
            f"CREATE TRIGGER {name} AFTER {when} ON {table} FOR EACH ROW {condition}"
            f" EXECUTE FUNCTION studio_search_{function}()"
        )


def has_triggers(cursor: Any) -> bool:
    cursor.execute(
        "SELECT count(DISTINCT tgname) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
        " WHERE relnamespace = current_schema()::regnamespace AND tgname = ANY(%s)",
        [list(TRIGGERS)],
    )
    return int(cursor.fetchone()[0]) == len(TRIGGERS)


def drop_triggers(cursor: Any) -> None:
    for name, (_, table, _, _) in TRIGGERS.items():
        cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")


def drop(cursor: Any) -> None:
    """Drop what `make` made but the extension, which others may use too."""
    drop_triggers(cursor)
    for index in ("plain", "words", "concepts"):
        cursor.execute(f"DROP INDEX IF EXISTS studio_search_{index}")
    for column in ("words", "plain"):
        cursor.execute(f"ALTER TABLE studio_searchtext DROP COLUMN IF EXISTS {column}")
    for function in ("clip()", "comment()", "fold(text)"):
        cursor.execute(f"DROP FUNCTION IF EXISTS studio_search_{function}")


def fill(cursor: Any) -> None:
    """Write the texts anew; words and trigrams follow by themselves."""
    # Nobody may write a clip between the two statements; reading goes on.
    cursor.execute("LOCK TABLE studio_generation, studio_comment IN SHARE ROW EXCLUSIVE MODE")
    cursor.execute("DELETE FROM studio_searchtext")
    place, comments = PLACE.format(row="g"), COMMENTS_OF.format(owner="g.id")
    cursor.execute(
        f"""INSERT INTO studio_searchtext(place, generation_id, title, prompt, comments, concepts)
  SELECT {place}, g.id, g.title, g.prompt, {comments}, g.concepts::text FROM studio_generation g"""
    )


def has_trigrams(cursor: Any) -> bool:
    """Whether misspelt words can be found."""
    cursor.execute("SELECT to_regclass('studio_search_plain') IS NOT NULL")
    return bool(cursor.fetchone()[0])


def problem(cursor: Any) -> str:
    """Return what is wrong with the index, or an empty string."""
    if not has_triggers(cursor):
        return "the triggers that keep it true are missing"
    cursor.execute(
        "SELECT (SELECT count(*) FROM studio_generation), count(*) FROM studio_searchtext"
    )
    clips, texts = cursor.fetchone()
    return "" if clips == texts else f"it holds {texts} of {clips} clips"
