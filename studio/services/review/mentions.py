"""Mentions: typed as a name, kept as a person, shown by the name that person has now.

In the table a mention is "@{12}": the user's key. Words that name nobody in the project stay words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from html import escape

from django.db.models import prefetch_related_objects
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from studio.models import Comment, Project, User

TOKEN = re.compile(r"@\{(\d{1,18})\}")
NOBODY = "someone"  # whose account is gone


def people_of(project: Project | int) -> list[User]:
    """Return the members who can be mentioned, by name; one query."""
    rows = User.objects.filter(memberships__project=project, is_active=True)
    return list(rows.only("pk", "name", "email").order_by("name", "pk"))


def handles(people: list[User]) -> dict[str, User]:
    """Return what may stand behind an @, in lower case, and whom it means.

    A name two members share means neither: their e-mail addresses do.
    """
    found: dict[str, User] = {}
    for read in (User.get_short_name, User.get_full_name):
        counts = Counter(read(user).lower() for user in people)
        found |= {
            read(user).lower(): user
            for user in people
            if read(user) and counts[read(user).lower()] == 1
        }
    return found | {user.email.lower(): user for user in people}


def handle_of(user: User, found: Mapping[str, User]) -> str:
    """Return what to write behind an @ to mean this person."""
    return user.name if found.get(user.name.lower()) == user else user.email


def keep_mentions(text: str, project: Project | int) -> tuple[str, list[User]]:
    """Return the text with every mention of a member as its token, and the people; ≤ one query."""
    if "@" not in text:
        return text, []
    found = handles(people_of(project))
    names = "|".join(re.escape(name) for name in sorted(found, key=len, reverse=True))
    if not names:
        return text, []
    said: dict[int, User] = {}

    def token(match: re.Match[str]) -> str:
        user = found[match[1].lower()]
        said[user.pk] = user
        return f"@{{{user.pk}}}"

    pattern = re.compile(rf"(?<![\w@.])@({names})(?![\w@]|\.\w)", re.IGNORECASE)
    return pattern.sub(token, text), list(said.values())


def typed_text(text: str, people: Mapping[int, User]) -> str:
    """Return the text as somebody would type it: mentions as names."""
    return TOKEN.sub(lambda match: f"@{_name(match, people)}", text)


def mentioned_in(texts: Iterable[str]) -> dict[int, User]:
    """Return whom these texts mention, by pk; one query, none where nobody is."""
    pks = {int(pk) for text in texts for pk in TOKEN.findall(text)}
    return User.objects.only("pk", "name", "email").in_bulk(pks) if pks else {}


def words_of(comment: Comment) -> str:
    """Return what a comment says as plain words, mentions as names, for wherever it is quoted.

    One query where there is a mention, none after `with_mentions`.
    """
    if not TOKEN.search(comment.text):
        return comment.text
    return typed_text(comment.text, {user.pk: user for user in comment.mentions.all()})


def with_mentions(comments: Iterable[Comment]) -> list[Comment]:
    """Return the comments with whom they mention loaded: one query more, none where nobody is."""
    found = list(comments)
    prefetch_related_objects([said for said in found if TOKEN.search(said.text)], "mentions")
    return found


def asked_for(comment: Comment) -> str:
    """Return what a comment asks of the picture: its words without the people they are said to.

    For a prompt, which leaves the studio: a colleague's name is no business of a model's, and some
    refuse to draw people by name.
    """
    lines = [
        TOKEN.sub("", line).replace("  ", " ").strip(" ,:;") if TOKEN.search(line) else line
        for line in comment.text.split("\n")
    ]
    return "\n".join(lines).strip()


def shown_text(text: str, people: Mapping[int, User], *, reader: User | None) -> SafeString:
    """Return the text as HTML with its line breaks; a mention of the reader stands out."""

    def mark(match: re.Match[str]) -> str:
        mine = reader is not None and int(match[1]) == reader.pk
        css = "mention me" if mine else "mention"
        return format_html('<span class="{}">@{}</span>', css, _name(match, people))

    html = escape(text).replace("\n", "<br>")
    if "@" in html:
        html = TOKEN.sub(mark, html)
    return mark_safe(html)  # noqa: S308 (escaped above)


def _name(match: re.Match[str], people: Mapping[int, User]) -> str:
    user = people.get(int(match[1]))
    return (user.name or user.email) if user else NOBODY
