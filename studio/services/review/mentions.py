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

from studio.folding import fold, fold_letter
from studio.incoming_text import is_within_letter
from studio.models import Comment, Project, User

TOKEN = re.compile(r"@\{(\d{1,18})\}")
NOBODY = "someone"  # whose account is gone


def people_of(project: Project | int) -> list[User]:
    """Return the members who can be mentioned, by name; one query."""
    rows = User.objects.filter(memberships__project=project, is_active=True)
    return list(rows.only("pk", "name", "email").order_by("name", "pk"))


def handles(people: list[User]) -> dict[str, User]:
    """Return what may stand behind an @, folded, and whom it means.

    A name two members share means neither: their e-mail addresses do.
    """
    found: dict[str, User] = {}
    for read in (User.get_short_name, User.get_full_name):
        named = [(fold(read(user)), user) for user in people]
        counts = Counter(name for name, _ in named)
        found |= {name: user for name, user in named if name and counts[name] == 1}
    return found | {fold(user.email): user for user in people}


def handle_of(user: User, found: Mapping[str, User]) -> str:
    """Return what to write behind an @ to mean this person."""
    return user.name if found.get(fold(user.name)) == user else user.email


def keep_mentions(text: str, project: Project | int) -> tuple[str, list[User]]:
    """Return the text with every mention of a member as its token, and the people; ≤ one query."""
    letters, places = _folded(text)
    if "@" not in letters:
        return text, []
    found = handles(people_of(project))
    names = "|".join(re.escape(name) for name in sorted(found, key=len, reverse=True))
    if not names:
        return text, []
    said: dict[int, User] = {}
    kept, at = [], 0
    pattern = re.compile(rf"(?<![\w@.])@({names})(?![\w@]|\.\w)")
    for match in pattern.finditer(letters):
        start, end = places[match.start()], places[match.end() - 1] + 1
        # Neither is a letter that is compared as several ended within, nor one apart from its marks.
        if match.end() < len(letters) and places[match.end()] < end or is_within_letter(text, end):
            continue
        user = found[match[1]]
        said[user.pk] = user
        kept += [text[at:start], f"@{{{user.pk}}}"]
        at = end
    return "".join([*kept, text[at:]]), list(said.values())


def _folded(text: str) -> tuple[str, list[int]]:
    """Return the text as it is compared, and the place in `text` of each character of that."""
    letters, places = [], []
    for place, letter in enumerate(text):
        for one in fold_letter(letter):
            letters.append(one)
            places.append(place)
    return "".join(letters), places


def typed_text(text: str, people: Mapping[int, User]) -> str:
    """Return the text as somebody would type it: mentions as names."""
    return TOKEN.sub(lambda match: f"@{_name(match, people)}", text)


def mentioned_on(texts: Iterable[tuple[int, str]]) -> dict[int, dict[int, User]]:
    """Return the people mentioned on clips, by clip and by key, for (clip's pk, text) pairs.

    One query, none where no text holds a token. Only stored mentions count: their people were
    looked up in the project. A token that somebody typed may hold the key of any account.
    """
    clips = {pk for pk, text in texts if TOKEN.search(text)}
    people: dict[int, dict[int, User]] = {}
    if not clips:
        return people
    rows = Comment.mentions.through.objects.filter(comment__generation__in=clips)
    for clip, pk, name, email in rows.values_list(
        "comment__generation", "user", "user__name", "user__email"
    ):
        people.setdefault(clip, {})[pk] = User(pk=pk, name=name, email=email)
    return people


def words_of(comment: Comment) -> str:
    """Return what a comment says as plain words, mentions as names, for wherever it is quoted.

    One query where there is a mention, none after `with_mentions`. A guest's words are quoted as
    typed: guests mention nobody.
    """
    if comment.author_id is None or not TOKEN.search(comment.text):
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


def shown_text(
    text: str, people: Mapping[int, User], *, reader: User | None, typed: bool = False
) -> SafeString:
    """Return the text as HTML with its line breaks; a mention of the reader stands out.

    `typed`: a guest's words, in which a token is no mention.
    """

    def mark(match: re.Match[str]) -> str:
        mine = reader is not None and int(match[1]) == reader.pk
        css = "mention me" if mine else "mention"
        return format_html('<span class="{}">@{}</span>', css, _name(match, people))

    html = escape(text).replace("\n", "<br>")
    if "@" in html and not typed:
        html = TOKEN.sub(mark, html)
    return mark_safe(html)  # noqa: S308 (escaped above)


def _name(match: re.Match[str], people: Mapping[int, User]) -> str:
    user = people.get(int(match[1]))
    return (user.name or user.email) if user else NOBODY
