"""The gallery: a project's clips, and what changed in it since the page last asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import push_url

from studio.forms.gallery import FIRST_MENUS, MENUS, GalleryFilter, whole_number
from studio.http import StudioRequest, project_for, signed_in, wants_partial
from studio.models import Generation, Project
from studio.models.generation import GenerationQuerySet
from studio.search.matching import LAST_NUMBER
from studio.search.words import read_terms
from studio.services.cards import Card, make_cards
from studio.services.gallery import counts, filters, names, order, pages, search
from studio.services.gallery.passing import without_search
from studio.services.gallery.views import visible_views

# More changed cards than this in one answer, and the first page is sent again instead.
MOST_CHANGES = 120
# Back from a clip, at most so many cards are shown again at once.
MOST_AGAIN = 1200
JUST_FINISHED = timedelta(seconds=8)


def gallery_filter(request: StudioRequest, project: Project) -> GalleryFilter:
    return GalleryFilter(filters.read(request.GET), project, request.user)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the gallery: its cards, the key of the next page, how many match in all."""

    cards: list[Card]
    more: str
    matches: str | None  # in words, for it may have stopped counting
    loose: bool = False


def _page(request: StudioRequest, project: Project, wanted: GalleryFilter) -> Page:
    """Return the page an address asks for, by keyset: new clips neither repeat nor skip."""
    first = "after" not in request.GET
    size = settings.GALLERY_PAGE_SIZE
    if not wanted.q:
        rows = wanted.rows(project)
        counted = None
        if wanted.is_active if first else wanted.wanted.gathers:
            counted = counts.matching(project, wanted.wanted, wanted.user, rows)
            rows = wanted.rows(project, along_order=counted >= counts.MOST_COUNTED)
        generations, more = _by_key(request, project, rows, wanted.sort, size)
        return Page(_cards(generations, wanted), more, _in_words(counted if first else None))
    finding = search.find(project, wanted.q)
    keys: dict[int, str] = {}
    generations, more = [], ""
    matches: int | None = None
    passing = without_search(project, wanted.wanted, request.user)
    rows = finding.narrow(passing, for_page=True)
    # So many that only the index is asked, a part at a time.
    countless = finding.pks is None and not wanted.wanted.has_filters
    if wanted.sort == order.RELEVANCE:
        best = search.best_page(
            passing,
            finding,
            size,
            after=request.GET.get("after", ""),
            until=request.GET.get("until", ""),
            all_pass=not wanted.wanted.has_filters,
        )
        keys, more, matches = best.keys, best.more, best.matches
        some = Generation.objects.among(keys).order_by()
        found = {g.pk: g for g in pages.load(some, project)}
        generations = [found[pk] for pk in keys if pk in found]
    else:
        if countless and wanted.sort == order.DEFAULT and "until" not in request.GET:
            key = order.read_key(request.GET.get("after", ""), wanted.sort)
            newest, _ = search.newest_page(passing, finding, key[0] if key else LAST_NUMBER)
            generations, more = _by_key(request, project, newest, wanted.sort, size)
        if not more:  # what was asked for in part may go on
            generations, more = _by_key(request, project, rows, wanted.sort, size)
    if first and matches is None:
        matches = (
            search.MOST if countless else counts.matching(project, wanted.wanted, wanted.user, rows)
        )
    cards = _cards(generations, wanted, keys)
    return Page(cards, more, _in_words(matches if first else None, countless), finding.loose)


def _in_words(matches: int | None, countless: bool = False) -> str | None:
    if matches is None:
        return None
    return f"{matches}+" if countless else counts.in_words(matches)


def _by_key(
    request: StudioRequest, project: Project, rows: GenerationQuerySet, sort: str, size: int
) -> tuple[list[Generation], str]:
    key = order.read_key(request.GET.get("after", ""), sort)
    rows = order.beyond(rows, sort, key) if key else order.ordered(rows, sort)
    until = order.read_key(request.GET.get("until", ""), sort) if key else None
    if until:
        # Back from a clip: all that was loaded, in one answer.
        generations = pages.load(order.up_to(rows, sort, until)[:MOST_AGAIN], project)
        more = order.key_of(generations[-1], sort) if generations else ""
        return generations, more if more and _is_more(rows, sort, more) else ""
    generations = pages.load(rows[: size + 1], project)
    more = order.key_of(generations[size - 1], sort) if len(generations) > size else ""
    return generations[:size], more


def _is_more(rows: GenerationQuerySet, sort: str, last: str) -> bool:
    key = order.read_key(last, sort)
    return key is not None and order.beyond(rows, sort, key).exists()


def _cards(
    generations: list[Generation], wanted: GalleryFilter, keys: dict[int, str] | None = None
) -> list[Card]:
    cards = make_cards(generations, reader=wanted.user)
    shown = search.show(generations, read_terms(wanted.q)) if wanted.q else {}
    sort = wanted.sort
    return [
        replace(
            card,
            place=(keys or {}).get(card.generation.pk) or order.key_of(card.generation, sort),
            shown=shown.get(card.generation.pk),
        )
        for card in cards
    ]


