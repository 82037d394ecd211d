"""How many clips there are: of what is shown, and beside each choice of a filter's menu."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from hashlib import sha256
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Q
from django.utils import timezone

from studio.ledger import month_of
from studio.models import CollectionItem, Generation, Project, Segment, Tag, User
from studio.models.generation import MOVING_STATES, GenerationQuerySet
from studio.services.gallery import filters, search
from studio.services.gallery.filters import Wanted
from studio.services.gallery.passing import without_search

# Counting stops here: nobody reads on to the last digit, and a page must not wait for it.
MOST_COUNTED = 1000
KEPT_S = 30
# So far back is looked for what waits for a verdict: each costs a look at its shot's other takes.
MOST_UNJUDGED = 120
MOST_UNREAD = 99  # beyond these the bell says 99+


def matching(project: Project, wanted: Wanted, user: User, rows: GenerationQuerySet) -> int:
    """Count the rows that `wanted` leaves, but no further than to MOST_COUNTED; one query at most.

    No clip changes without its project's version: until then, and for KEPT_S at most, the count is
    the same. The day is part of what "today" asks for, the reader of what "me" does.
    """
    asked = f"{timezone.now():%x} {user.pk} {wanted.query(sort='')}"
    key = f"matching-{project.pk}-{project.version}-{sha256(asked.encode()).hexdigest()}"
    return cache.get_or_set(key, lambda: rows.order_by()[:MOST_COUNTED].count(), KEPT_S) or 0


_SHELL = """SELECT
  (SELECT count(*) FROM (SELECT 1 FROM studio_generation
    WHERE project_id = %s AND archived_at IS NULL LIMIT %s) AS counted),
  (SELECT count(*) FROM studio_generation
    WHERE project_id = %s AND archived_at IS NULL AND state IN (%s, %s, %s, %s)),
  (SELECT count(*) FROM studio_chain
    WHERE project_id = %s AND archived_at IS NULL AND branched_from_id IS NULL),
  (SELECT COALESCE(sum(microusd), 0) FROM studio_ledgerentry
    WHERE project_id = %s AND month = %s),
  (SELECT count(*) FROM (SELECT 1 FROM studio_notification
    WHERE user_id = %s AND read_at IS NULL LIMIT %s) AS unread),
  (SELECT COALESCE(max(id), 0) FROM studio_notification WHERE user_id = %s AND read_at IS NULL),
  (SELECT count(*) FROM (SELECT shot, state FROM studio_generation
    WHERE project_id = %s AND archived_at IS NULL AND verdict = ''
    ORDER BY number DESC LIMIT %s) AS unjudged
    WHERE state = 'succeeded' AND NOT EXISTS (SELECT 1 FROM studio_generation AS circled
      WHERE circled.shot = unjudged.shot AND circled.verdict = 'approved'
      AND circled.archived_at IS NULL)),
  (SELECT count(*) FROM (SELECT 1 FROM studio_generation
    WHERE project_id = %s AND archived_at IS NULL AND verdict = '' LIMIT %s) AS looked_at)
