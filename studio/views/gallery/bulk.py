"""The selection bar's actions, their progress, and the list of what was done to many at once."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
)
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import (
    HttpResponseClientRedirect,
    HttpResponseClientRefresh,
    reswap,
    trigger_client_event,
)

from studio.forms.bulk import is_complete, read_choice, read_params, read_token
from studio.forms.gallery import whole_number
from studio.http import StudioRequest, project_for, require_safe_or_post, signed_in, wants_partial
from studio.models import BulkItem, BulkRun, Chain, Generation, Project
from studio.services.bulk import retrying, runs, words
from studio.services.bulk.choosing import Choice, chosen, matching
from studio.services.bulk.table import DEEDS
from studio.services.errors import StudioError
from studio.services.gallery import collections
from studio.services.money.budgets import month_budget
from studio.services.shots import RETRIABLE_STATES
from studio.views.projects.archives import send_archive

# So many codes fit into an address that every server takes.
MOST_IN_ADDRESS = 80
MOST_ZIPPED = 5000
PAGE = 40
MOST_REASONS = 300
GOES_ELSEWHERE = {"compare": "compare", "share": "shares/new"}


@require_safe
@signed_in
def count_matching(request: StudioRequest, code: UUID) -> JsonResponse:
    """Say how many clips match a filter now, and at which version of the project that is."""
    project = project_for(request, code)
    count = matching(project, request.user, request.GET.get("query", "")).count()
    # The version is older than the count: what arrived between the two is counted and left out.
    newest = project.next_number - 1
    return JsonResponse({"count": count, "version": project.version, "newest": newest})


@require_safe_or_post
@signed_in
def bulk(request: StudioRequest, code: UUID) -> HttpResponseBase:
    """List what was done to many clips; or do something to those chosen."""
    project = project_for(request, code)
    if request.method != "POST":
        return _list(request, project)
    try:
        return _act(request, project)
    except StudioError as error:
        return _refused(request, project, error)


def _act(request: StudioRequest, project: Project) -> HttpResponseBase:
    action, choice = request.POST.get("do", ""), read_choice(request.POST)
    # A button may carry what it does whole: rate:4, verdict:approved.
    action, _, value = action.partition(":")
    data = request.POST.copy()
    if value and action in ("rate", "verdict"):
        data[{"rate": "rating", "verdict": "verdict"}[action]] = value
    if action == "download":
        return download(request, project, choice)
    if action in GOES_ELSEWHERE:
        return _elsewhere(request, project, action, choice)
    if action in DEEDS and DEEDS[action].may == "create" and not request.membership.can_create:
        raise PermissionDenied("Reviewers can rate and judge clips; this takes an editor.")
    if action in DEEDS and not is_complete(data, action):
        return _ask(request, project, action, choice, data)
    try:
        run = runs.begin(
            membership=request.membership,
            action=action,
            choice=choice,
            params=read_params(data, action),
            request_token=read_token(data),
        )
    except StudioError as error:
        if error.field in ("", "clip") or action not in ASKS:
            raise
        return _ask(request, project, action, choice, data, error)
    return _told(request, run)


# ---- Asking for what an action needs ---------------------------------------------------------

# What the dialog of each action says and shows.
ASKS = {
    "rate": "Rate",
    "verdict": "Needs changes",
    "tag": "Tag",
    "untag": "Remove a tag",
    "collect": "Add to a collection",
    "chain": "Add to a chain",
    "retry": "Retry",
}


def _ask(
    request: StudioRequest,
    project: Project,
    action: str,
    choice: Choice,
    data: Any,
    error: StudioError | None = None,
) -> HttpResponse:
    rows = chosen(project, request.user, choice)
    count = rows.count()
    if not count:
        raise StudioError("Choose at least one clip first.", field="clip")
    ctx: dict[str, Any] = {
        "here": "clips",
        "do": action,
        "heading": ASKS[action],
        "count": count,
        "choice": choice,
        "codes": ",".join(map(str, choice.codes)),
        "but": ",".join(map(str, choice.but)),
        "request_token": uuid4(),
        "error": error,
        "typed": data,
    }
    if action in ("tag", "untag"):
        ctx["tag_names"] = list(project.tags.order_by("name").values_list("name", flat=True))
    elif action == "collect":
        ctx["collections"] = list(collections.open_collections(project)[:200])
    elif action == "chain":
        chains = Chain.objects.filter(project=project, archived_at=None).order_by("-pk")
        ctx["chains"] = list(chains[:200])
        ctx["in_order"] = not choice.by_filter and count <= MOST_IN_ADDRESS
    elif action == "retry":
        offer = _price(rows)
        if not offer.count:
            raise StudioError("None of these failed, so there is nothing to try again.")
        ctx |= {"offer": offer, "rest": count - offer.count, "budget": month_budget(project)}
    template = "_bulk_dialog.html" if wants_partial(request) else "bulk_ask.html"
    return render(request, template, ctx, status=422 if error else 200)


def _price(rows: QuerySet[Generation]) -> retrying.Offer:
    failed = rows.filter(state__in=RETRIABLE_STATES, deleted_at=None)
    whole = failed.select_related(
        "account", "start_keyframe", "end_keyframe", "start_generation", "end_generation"
    )
    return retrying.offer_for(list(whole.defer("raw_answer")))


# ---- What leads elsewhere --------------------------------------------------------------------


def _elsewhere(
    request: StudioRequest, project: Project, action: str, choice: Choice
) -> HttpResponse:
    """Go to the page that compares or shares the chosen clips, with them in its address."""
    rows = chosen(project, request.user, choice)
    codes = list(rows.values_list("code", flat=True)[: MOST_IN_ADDRESS + 1])
    if not choice.by_filter:
        there = set(codes)
        codes = [code for code in choice.codes if code in there]
    if action == "compare" and not 2 <= len(codes) <= 4:
        raise StudioError("Choose two to four clips to compare.")
    if not codes:
        raise StudioError("Choose at least one clip first.")
    if len(codes) > MOST_IN_ADDRESS:
        raise StudioError(
            f"A link opens at most {MOST_IN_ADDRESS} clips chosen by hand. Put them in a "
            "collection, or save the filter as a view, and share that."
        )
    query = urlencode([("clip", code) for code in codes])
    to = f"/p/{project.code}/{GOES_ELSEWHERE[action]}/?{query}"
    return HttpResponseClientRedirect(to) if request.htmx else HttpResponseRedirect(to)


def download(request: StudioRequest, project: Project, choice: Choice) -> HttpResponseBase:
    """Send the chosen clips as one ZIP, however many; the body names them, so no address grows."""
    if not request.membership.can_create:
        raise PermissionDenied(
            "Reviewers can download clips one by one; an archive takes an editor."
        )
    rows = chosen(project, request.user, choice).filter(deleted_at=None)
    if rows.count() > MOST_ZIPPED:
        raise StudioError(
            f"An archive holds at most {MOST_ZIPPED:,} clips. Filter the gallery further, or take a "
            "copy of the whole project in its settings."
        )
    whole = rows.select_related(
        "by", "start_keyframe", "end_keyframe", "start_generation", "end_generation", "verdict_by"
    )
    return send_archive(request, project, list(whole.defer("raw_answer")))


# ---- What became of it -----------------------------------------------------------------------


def _told(request: StudioRequest, run: BulkRun) -> HttpResponse:
    if not request.htmx:
        undo = f"undo:/bulk/{run.code}/undo/" if runs.may_undo(run, request.membership) else ""
        if run.state in runs.GOING:
            messages.info(request, f"{words.doing(run)}. It goes on in the background.")
            return HttpResponseRedirect(f"/p/{run.project.code}/bulk/")
        messages.success(request, words.told(run), extra_tags=undo)
        return HttpResponseRedirect(_back(request, run.project))
    response = _toast(request, run, oob=True)
    trigger_client_event(response, "closeDialog", {})
    trigger_client_event(response, "changed", {})
    going = run.state in runs.GOING
    told = {"action": run.action, "run": str(run.code), "going": going}
    return trigger_client_event(response, "bulk", told)


def _back(request: StudioRequest, project: Project) -> str:
    """The page the button was pressed on, when it is one of this project's or a clip's."""
    back = request.POST.get("back", "")
    own = (f"/p/{project.code}/", "/clips/", "/collections/")
    return back if back.startswith(own) and "//" not in back else project.get_absolute_url()


def _toast(request: StudioRequest, run: BulkRun, *, oob: bool) -> HttpResponse:
    # Out of band it leaves nothing for the place it is swapped into: a dialog there is gone.
    return render(request, "_bulk_toast.html", run_context(request, run) | {"oob": oob})


def run_context(request: StudioRequest, run: BulkRun) -> dict[str, Any]:
    """What a run's line, toast and page show."""
    going = run.state in runs.GOING
    behind, total = words.progress(run) if going else (0, 0)
    return {
        "run": run,
        "going": going,
        "behind": behind,
        "of": total,
        "said": words.doing(run) if going else words.told(run),
        "undo": f"/bulk/{run.code}/undo/" if runs.may_undo(run, request.membership) else "",
        "title": words.title(run),
        "project": request.membership.project,
    }


