"""The light table: one clip large and playing, rated by a key, and the next one is there."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from studio.http import StudioRequest, project_for, signed_in, wants_partial
from studio.models import Generation, Project
from studio.services.gallery import filters, walk
from studio.services.gallery.judging import own_verdicts
from studio.services.gallery.order import DEFAULT, key_of, read_key
from studio.services.gallery.passing import rows_of

BEFORE, AFTER = 8, 24  # how many of the strip come with the page, on either side
PAGE = 24  # how many more a time


@require_safe
@vary_on_headers("HX-Request")
@signed_in
def light_table(request: StudioRequest, code: UUID) -> HttpResponse:
    """Answer with the page; or with more of its strip, `after` or `before` a key of it.

    `unrated` leads to the next clip without a rating that follows the key `from_key`.
    """
    project = project_for(request, code)
    table = Table(request, project)
    for name, find in (("after", walk.after), ("before", walk.before)):
        key = read_key(request.GET.get(name, ""), table.sort)
        if key is not None:
            more = find(table.rows, table.sort, key, PAGE)
            return render(request, "_light_strip.html", table.strip(more))
    if "unrated" in request.GET:
        return _to_unrated(request, table)
    current = _current(request, table)
    if current is None:
        ctx = {"filter": table.wanted, "gallery": table.address("")}
        return render(request, "light_table.html", ctx)
    template = "_light_strip.html" if wants_partial(request) else "light_table.html"
    return render(request, template, table.around(current))


class Table:
    """The clips on one light table: what passes the address's filter, in its order."""

    def __init__(self, request: StudioRequest, project: Project) -> None:
        self.user = request.user
        self.project = project
        self.wanted = filters.read(request.GET)
        self.sort = self.wanted.sort or DEFAULT
        passing = rows_of(project, self.wanted, request.user)
        self.rows = walk.playable(passing).select_related("project").defer("raw_answer")

    def address(self, page: str = "light-table/", **more: object) -> str:
        pairs = [*self.wanted.pairs(), *((name, str(value)) for name, value in more.items())]
        return f"{self.project.get_absolute_url()}{page}" + (
            f"?{urlencode(pairs)}" if pairs else ""
        )

    def strip(self, clips: list[Generation]) -> dict[str, Any]:
        """Return what the strip's template takes; one query."""
        mine = own_verdicts(clips, self.user)
        return {
            "strip": [(g, key_of(g, self.sort), mine.get(g.pk, "")) for g in clips],
            "address": self.address(),
            "joint": "&" if self.wanted.pairs() else "?",
        }

    def around(self, current: Generation) -> dict[str, Any]:
        """Return a clip, those beside it, and where it stands; five queries."""
        key = read_key(key_of(current, self.sort), self.sort)
        assert key is not None
        others = self.rows.exclude(pk=current.pk)
        earlier = walk.before(others, self.sort, key, BEFORE)
        later = walk.after(others, self.sort, key, AFTER)
        count = walk.tally(self.rows)
        here = walk.place_of(others, self.sort, key) + 1
        strip = self.strip([*earlier, current, *later])
        return strip | {
            "filter": self.wanted,
            "g": current,
            "mine": strip["strip"][len(earlier)][2],
            "key": key_of(current, self.sort),
            "place": here,
            # A clip that no longer passes the filter is still looked at: it has a place too.
            "total": max(count.total, here),
            "unrated": count.unrated,
            "previous": self.address(clip=earlier[-1].code) if earlier else "",
            "next": self.address(clip=later[0].code) if later else "",
            "gallery": self.address(""),
        }


def _current(request: StudioRequest, table: Table) -> Generation | None:
    """Return the clip the address names, in the filter or not; else the first of the walk."""
    try:
        code = UUID(request.GET.get("clip", ""))
    except ValueError:
        return walk.first(table.rows, table.sort)
    own = Generation.objects.filter(project=table.project).select_related("project")
    named = walk.playable(own).defer("raw_answer").filter(code=code).first()
    return named or walk.first(table.rows, table.sort)


def _to_unrated(request: StudioRequest, table: Table) -> HttpResponse:
    key = read_key(request.GET.get("from_key", ""), table.sort)
    found = walk.next_unrated(table.rows, table.sort, key)
    if wants_partial(request):
        if found is None:
            return HttpResponse(status=204)
        return render(request, "_light_strip.html", table.around(found))
    if found is None:
        messages.success(request, "Everything here is rated.")
    clip = found.code if found else request.GET.get("clip", "")
    return HttpResponseRedirect(table.address(clip=clip))
