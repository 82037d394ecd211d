"""What people decide about a shot that is not (or not simply) a clip: the ways out, and the line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from studio.forms.money import quoted_in
from studio.http import StudioRequest, generation_for, project_for, signed_in
from studio.models import Generation, ProviderAccount
from studio.models.generation import ACTIVE_STATES, MOVING_STATES, State
from studio.providers.catalog import get_spec
from studio.services import drafts, holds, shots
from studio.services.cards import make_cards
from studio.services.errors import StudioError
from studio.services.money.quotes import PriceTable, quote_for
from studio.services.showing import shown_request
from studio.services.work import failover, reconcile
from studio.services.work.candidates import candidates_of
from studio.services.work.line import waiting
from studio.services.work.outcomes import offers_download


def with_ends() -> Any:
    return Generation.objects.select_related(
        "account", "start_keyframe", "end_keyframe", "start_generation", "end_generation"
    )


def ways_context(request: StudioRequest, generation: Generation) -> dict[str, Any]:
    """What `_ways_out.html` shows for this shot."""
    return {
        "g": generation,
        "card": make_cards([generation])[0],
        "can_create": request.membership.can_create,
        "spec": get_spec(generation.provider, generation.model),
        "offer": failover.next_offer(generation),
        "fetchable": reconcile.can_fetch(generation),
        "buys_again": offers_download(generation) and generation.archived_at is None,
        "max_job_id": reconcile.MAX_JOB_ID,
        "candidates": candidates_of(generation),
        "rivals": generation.job_candidates.get("rivals", []),
        **_master(generation),
        "request_token": uuid4(),
    }


def _master(generation: Generation) -> dict[str, Any]:
    """The master a draft stands for, with its name and price; nothing for any other clip."""
    wanted = drafts.master_of(generation) if generation.is_clip and generation.master else None
    if wanted is None:
        return {"master": None}
    spec = get_spec(wanted.account.provider, wanted.model)
    quote = quote_for(spec, wanted.wish(), wanted.account, PriceTable.load())
    return {"master": wanted, "master_name": spec.name, "master_quote": quote}


@require_safe
@signed_in
def ways_out(request: StudioRequest, code: UUID) -> HttpResponse:
    """The dialog a card opens; without script the link leads to the clip's page, which shows the same."""
    generation = generation_for(request, code, may="create", rows=with_ends())
    if not request.htmx:
        return HttpResponseRedirect(generation.get_absolute_url())
    return render(request, "_ways_dialog.html", ways_context(request, generation))


def _act(
    request: StudioRequest,
    code: UUID,
    action: Callable[[Generation], object],
    said: str,
    *,
    to: str = "",
) -> HttpResponse:
    generation = generation_for(request, code, may="create", rows=with_ends())
    try:
        made = action(generation)
    except StudioError as error:
        if request.htmx:
            ctx = ways_context(request, generation) | {
                "error": error,
                "typed": request.POST.get("job_id", ""),
            }
            return render(request, "_ways_dialog.html", ctx, status=422)
        messages.error(request, error.message)
        return HttpResponseRedirect(generation.get_absolute_url())
    target = made if isinstance(made, Generation) else generation
    if request.htmx and "stay" not in request.POST:
        response = HttpResponse(status=204)
        trigger_client_event(response, "closeDialog", {})
        trigger_client_event(response, "changed", {})
        return trigger_client_event(response, "toast", {"text": said})
    messages.success(request, said)
    return HttpResponseRedirect(to or target.get_absolute_url())


def _token(request: StudioRequest) -> UUID:
    try:
        return UUID(request.POST.get("request_token", ""))
    except ValueError:
        return uuid4()


@require_POST
@signed_in
def say_arrived(request: StudioRequest, code: UUID) -> HttpResponse:
    job_id = request.POST.get("job_id", "")
    return _act(
        request,
        code,
        lambda g: reconcile.say_arrived(generation=g, by=request.user, job_id=job_id),
        "Tracking it now.",
    )


@require_POST
@signed_in
def send_again(request: StudioRequest, code: UUID) -> HttpResponse:
    return _act(
        request,
        code,
        lambda g: reconcile.send_again(generation=g, by=request.user),
        "Back in the queue.",
    )


@require_POST
@signed_in
def give_up(request: StudioRequest, code: UUID) -> HttpResponse:
    return _act(
        request,
        code,
        lambda g: reconcile.give_up(generation=g, by=request.user),
        "No longer tracked. The provider may still charge for it.",
    )


