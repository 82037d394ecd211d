"""The bell: what one person was told, how much of it is unread, and reading it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Case, Count, F, Max, Q, QuerySet, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.utils import timezone

from studio.models import Generation, Notification, User
from studio.plain_text import one_line
from studio.services.gallery.counts import MOST_UNREAD
from studio.services.news.lines import Kind, Line, for_maker, line_of

Reason = Notification.Reason

MOST_COUNTED = MOST_UNREAD
PANEL_SIZE = 20
PAGE_SIZE = 50
# Many of these at once are one line: "12 shots are ready".
CROWDS = (Reason.FINISHED, Reason.FAILED, Reason.VERDICT)
# Verdicts are alike when they say the same: twelve approvals are one line, each objection its own.
CROWD_FIELDS = ("reason", "activity__project", "activity__actor", "activity__guest_name")
# A bulk action is one line of its own, which tells of many already.
IS_CROWD = Q(reason__in=CROWDS) & ~Q(activity__kind=Kind.BULK)
WORDS = Case(When(reason=Reason.VERDICT, then=F("activity__text")), default=Value(""))


class Bell:
    """The unread news of one person as the top bar shows them; asks the database once, when read.

    `known` is how many there are, counted to MOST_COUNTED + 1, and the key of the newest, for who
    has asked already.
    """

    def __init__(self, user: User, known: tuple[int, int] | None = None) -> None:
        self._user, self._known = user, known

    def _ask(self) -> tuple[int, int]:
        if self._known is None:
            rows = Notification.objects.filter(user=self._user, read_at=None).order_by("-pk")
            keys = list(rows.values_list("pk", flat=True)[: MOST_COUNTED + 1])
            self._known = (len(keys), keys[0] if keys else 0)
        return self._known

    def forget(self) -> None:
        """Ask again: something was read meanwhile."""
        self._known = None

    @property
    def unread(self) -> int:
        """How many, counted to MOST_COUNTED + 1."""
        return self._ask()[0]

    @property
    def shown(self) -> str:
        return f"{MOST_COUNTED}+" if self.unread > MOST_COUNTED else str(self.unread)

    @property
    def newest(self) -> int:
        """The key of the newest unread, 0 without one."""
        return self._ask()[1]


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the bell: a notification, or a crowd of them. `pk` is the newest's."""

    pk: int
    reason: str
    unread: bool
    line: Line

    @property
    def text(self) -> str:
        if self.reason == Reason.MENTION:
            if not self.line.subject:  # many clips at once
                return f"{self.line.sentence} and mentioned you"
            where = f"“{self.line.subject}”{self.line.tail}"
            return one_line(f"{self.line.who} mentioned you on {where}")
        return self.line.sentence

    @property
    def url(self) -> str:
        return f"/notifications/{self.pk}/open/"


def notes(user: User, *, before: int | None = None, size: int = PANEL_SIZE) -> list[Note]:
    """Return the newest lines; three queries. Unread crowds of a project are one line each.

    With `before`, those below that key; the crowds are on the first page alone.
    """
    mine = Notification.objects.filter(user=user)
    crowd = Q(read_at=None) & IS_CROWD
    rows = with_all(mine.exclude(crowd)).order_by("-pk")
    if before is not None:
        return _folded(list(rows.filter(pk__lt=before)[:size]))
    counted = (
        mine.filter(crowd)
        .order_by()
        .annotate(words=WORDS, verdict=KeyTextTransform("verdict", "activity__data"))
        .values("words", "verdict", *CROWD_FIELDS)
        .annotate(top=Max("pk"), count=Count("pk"))
        .values_list("top", "count")
    )
    counts = dict(counted)
    tops = with_all(mine.filter(pk__in=counts)) if counts else []
    crowds = [_note([row], counts[row.pk]) for row in tops]
    found = crowds + _folded(list(rows[:size]))
    return sorted(found, key=lambda note: -note.pk)[:size]


def next_page(user: User, *, before: int | None, size: int) -> int | None:
    """Return the key the page after this one begins below, or None at the end; one query."""
    rows = Notification.objects.filter(user=user).exclude(Q(read_at=None) & IS_CROWD)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    keys = list(rows.order_by("-pk").values_list("pk", flat=True)[size - 1 : size + 1])
    return keys[0] if len(keys) == 2 else None


