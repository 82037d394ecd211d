"""Searching the gallery: what carries the words, and which of it matches best.

A search first asks for the newest matches, MOST of them and one more; on PostgreSQL, whose index gives
them in no order, for MOST_GATHERED. Mostly there are fewer; then their pks are known, and every filter,
sort and count works on that short list. A word that thousands of clips carry is left to the index, and
only its newest matches are weighed against each other, so that no search costs more in a large project
than in a small one.

The best match goes first within a window: the newest MOST matches up to a clip's number. The window
stays where it was while clips arrive, so its pages neither repeat nor skip; after it comes the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import BigIntegerField, BooleanField, F
from django.db.models.expressions import RawSQL
from django.db.models.functions import Substr
from django.utils.safestring import SafeString

from studio import search
from studio.models import Generation, Project, SearchText
from studio.models.generation import GenerationQuerySet
from studio.search import matching, words
from studio.search.matching import LAST_NUMBER
from studio.search.words import Terms
from studio.services.gallery import order
from studio.services.review.mentions import mentioned_on, typed_text

MOST = 200
# Up to here gathering all of what matches and sorting it is quicker than walking from the newest on.
MOST_GATHERED = 2000
COMMENT_CHARS = 20_000  # of a clip's comments that are weighed and shown
LEAST_MISSPELT = 4  # letters; of fewer, everything is like everything


@dataclass(frozen=True, slots=True)
class Finding:
    """What a search found. `pks` is all of it, newest first, or None when that is not known.

    `newest` is the newest of it, where the database gave that first.
    """

    project: Project
    terms: Terms
    pks: list[int] | None
    newest: list[int] | None = None
    loose: bool = False  # nothing carries the words; these carry words like them

    def narrow(self, rows: GenerationQuerySet, *, for_page: bool = False) -> GenerationQuerySet:
        """Return the rows that were found. `for_page`: only the first few in some order are wanted."""
        if self.pks is not None:
            return rows.among(self.pks)
        return _carrying(rows, self.project, self.terms, along_order=for_page)


@dataclass(frozen=True, slots=True)
class Shown:
    """Where a clip says what was looked for: its title, and a line of its prompt or a comment."""

    title: SafeString | None
    line: SafeString | None
    in_comment: bool = False


def matches(rows: GenerationQuerySet, project: Project, q: str) -> GenerationQuerySet:
    """Return the rows that carry what was typed; makes no query itself.

    It finds words as they are typed. Only `find` goes on to words like them.
    """
    return _carrying(rows, project, words.read_terms(q))


def with_concepts(
    rows: GenerationQuerySet, project: Project, slugs: Sequence[str]
) -> GenerationQuerySet:
    """Return the rows that carry all these concepts; makes no query itself."""
    if connection.vendor == "postgresql":
        return rows.filter(concepts__contains=list(slugs))
    sql, params = matching.with_concepts(project.pk, slugs)
    rows = rows.filter(number__in=RawSQL(sql, params))  # noqa: S611 (every slug is a parameter)
    for slug in slugs:
        # Exact: the index also finds "aerial" in "aerial_drone".
        rows = rows.filter(concepts__icontains=f'"{slug}"')
    return rows


def find(project: Project, q: str) -> Finding:
    """Look for what was typed; one query, three for a misspelt word on PostgreSQL."""
    terms = words.read_terms(q)
    if connection.vendor != "postgresql":
        pks = _newest(project, terms)
        return (
            Finding(project, terms, pks) if len(pks) <= MOST else Finding(project, terms, None, pks)
        )
    pks = _gathered(project, terms)
    if not pks and _may_be_misspelt(terms):
        like = _gathered(project, terms, loose=True)
        return Finding(project, terms, like[:MOST], loose=bool(like))
    if len(pks) < MOST_GATHERED:
        return Finding(project, terms, pks, pks)
    return Finding(project, terms, None)


def _newest(project: Project, terms: Terms, *, up_to: int = LAST_NUMBER) -> list[int]:
    """Return the newest matches up to a clip's number, MOST and one more at most."""
    sql, params = matching.statement(connection, project.pk, terms, most=MOST + 1, up_to=up_to)
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [row[0] for row in cursor.fetchall()]


