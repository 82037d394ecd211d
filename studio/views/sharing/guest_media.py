"""Clips and pictures for guests: the share is checked anew for every part of every file."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from django.conf import settings
from django.db.models.fields.files import FieldFile
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from studio.media.bare import NotReadable, without_words
from studio.media.serve import MAX_PART, ranged_file_response
from studio.media.tags import CannotTag, Provenance, marked, tagged, tagged_size
from studio.models import Generation, Share
from studio.services.sharing import guests
from studio.services.sharing.opening import listing, opened
from studio.services.sharing.telling import file_name, provenance_for
from studio.views.clips.media import KINDS
from studio.views.sharing.guest_access import cookie_name

# Asked for again each time, so that a revoked link is felt at once, whatever the browser has kept.
HEADERS = {
    "Cache-Control": "private, no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive, noimageindex",
}


class NotOpened(Exception):
    """There is no such file for whoever asks."""


@require_safe
def shared_file(
    request: HttpRequest, token: str, code: UUID, kind: str, suffix: str
) -> HttpResponseBase:
    """Serve one of a clip's files to whoever holds an open link to it; else it does not exist."""
    try:
        response = _file(request, token, code, kind, suffix)
    except (NotOpened, NotReadable, FileNotFoundError):
        response = HttpResponse("Not here.", status=404, content_type="text/plain")
    for name, value in HEADERS.items():
        response[name] = value
    if response.status_code >= 400:
        response["Cache-Control"] = "no-store"
    return response


def _file(request: HttpRequest, token: str, code: UUID, kind: str, suffix: str) -> HttpResponseBase:
    share = guests.find_share(token)
    field, content_type = KINDS.get(kind, ("", ""))
    if share is None or not share.is_open or suffix != content_type.partition("/")[2]:
        raise NotOpened
    if not guests.may_enter(share, request.COOKIES.get(cookie_name(share, "door"), "")):
        raise NotOpened
    clip = opened(share).select_related("project", "by").filter(code=code).first()
    if clip is None or not getattr(clip, field):
        raise NotOpened
    etag = f"{clip.sha256[:16]}-{field}-shared"
    if field == "clip" and "download" in request.GET:
        if not share.may_download:
            raise NotOpened
        return _download(request, share, clip, token, etag)
    if field == "clip":
        content_type = clip.content_type
    return _played(request, getattr(clip, field), content_type, etag)


def _played(
    request: HttpRequest, file: FieldFile, content_type: str, etag: str
) -> HttpResponseBase:
    """Answer as members are answered, without what the file says about itself."""
    body = _open(file)
    bare = _bare(body, etag) if content_type.startswith("video/") else body
    accel = _accel(file) if bare is body else None
    return ranged_file_response(
        request,
        bare,
        content_type=content_type,
        size=file.size,
        etag=etag,
        cap=MAX_PART,
        accel=accel,
        max_age=0,
    )


def _download(
    request: HttpRequest, share: Share, clip: Generation, token: str, etag: str
) -> HttpResponseBase:
    """Answer with a clip to be saved. It says what the link shows and no more, whatever was in it."""
    listed = listing(share, token)
    place = listed.place_of(clip)
    if place is None:
        raise NotOpened
    [shown] = listed.clips(place, place + 1)
    # With the whole row: a page's clip has only the columns a page shows.
    name, provenance = file_name(share, shown), provenance_for(replace(shown, generation=clip))
    copy, tag, is_stored = _copy(clip, provenance, etag)
    return ranged_file_response(
        request,
        copy,
        content_type=clip.content_type,
        size=tagged_size(copy),
        etag=f"{etag}-{tag}",
        filename=name,
        cap=None,
        accel=_accel(clip.clip) if is_stored else None,
        max_age=0,
    )


def _accel(file: FieldFile) -> str | None:
    """Return where the front server finds the stored file, if there is one that does."""
    if not settings.STUDIO_ACCEL or not _is_local(file):
        return None
    return f"{settings.STUDIO_ACCEL.rstrip('/')}/{file.name}"


def _copy(clip: Generation, provenance: Provenance, etag: str) -> tuple[BinaryIO, str, bool]:
    """Return a clip without its words but with ours, what tells this copy from others, and whether
    it is the stored file after all.

    That a machine made it is said in every copy, the rest where the project embeds it.
    """
    whole = clip.project.embed_provenance
    try:
        bare = _bare(_open(clip.clip), etag)
        made = tagged(bare, provenance) if whole else marked(bare, provenance.source_type)
    except CannotTag:
        stored = _open(clip.clip)
        bare = _bare(stored, etag)
        return bare, "bare", bare is stored
    said = repr(provenance) if whole else provenance.source_type
    return made, sha256(said.encode()).hexdigest()[:16], False


def _bare(body: BinaryIO, known_as: str) -> BinaryIO:
    try:
        return without_words(body, known_as=known_as)
    except NotReadable:
        body.close()
        raise


def _open(file: FieldFile) -> BinaryIO:
    """Return the stored file, open. Never a bucket's signed address: it outlives the share."""
    if _is_local(file):
        return Path(file.path).open("rb")
    opened_file: BinaryIO = file.storage.open(file.name or "", "rb")  # type: ignore[assignment]
    return opened_file


def _is_local(file: FieldFile) -> bool:
    try:
        return bool(file.path)
    except NotImplementedError:
        return False