@require_POST
@signed_in
def check_again(request: StudioRequest, code: UUID) -> HttpResponse:
    return _act(
        request, code, lambda g: reconcile.check_again(generation=g), "Asking the provider now."
    )


@require_POST
@signed_in
def fetch_again(request: StudioRequest, code: UUID) -> HttpResponse:
    return _act(
        request,
        code,
        lambda g: reconcile.fetch_again(generation=g, by=request.user),
        "Downloading the clip again.",
    )


@require_POST
@signed_in
def fail_over(request: StudioRequest, code: UUID) -> HttpResponse:
    token, offer = _token(request), request.POST.get("offer", "")
    quoted = quoted_in(request.POST)
    return _act(
        request,
        code,
        lambda g: failover.fail_over(
            generation=g,
            by=request.user,
            offer_value=offer,
            request_token=token,
            quoted_microusd=quoted,
        ),
        "Sent to the other provider.",
    )


@require_POST
@signed_in
def render_master(request: StudioRequest, code: UUID) -> HttpResponse:
    token, quoted = _token(request), quoted_in(request.POST)
    return _act(
        request,
        code,
        lambda g: drafts.render_master(
            draft=g, by=request.user, request_token=token, quoted_microusd=quoted
        ),
        "The master is in line.",
    )


@require_POST
@signed_in
def hold_clip(request: StudioRequest, code: UUID) -> HttpResponse:
    held = request.POST.get("held") == "1"
    said = "On hold." if held else "Released."
    quoted = quoted_in(request.POST)
    return _act(
        request,
        code,
        lambda g: shots.hold(generation=g, held=held, quoted_microusd=quoted),
        said,
        to=_from(request),
    )


@require_POST
@signed_in
def move_clip(request: StudioRequest, code: UUID) -> HttpResponse:
    first = request.POST.get("to", "first") == "first"
    said = "First of your shots in line." if first else "Last of your shots in line."
    return _act(
        request,
        code,
        lambda g: shots.move_in_line(generation=g, first=first),
        said,
        to=_from(request),
    )


def _from(request: StudioRequest) -> str:
    """The line page of the project, when that is where the button was pressed."""
    back = request.POST.get("back", "")
    return back if back.startswith("/p/") and back.endswith("/line/") and "//" not in back else ""


@require_safe
@signed_in
def sent_request(request: StudioRequest, code: UUID) -> HttpResponse:
    """The exact JSON that goes (or went) to the provider. The key is never part of it."""
    generation = generation_for(request, code, may="create", rows=with_ends())
    spec = get_spec(generation.provider, generation.model)
    body = (
        shown_request(generation, spec)
        or "Previs renders on this machine; nothing is sent anywhere."
    )
    return render(request, "_sent.html", {"g": generation, "spec": spec, "body": body})


def _held(rows: list[Generation]) -> list[ProviderAccount]:
    """The held accounts at which some of these shots wait."""
    accounts = {row.account_id: row.account for row in rows if row.state == State.QUEUED}
    return [account for _, account in sorted(accounts.items()) if account.hold_reason]


def _stage(row: Generation) -> int:
    """Sort what waits for a person before what is in flight, and that before what is in line."""
    if row.state == State.QUEUED:
        return 2
    return 1 if row.state in MOVING_STATES else 0


@require_safe
@signed_in
def line(request: StudioRequest, code: UUID) -> HttpResponse:
    """What waits for a person in this project, what is in flight, and its shots in line, next first."""
    project = project_for(request, code)
    rows = list(
        Generation.objects.filter(project=project, archived_at=None, state__in=ACTIVE_STATES)
        .for_cards()
        .select_related("account")
        .order_by("number")
    )
    order: dict[int, int] = {}
    for account_id in {row.account_id for row in rows if row.state == State.QUEUED}:
        order |= {pk: place for place, pk in enumerate(waiting(account_id))}
    rows.sort(key=lambda row: (_stage(row), order.get(row.pk, 10**6), row.number))
    ctx = {
        "here": "clips",
        "cards": make_cards(rows),
        "can_create": request.membership.can_create,
        "me": request.user.pk,
        "held": [holds.sentence(account) for account in _held(rows)],
    }
    return render(request, "_line.html" if request.htmx else "line.html", ctx)