def _gathered(project: Project, terms: Terms, *, loose: bool = False) -> list[int]:
    """Return the matches, newest first; of more than MOST_GATHERED that many, whichever those are.

    For PostgreSQL, whose index tells what matches in no order.
    """
    sql, params = matching.gathering(project.pk, terms, most=MOST_GATHERED, loose=loose)
    with connection.cursor() as cursor:
        if loose and not search.postgresql.has_trigrams(cursor):
            return []
        # Sent as one: the setting holds for what follows it, and no longer.
        cursor.execute(f"SET LOCAL enable_seqscan = off; {sql}", params)
        cursor.nextset()
        return [pk for _, pk in sorted(cursor.fetchall(), reverse=True)]


def _may_be_misspelt(terms: Terms) -> bool:
    wanted = [term for term in terms if not term.without]
    return bool(wanted) and all(
        not t.phrase and not t.anywhere and len(t.folded) >= LEAST_MISSPELT for t in wanted
    )


def _carrying(
    rows: GenerationQuerySet, project: Project, terms: Terms, *, along_order: bool = False
) -> GenerationQuerySet:
    """Return the rows of the project that carry the terms; makes no query itself.

    `along_order`: very many do, so it walks along the index of the rows' order, looking for those that
    carry them. Left to itself a database would gather all of them and sort. SQLite cannot do else with
    "+ 0", and PostgreSQL, which cannot tell how many carry the beginning of a word, with OFFSET. Rows
    must stand in no other statement then.
    """
    if connection.vendor == "postgresql" and along_order:
        return rows.filter(RawSQL(*matching.carried(terms), BooleanField()))  # noqa: S611 (as below)
    if connection.vendor == "postgresql":
        sql, params = matching.statement(connection, project.pk, terms)
        return rows.filter(pk__in=RawSQL(sql, params))  # noqa: S611 (everything typed is a parameter)
    found = RawSQL(*matching.numbers(project.pk, terms))  # noqa: S611 (as above)
    if along_order:
        return rows.alias(own_number=F("number") + 0).filter(own_number__in=found)
    return rows.filter(number__in=found)


# ---- The best match first -------------------------------------------------------------------


def newest_page(
    rows: GenerationQuerySet, finding: Finding, up_to: int
) -> tuple[GenerationQuerySet, bool]:
    """Narrow rows to the newest matches up to a clip's number; tell whether there may be more."""
    pks = _newest(finding.project, finding.terms, up_to=up_to)
    return rows.among(pks[:MOST]), len(pks) > MOST


@dataclass(frozen=True, slots=True)
class BestPage:
    """One page, best match first: pks with their keys, the key of the next page or "", how many match.

    `matches` is None where it is more than one window.
    """

    keys: dict[int, str]
    more: str
    matches: int | None


def best_page(
    rows: GenerationQuerySet,
    finding: Finding,
    size: int,
    *,
    after: str = "",
    until: str = "",
    all_pass: bool = False,
) -> BestPage:
    """Return one page of what was found, best match first; two queries at most.

    `rows` are those that pass the filters, before the search (`all_pass`: no filter is on); the page
    follows the key `after`, and goes on to the key `until` where that is of the same window.
    """
    bound, score, number = order.read_numbers(after, 3) or (LAST_NUMBER, 0, 0)
    window, following = _window(rows, finding, bound, all_pass)
    begun = number > 0
    if not begun and window:
        bound = max(found[1] for found in window)
    left = sorted((f for f in window if not begun or f[:2] < (score, number)), reverse=True)
    last = order.read_numbers(until, 3) if begun else None
    if last and last[0] == bound:
        size = sum(found[:2] >= last[1:] for found in left)
    keys = {pk: _key(bound, score, number) for score, number, pk in left[:size]}
    if len(left) > size:
        more = _key(bound, *left[size - 1][:2]) if size else after
    else:
        more = _key(following, 0, 0) if following else ""
    return BestPage(keys, more, None if following or finding.pks is None else len(window))


