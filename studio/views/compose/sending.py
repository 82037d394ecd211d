"""What a draft on the compose page would send, shown before it is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from studio.forms.shot import ShotDraft, draft_for, read_draft
from studio.http import StudioRequest, project_for, signed_in
from studio.models import Generation, Project, User
from studio.providers.catalog import refusals
from studio.services.money.offers import Offer
from studio.services.showing import shown_request
from studio.views.compose.desk import chosen_offer, offers_for, settled, wish_for
from studio.views.compose.drafting import drafting_of


@require_POST
@signed_in
def show_sent(request: StudioRequest, code: UUID) -> HttpResponse:
    """The exact JSON that Generate would send now, or why nothing can be sent."""
    project = project_for(request, code, may="create")
    draft, errors = read_draft(request.POST, project, draft_for(project))
    draft, _ = settled(project, draft)
    ctx = sent_context(request.user, project, draft, errors)
    return render(request, "_sent_draft.html", ctx)


def sent_context(
    by: User, project: Project, draft: ShotDraft, errors: dict[str, str]
) -> dict[str, Any]:
    """Return what `_sent_draft.html` shows of this draft."""
    offers = offers_for(draft, project)
    offer = chosen_offer(offers, draft, project)
    if offer is None:
        return {"in_the_way": ["Nobody can render it: no provider is switched on."]}
    plan = drafting_of(draft, offers, offer) if draft.drafts else None
    if plan is not None and plan.chosen is not None and not plan.wrong:
        # The first of the drafts stands for all: they differ in their camera word alone.
        offer, size = plan.chosen.offer, plan.chosen.resolution
        draft = replace(draft, concepts=draft.concepts[:1], resolution=size, takes=plan.count)
    found = [problem.message for problem in refusals(offer.spec, wish_for(offer, draft))]
    wrong = [plan.wrong] if plan is not None and plan.wrong else []
    in_the_way = list(dict.fromkeys([*errors.values(), *wrong, *found]))
    return {
        "in_the_way": in_the_way,
        "spec": offer.spec,
        "body": ""
        if in_the_way
        else shown_request(_unsaved(by, project, draft, offer), offer.spec),
        "count": draft.takes,
        "drafting": plan,
    }


def _unsaved(by: User, project: Project, draft: ShotDraft, offer: Offer) -> Generation:
    return Generation(
        project=project,
        by=by,
        account=offer.account,
        provider=offer.spec.provider,
        model=offer.spec.id,
        prompt=draft.prompt.strip(),
        style_notes="" if offer.spec.local else draft.notes,
        concepts=list(draft.concepts),
        duration_s=draft.duration_s,
        aspect_ratio=draft.aspect_ratio,
        resolution=draft.resolution,
        loop=draft.loop,
        start_keyframe=draft.start.keyframe,
        start_generation=draft.start.generation,
        end_keyframe=draft.end.keyframe,
        end_generation=draft.end.generation,
    )
