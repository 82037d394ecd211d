"""Asking for a shot that costs too much, and an owner's one tap that lets it through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from studio import concepts as camera
from studio.amounts import Certainty, amount_text
from studio.forms.gallery import whole_number
from studio.forms.joining import FIELDS
from studio.forms.shot import ShotDraft, draft_for, read_draft
from studio.http import MAX_PK, StudioRequest, project_for, signed_in
from studio.models import Generation, Project, SpendRequest, User
from studio.services.errors import StudioError
from studio.services.money import asking
from studio.services.money.limits import limit_on
from studio.services.money.offers import Offer
from studio.views.compose.buying import NotBought, buy, plan
from studio.views.compose.drafting import Drafting

# What a request keeps of the compose form; its frames are kept as stills beside it.
KEPT = (
    "prompt", "concepts", "aspect_ratio", "resolution", "duration_s", "takes", "loop", "drafts",
    "draft_offer", "offer", "style", "take_of", "answers", "start_clip", "end_clip", *FIELDS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Frame:
    """One end of the shot that is asked for. `href` leads to the clip it joins."""

    words: str
    picture: str
    href: str = ""


def ask_for(
    *,
    project: Project,
    by: User,
    draft: ShotDraft,
    data: QueryDict,
    errors: dict[str, str],
    reason: str,
) -> SpendRequest:
    """Keep the draft as a request. Raises NotBought when it needs no asking, or cannot be made."""
    _, drafting, offer = plan(project, draft, errors)
    microusd = _price(draft, drafting, offer)
    account, spec = _buyer(drafting, offer)
    if microusd is None or account is None:
        raise NotBought({"offer": "Choose who renders the shot."})
    limit = limit_on(
        project=project,
        by=by,
        account=account,
        spec=spec,
        microusd=microusd,
        certainty=_certainty(drafting, offer),
    )
    if limit is None:
        raise NotBought({"form": "Nothing needs to be asked for now: press Generate."})
    if not limit.ask:
        raise NotBought({"offer": limit.sentence})
    kept: dict[str, Any] = {name: data.getlist(name) for name in KEPT if name in data}
    for name in ("start", "end"):
        still = draft.at(name).keyframe
        kept[name] = [str(still.code)] if still else [""]
    kept["offer"] = [draft.offer]
    kept["certainty"] = [_certainty(drafting, offer).value]
    try:
        return asking.ask(
            project=project,
            by=by,
            shot=kept,
            start=draft.start.keyframe,
            end=draft.end.keyframe,
            microusd=microusd,
            rule=limit.sentence,
            reason=reason,
            request_token=draft.request_token,
        )
    except StudioError as error:
        raise NotBought({error.field or "form": error.message}) from error


@require_safe
@signed_in
def spend_request(request: StudioRequest, code: UUID) -> HttpResponse:
    """One request: frame, move, price, who and why; the owner's two buttons."""
    return _page(request, _found(request, code))


@require_POST
@signed_in
def decide_request(request: StudioRequest, code: UUID) -> HttpResponse:
    """Approve, refuse or withdraw a request."""
    found = _found(request, code)
    do, note = request.POST.get("do", ""), request.POST.get("note", "")
    mine = found.by_id == request.user.pk
    if not (mine if do == "withdraw" else asking.may_decide(found, request.membership)):
        raise PermissionDenied(
            "Only whoever asked can withdraw a request."
            if do == "withdraw"
            else "Only an owner of this project can answer a request."
        )
    try:
        said = _decided(request, found, do, note)
    except (StudioError, NotBought) as error:
        return _page(request, found, error=str(error), note=note)
    messages.success(request, said)
    return HttpResponseRedirect(f"/p/{found.project.code}/spend/")