def _key(*parts: int) -> str:
    return "-".join(map(str, parts))


Found = tuple[int, int, int]  # score, number, pk


def _window(
    rows: GenerationQuerySet, finding: Finding, bound: int, all_pass: bool
) -> tuple[list[Found], int]:
    """Return the newest MOST matches up to a number, weighed, and where the next window begins or 0."""
    rows = rows.filter(number__lte=bound).order_by("-number")
    found: list[Found] = []
    more = False
    if all_pass and bound == LAST_NUMBER and finding.newest:
        found = _weighed(rows.among(finding.newest[:MOST]), finding)
        more = len(finding.newest) > MOST
    elif all_pass and finding.pks is None:
        # The index gives the newest by itself, however many there are.
        newest, more = newest_page(rows, finding, bound)
        found = _weighed(newest, finding)
    if not found:
        found = _weighed(finding.narrow(rows, for_page=finding.pks is None), finding)
    lowest = min((number for _, number, _ in found), default=1)
    return found, lowest - 1 if more or len(found) == MOST else 0


def _weighed(rows: GenerationQuerySet, finding: Finding) -> list[Found]:
    """Weigh up to MOST clips by how well they match: title before prompt before comments; one query."""
    if connection.vendor == "postgresql":
        rank = (
            "ts_rank_cd('{0.02, 0.05, 0.2, 1}', studio_searchtext.words, to_tsquery('simple', %s))"
        )
        value = matching.whole_tsquery(finding.terms)
        if finding.loose:
            rank = "word_similarity(%s, studio_searchtext.plain)"
            value = " ".join(term.folded for term in finding.terms)
        score = RawSQL(f"({rank} * 1000000)::bigint", [value], BigIntegerField())  # noqa: S611 (as above)
        # The place brings the texts' table into the statement.
        scored = rows.annotate(score=score, place=F("search_text__place"))
        found = scored.values_list("score", "number", "pk", "place")[:MOST]
        return [(score, number, pk) for score, number, pk, _ in found]
    texts = rows.values_list(
        "number",
        "pk",
        "search_text__title",
        "search_text__prompt",
        Substr("search_text__comments", 1, COMMENT_CHARS),
    )
    return [
        (words.score(finding.terms, title, prompt, comments), number, pk)
        for number, pk, title, prompt, comments in texts[:MOST]
    ]


# ---- Saying where it was found ----------------------------------------------------------------


def show(generations: Sequence[Generation], terms: Terms) -> dict[int, Shown]:
    """Return where each clip says what was looked for, by pk; one query when comments do, one more
    when somebody is mentioned in them."""
    shown: dict[int, Shown] = {}
    for g in generations:
        title, prompt = words.spans(g.title, terms), words.spans(g.prompt, terms)
        if title or prompt:
            shown[g.pk] = Shown(
                words.marked(g.title, title) if title else None,
                words.snippet(g.prompt, prompt) if prompt else None,
            )
    silent = [g.pk for g in generations if g.pk not in shown]
    if silent:
        said = SearchText.objects.filter(generation__in=silent).exclude(comments="")
        texts = list(
            said.order_by().values_list("generation", Substr("comments", 1, COMMENT_CHARS))
        )
        people = mentioned_on(texts)
        for pk, text in texts:
            comments = typed_text(text, people.get(pk, {}))
            if found := words.spans(comments, terms):
                shown[pk] = Shown(None, words.snippet(comments, found), in_comment=True)
    return shown
