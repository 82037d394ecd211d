"""The lightbox: one clip large, its neighbours a key away. A page of its own, or over the gallery."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from studio.http import StudioRequest, project_for, signed_in, wants_partial
from studio.models import Generation
from studio.services.gallery import filters, walk
from studio.services.gallery.judging import own_verdicts
from studio.services.gallery.order import DEFAULT, key_of, read_key
from studio.services.gallery.passing import rows_of
from studio.views.looking.compare import takes_to_compare


@require_safe
@vary_on_headers("HX-Request")
@signed_in
def look_at_clip(request: StudioRequest, code: UUID, clip: UUID) -> HttpResponse:
    """Answer with the clip and who stands beside it in the gallery's order.

    `key` in the address is where the walk stands, for a clip that moved in the order meanwhile.
    """
    project = project_for(request, code)
    rows = Generation.objects.filter(project=project, deleted_at=None)
    g = (
        rows.select_related("project", "by", "verdict_by")
        .defer("raw_answer")
        .filter(code=clip)
        .first()
    )
    if g is None:
        raise Http404("No such clip.")
    if not g.is_clip:
        if wants_partial(request):
            raise Http404("It does not play.")
        return HttpResponseRedirect(g.get_absolute_url())
    wanted = filters.read(request.GET)
    sort = wanted.sort or DEFAULT
    key = read_key(request.GET.get("key", ""), sort) or read_key(key_of(g, sort), sort)
    assert key is not None
    passing = rows_of(project, wanted, request.user)
    others = walk.playable(passing).exclude(pk=g.pk).defer("raw_answer")
    earlier = walk.before(others, sort, key, 1)
    later = walk.after(others, sort, key, 1)
    query = wanted.query()
    folder = f"{project.get_absolute_url()}look/"
    ctx = {
        "here": "clips",
        "g": g,
        "filter": wanted,
        "mine": own_verdicts([g], request.user).get(g.pk, ""),
        "query": f"?{query}" if query else "",
        "key": "-".join(str(part) for part in key),
        "earlier": f"{folder}{earlier[0].code}/" if earlier else "",
        "later": f"{folder}{later[0].code}/" if later else "",
        "address": f"{folder}{g.code}/" + (f"?{query}" if query else ""),
        "gallery": project.get_absolute_url() + (f"?{query}" if query else ""),
        "compare": takes_to_compare(g),
        "version": project.version,
        "live": f"{project.get_absolute_url()}changes/",
    }
    return render(request, "_look.html" if wants_partial(request) else "look.html", ctx)
