"""The compose page: write a shot, see what it costs everywhere, and press Generate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import HttpResponseClientRedirect

from studio.forms.money import quotes_in
from studio.forms.presets import preset_applied, preset_settings
from studio.forms.shot import (
    End,
    ShotDraft,
    draft_answering,
    draft_for,
    draft_from,
    read_draft,
    swapped,
)
from studio.http import StudioRequest, project_for, require_safe_or_post, signed_in, wants_partial
from studio.media.images import MAX_UPLOAD_BYTES, ImageRefused
from studio.models import Comment, Generation, Project
from studio.services import keyframes
from studio.services.errors import StudioError
from studio.services.library import presets
from studio.services.library.prompts import favourite_prompts
from studio.services.quotas import QuotaSpent
from studio.views.compose.buying import NotBought, buy
from studio.views.compose.desk import desk, past_prompts, settled
from studio.views.compose.joining import draft_joining, edited, page_of
from studio.views.compose.sending import sent_context
from studio.views.compose.stills import store_upload
from studio.views.money.asking import ask_for

KEPT_SHOWN = 8


# A page from the browser's own cache would carry a token that is spent.
@never_cache
@require_safe_or_post
@vary_on_headers("HX-Request")
@signed_in
def compose_shot(request: StudioRequest, code: UUID) -> HttpResponse:
    project = project_for(request, code, may="create")
    if request.method != "POST":
        draft, said = settled(project, _prefilled(request, project))
        return _page(request, project, draft, said=said)
    draft, errors = read_draft(request.POST, project, draft_for(project))
    draft = _with_uploads(request, project, draft, errors)
    do = request.POST.get("do", "")
    # Nothing is bought by a press that does not say so.
    if do in ("generate", "previs"):
        return _create(request, project, draft, errors, previs=do == "previs")
    if do == "ask":
        return _ask(request, project, draft, errors)
    saved = _save_preset(request, project, draft, errors) if do == "save-preset" else []
    draft, said = settled(project, _edited(request, draft, do))
    said = saved + said
    showing = sent_context(request.user, project, draft, errors) if do == "sent" else None
    return _page(request, project, draft, errors=errors, said=said, showing=showing)


@require_POST
@signed_in
def quote_shot(request: StudioRequest, code: UUID) -> HttpResponse:
    """What this draft costs everywhere, and everything on the page that depends on it."""
    project = project_for(request, code, may="create")
    draft, errors = read_draft(request.POST, project, draft_for(project))
    draft, said = settled(project, _edited(request, draft, request.POST.get("do", "")))
    ctx = desk(request, project, draft, errors=errors, said=said)
    return render(request, "_quote.html", ctx | {"oob": True})


def _page(
    request: StudioRequest,
    project: Project,
    draft: ShotDraft,
    *,
    errors: dict[str, str] | None = None,
    said: list[str] | None = None,
    showing: dict[str, Any] | None = None,
    status: int = 200,
) -> HttpResponse:
    ctx = desk(request, project, draft, errors=errors, said=said)
    ctx |= {
        "past_prompts": past_prompts(project),
        "kept_prompts": favourite_prompts(project=project, user=request.user)[:KEPT_SHOWN],
        "presets": presets.presets_for(project=project, user=request.user),
        "preset_name": request.POST.get("preset_name", "") if errors else "",
        "most_bytes": MAX_UPLOAD_BYTES,
    }
    if showing is not None:
        ctx |= showing | {"showing_sent": True}
    template = "_compose.html" if wants_partial(request) else "compose.html"
    return render(request, template, ctx, status=status)


# ---- The draft -------------------------------------------------------------------------


def _prefilled(request: StudioRequest, project: Project) -> ShotDraft:
    """Start from the project's defaults, a clip (`from`, `take_of`) or a comment (`answers`).

    What the address says beside it comes last.
    """
    base = draft_for(project)
    try:
        base = draft_joining(request.GET, project) or base
    except StudioError as error:
        messages.warning(request, error.message)
    for name in ("from", "take_of"):
        clip = _clip(project, request.GET.get(name, ""))
        if clip is not None:
            base = draft_from(clip, same_shot=name == "take_of")
    comment = _comment(project, request.GET.get("answers", ""))
    if comment is not None:
        base = draft_answering(comment)
    if code := request.GET.get("preset", ""):
        base = _with_preset(request, project, base, code)
    draft, errors = read_draft(request.GET, project, base)
    for message in errors.values():
        messages.warning(request, message)
    return draft


def _clip(project: Project, code: str) -> Generation | None:
    try:
        wanted = UUID(code)
    except ValueError:
        return None
    rows = Generation.objects.select_related(
        "account", "start_keyframe", "end_keyframe", "start_generation", "end_generation"
    )
    return rows.filter(project=project, code=wanted).first()


def _comment(project: Project, code: str) -> Comment | None:
    try:
        wanted = UUID(code)
    except ValueError:
        return None
    ends = ("account", "project", "start_keyframe", "end_keyframe", "start_generation")
    rows = Comment.objects.select_related(
        "author", "generation__end_generation", *(f"generation__{end}" for end in ends)
    )
    return rows.filter(generation__project=project, code=wanted).first()


def _with_uploads(
    request: StudioRequest, project: Project, draft: ShotDraft, errors: dict[str, str]
) -> ShotDraft:
    """Keep pictures that came with the form as stills, so that they survive a refusal."""
    for name in ("start", "end"):
        file = request.FILES.get(f"{name}_file")
        if file is None:
            continue
        try:
            keyframe, _ = store_upload(request, project, file)
        except (ImageRefused, QuotaSpent) as error:
            errors[name] = str(error)
        else:
            errors.pop(name, None)
            draft = draft.with_end(name, End(keyframe))
    return draft


def _edited(request: StudioRequest, draft: ShotDraft, do: str) -> ShotDraft:
    """Apply a button that changes the draft itself: swap, remove-start, crop-end, drop-push_in."""
    verb, _, what = do.partition("-")
    if verb in ("earlier", "fresh"):
        try:
            return edited(draft, do, request.user)
        except (StudioError, ImageRefused) as error:
            messages.error(request, str(error))
            return draft
    if verb == "preset":
        return _with_preset(request, request.membership.project, draft, what)
    if verb == "swap":
        return swapped(draft)
    if verb == "remove" and what in ("start", "end"):
        return draft.with_end(what, End())
    if verb == "drop":
        return replace(draft, concepts=tuple(slug for slug in draft.concepts if slug != what))
    if verb == "crop" and what in ("start", "end"):
        return _cropped(request, draft, what)
    return draft


def _with_preset(
    request: StudioRequest, project: Project, draft: ShotDraft, code: str
) -> ShotDraft:
    """Set the draft up as a preset says; what it names that is gone keeps its present value."""
    found = presets.find_preset(project=project, user=request.user, code=code)
    if found is None:
        messages.error(request, "That preset is no longer there.")
        return draft
    return preset_applied(draft, project, found.settings)


def _save_preset(
    request: StudioRequest, project: Project, draft: ShotDraft, errors: dict[str, str]
) -> list[str]:
    try:
        preset, new = presets.save_preset(
            project=project,
            user=request.user,
            name=request.POST.get("preset_name", ""),
            settings=preset_settings(draft),
            shared=request.POST.get("preset_shared") == "1",
        )
    except StudioError as error:
        errors[error.field or "form"] = error.message
        return []
    return [f"{'Saved' if new else 'Replaced'} the preset “{preset.name}”."]


def _cropped(request: StudioRequest, draft: ShotDraft, name: str) -> ShotDraft:
    """Without script there is no crop window: the middle of the picture is kept."""
    still = draft.at(name).keyframe
    if still is None:
        return draft
    try:
        made, _ = keyframes.crop_keyframe(keyframe=still, by=request.user, shape=draft.aspect_ratio)
    except ImageRefused as error:
        messages.error(request, str(error))
        return draft
    return draft.with_end(name, End(made))


# ---- Generate --------------------------------------------------------------------------


def _create(
    request: StudioRequest,
    project: Project,
    draft: ShotDraft,
    errors: dict[str, str],
    *,
    previs: bool,
) -> HttpResponse:
    try:
        made = buy(
            project=project,
            by=request.user,
            draft=draft,
            errors=errors,
            previs=previs,
            quotes=quotes_in(request.POST),
        )
    except NotBought as refused:
        return _refused(request, project, draft, refused.errors)
    return _sent(request, project, made, joins=draft.neighbour is not None)


def _ask(
    request: StudioRequest, project: Project, draft: ShotDraft, errors: dict[str, str]
) -> HttpResponse:
    """Ask an owner to let the shot through."""
    try:
        asked = ask_for(
            project=project,
            by=request.user,
            draft=draft,
            data=request.POST,
            errors=errors,
            reason=request.POST.get("ask_reason", ""),
        )
    except NotBought as refused:
        return _refused(request, project, draft, refused.errors)
    messages.success(
        request, f"Asked. You are told as soon as an owner of {project.name} has decided."
    )
    page = f"/requests/{asked.code}/"
    return HttpResponseClientRedirect(page) if request.htmx else HttpResponseRedirect(page)


def _refused(
    request: StudioRequest, project: Project, draft: ShotDraft, errors: dict[str, str]
) -> HttpResponse:
    return _page(request, project, draft, errors=errors, status=422)


def _sent(
    request: StudioRequest, project: Project, made: list[Generation], *, joins: bool
) -> HttpResponse:
    if made[0].master:
        said = f"{len(made)} drafts of “{made[0].title}” are queued. Pick one to render its master."
    else:
        takes = f", {len(made)} takes" if len(made) > 1 else ""
        said = f"“{made[0].title}” is queued{takes}."
    messages.success(request, said)
    page = (joins and page_of(made[0])) or project.get_absolute_url()
    return HttpResponseClientRedirect(page) if request.htmx else HttpResponseRedirect(page)