def _refused(request: StudioRequest, project: Project, error: StudioError) -> HttpResponse:
    if request.htmx:
        response = HttpResponse(status=409, headers={"HX-Reswap": "none"})
        return trigger_client_event(response, "toast", {"text": error.message, "tone": "error"})
    messages.error(request, error.message)
    return HttpResponseRedirect(_back(request, project))


# ---- One run, and the list -------------------------------------------------------------------


def run_for(request: StudioRequest, code: UUID) -> BulkRun:
    """Return the run, for members of its project; sets request.membership."""
    run = BulkRun.objects.select_related("project", "by").filter(code=code).first()
    if run is None:
        raise Http404("No such action.")
    project_for(request, run.project.code)
    return run


@require_safe
@signed_in
def run_detail(request: StudioRequest, code: UUID) -> HttpResponse:
    """A run's page: what it did, and which clips it left as they were. Its toast, for htmx."""
    run = run_for(request, code)
    if wants_partial(request) and "page" in request.GET:
        if run.state not in runs.GOING:
            return HttpResponseClientRefresh()
        return render(request, "_bulk_going.html", run_context(request, run))
    if wants_partial(request):
        response = _toast(request, run, oob=False)
        if run.state not in runs.GOING:
            trigger_client_event(response, "changed", {})
            trigger_client_event(response, "bulkover", {})
            if "toast" not in request.GET:
                # A new element, so that it fades like any other toast.
                reswap(response, "outerHTML")
        return response
    told = (
        run.items.exclude(reason="")
        .select_related("generation")
        .defer("generation__raw_answer", "generation__prompt", "generation__sent_prompt")
    )
    reasons = list(told.order_by("pk")[: MOST_REASONS + 1])
    ctx = run_context(request, run) | {
        "here": "clips",
        "reasons": reasons[:MOST_REASONS],
        "more_reasons": len(reasons) > MOST_REASONS,
        "skipped_outcome": BulkItem.Outcome.SKIPPED,
    }
    return render(request, "bulk_run.html", ctx)


