"""An archive's upload in parts, as static/studio/js/archive_upload.js sends it.

Answers are JSON, refusals a sentence as plain text. A part's body is the bytes themselves.
"""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse, UnreadablePostError
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from studio.forms.gallery import whole_number
from studio.http import MAX_PK, StudioRequest, signed_in, wants_partial
from studio.services import disk
from studio.services.errors import StudioError
from studio.services.exchange import archive_uploads
from studio.services.exchange.archive_uploads import CutShort, OutOfOrder, UploadGone

BYTES = "application/octet-stream"
NOT_BYTES = f"Send the bytes themselves, as {BYTES}. Nothing was kept."


@require_POST
@signed_in
def begin_upload(request: StudioRequest) -> HttpResponse:
    """Begin to upload the file `name` of `size` bytes, or go on; the body is its beginning and end."""
    if request.content_type != BYTES:
        return _sentence(NOT_BYTES, 415)
    try:
        upload = archive_uploads.begin(
            by=request.user,
            name=request.GET.get("name", ""),
            size=whole_number(request.GET.get("size"), most=MAX_PK) or 0,
            edges=request.body,
        )
    except StudioError as refused:
        return _refused(refused)
    except UnreadablePostError:
        return _refused(CutShort())
    where = reverse("upload-progress", args=[upload.code])
    return JsonResponse(
        {"url": where, "part_bytes": upload.part_bytes, "received": upload.received()}
    )


@require_safe
@signed_in
def upload_progress(request: StudioRequest, code: UUID) -> HttpResponse:
    """Answer how many bytes of an upload are here."""
    try:
        return JsonResponse({"received": archive_uploads.find(request.user, code).received()})
    except UploadGone as gone:
        return _refused(gone)


@require_POST
@signed_in
def upload_part(request: StudioRequest, code: UUID) -> HttpResponse:
    """Keep the part that begins at `offset`, and answer how many bytes are here."""
    if request.content_type != BYTES:
        return _sentence(NOT_BYTES, 415)
    offset = whole_number(request.GET.get("offset"), most=MAX_PK)
    try:
        received = archive_uploads.add_part(
            by=request.user,
            code=code,
            offset=-1 if offset is None else offset,
            length=int(request.META.get("CONTENT_LENGTH") or 0),
            read=request.read,
        )
    except StudioError as refused:
        return _refused(refused)
    except UnreadablePostError:
        return _refused(CutShort())
    return JsonResponse({"received": received})


@require_POST
@signed_in
def finish_upload(request: StudioRequest, code: UUID) -> HttpResponse:
    """Begin the import of an upload that is here whole."""
    try:
        archive_uploads.finish(by=request.user, code=code)
    except StudioError as refused:
        return _refused(refused)
    return HttpResponse(status=204)


@require_POST
@signed_in
def cancel_upload(request: StudioRequest, code: UUID) -> HttpResponse:
    """Remove what is here of an upload."""
    try:
        upload = archive_uploads.cancel(by=request.user, code=code)
    except StudioError as refused:
        if wants_partial(request):
            return _refused(refused)
        messages.error(request, refused.message)
    else:
        if wants_partial(request):
            return HttpResponse(status=204)
        messages.success(request, f"The upload of “{upload.name}” was cancelled.")
    return HttpResponseRedirect(reverse("import-project"))


def _refused(error: StudioError) -> HttpResponse:
    """Answer a refusal: 409 says in JSON how many bytes are here, the others why not."""
    match error:
        case OutOfOrder(received=received):
            return JsonResponse({"received": received}, status=409)
        case UploadGone():
            return _sentence(error.message, 404)
        case CutShort():
            return _sentence(error.message, 400)
        case disk.NoRoom():
            return _sentence(error.message, 507)
    return _sentence(error.message, 422)


def _sentence(text: str, status: int) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