def _decided(request: StudioRequest, found: SpendRequest, do: str, note: str) -> str:
    if do == "withdraw":
        asking.withdraw(request=found, by=request.user)
        return "Withdrawn."
    if do == "refuse":
        asking.refuse(request=found, by=request.user, note=note)
        return f"Refused. {found.by.get_short_name()} is told why."
    if do != "approve":
        raise StudioError(f"“{do[:20]}” is nothing that can be done with a request.")
    draft, errors = _draft(found)
    _, drafting, offer = plan(found.project, draft, errors)
    made: list[Generation] = asking.approve(
        request=found,
        by=request.user,
        note=note,
        most_microusd=whole_number(request.POST.get("most"), most=MAX_PK) or 0,
        microusd=_price(draft, drafting, offer),
        certainty=_certainty(drafting, offer),
        buy=lambda: buy(
            project=found.project,
            by=found.by,
            draft=draft,
            errors=errors,
            approved=True,
            quotes=_quotes(drafting, offer),
        ),
    )
    takes = f", {len(made)} takes" if len(made) > 1 else ""
    return f"Approved. “{made[0].title}” is queued{takes} for {found.by.get_short_name()}."


def _page(
    request: StudioRequest, found: SpendRequest, *, error: str = "", note: str = ""
) -> HttpResponse:
    draft, errors = _draft(found)
    now, offer, drafting = None, None, None
    try:
        _, drafting, offer = plan(found.project, draft, errors)
        now = _price(draft, drafting, offer)
    except NotBought as refused:
        error = error or str(refused)
    ctx = {
        "asked": found,
        "draft": draft,
        "frames": _frames(found, draft),
        "offer": offer,
        "moves": [camera.CONCEPTS[one] for one in draft.concepts if one in camera.CONCEPTS],
        "now": now,
        "price_now": amount_text(now, _certainty(drafting, offer)) if offer else "",
        "dearer": now is not None and now > found.estimated_microusd,
        "error": error,
        "note": note,
        "can_decide": asking.may_decide(found, request.membership),
        "is_mine": found.by_id == request.user.pk,
        "made": found.generations.all(),
        "here": "spend",
    }
    return render(request, "spend_request.html", ctx, status=422 if error and note else 200)


def _frames(found: SpendRequest, draft: ShotDraft) -> list[Frame]:
    """What the shot starts from and ends on: stills, or the clips it joins."""
    frames = []
    for name, still, words in (
        ("start", found.start_keyframe, "Goes on from"),
        ("end", found.end_keyframe, "Leads into"),
    ):
        clip = draft.at(name).generation
        if clip is not None:
            said = f"{words} clip {clip.number}, {clip.title}"
            frames.append(Frame(said, clip.poster_url, f"/clips/{clip.code}/"))
        elif still is not None:
            frames.append(Frame(f"{name.capitalize()} frame", still.thumbnail_url))
    return frames


def _found(request: StudioRequest, code: UUID) -> SpendRequest:
    rows = SpendRequest.objects.select_related(
        "project", "by", "decided_by", "start_keyframe", "end_keyframe"
    )
    found = rows.filter(code=code).first()
    if found is None:
        raise Http404("No such request.")
    found.project = project_for(request, found.project.code, may="create")
    return found


def _draft(found: SpendRequest) -> tuple[ShotDraft, dict[str, str]]:
    data = QueryDict(mutable=True)
    for name, values in found.shot.items():
        data.setlist(name, values)
    data["request_token"] = str(found.request_token)
    return read_draft(data, found.project, draft_for(found.project))


def _buyer(drafting: Drafting | None, offer: Offer) -> tuple[Any, Any]:
    chosen = drafting.chosen.offer if drafting and drafting.chosen else offer
    return chosen.account, chosen.spec


def _certainty(drafting: Drafting | None, offer: Offer) -> Certainty:
    chosen = drafting.chosen if drafting else None
    return chosen.certainty if chosen else offer.certainty


def _quotes(drafting: Drafting | None, offer: Offer) -> dict[str, int]:
    """Return the price of one take that the total was made of, by the offer's value."""
    chosen = drafting.chosen if drafting else None
    if chosen is not None:
        return {chosen.value: chosen.microusd}
    return {} if offer.microusd is None else {offer.value: offer.microusd}


def _price(draft: ShotDraft, drafting: Drafting | None, offer: Offer) -> int | None:
    if drafting is not None:
        return drafting.microusd
    return None if offer.microusd is None else offer.microusd * draft.takes