@require_POST
@signed_in
def undo_run(request: StudioRequest, code: UUID) -> HttpResponse:
    run = run_for(request, code)
    try:
        run = runs.undo(run=run, membership=request.membership)
    except StudioError as error:
        return _refused(request, run.project, error)
    if not request.htmx:
        return _told(request, run)
    response = _toast(request, run, oob=False)
    trigger_client_event(response, "changed", {})
    told = {"action": "undo", "run": str(run.code), "going": run.state in runs.GOING}
    return trigger_client_event(response, "bulk", told)


def _list(request: StudioRequest, project: Project) -> HttpResponse:
    rows = BulkRun.objects.filter(project=project).select_related("project", "by").order_by("-pk")
    after = whole_number(request.GET.get("after"), most=2**62)
    if after is not None:
        rows = rows.filter(pk__lt=after)
    page = list(rows[: PAGE + 1])
    ctx = {
        "here": "clips",
        "lines": [run_line(request, run) for run in page[:PAGE]],
        "more": f"?after={page[PAGE - 1].pk}" if len(page) > PAGE else "",
        "going": any(run.state in runs.GOING for run in page),
    }
    return render(request, "_bulk_runs.html" if wants_partial(request) else "bulk_list.html", ctx)


def run_line(request: StudioRequest, run: BulkRun) -> dict[str, Any]:
    """A run in the list: no query of its own, however many there are."""
    return {
        "run": run,
        "title": words.title(run),
        "going": run.state in runs.GOING,
        "undo": f"/bulk/{run.code}/undo/" if runs.may_undo(run, request.membership) else "",
    }