# An eighth of the bytes for a tenth of the time. Its forms' token is masked anew in every answer, and
# gzip_page adds a random length, so that nothing can be guessed from how well it compresses.
@gzip_page
@require_safe
@vary_on_headers("HX-Request")
@signed_in
def clip_list(request: StudioRequest, code: UUID) -> HttpResponse:
    project = project_for(request, code)
    if not request.GET and not request.htmx and (view := _default_query(request, project)):
        return HttpResponseRedirect(f"{project.get_absolute_url()}?{view}")
    wanted = gallery_filter(request, project)
    ctx = _gallery_context(request, project, wanted)
    if not wants_partial(request):
        return render(request, "clip_list.html", ctx)
    if "after" in request.GET:
        return render(request, "_clips.html", ctx)
    response = render(request, "_gallery.html", ctx | {"with_filters": True})
    query = wanted.query()
    plain = "?view=all" if request.membership.default_view_id else ""
    return push_url(response, project.get_absolute_url() + (f"?{query}" if query else plain))


def _default_query(request: StudioRequest, project: Project) -> str:
    """Return what this person's gallery opens with; one query if there is a default view."""
    pk = request.membership.default_view_id
    if pk is None:
        return ""
    view = visible_views(project, request.user).filter(pk=pk).values_list("query", flat=True)
    return view.first() or ""


def _gallery_context(
    request: StudioRequest, project: Project, wanted: GalleryFilter
) -> dict[str, Any]:
    page = _page(request, project, wanted)
    plain = "?view=all" if request.membership.default_view_id else ""
    return {
        "here": "clips",
        "filter": wanted,
        "menus": wanted.menus(),
        "first_menus": FIRST_MENUS,
        "cards": page.cards,
        "more": f"?{wanted.query(after=page.more)}" if page.more else "",
        "sorts": wanted.sorts(),
        "can_create": request.membership.can_create,
        "matches": page.matches,
        "loose": page.loose,
        "everything": project.get_absolute_url() + plain,
        "version": project.version,
        "live": f"/p/{project.code}/changes/",
    }


@require_safe
@vary_on_headers("HX-Request")
@signed_in
def filter_menu(request: StudioRequest, code: UUID, kind: str) -> HttpResponse:
    """One filter's choices, each with how many clips it would show. A page of its own without script."""
    project = project_for(request, code)
    if kind not in MENUS:
        raise Http404("No such filter.")
    wanted = gallery_filter(request, project)
    listed = names.own_values(kind, project) if kind in names.OWN else None
    beside = counts.beside_choices(project, wanted.wanted, request.user, kind)
    menu = wanted.menu(kind, beside, listed)
    own = (
        {choice.name for choice in menu.choices}
        | {kind}
        | ({"from", "to"} if menu.is_date else set())
    )
    ctx = {
        "here": "clips",
        "menu": menu,
        "filter": wanted,
        "kept": [(name, value) for name, value in wanted.wanted.pairs() if name not in own],
    }
    partial = wants_partial(request)
    return render(request, "_filter_menu.html" if partial else "filter_menu.html", ctx)


@require_safe
@signed_in
def clip_changes(request: StudioRequest, code: UUID) -> HttpResponse:
    """Answer 204 when nothing changed since the cursor, else the changed cards out of band.

    gallery.js swaps the cards the page holds and puts the others where the sort wants them.
    """
    project = project_for(request, code)
    since = whole_number(request.GET.get("since"), most=2**62) or 0
    if project.version <= since:
        return HttpResponse(status=204)
    wanted = gallery_filter(request, project)
    # Ordered by what is asked for: by number, SQLite would walk over the whole project.
    rows = Generation.objects.filter(project=project, version__gt=since).order_by("-version")
    changed = pages.load(rows[: MOST_CHANGES + 1], project)
    if len(changed) > MOST_CHANGES:
        return _whole_gallery(request, project, wanted)
    changed.sort(key=lambda g: -g.number)
    passing = set(wanted.rows(project).among([g.pk for g in changed]).values_list("pk", flat=True))
    gone = [g for g in changed if g.archived_at and g.pk not in passing]
    ctx = {
        "cards": _cards([g for g in changed if g not in gone], wanted),
        # What only stopped matching the filters is brought up to date and stays until the page
        # is asked for again: nothing disappears under a pointer.
        "passing": passing,
        "gone": gone,
        "finished": _just_finished(request, changed),
        "filter": wanted,
        "version": project.version,
        "live": f"/p/{project.code}/changes/",
        "can_create": request.membership.can_create,
        "oob": True,
    }
    return render(request, "_changes.html", ctx)


def _just_finished(request: StudioRequest, changed: list[Generation]) -> list[Generation]:
    """Return this person's clips that became playable since about the last poll."""
    just_now = timezone.now() - JUST_FINISHED
    return [
        g
        for g in changed
        if g.is_clip and g.by_id == request.user.pk and g.finished_at and g.finished_at > just_now
    ]


def _whole_gallery(request: StudioRequest, project: Project, wanted: GalleryFilter) -> HttpResponse:
    """After a long sleep or a great many changes: the first page again, in one piece."""
    ctx = _gallery_context(request, project, wanted)
    return render(request, "_gallery.html", ctx | {"oob": "morph", "with_pill": True})
