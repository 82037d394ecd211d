"""The feed of a project: pages of it, whom and what it can be narrowed to, and what is new."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from studio.models import Activity, Membership, Project, User
from studio.services.news.lines import Line, fold, with_all

Kind = Activity.Kind

PAGE_SIZE = 60
MOST_FRESH = 300  # beyond these the page is asked for anew

# What can be chosen: name in the address -> (label, kinds).
CHOICES: dict[str, tuple[str, tuple[str, ...]]] = {
    "shots": ("Shots", (Kind.QUEUED, Kind.FINISHED, Kind.FAILED)),
    "review": ("Review", (Kind.COMMENT, Kind.VERDICT)),
    "shares": ("Sharing", (Kind.SHARED, Kind.VISITED)),
    "chains": ("Chains and exports", (Kind.CHAINED, Kind.EXPORTED)),
    "bulk": ("Bulk actions", (Kind.BULK,)),
    "project": ("People and settings", (Kind.MEMBER, Kind.SETTINGS, Kind.SPEND)),
}
GUESTS = "guests"


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What the feed is narrowed to: names of CHOICES, and one person's pk, or GUESTS, or empty."""

    kinds: tuple[str, ...] = ()
    person: str = ""
    tells_money: bool = True  # not to reviewers

    @property
    def is_active(self) -> bool:
        return bool(self.kinds or self.person)

    def rows(self, project: Project) -> QuerySet[Activity]:
        rows = Activity.objects.filter(project=project)
        if not self.tells_money:
            rows = rows.exclude(kind=Kind.SPEND)
        if self.kinds:
            wanted = Q(kind__in=[kind for name in self.kinds for kind in CHOICES[name][1]])
            if "review" in self.kinds:
                # Many verdicts given at once are one line, of the run.
                wanted |= Q(kind=Kind.BULK, data__has_key="verdict")
            rows = rows.filter(wanted)
        if self.person == GUESTS:
            rows = rows.filter(actor=None).exclude(guest_name="", kind__in=[Kind.SETTINGS])
        elif self.person:
            rows = rows.filter(actor=int(self.person))
        return rows


def read_narrowed(kinds: Iterable[str], person: str, *, tells_money: bool = True) -> Narrowed:
    """Read the address's values; what is not known is left out."""
    known = tuple(name for name in CHOICES if name in set(kinds))
    ok = person == GUESTS or (person.isascii() and person.isdigit() and len(person) < 18)
    return Narrowed(known, person if ok else "", tells_money)


@dataclass(frozen=True, slots=True)
class Day:
    """The lines of one day, newest first; `fresh_until` is where the reader's last visit was."""

    day: date
    lines: list[Line]

    @property
    def name(self) -> str:
        today = timezone.now().date()
        if self.day == today:
            return "Today"
        if self.day == today - timedelta(days=1):
            return "Yesterday"
        year = f" {self.day.year}" if self.day.year != today.year else ""
        return f"{self.day:%A}, {self.day.day} {self.day:%B}{year}"


def page(project: Project, narrowed: Narrowed, before: int | None) -> tuple[list[Day], int | None]:
    """Return one page and the key the next begins below, or None at the end; one query."""
    rows = narrowed.rows(project)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(with_all(rows.order_by("-pk"))[: PAGE_SIZE + 1])
    more = found[PAGE_SIZE - 1].pk if len(found) > PAGE_SIZE else None
    return days_of(found[:PAGE_SIZE]), more


def since(project: Project, narrowed: Narrowed, base: int) -> list[Line] | None:
    """Return what came after `base`, newest first; None when it is too much to add."""
    rows = narrowed.rows(project).filter(pk__gt=base)
    found = list(with_all(rows.order_by("-pk"))[: MOST_FRESH + 1])
    return None if len(found) > MOST_FRESH else fold(found)


def days_of(rows: Sequence[Activity]) -> list[Day]:
    days: list[Day] = []
    for line in fold(rows):
        day = line.newest.at.date()
        if not days or days[-1].day != day:
            days.append(Day(day, []))
        days[-1].lines.append(line)
    return days


def newest(project: Project) -> int:
    """Return the feed's cursor: the key of the newest line, 0 where there is none; one query."""
    rows = Activity.objects.filter(project=project).order_by("-pk")
    return rows.values_list("pk", flat=True).first() or 0


def first_new(days: Sequence[Day], *, seen: int, reader: User) -> int | None:
    """Return the key of the first line that was there at the last visit, to draw the mark above it.

    None where everything or nothing is new, or all of it the reader's own doing.
    """
    above_is_news = False
    for line in (line for day in days for line in day.lines):
        if line.newest.pk <= seen:
            return line.newest.pk if above_is_news else None
        above_is_news = above_is_news or line.newest.actor_id != reader.pk
    return None


def note_seen(membership: Membership, upto: int) -> None:
    """Remember that this member has seen the feed up to here; writes only when that is news."""
    if upto > membership.seen_activity:
        Membership.objects.filter(pk=membership.pk, seen_activity__lt=upto).update(
            seen_activity=upto
        )


def people_of(project: Project) -> list[tuple[str, str]]:
    """Return (value, name) of who can be chosen: members, and who left but did something."""
    did = Activity.objects.filter(project=project, actor=OuterRef("pk"))
    is_member = Membership.objects.filter(project=project, user=OuterRef("pk"))
    rows = User.objects.filter(Exists(is_member) | Exists(did)).order_by("name")
    return [(str(pk), name) for pk, name in rows.values_list("pk", "name")]
