"""One line of the feed, the bell or the digest: one happening, or several alike in a row, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from django.db.models import QuerySet

from studio.models import Activity, Generation
from studio.plain_text import one_line
from studio.services.news.activity import short
from studio.services.review.mentions import TOKEN, words_of
from studio.templatetags.studio_tags import timecode

Kind = Activity.Kind

# What comes in crowds is one line while no more time than this lies between.
NEAR = timedelta(hours=1)
FOLDED = frozenset({Kind.QUEUED, Kind.FINISHED, Kind.FAILED, Kind.VERDICT, Kind.VISITED})
MOST_THUMBS = 6

ICONS = {
    Kind.QUEUED: "plus",
    Kind.FINISHED: "play",
    Kind.FAILED: "alert",
    Kind.COMMENT: "chat",
    Kind.VERDICT: "check",
    Kind.SHARED: "link",
    Kind.VISITED: "eye",
    Kind.EXPORTED: "film",
    Kind.CHAINED: "chain",
    Kind.MEMBER: "people",
    Kind.BULK: "grid",
    Kind.SPEND: "coin",
    Kind.SETTINGS: "gear",
}
VERDICTS = {"approved": "approved", "needs_changes": "asked for changes to"}
TAKEN_BACK = "took back a verdict on"


@dataclass(frozen=True, slots=True)
class Line:
    """`rows` newest first. The sentence is `who` `verb` “`subject`” `tail`, each may be empty."""

    rows: tuple[Activity, ...]
    who: str = ""
    verb: str = ""
    subject: str = ""
    tail: str = ""
    quote: str = ""
    count: int = 1

    @property
    def newest(self) -> Activity:
        return self.rows[0]

    @property
    def key(self) -> int:
        """Stays the same while newer ones join the line."""
        return self.rows[-1].pk

    @property
    def beyond(self) -> int:
        """How many clips of a crowd are not among its pictures."""
        return max(self.count - len(self.pictures), 0) if self.count > 1 else 0

    @property
    def icon(self) -> str:
        kind = Kind(self.newest.kind)
        if kind == Kind.BULK and self.newest.data.get("verdict"):
            kind = Kind.VERDICT
        if kind == Kind.VERDICT and self.newest.data.get("verdict") != "approved":
            return "remix" if self.newest.data.get("verdict") else "x"
        return ICONS[kind]

    @property
    def tone(self) -> str:
        """The light it stands in: ok, bad, or none."""
        kind, verdict = self.newest.kind, self.newest.data.get("verdict")
        if kind == Kind.FAILED or verdict == "needs_changes":
            return "bad"
        return "ok" if kind == Kind.FINISHED or verdict == "approved" else ""

    @property
    def sentence(self) -> str:
        """The line as plain text."""
        subject = f"“{self.subject}”" if self.subject else ""
        text = one_line(" ".join(filter(None, [self.who, self.verb, subject])) + self.tail)
        return text[:1].upper() + text[1:]

    @property
    def url(self) -> str:
        """Where it leads: the comment, the clip, the chain, or the page of its kind."""
        return _address(self)

    @property
    def reach(self) -> str:
        """What a member must be allowed to follow it: "see", "create" or "manage"."""
        if "/webhooks/" in self.url:
            return "manage"
        return "create" if self.url.endswith("/spend/") or "/requests/" in self.url else "see"

    @property
    def pictures(self) -> list[Generation]:
        """The newest clips of it that have a picture and are not in the bin."""
        clips = [row.generation for row in self.rows if row.generation is not None]
        shown = [clip for clip in clips if clip.poster_url and clip.deleted_at is None]
        return list({clip.pk: clip for clip in shown}.values())[:MOST_THUMBS]


def with_all(rows: QuerySet[Activity]) -> QuerySet[Activity]:
    """With everything a line shows, in one query."""
    return rows.select_related(
        "actor", "generation__by", "generation__project", "chain", "comment", "project"
    ).defer(
        "generation__raw_answer",
        "generation__prompt",
        "generation__sent_prompt",
        "generation__result_url",
    )


# ---- Folding ------------------------------------------------------------------------------
def fold(rows: Iterable[Activity]) -> list[Line]:
    """Return lines, newest first, of activities given newest first."""
    groups: list[list[Activity]] = []
    for row in rows:
        last = groups[-1] if groups else None
        if last and _brings(last[-1], row):
            continue
        if last and _alike(last[-1], row):
            last.append(row)
        else:
            groups.append([row])
    return [line_of(group) for group in groups]


def _brings(newer: Activity, older: Activity) -> bool:
    """Whether a verdict quotes this very comment already."""
    return (
        newer.kind == Kind.VERDICT
        and older.kind == Kind.COMMENT
        and newer.comment_id is not None
        and newer.comment_id == older.comment_id
    )


def _alike(newer: Activity, older: Activity) -> bool:
    return (
        newer.kind in FOLDED
        and newer.kind == older.kind
        and newer.actor_id == older.actor_id
        and newer.guest_name == older.guest_name
        and newer.comment_id is None
        and older.comment_id is None
        and newer.data.get("verdict") == older.data.get("verdict")
        and newer.data.get("share") == older.data.get("share")
        and newer.at.date() == older.at.date()
        and newer.at - older.at < NEAR
    )


# ---- Words --------------------------------------------------------------------------------
def line_of(rows: Sequence[Activity], *, count: int | None = None, mine: bool = False) -> Line:
    """Return the line of alike activities, newest first.

    `count` where there are more than the rows given; `mine` leaves out whose shots they are.
    """
    first = rows[0]
    line = Line(tuple(rows), who=_voice(first), count=count or len(rows))
    words = WORDS.get(Kind(first.kind))
    if words is None:
        return replace(line, verb=first.text)
    line = words(line)
    return replace(line, who="") if mine and first.kind in (Kind.FINISHED, Kind.FAILED) else line


def _voice(row: Activity) -> str:
    if row.actor is not None:
        return row.actor.name
    return f"{row.guest_name} (guest)" if row.guest_name else ""


def _title(row: Activity) -> str:
    return row.generation.title or f"Clip {row.generation.number}" if row.generation else ""


def _queued(line: Line) -> Line:
    total = sum(row.data.get("count", 1) for row in line.rows)
    if len(line.rows) > 1 or not line.newest.data.get("takes", True):
        return replace(line, verb=f"queued {total} shots")
    verb = "queued" if total == 1 else f"queued {total} takes of"
    return replace(line, verb=verb, subject=_title(line.newest))


def _ended(one: str, many: str) -> Callable[[Line], Line]:
    def words(line: Line) -> Line:
        whose = f"{line.who}’s" if line.who else ""
        reasons = {row.text for row in line.rows}
        quote = reasons.pop() if len(reasons) == 1 else ""
        if line.count > 1:
            return replace(line, who=whose, verb=f"{line.count} shots {many}", quote=quote)
        return replace(line, who=whose, subject=_title(line.newest), tail=f" {one}", quote=quote)

    return words


def _failed(line: Line) -> Line:
    rendered = {bool(row.data.get("rendered")) for row in line.rows}
    if rendered == {True}:
        what = "not downloaded"
    elif rendered == {False}:
        what = "not rendered"
    else:
        what = "not rendered or not downloaded"
    return _ended(f"was {what}", f"were {what}")(line)


def _comment(line: Line) -> Line:
    row = line.newest
    verb = "replied on" if row.data.get("reply") else "commented on"
    at = f" at {timecode(row.comment.at_ms)}" if row.comment and row.comment.at_ms else ""
    return replace(line, verb=verb, subject=_title(row), tail=at, quote=_quoted(row))


def _verdict(line: Line) -> Line:
    verb = VERDICTS.get(line.newest.data.get("verdict", ""), TAKEN_BACK)
    if line.count > 1:
        return replace(line, verb=f"{verb} {clips_in_words(line.count)}", quote=line.newest.text)
    return replace(line, verb=verb, subject=_title(line.newest), quote=_quoted(line.newest))


def _quoted(row: Activity) -> str:
    # Lines written by older versions hold keys where there were mentions.
    if row.comment is not None and TOKEN.search(row.text):
        return short(words_of(row.comment))
    return row.text


def _bulk(line: Line) -> Line:
    return replace(line, verb=line.newest.text, quote=line.newest.data.get("note", ""))


def for_maker(line: Line, maker: int) -> Line:
    """Return the line of many verdicts given at once with the number of this person's own clips."""
    data = line.newest.data
    own = data.get("makers", {}).get(str(maker))
    if own is None:
        return line
    verb = VERDICTS.get(data.get("verdict", ""), TAKEN_BACK)
    return replace(line, verb=f"{verb} {clips_in_words(own)}")


