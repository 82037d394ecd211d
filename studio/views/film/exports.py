"""The export block of a chain: asking for films, watching them made, taking them home."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from studio.http import StudioRequest, project_for, require_safe_or_post, signed_in
from studio.models import Chain, Export, Membership
from studio.services.errors import StudioError
from studio.services.exchange.provenance import provenance_of_film
from studio.services.film import exports, timeline
from studio.services.film.exports import FADES_S, FORMATS, SIZES
from studio.services.film.timeline import Branch
from studio.views.clips.media import serve_file, serve_tagged
from studio.views.film.chain_access import chain_for

SIZE_LABELS = {"": "As the clips are"}
TAGGABLE = frozenset({"video/mp4", "video/quicktime"})


@dataclass(frozen=True, slots=True)
class Path:
    """One way through a tree of chains."""

    chain: Chain
    label: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Row:
    """One export as the block shows it."""

    export: Export
    name: str
    kind: str  # such as "1080p MP4"
    heading: str  # such as "Stitching segment 3 of 5"
    left: str  # such as "about 12 s left"

    @property
    def seconds(self) -> float:
        return (self.export.duration_ms or 0) / 1000


def export_context(chain: Chain, tree: Branch | None = None) -> dict[str, Any]:
    """Return what _exports.html shows beside the page's own `chain` and `can_create`; one query
    where the page has the tree, else a few more.
    """
    tree = tree or timeline.tree_of(chain)
    branches = list(tree.walk())
    rows = [_row(export) for export in exports.listed_exports(b.chain for b in branches)]
    return {
        "paths": [_path(tree, branch) for branch in branches],
        "export_rows": rows,
        "export_moving": any(row.export.state not in Export.TERMINAL for row in rows),
        "export_formats": FORMATS,
        "export_sizes": {size: SIZE_LABELS.get(size, size.upper()) for size in SIZES},
        "export_fades": {f"{s:g}": f"{s:g} s" if s else "None" for s in FADES_S},
    }


def _path(tree: Branch, branch: Branch) -> Path:
    label = "Main cut" if branch is tree else branch.chain.title
    places: Sequence[timeline.Place] = tree.path_to(branch.chain) or []
    return Path(branch.chain, label, sum(place.length_s for place in places))


def _row(export: Export) -> Row:
    heading, _, left = export.note.partition("; ")
    size = export.options.get("size", "")
    kind = FORMATS[exports.format_of(export)]
    if export.state == Export.State.QUEUED:
        heading, left = "Waiting to be stitched", ""
    return Row(
        export,
        exports.file_name(export),
        f"{size.upper() if size == '4k' else size} {kind}".strip(),
        heading or export.get_state_display(),
        left,
    )


@require_safe_or_post
@signed_in
def chain_exports(request: StudioRequest, code: UUID) -> HttpResponse:
    """Show the block; a POST asks for a film of the chain named by `path`, else of this one."""
    if request.method != "POST":
        chain = chain_for(request, code)
        return _block(request, chain) if request.htmx else HttpResponseRedirect(_page(chain))
    chain = chain_for(request, code, may="create")
    try:
        wanted = _chosen(request, chain)
        options = exports.options_from(request.POST.dict())
        made = exports.create_export(chain=wanted, by=request.user, options=options)
    except StudioError as error:
        return _block(request, chain, error=error)
    return _done(request, chain, f"{exports.file_name(made)} is being stitched.")


def _chosen(request: StudioRequest, chain: Chain) -> Chain:
    raw = request.POST.get("path", "")
    if not raw:
        return chain
    for branch in timeline.tree_of(chain).walk():
        if str(branch.chain.code) == raw:
            return branch.chain
    raise StudioError("That path is not part of this chain any more.", field="path")


def _page(chain: Chain) -> str:
    return f"/chains/{chain.code}/"


def _block(
    request: StudioRequest,
    chain: Chain,
    *,
    error: StudioError | None = None,
    said: str = "",
    undo: str = "",
) -> HttpResponse:
    """Answer with the block; without script, go back to the page with the message."""
    if not request.htmx:
        if error:
            messages.error(request, error.message)
        elif said:
            messages.success(request, said, extra_tags=f"undo:{undo}" if undo else "")
        return HttpResponseRedirect(_page(chain))
    ctx = export_context(chain) | {
        "chain": chain,
        "project": chain.project,
        "can_create": request.membership.can_create,
        "export_error": error,
        "picked": request.POST.dict() if error else {},
        "said": said,
        "undo": undo,
    }
    return render(request, "_exports.html", ctx, status=422 if error else 200)


def _done(request: StudioRequest, chain: Chain, said: str = "", undo: str = "") -> HttpResponse:
    return _block(request, chain, said=said, undo=undo)


def _export_for(request: StudioRequest, code: UUID, *, may: str = "see") -> Export:
    """Return the export, checked as `project_for` does; three queries."""
    rows = Export.objects.select_related("chain__project", "created_by")
    export = rows.filter(code=code).first()
    if (
        export is None
        or not Membership.objects.filter(
            user=request.user, project=export.chain.project_id
        ).exists()
    ):
        raise Http404("No such export.")
    export.chain.project = project_for(request, export.chain.project.code, may=may)
    return export


@require_POST
@signed_in
def cancel_export(request: StudioRequest, code: UUID) -> HttpResponse:
    export = _export_for(request, code, may="create")
    exports.cancel(export=export)
    return _done(request, export.chain)


@require_POST
@signed_in
def retry_export(request: StudioRequest, code: UUID) -> HttpResponse:
    export = _export_for(request, code, may="create")
    try:
        exports.try_again(export=export)
    except StudioError as error:
        return _block(request, export.chain, error=error)
    return _done(request, export.chain)


@require_POST
@signed_in
def delete_export(request: StudioRequest, code: UUID) -> HttpResponse:
    export = _export_for(request, code, may="create")
    exports.delete(export=export)
    said = f"{exports.file_name(export)} is deleted."
    return _done(request, export.chain, said, f"/exports/{export.code}/restore/")


@require_POST
@signed_in
def restore_export(request: StudioRequest, code: UUID) -> HttpResponse:
    export = _export_for(request, code, may="create")
    name = exports.file_name(export)
    if not exports.restore(export=export):
        return _done(request, export.chain)
    return _done(request, export.chain, f"{name} is back.")


@require_safe
@signed_in
def export_file(request: StudioRequest, code: UUID) -> HttpResponseBase:
    """Serve a film: to be played, or with `?download` to be saved under its name."""
    export = _export_for(request, code)
    if not export.file or export.deleted_at:
        raise Http404("This film is not in the studio.")
    kind, etag = exports.content_type(export), f"{export.code}-{export.attempts}"
    name = exports.file_name(export)
    if "download" not in request.GET:
        return serve_file(request, export.file, content_type=kind, etag=etag)
    if export.chain.project.embed_provenance and kind in TAGGABLE:
        provenance = provenance_of_film(export)
        tagged = serve_tagged(
            request, export.file, provenance, content_type=kind, etag=etag, filename=name
        )
        if tagged is not None:
            return tagged
    return serve_file(request, export.file, content_type=kind, etag=etag, filename=name)
