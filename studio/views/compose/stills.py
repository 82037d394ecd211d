"""Stills: a project's pictures, uploaded, looked at, cropped, and handed to the compose page."""

from __future__ import annotations

from typing import Any, TypedDict
from uuid import UUID

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import trigger_client_event

from studio.forms.gallery import whole_number
from studio.forms.still import CropForm
from studio.http import (
    MAX_PK,
    StudioRequest,
    is_safe,
    project_for,
    require_safe_or_post,
    signed_in,
    wants_partial,
)
from studio.media.images import MAX_UPLOAD_BYTES, ImageRefused
from studio.models import Generation, Keyframe, Project
from studio.models.project import ASPECT_RATIOS
from studio.services import keyframes, quotas
from studio.services.errors import StudioError
from studio.services.quotas import QuotaSpent
from studio.views.clips.media import serve_file

PAGE_SIZE = 60
PICKER_SIZE = 120


class StillJSON(TypedDict):
    """One stored still as scripts get it. `created` is False for a picture that was there already."""

    code: str
    url: str
    thumbnail_url: str
    width: int
    height: int
    name: str
    created: bool


def still_json(keyframe: Keyframe, *, created: bool) -> StillJSON:
    return {
        "code": str(keyframe.code),
        "url": keyframe.url,
        "thumbnail_url": keyframe.thumbnail_url,
        "width": keyframe.width,
        "height": keyframe.height,
        "name": keyframe.name,
        "created": created,
    }


# ---- The page --------------------------------------------------------------------------


@require_safe_or_post
@vary_on_headers("HX-Request", "Accept")
@signed_in
def still_list(request: StudioRequest, code: UUID) -> HttpResponse:
    if request.method == "POST":
        return _upload(request, project_for(request, code, may="create"))
    project = project_for(request, code)
    template = "_stills.html" if wants_partial(request) else "still_list.html"
    return render(request, template, _page(request, project))


def _page(request: StudioRequest, project: Project) -> dict[str, Any]:
    rows = Keyframe.objects.filter(project=project).order_by("-pk")
    before = whole_number(request.GET.get("before"), most=MAX_PK)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    page = list(rows[: PAGE_SIZE + 1])
    more = f"?before={page[PAGE_SIZE - 1].pk}" if len(page) > PAGE_SIZE else ""
    page = page[:PAGE_SIZE]
    return {
        "here": "stills",
        "stills": _with_usage(page),
        "more": more,
        "total": Keyframe.objects.filter(project=project).count(),
        "can_create": request.membership.can_create,
        "most_bytes": MAX_UPLOAD_BYTES,
        "project": project,
    }


def _with_usage(page: list[Keyframe]) -> list[tuple[Keyframe, str, list[Generation]]]:
    used = keyframes.usage(page)
    return [(keyframe, _shape(keyframe), used[keyframe.pk]) for keyframe in page]


def _shape(keyframe: Keyframe) -> str:
    return keyframes.nearest_shape(keyframe.width, keyframe.height)


def _upload(request: StudioRequest, project: Project) -> HttpResponse:
    stored: list[tuple[Keyframe, bool]] = []
    errors: list[dict[str, str]] = []
    for file in request.FILES.getlist("stills"):
        try:
            stored.append(store_upload(request, project, file))
        except (ImageRefused, QuotaSpent) as error:
            errors.append({"name": file.name or "Picture", "message": str(error)})
    if not stored and not errors:
        errors.append({"name": "", "message": "No picture was sent. Choose one or more files."})
    status = 201 if stored else 422
    if request.accepts("application/json") and not request.accepts("text/html"):
        body = {"stills": [still_json(k, created=made) for k, made in stored], "errors": errors}
        return JsonResponse(body, status=status)
    return _uploaded_page(request, project, stored, errors)


def store_upload(
    request: StudioRequest, project: Project, file: UploadedFile[bytes]
) -> tuple[Keyframe, bool]:
    """Keep one uploaded file as a still. Raises ImageRefused, and QuotaSpent."""
    quotas.take(quotas.UPLOADS, request.user)
    return keyframes.store_keyframe(
        project=project, by=request.user, source=file, name=file.name or ""
    )


def _uploaded_page(
    request: StudioRequest,
    project: Project,
    stored: list[tuple[Keyframe, bool]],
    errors: list[dict[str, str]],
) -> HttpResponse:
    known = [keyframe for keyframe, made in stored if not made]
    new = len(stored) - len(known)
    said = [f"{new} still{'s' if new > 1 else ''} added."] if new else []
    said += [f"“{keyframe}” was here already and is kept once." for keyframe in known]
    if errors or request.htmx:
        ctx = _page(request, project) | {"refused": errors, "said": said}
        template = "_stills.html" if wants_partial(request) else "still_list.html"
        return render(request, template, ctx, status=201 if stored else 422)
    messages.success(request, " ".join(said))
    return HttpResponseRedirect(f"/p/{project.code}/stills/")


@require_safe
@signed_in
def still_picker(request: StudioRequest, code: UUID) -> HttpResponse:
    """The dialog in which the compose page picks one of the project's stills."""
    project = project_for(request, code, may="create")
    end = "end" if request.GET.get("end") == "end" else "start"
    rows = list(Keyframe.objects.filter(project=project).order_by("-pk")[: PICKER_SIZE + 1])
    ctx = {
        "end": end,
        "stills": [(keyframe, _shape(keyframe)) for keyframe in rows[:PICKER_SIZE]],
        "more": len(rows) > PICKER_SIZE,
        "project": project,
    }
    return render(request, "_still_picker.html", ctx)


