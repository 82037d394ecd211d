"""The team's side of links: made, listed, changed, replaced, revoked."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from studio.forms.shares import ShareForm
from studio.http import StudioRequest, project_for, require_safe_or_post, signed_in
from studio.models import Chain, Collection, Generation, Membership, Project, SavedView, Share
from studio.models.generation import State
from studio.services.errors import StudioError
from studio.services.sharing import making
from studio.services.sharing.listing import (
    list_shares,
    opened_now,
    opens,
    standing,
    told_by_picture,
)
from studio.services.sharing.making import MOST_CLIPS, Source
from studio.services.sharing.opening import kept_back

SHOWN_ONCE = "share_shown_once"  # the session's place for a link between POST and page
SHOWN_CLIPS = 24  # of what a chain or view opens, on the page that makes the link


@require_safe
@signed_in
def share_list(request: StudioRequest, code: UUID) -> HttpResponse:
    """Show the project's links: who made them, what they open, who came."""
    project = project_for(request, code)
    ctx = {
        "here": "shares",
        "shares": list_shares(project),
        "can_create": request.membership.can_create,
    }
    return render(request, "share/list.html", ctx)


@sensitive_post_parameters("password")
@require_safe_or_post
@signed_in
def new_share(request: StudioRequest, code: UUID) -> HttpResponse:
    """Make a link to clips (`clip`, repeated), a `chain`, a saved `view` or a `collection`.

    A POST with `choose` shows the form: a selection may be too long for an address.
    """
    project = project_for(request, code, may="create")
    asked = request.POST if request.method == "POST" else request.GET
    source, problem = _source(request, project, asked)
    making_it = request.method == "POST" and "choose" not in request.POST
    form = ShareForm(request.POST if making_it else None, title=project.name)
    if making_it and source is not None and form.is_valid():
        try:
            share, token = making.create_share(
                project=project, by=request.user, source=source, options=form.options
            )
        except StudioError as error:
            form.add_error(None, error.message)
        else:
            _show_once(request, share, token)
            return HttpResponseRedirect(f"/shares/{share.code}/")
    ctx = {"here": "shares", "form": form, "problem": problem, "source": source}
    ctx |= _choices(request, project) if source is None else _preview(project, source)
    failed = making_it or (problem and "clip" in asked)
    return render(request, "share/new.html", ctx, status=422 if failed else 200)


@sensitive_post_parameters("password")
@require_safe_or_post
@signed_in
def share_detail(request: StudioRequest, code: UUID) -> HttpResponse:
    """Show one link with its options and guests; on POST change what it says and allows."""
    share = _share_for(request, code)
    form = ShareForm(request.POST or None, share=share)
    chosen = share.chain_id is None and share.saved_view_id is None
    if request.method == "POST" and form.is_valid():
        try:
            clips = _kept(request, share) if chosen else None
            making.change_share(share=share, options=form.options, clips=clips)
        except StudioError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "Saved.")
            return HttpResponseRedirect(request.path)
    # The form may have set what was typed on the row; the page shows what is kept.
    share.refresh_from_db()
    clips_now, count = opened_now(share, MOST_CLIPS if chosen else SHOWN_CLIPS)
    link_code, link = request.session.pop(SHOWN_ONCE, ("", ""))
    ctx: dict[str, Any] = {
        "here": "shares",
        "share": share,
        "form": form,
        "standing": standing(share),
        "opens": opens(share, count),
        "clips": clips_now,
        "count": count,
        "rest": count - len(clips_now),
        "chosen": chosen,
        "cards": 0 if share.shows_prompts else told_by_picture(clips_now),
        "back": kept_back(share),
        "guests": list(share.guests.all()[:50]),
        "new_link": link if link_code == str(share.code) else "",
    }
    return render(request, "share/detail.html", ctx, status=422 if form.errors else 200)


@require_POST
@signed_in
def renew_share(request: StudioRequest, code: UUID) -> HttpResponse:
    """Give it a new link; the old one opens nothing from now on."""
    share = _share_for(request, code)
    try:
        token = making.renew_link(share=share)
    except StudioError as error:
        messages.error(request, error.message)
    else:
        _show_once(request, share, token)
    return HttpResponseRedirect(f"/shares/{share.code}/")


@require_POST
@signed_in
def revoke_share(request: StudioRequest, code: UUID) -> HttpResponse:
    share = _share_for(request, code)
    making.revoke_share(share=share)
    messages.success(request, "Revoked. The link opens nothing any more, its clips included.")
    if "stay" in request.POST:
        return HttpResponseRedirect(f"/shares/{share.code}/")
    return HttpResponseRedirect(f"/p/{share.project.code}/shares/")