def clips_in_words(count: int) -> str:
    return f"{count:,} clip{'' if count == 1 else 's'}"


def _shared(line: Line) -> Line:
    row = line.newest
    count = row.data.get("clips", 0)
    what = clips_in_words(count) if count else "clips"
    if row.chain is not None:
        what = "a chain"
    return replace(
        line, verb=f"shared {what}" + (" as" if row.text else ""), subject=row.text
    )  # fmt: skip


def _visited(line: Line) -> Line:
    times = f", {line.count} times" if line.count > 1 else ""
    who = line.who or "somebody"
    return replace(
        line, who=who, verb="opened the link", subject=line.newest.text, tail=times
    )  # fmt: skip


def _exported(line: Line) -> Line:
    row = line.newest
    title = row.chain.title if row.chain else ""
    return replace(
        line, verb="exported", subject=title, tail=f", version {row.data.get('version', 1)}"
    )


def _chained(line: Line) -> Line:
    row = line.newest
    verb = "made the branch" if row.data.get("branch") else "made the chain"
    return replace(line, verb=verb, subject=row.chain.title if row.chain else "")


WORDS: dict[Activity.Kind, Callable[[Line], Line]] = {
    Kind.QUEUED: _queued,
    Kind.FINISHED: _ended("is ready", "are ready"),
    Kind.FAILED: _failed,
    Kind.COMMENT: _comment,
    Kind.VERDICT: _verdict,
    Kind.BULK: _bulk,
    Kind.SHARED: _shared,
    Kind.VISITED: _visited,
    Kind.EXPORTED: _exported,
    Kind.CHAINED: _chained,
}


# ---- Where it leads -------------------------------------------------------------------------
def _address(line: Line) -> str:
    row = line.newest
    project = f"/p/{row.project.code}/"
    if line.count > 1 and row.kind in FOLDED:
        return {
            Kind.FAILED: f"{project}?state=failed",
            Kind.VISITED: f"{project}shares/",
        }.get(Kind(row.kind), project)
    if row.generation is not None:
        clip = row.generation.get_absolute_url()
        return f"{clip}#comment-{row.comment.code}" if row.comment else clip
    if row.chain is not None:
        return f"/chains/{row.chain.code}/"
    if request := row.data.get("request"):
        return f"/requests/{request}/"
    if webhook := row.data.get("webhook"):
        return f"{project}webhooks/{webhook}/"
    if row.kind == Kind.BULK and row.data.get("verdict"):
        return f"{project}?verdict={row.data['verdict']}"
    return {
        Kind.MEMBER: f"{project}settings/",
        Kind.SETTINGS: f"{project}settings/",
        Kind.SPEND: f"{project}spend/",
        Kind.SHARED: f"{project}shares/",
        Kind.VISITED: f"{project}shares/",
    }.get(Kind(row.kind), project)