# ---- One still -------------------------------------------------------------------------


def keyframe_for(request: StudioRequest, code: UUID, *, may: str = "see") -> Keyframe:
    """Return the still, checked as `project_for` does. Raises Http404 and PermissionDenied."""
    keyframe = Keyframe.objects.select_related("project").filter(code=code).first()
    if keyframe is None:
        raise Http404("No such still.")
    project_for(request, keyframe.project.code, may=may)
    return keyframe


@require_POST
@signed_in
def rename_still(request: StudioRequest, code: UUID) -> HttpResponse:
    keyframe = keyframe_for(request, code, may="create")
    error = None
    try:
        keyframes.rename_keyframe(keyframe=keyframe, name=request.POST.get("name", ""))
    except StudioError as refused:
        error = refused
    if request.htmx:
        ctx = _one(request, keyframe) | {"error": error, "typed": request.POST.get("name", "")}
        return render(request, "_still.html", ctx, status=422 if error else 200)
    if error:
        messages.error(request, error.message)
    return HttpResponseRedirect(_home(keyframe))


@require_POST
@signed_in
def delete_still(request: StudioRequest, code: UUID) -> HttpResponse:
    keyframe = keyframe_for(request, code, may="create")
    said = f"“{keyframe}” is deleted."
    try:
        keyframes.delete_keyframe(keyframe=keyframe)
    except StudioError as error:
        if request.htmx:
            response = HttpResponse(status=409, headers={"HX-Reswap": "none"})
            return trigger_client_event(response, "toast", {"text": error.message, "tone": "error"})
        messages.error(request, error.message)
        return HttpResponseRedirect(_home(keyframe))
    if request.htmx:
        return trigger_client_event(HttpResponse(status=200), "toast", {"text": said})
    messages.success(request, said)
    return HttpResponseRedirect(_home(keyframe))


@require_safe_or_post
@signed_in
def crop_still(request: StudioRequest, code: UUID) -> HttpResponse:
    """GET: the crop dialog. POST: the part as a new still, beside the one it came from."""
    keyframe = keyframe_for(request, code, may="create")
    if is_safe(request):
        return render(request, "_crop_dialog.html", _crop_context(request, keyframe))
    form = CropForm(request.POST)
    message = "" if form.is_valid() else form.sentence
    if not message:
        try:
            quotas.take(quotas.CUT_STILLS, request.user)
            made, created = keyframes.crop_keyframe(
                keyframe=keyframe,
                by=request.user,
                box=form.box,
                shape=form.cleaned_data["shape"],
            )
        except (ImageRefused, QuotaSpent) as error:
            message = str(error)
    if request.accepts("application/json") and not request.accepts("text/html"):
        if message:
            errors = [{"name": keyframe.name, "message": message}]
            return JsonResponse({"stills": [], "errors": errors}, status=422)
        body = {"stills": [still_json(made, created=created)], "errors": []}
        return JsonResponse(body, status=201)
    if message:
        messages.error(request, message)
    else:
        messages.success(request, f"“{made}” is kept beside the original.")
    return HttpResponseRedirect(_home(keyframe))


def _crop_context(request: StudioRequest, keyframe: Keyframe) -> dict[str, Any]:
    shape = request.GET.get("shape", "")
    end = request.GET.get("end", "")
    return {
        "still": keyframe,
        "shape": shape if shape in ASPECT_RATIOS else "16:9",
        # From a frame well the shape is the shot's; on the stills page it is chosen here.
        "shapes": () if shape in ASPECT_RATIOS else ASPECT_RATIOS,
        "end": end if end in ("start", "end") else "",
    }


def _one(request: StudioRequest, keyframe: Keyframe) -> dict[str, Any]:
    return {
        "still": keyframe,
        "shape": _shape(keyframe),
        "used": keyframes.usage([keyframe])[keyframe.pk],
        "can_create": request.membership.can_create,
        "project": keyframe.project,
    }


def _home(keyframe: Keyframe) -> str:
    return f"/p/{keyframe.project.code}/stills/"


# ---- The files -------------------------------------------------------------------------


@require_safe
def still_file(request: StudioRequest, code: UUID) -> HttpResponseBase:
    keyframe = _visible(request, code)
    ending = (keyframe.file.name or "").rsplit(".", 1)[-1]
    return serve_file(
        request,
        keyframe.file,
        content_type=keyframe.content_type,
        etag=keyframe.sha256,
        filename=f"{keyframe}.{ending}" if "download" in request.GET else None,
    )


@require_safe
def still_thumbnail(request: StudioRequest, code: UUID) -> HttpResponseBase:
    keyframe = _visible(request, code)
    etag = f"{keyframe.sha256[:16]}-thumbnail"
    return serve_file(request, keyframe.thumbnail, content_type="image/webp", etag=etag)


def _visible(request: StudioRequest, code: UUID) -> Keyframe:
    """Return the still to a member of its project; to anybody else it does not exist."""
    if not request.user.is_authenticated:
        raise Http404
    mine = Keyframe.objects.filter(code=code, project__memberships__user=request.user)
    keyframe = mine.first()
    if keyframe is None:
        raise Http404
    return keyframe