"""


def for_shell(project_id: int, user_id: int) -> dict[str, int]:
    """Return what the top bar says of a project, and of this person's news; one query.

    clip_count, in_flight, chain_count, the month's spent micro-USD; unread, counted to one more
    than MOST_UNREAD, and newest_unread, a key or 0; waiting, how many of the MOST_UNJUDGED newest
    without a verdict wait for one, as services.review.waiting has it; waiting_beyond, 1 where older
    ones may wait too. Clips beyond MOST_COUNTED
    are counted anew only every KEPT_S seconds, by one more query.
    """
    with connection.cursor() as cursor:
        month = month_of(timezone.now())
        moving = [str(state) for state in sorted(MOVING_STATES)]
        params: list[Any] = [project_id, MOST_COUNTED + 1, project_id, *moving, project_id]
        params += [project_id, month, user_id, MOST_UNREAD + 1, user_id]
        params += [project_id, MOST_UNJUDGED, project_id, MOST_UNJUDGED + 1]
        cursor.execute(_SHELL, params)
        counted = cursor.fetchone()
    clips, in_flight, chains, spent, unread, newest, waiting, unjudged = counted
    if clips > MOST_COUNTED:
        everything = Generation.objects.filter(project_id=project_id, archived_at=None)
        clips = cache.get_or_set(f"clips-of-{project_id}", everything.count, KEPT_S)
    return {
        "clip_count": clips,
        "in_flight": in_flight,
        "chain_count": chains,
        "spent": int(spent),
        "unread": unread,
        "newest_unread": newest,
        "waiting": waiting,
        "waiting_beyond": int(unjudged > MOST_UNJUDGED),
    }


def in_words(count: int) -> str:
    """Return a count that may have stopped, such as 1,000+."""
    return intcomma(count) + ("+" if count >= MOST_COUNTED else "")


def beside_choices(
    project: Project, wanted: Wanted, user: User, kind: str
) -> dict[tuple[str, str], int]:
    """Return how many clips each choice of a kind would show, the other filters holding.

    By (kind, value); what is not there counts none. Two queries at most, one more for a search.
    """
    but = "model" if kind == "provider" else kind
    rows = without_search(project, wanted, user, but=but)
    if wanted.q:
        rows = search.find(project, wanted.q).narrow(rows)
    return {(name, str(value)): n for (name, value), n in _COUNTERS[kind](rows, user).items() if n}


Counts = Counter[tuple[str, Any]]


def _grouped(rows: GenerationQuerySet, *columns: str) -> list[tuple[Any, ...]]:
    return list(rows.order_by().values(*columns).annotate(n=Count("pk")).values_list(*columns, "n"))


def _states(rows: GenerationQuerySet, user: User) -> Counts:
    by_state = dict(_grouped(rows, "state"))
    return Counter(
        {
            ("state", value): sum(by_state.get(state, 0) for state in states)
            for value, (_, states) in filters.STATES.items()
        }
    )


def _providers(rows: GenerationQuerySet, user: User) -> Counts:
    counts: Counts = Counter()
    for provider, model, n in _grouped(rows, "provider", "model"):
        counts["provider", provider] += n
        counts["model", f"{provider}:{model}"] += n
    return counts


def _concepts(rows: GenerationQuerySet, user: User) -> Counts:
    # As many groups as combinations are in use: far fewer than clips.
    counts: Counts = Counter()
    for slugs, n in _grouped(rows, "concepts"):
        for slug in set(slugs or ()):
            counts["concept", slug] += n
    return counts


def _creators(rows: GenerationQuerySet, user: User) -> Counts:
    counts: Counts = Counter({("by", pk): n for pk, n in _grouped(rows, "by")})
    counts["by", "me"] = counts["by", user.pk]
    return counts


def _ratings(rows: GenerationQuerySet, user: User) -> Counts:
    by_rating = dict(_grouped(rows, "rating"))
    counts: Counts = Counter({("rating", "0"): by_rating.get(0, 0)})
    for stars in range(1, 6):
        counts["rating", f"exactly-{stars}"] = by_rating.get(stars, 0)
        counts["rating", str(stars)] = sum(n for r, n in by_rating.items() if r >= stars)
    return counts


def _verdicts(rows: GenerationQuerySet, user: User) -> Counts:
    given = dict(_grouped(rows, "verdict"))
    return Counter(
        {("verdict", value): given.get(v, 0) for value, (_, v) in filters.VERDICTS.items()}
    )


def _shapes(rows: GenerationQuerySet, user: User) -> Counts:
    return Counter({("shape", shape): n for shape, n in _grouped(rows, "aspect_ratio")})


def _lengths(rows: GenerationQuerySet, user: User) -> Counts:
    return Counter({("length", seconds): n for seconds, n in _grouped(rows, "duration_s")})


def _dates(rows: GenerationQuerySet, user: User) -> Counts:
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    since = {
        "today": today,
        "week": today - timedelta(days=6),
        "month": today.replace(day=1),
    }
    found = rows.order_by().aggregate(
        **{name: Count("pk", filter=Q(created_at__gte=at)) for name, at in since.items()}
    )
    return Counter({("date", name): n for name, n in found.items()})


def _chains(rows: GenerationQuerySet, user: User) -> Counts:
    here = Segment.objects.filter(chain__archived_at=None, generation__in=rows.values("pk"))
    each = here.order_by().values("chain__code").annotate(n=Count("generation", distinct=True))
    counts: Counts = Counter(
        {("chain", code): n for code, n in each.values_list("chain__code", "n")}
    )
    joined = here.order_by().values("generation").distinct().count()
    counts["chain", "any"], counts["chain", "none"] = joined, rows.count() - joined
    return counts


def _tags(rows: GenerationQuerySet, user: User) -> Counts:
    # The counted clips are those of the filter: both speak of the same join.
    worn = Tag.objects.filter(generations__in=rows.values("pk")).annotate(n=Count("generations"))
    return Counter({("tag", name): n for name, n in worn.values_list("name", "n")})


def _collections(rows: GenerationQuerySet, user: User) -> Counts:
    items = CollectionItem.objects.filter(
        generation__in=rows.values("pk"), collection__archived_at=None
    )
    each = items.order_by().values("collection__code").annotate(n=Count("pk"))
    return Counter(
        {("collection", code): n for code, n in each.values_list("collection__code", "n")}
    )


def _archived(rows: GenerationQuerySet, user: User) -> Counts:
    found = rows.aggregate(both=Count("pk"), only=Count("pk", filter=Q(archived_at__isnull=False)))
    return Counter({("archived", "only"): found["only"], ("archived", "with"): found["both"]})


_COUNTERS = {
    "state": _states,
    "provider": _providers,
    "concept": _concepts,
    "by": _creators,
    "rating": _ratings,
    "verdict": _verdicts,
    "shape": _shapes,
    "length": _lengths,
    "date": _dates,
    "chain": _chains,
    "tag": _tags,
    "collection": _collections,
    "archived": _archived,
}
