"""Clips and their pictures, behind the project's door, with byte ranges."""

from __future__ import annotations

from hashlib import sha256
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature
from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from studio.http import StudioRequest
from studio.media.serve import attachment, ranged_file_response
from studio.media.tags import CannotTag, Provenance, tag_values, tagged_file, tagged_size
from studio.models import Generation, Keyframe
from studio.services.exchange.provenance import provenance_of
from studio.services.files import local_copy
from studio.services.requests import read_picture_token

KINDS = {
    "": ("clip", "video/mp4"),
    "-preview": ("preview", "video/mp4"),
    "-poster": ("poster", "image/webp"),
    "-strip": ("strip", "image/webp"),
}
YEAR_S = 365 * 24 * 3600
# At a bucket: a player asks the address it was sent to for parts as long as it plays. The browser
# is sent to the same one again for half of that, so that it finds pictures in its own cache.
SIGNED_FOR_S = 3600


def serve_file(
    request: StudioRequest,
    file: FieldFile,
    *,
    content_type: str,
    etag: str,
    filename: str | None = None,
) -> HttpResponseBase:
    """Answer with a stored file: itself with ranges, by nginx, or by a signed address at the bucket."""
    try:
        path = file.path
    except NotImplementedError:  # S3 does ranges itself; the address is signed and short-lived
        return _sent_to_bucket(request, file, content_type=content_type, filename=filename)
    accel = f"{settings.STUDIO_ACCEL.rstrip('/')}/{file.name}" if settings.STUDIO_ACCEL else None
    try:
        return ranged_file_response(
            request,
            path,
            content_type=content_type,
            etag=etag,
            filename=filename,
            cap=None if filename else 1 << 20,
            accel=accel,
            max_age=YEAR_S,
            immutable=True,
        )
    except FileNotFoundError:
        raise Http404("The file is no longer in the data folder.") from None


def _sent_to_bucket(
    request: StudioRequest, file: FieldFile, *, content_type: str, filename: str | None
) -> HttpResponseRedirect:
    """Send the browser to the file's signed address, where it is answered as it would be here."""
    said = {
        "ResponseContentType": content_type,
        "ResponseCacheControl": f"private, max-age={YEAR_S}, immutable",
    }
    if filename:
        said["ResponseContentDisposition"] = attachment(filename)
    storage: Any = file.storage
    address = storage.url(file.name, said, expire=SIGNED_FOR_S, http_method=request.method)
    kept = f"private, max-age={SIGNED_FOR_S // 2}"
    return HttpResponseRedirect(address, headers={"Cache-Control": kept})


@require_safe
def clip_file(request: StudioRequest, code: UUID, kind: str, suffix: str) -> HttpResponseBase:
    """Serve one of a clip's files to the project's members; to anybody else it does not exist."""
    field, content_type = KINDS.get(kind, ("", ""))
    if not field or suffix != content_type.split("/")[1] or not request.user.is_authenticated:
        raise Http404
    generation = (
        Generation.objects.select_related("project")
        .defer("raw_answer")
        .filter(code=code, project__memberships__user=request.user)
        .first()
    )
    file: FieldFile | None = getattr(generation, field, None)
    if generation is None or not file:
        raise Http404
    etag = f"{generation.sha256[:16]}-{field}"
    if field == "clip" and "download" in request.GET:
        return download_clip(request, generation, etag=etag)
    if field == "clip":
        content_type = generation.content_type
    return serve_file(request, file, content_type=content_type, etag=etag)


def download_clip(request: StudioRequest, generation: Generation, *, etag: str) -> HttpResponseBase:
    """Answer with a clip to be saved, saying in its own metadata how it was made."""
    file, name, kind = generation.clip, generation.file_name, generation.content_type
    if generation.project.embed_provenance:
        provenance = provenance_of(generation)
        tagged = serve_tagged(
            request, file, provenance, content_type=kind, etag=etag, filename=name
        )
        if tagged is not None:
            return tagged
    return serve_file(request, file, content_type=kind, etag=etag, filename=name)


def serve_tagged(
    request: StudioRequest,
    file: FieldFile,
    provenance: Provenance,
    *,
    content_type: str,
    etag: str,
    filename: str,
) -> HttpResponseBase | None:
    """Answer with a stored film and its tags; None for a file that cannot carry any.

    The body is put together here, whatever front server or bucket there is.
    """
    tags = sha256(repr(sorted(tag_values(provenance).items())).encode()).hexdigest()
    try:
        with local_copy(file) as path:
            tagged = tagged_file(path, provenance)
    except CannotTag:
        return None
    except FileNotFoundError:
        raise Http404("The file is no longer in the data folder.") from None
    return ranged_file_response(
        request,
        tagged,
        content_type=content_type,
        size=tagged_size(tagged),
        etag=f"{etag}-{tags[:16]}",
        filename=filename,
        cap=None,
        max_age=0,
    )


@require_safe
def picture_by_token(request: StudioRequest, token: str, extension: str) -> HttpResponseBase:
    """Serve one still to a provider that holds its signed, expiring address."""
    try:
        keyframe = Keyframe.objects.filter(code=read_picture_token(token)).first()
    except BadSignature:
        keyframe = None
    if keyframe is None:
        raise Http404
    return serve_file(
        request, keyframe.file, content_type=keyframe.content_type, etag=keyframe.sha256
    )