def with_all(rows: QuerySet[Notification]) -> QuerySet[Notification]:
    """With everything a line shows, in one query."""
    return rows.select_related(
        "activity__actor",
        "activity__project",
        "activity__generation__project",
        "activity__chain",
        "activity__comment",
    ).defer(
        "activity__generation__raw_answer",
        "activity__generation__prompt",
        "activity__generation__sent_prompt",
        "activity__generation__result_url",
    )


def _folded(rows: Sequence[Notification]) -> list[Note]:
    """Fold read crowds that follow one another."""
    groups: list[list[Notification]] = []
    for row in rows:
        last = groups[-1][-1] if groups else None
        if last is not None and _is_crowd(row) and _crowd_of(row) == _crowd_of(last):
            groups[-1].append(row)
        else:
            groups.append([row])
    return [_note(group, len(group)) for group in groups]


def _is_crowd(row: Notification) -> bool:
    """As IS_CROWD, of a row in hand."""
    return row.reason in CROWDS and row.activity.kind != Kind.BULK


def _crowd_of(row: Notification) -> tuple[object, ...]:
    """Return what makes it one of a crowd; the same as `notes` groups by in the database."""
    activity = row.activity
    key = (row.reason, activity.project_id, activity.actor_id, activity.guest_name)
    if row.reason != Reason.VERDICT:
        return key
    return (*key, activity.data.get("verdict", ""), activity.text)


def _note(group: Sequence[Notification], count: int) -> Note:
    first = group[0]
    line = line_of([row.activity for row in group], count=count, mine=True)
    if first.reason == Reason.VERDICT and first.activity.kind == Kind.BULK:
        line = for_maker(line, first.user_id)
    return Note(first.pk, first.reason, first.read_at is None, line)


def digest_notes(rows: Sequence[Notification]) -> list[Note]:
    """Return lines of unread notifications given newest first, crowds of a project folded."""
    groups: dict[tuple[object, ...], list[Notification]] = {}
    for row in rows:
        key = _crowd_of(row) if _is_crowd(row) else (row.pk,)
        groups.setdefault(key, []).append(row)
    return [_note(group, len(group)) for group in groups.values()]


# ---- Reading ------------------------------------------------------------------------------
def open_note(user: User, pk: int, *, mark_read: bool = True) -> str | None:
    """Mark one line read, a crowd as a whole, and return where it leads; None: not this person's."""
    row = with_all(Notification.objects.filter(user=user, pk=pk)).first()
    if row is None:
        return None
    rows = Notification.objects.filter(user=user, read_at=None)
    if _is_crowd(row) and row.read_at is None:
        alike = rows.filter(
            IS_CROWD,
            reason=row.reason,
            pk__lte=pk,
            activity__project=row.activity.project_id,
            activity__actor=row.activity.actor_id,
            activity__guest_name=row.activity.guest_name,
        )
        if row.reason == Reason.VERDICT:
            verdict = row.activity.data.get("verdict", "")
            alike = alike.filter(activity__text=row.activity.text, activity__data__verdict=verdict)
        count = _mark(alike) if mark_read else alike.count()
    else:
        if mark_read:
            _mark(rows.filter(pk=pk))
        count = 1
    return line_of([row.activity], count=max(count, 1), mine=True).url


def read_all(user: User, *, upto: int | None = None) -> int:
    """Mark everything read, or what is not newer than `upto`: what came meanwhile stays unread."""
    rows = Notification.objects.filter(user=user, read_at=None)
    return _mark(rows if upto is None else rows.filter(pk__lte=upto))


def read_about(user: User, generation: Generation) -> int:
    """Mark read what this person was told of a clip they are looking at. One query where nothing is."""
    rows = Notification.objects.filter(
        user=user, read_at=None, activity__generation=generation.pk
    )  # fmt: skip
    return _mark(rows) if rows.exists() else 0


def _mark(rows: QuerySet[Notification]) -> int:
    return rows.update(read_at=timezone.now())
