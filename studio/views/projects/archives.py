"""Archives: a project or a selection as ZIP, a chain for editors, and bringing an archive in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from studio.address_rules import MAX_BODY_BYTES, MB
from studio.http import StudioRequest, project_for, require_safe_or_post, signed_in, wants_partial
from studio.media.serve import attachment
from studio.media.zipping import Entry, stream_zip, zip_size
from studio.models import Generation, Project
from studio.services.errors import StudioError
from studio.services.exchange import archive_uploads, archives, import_runs
from studio.services.film import handover
from studio.views.film.chain_access import chain_for
from studio.views.streaming import streamed

MOST_IMPORTS = 10  # shown to whoever asked for them


@require_safe
@signed_in
def project_archive(request: StudioRequest, code: UUID) -> HttpResponseBase:
    """Send the project, or the clips named by `clip` (codes, repeated), as ZIP."""
    project = project_for(request, code, may="create")
    chosen = _codes(request)
    clips = None
    if chosen:
        rows = Generation.objects.filter(project=project, code__in=chosen, purged_at=None)
        clips = list(rows.select_related("by").defer("raw_answer").order_by("number"))
    return send_archive(request, project, clips)


def send_archive(
    request: StudioRequest, project: Project, clips: list[Generation] | None
) -> HttpResponseBase:
    """Send these clips of a project as ZIP; None is everything. Goes back when there is nothing."""
    return _sent(
        request,
        lambda: archives.project_entries(project, clips, by=request.user),
        project.get_absolute_url(),
    )


def _codes(request: StudioRequest) -> list[UUID]:
    found = []
    for raw in request.GET.getlist("clip"):
        try:
            found.append(UUID(raw))
        except ValueError:
            continue
    return found


@require_safe
@signed_in
def chain_handover(request: StudioRequest, code: UUID) -> HttpResponseBase:
    """Send a chain with its clips as OpenTimelineIO, FCPXML and EDL, in one ZIP."""
    chain = chain_for(request, code, may="create")
    return _sent(request, lambda: handover.handover_entries(chain), f"/chains/{chain.code}/")


def _sent(
    request: StudioRequest, collect: Callable[[], tuple[str, list[Entry]]], back: str
) -> HttpResponseBase:
    try:
        name, entries = collect()
    except StudioError as error:
        messages.error(request, error.message)
        return HttpResponseRedirect(back)
    headers = {
        "Content-Disposition": attachment(name),
        "Content-Length": str(zip_size(entries)),
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return streamed(request, stream_zip(entries), content_type="application/zip", headers=headers)


@require_safe_or_post
@signed_in
def import_project(request: StudioRequest) -> HttpResponse:
    """Take an archive, check it, and let a worker bring it in; show what became of one's own."""
    error = None
    if request.method == "POST":
        try:
            file = request.FILES.get("archive")
            if file is None:
                raise StudioError("Choose an archive: a ZIP made by Ray Studio.", field="archive")
            import_runs.begin(file=file, by=request.user)
        except StudioError as refused:
            error = refused
        else:
            return HttpResponseRedirect(request.path)
    rows = import_runs.latest(request.user, most=MOST_IMPORTS)
    lines = [{"run": run, "told": "" if run.is_going else import_runs.told(run)} for run in rows]
    ctx: dict[str, Any] = {
        "error": error,
        "lines": lines,
        "going": any(run.is_going for run in rows),
    }
    if wants_partial(request):
        return render(request, "_imports.html", ctx)
    ctx |= {
        "not_included": archives.NOT_INCLUDED,
        "unfinished": archive_uploads.unfinished(request.user),
        "edge_bytes": archive_uploads.EDGE_BYTES,
        "most_megabytes": MAX_BODY_BYTES // MB,
    }
    return render(request, "project_import.html", ctx, status=422 if error else 200)