def _share_for(request: StudioRequest, code: UUID) -> Share:
    """Return the share, for those who may make some in its project."""
    share = (
        Share.objects.select_related("project", "created_by", "chain", "saved_view")
        .filter(code=code)
        .first()
    )
    if share is None:
        raise Http404("No such link.")
    membership = Membership.objects.filter(user=request.user, project=share.project_id).first()
    if membership is None:
        raise Http404("No such link.")
    if not membership.can_create:
        raise PermissionDenied("Links are made and changed by an editor or an owner.")
    membership.project = share.project
    request.membership = membership
    return share


def _show_once(request: StudioRequest, share: Share, token: str) -> None:
    base = settings.PUBLIC_URL or request.build_absolute_uri("/").rstrip("/")
    request.session[SHOWN_ONCE] = (str(share.code), f"{base}/s/{token}/")


# ---- What a link is to open ----------------------------------------------------------------------


def _source(request: StudioRequest, project: Project, asked: Any) -> tuple[Source | None, str]:
    """Read what the link is to open; else None with a sentence, empty where nothing was asked."""
    if raw := asked.get("chain"):
        chain = Chain.objects.filter(project=project, code=_code(raw), archived_at=None).first()
        return (Source(chain=chain), "") if chain else (None, "That chain is not here any more.")
    if raw := asked.get("view"):
        view = SavedView.objects.filter(project=project, code=_code(raw)).first()
        if view is None or not (view.shared or view.owner_id == request.user.pk):
            return None, "That saved view is not here any more."
        return Source(saved_view=view), ""
    if raw := asked.get("collection"):
        return _of_collection(project, raw)
    raws = asked.getlist("clip")
    if not raws:
        return None, ""
    if len(raws) > MOST_CLIPS:
        return None, (
            f"{len(raws)} clips are chosen; a link opens at most {MOST_CLIPS}. "
            "Save the filter as a view and share that: it opens as many as match."
        )
    codes = [_code(raw) for raw in raws]
    clips = _playing(project).in_bulk(codes, field_name="code")
    found = [clips[code] for code in dict.fromkeys(codes) if code in clips]
    missing = len(set(raws)) - len(found)
    if not found:
        return None, "None of the chosen clips plays (any more), so there is nothing to open."
    said = f"{missing} of the chosen shots cannot be shared: only finished clips that are not archived."
    return Source(clips=found), said if missing else ""


def _of_collection(project: Project, raw: str) -> tuple[Source | None, str]:
    collection = Collection.objects.filter(
        project=project, code=_code(raw), archived_at=None
    ).first()
    if collection is None:
        return None, "That collection is not here any more."
    clips = list(
        _playing(project)
        .filter(collection_items__collection=collection)
        .order_by("collection_items__position", "collection_items__pk")[: MOST_CLIPS + 1]
    )
    if not clips:
        return None, f"No clip of “{collection.title}” plays yet, so there is nothing to open."
    instead = "filter the gallery by the collection, save that as a view, and share the view."
    if len(clips) > MOST_CLIPS:
        return None, f"It has more clips than the {MOST_CLIPS} a link opens: {instead}"
    return Source(clips=clips), f"It opens what is there now. To share what it becomes, {instead}"


def _playing(project: Project) -> Any:
    rows = Generation.objects.filter(project=project, state=State.SUCCEEDED, archived_at=None)
    return rows.defer("raw_answer")


def _code(raw: str) -> UUID:
    """Read a code; what is none becomes the code of nothing."""
    try:
        return UUID(raw)
    except ValueError:
        return UUID(int=0)


def _preview(project: Project, source: Source) -> dict[str, Any]:
    """Return what the link would open, as the page shows it."""
    back = 0
    if source.clips:
        clips, count = list(source.clips), len(source.clips)
    else:
        unsaved = Share(project=project, chain=source.chain, saved_view=source.saved_view)
        clips, count = opened_now(unsaved, SHOWN_CLIPS)
        back = kept_back(unsaved)
    return {
        "clips": clips,
        "count": count,
        "rest": count - len(clips),
        "cards": told_by_picture(clips),
        "back": back,
    }


def _choices(request: StudioRequest, project: Project) -> dict[str, Any]:
    """Return what a link can be made to where nothing was chosen yet."""
    views = SavedView.objects.filter(project=project)
    mine = [view for view in views if view.shared or view.owner_id == request.user.pk]
    return {
        "chains": Chain.objects.filter(project=project, archived_at=None)[:50],
        "views": mine[:50],
        "collections": Collection.objects.filter(project=project, archived_at=None)[:50],
    }


def _kept(request: StudioRequest, share: Share) -> list[Generation]:
    """Return the clips of the share that are still ticked, in their order.

    What is archived now is not on the page; it stays in the share, for when it is brought back.
    """
    ticked = set(request.POST.getlist("clip"))
    rows = Share.generations.through.objects.filter(share_id=share.pk).order_by("pk")
    clips = Generation.objects.in_bulk([row.generation_id for row in rows])
    ordered = [clips[row.generation_id] for row in rows]
    if not any(str(clip.code) in ticked for clip in ordered):
        return []
    return [clip for clip in ordered if clip.archived_at or str(clip.code) in ticked]
