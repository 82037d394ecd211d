"""The bin: what was deleted, until it is deleted for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from studio.forms.gallery import whole_number
from studio.http import (
    StudioRequest,
    generation_for,
    project_for,
    require_safe_or_post,
    signed_in,
    wants_partial,
)
from studio.models import Generation
from studio.queue import enqueue
from studio.services.errors import StudioError
from studio.services.gallery import bin as bin_

PAGE = 60


@dataclass(frozen=True, slots=True)
class Line:
    """One deleted clip: when its files go, or the number of the clip that still needs them."""

    generation: Generation
    goes_at: datetime
    needed_by: int | None
    may_restore: bool


@require_safe
@signed_in
def bin_list(request: StudioRequest, code: UUID) -> HttpResponse:
    project = project_for(request, code, may="create")
    rows = bin_.in_bin(project).select_related("by", "deleted_by")
    after = whole_number(request.GET.get("after"), most=2**62)
    if after is not None and (last := bin_.in_bin(project).filter(pk=after).first()):
        rows = bin_.after(rows, last)
    page = list(rows[: PAGE + 1])
    shown = page[:PAGE]
    needed = bin_.needed_by([clip.pk for clip in shown])
    keeps = timedelta(days=settings.BIN_DAYS)
    ctx = {
        "here": "bin",
        "lines": [
            Line(
                clip,
                (clip.deleted_at or timezone.now()) + keeps,
                needed.get(clip.pk),
                bin_.may_restore(
                    clip, user_pk=request.user.pk, everything=request.membership.can_manage
                ),
            )
            for clip in shown
        ],
        "more": f"?after={shown[-1].pk}" if len(page) > PAGE else "",
        "days": settings.BIN_DAYS,
        "can_manage": request.membership.can_manage,
    }
    return render(request, "bin.html", ctx)


@require_safe_or_post
@signed_in
def empty_bin(request: StudioRequest, code: UUID) -> HttpResponse:
    """Ask, then delete everything in the bin for good, in the background."""
    project = project_for(request, code, may="manage")
    count = bin_.in_bin(project).count()
    if request.method == "POST":
        enqueue("empty_bin", project.pk, timezone.now().isoformat())
        messages.success(request, "The bin is being emptied. What other clips need stays.")
        return HttpResponseRedirect(f"/p/{project.code}/bin/")
    return _ask(
        request,
        heading="Empty the bin",
        action=f"/p/{project.code}/bin/empty/",
        text=f"The files of {count:,} clip{'' if count == 1 else 's'} are removed for good. "
        "What they cost stays in the sums. This cannot be undone.",
        button="Delete for good",
    )


@require_safe_or_post
@signed_in
def purge_clip(request: StudioRequest, code: UUID) -> HttpResponse:
    """Ask, then delete one clip for good."""
    rows = Generation.objects.defer("raw_answer")
    clip = generation_for(request, code, may="manage", rows=rows)
    back = f"/p/{clip.project.code}/bin/"
    if request.method == "POST":
        try:
            bin_.delete_for_good(membership=request.membership, clip=clip)
        except StudioError as error:
            messages.error(request, error.message)
        else:
            messages.success(request, f"“{clip.title}” is deleted for good.")
        return HttpResponseRedirect(back)
    return _ask(
        request,
        heading="Delete for good",
        action=f"/clips/{clip.code}/purge/",
        text=f"The files of “{clip.title}” are removed. What it cost stays in the sums. "
        "This cannot be undone.",
        button="Delete for good",
    )


def _ask(
    request: StudioRequest, *, heading: str, action: str, text: str, button: str
) -> HttpResponse:
    ctx = {"here": "bin", "heading": heading, "action": action, "text": text, "button": button}
    template = "_sure_dialog.html" if wants_partial(request) else "sure.html"
    return render(request, template, ctx)
