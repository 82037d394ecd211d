"""What the compose page shows of a draft: choices, frames, offers, cost and what will be sent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log
from typing import Any

from studio import concepts as camera
from studio.amounts import Certainty, amount_text
from studio.forms.shot import LENGTHS_S, TAKES, End, ShotDraft
from studio.http import StudioRequest
from studio.models import Generation, Project, User
from studio.models.project import ASPECT_RATIOS, RESOLUTIONS
from studio.providers.catalog import (
    PREVIS,
    Problem,
    Wish,
    adapt,
    allowed_durations,
    problems,
    refusals,
    sent_prompt,
    size_label,
)
from studio.providers.wishes import ADAPT, frame_size, written
from studio.services.keyframes import ratio_of
from studio.services.money.budgets import month_budget
from studio.services.money.limits import limit_on
from studio.services.money.offers import Offer, list_offers, wish_at
from studio.services.project_rights import ask_an_admin, offered_accounts
from studio.views.compose.drafting import Drafting, drafting_of
from studio.views.compose.joining import able_to_join, joining_context
from studio.views.compose.offer_rows import offer_rows

ALWAYS_SHOWN_S = (5, 9)
BEST_TOGETHER = 3  # concepts
SHAPE_SLACK = 0.02  # a picture this close to the shot's shape counts as being of it
PAST_PROMPTS = 12
SETTINGS = ("duration_s", "aspect_ratio", "resolution")
SETTING_FIELDS = ("aspect_ratio", "resolution", "duration_s", "takes", "loop", "drafts")


@dataclass(frozen=True, slots=True)
class Choice:
    """One radio of a setting."""

    value: str | int
    label: str
    chosen: bool
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Well:
    """One frame well. `notes` are sentences under it."""

    name: str  # "start" or "end"
    end: End
    shape: str
    error: str
    notes: tuple[str, ...]

    @property
    def clip(self) -> Generation | None:
        """The clip whose own frame is shown, when no still was cut from it."""
        return None if self.end.keyframe else self.end.generation

    @property
    def mismatched(self) -> bool:
        still = self.end.keyframe
        if still is None:
            return False
        return abs(log(still.width / still.height / ratio_of(self.shape))) > SHAPE_SLACK


@dataclass(frozen=True, slots=True)
class Cost:
    """What the press would cost, for all takes. Money in micro-USD; None = nobody is chosen."""

    microusd: int | None
    credits: float | None
    unit: str
    left: int | None
    month: str
    over: str  # the sentence when it may not be spent just so
    ask: bool = False  # an owner may let it through
    low: bool = False  # less than a tenth of the budget is left
    certainty: Certainty = Certainty.EXACT

    @property
    def words(self) -> str:
        """The cost in words: $0.71, about $0.71, at most $1.27, free."""
        return amount_text(self.microusd, self.certainty)

    @property
    def is_ceiling(self) -> bool:
        """Whether nobody knows the price, and it is the most to expect."""
        return self.certainty is Certainty.CEILING


# ---- Offers ----------------------------------------------------------------------------


def offers_for(draft: ShotDraft, project: Project) -> list[Offer]:
    """Return the offer of every account this project may use; at most three queries.

    For a shot that joins a clip only those that can join it.
    """
    wish = draft.wish()
    if not wish.prompt.strip():
        # What is not written yet is no reason to call a model unable.
        wish = replace(wish, prompt="A shot")
    offers = list_offers(
        wish=wish,
        start=draft.start.generation,
        end=draft.end.generation,
        offered=offered_accounts(project),
    )
    return able_to_join(offers, draft) if draft.neighbour else offers


def chosen_offer(offers: list[Offer], draft: ShotDraft, project: Project) -> Offer | None:
    """Return the draft's offer; else the project's model, else Previs, else the first usable."""
    usable = [offer for offer in offers if not offer.unavailable]
    wanted = (
        lambda o: o.value == draft.offer,
        lambda o: (o.spec.provider, o.spec.id) == (project.provider, project.model),
        lambda o: o.spec.id == PREVIS.id,
        lambda o: True,
    )
    return next((offer for test in wanted for offer in usable if test(offer)), None)


def wish_for(offer: Offer, draft: ShotDraft) -> Wish:
    """Return the draft's wish at this offer's account."""
    assert offer.account is not None
    return wish_at(
        offer.account, draft.wish(), start=draft.start.generation, end=draft.end.generation
    )


def fitted(draft: ShotDraft, offer: Offer) -> tuple[ShotDraft, list[str]]:
    """Return the draft as this offer can make it, and a sentence for each change.

    Shape, resolution and length always follow. Frames and loop give way only to an offer that was
    just chosen: what was just added stays, and the page says why it does not fit.
    """
    wish = wish_for(offer, draft)
    near = adapt(offer.spec, wish)
    just_chosen = bool(draft.offer_was) and draft.offer != draft.offer_was
    said = []
    for problem in refusals(offer.spec, wish):
        field, change = problem.field, problem.fix.removeprefix("would ")
        if field in SETTINGS:
            draft = replace(
                draft,
                duration_s=near.duration_s,
                aspect_ratio=near.aspect_ratio,
                resolution=near.resolution,
            )
            said.append(f"{problem.message} {change.replace('switch', 'Switched', 1)}.")
        elif field == "loop" and not offer.spec.loop:
            draft = replace(draft, loop=False)
            said.append(f"{problem.message} Turned loop off.")
        elif field in ("start", "end") and change and just_chosen:
            draft = draft.with_end(field, End())
            said.append(f"{problem.message} Took it out; it stays in Stills.")
    return draft, said


def settled(project: Project, draft: ShotDraft) -> tuple[ShotDraft, list[str]]:
    """Settle on an offer and fit the draft to it, with a sentence for each change."""
    if draft.neighbour is not None:
        draft = replace(draft, aspect_ratio=draft.neighbour.aspect_ratio)
    chosen = chosen_offer(offers_for(draft, project), draft, project)
    if chosen is None:
        return draft, []
    draft, said = fitted(replace(draft, offer=chosen.value), chosen)
    return replace(draft, offer_was=chosen.value), said


# ---- The page --------------------------------------------------------------------------


def desk(
    request: StudioRequest,
    project: Project,
    draft: ShotDraft,
    *,
    errors: dict[str, str] | None = None,
    said: list[str] | None = None,
) -> dict[str, Any]:
    """Return the context of the compose page, or of a part of it."""
    if draft.drafts:
        draft = replace(draft, takes=1)
    offers = offers_for(draft, project)
    chosen = chosen_offer(offers, draft, project)
    drafting = drafting_of(draft, offers, chosen)
    wish = wish_for(chosen, draft) if chosen else draft.wish()
    found = problems(chosen.spec, wish) if chosen else []
    errors = _with_problems(errors or {}, found, draft)
    typed = draft.prompt.strip()
    full = typed if chosen and chosen.spec.local else written(typed, draft.notes)
    sent = sent_prompt(chosen.spec, full, draft.concepts) if chosen else full
    return {
        "project": project,
        "draft": draft,
        "errors": errors,
        "setting_errors": [errors[name] for name in SETTING_FIELDS if name in errors],
        "said": said or [],
        "offers": offers,
        "rows": offer_rows(offers, takes=draft.takes, for_staff=request.user.is_staff),
        "limited_accounts": "" if project.all_accounts else _limited_accounts(request.user, offers),
        "chosen": chosen,
        "is_previs": chosen is not None and chosen.spec.local,
        "previs": next((o for o in offers if o.spec.id == PREVIS.id and not o.unavailable), None),
        "sent": sent if typed and sent != typed else "",
        "added": len(sent) - len(typed) if typed else len(sent) + 2 if sent else 0,
        "most": chosen.spec.prompt_max if chosen else 0,
        "prompt_notes": [p.message for p in found if p.field == "prompt" and p.severity == ADAPT],
        "wells": [_well(name, draft, errors, found) for name in ("start", "end")],
        "drafting": drafting,
        "cost": _cost(request, project, draft, chosen, drafting),
        "ask_reason": request.POST.get("ask_reason", ""),
        **_settings(draft, chosen, wish),
        **joining_context(draft, chosen.spec if chosen else None, wish),
        **_camera(draft),
    }


def _limited_accounts(user: User, offers: list[Offer]) -> str:
    """Return the sentence of a project that may not use every paid account, with whom to ask."""
    paid = any(offer.account is not None and not offer.spec.free for offer in offers)
    what = "only these paid accounts" if paid else "no paid account"
    ask = "Choose them in the control room." if user.is_staff else f"{ask_an_admin()}"
    return f"This project may use {what}. {ask}"


def past_prompts(project: Project) -> list[Generation]:
    """Return the project's newest shots with different prompts; one query."""
    rows = Generation.objects.filter(project=project).order_by("-number")
    seen: dict[str, Generation] = {}
    for row in rows.only("code", "number", "prompt", "concepts")[: PAST_PROMPTS * 5]:
        if row.prompt.strip():
            seen.setdefault(row.prompt.strip(), row)
    return list(seen.values())[:PAST_PROMPTS]


def _with_problems(
    errors: dict[str, str], found: list[Problem], draft: ShotDraft
) -> dict[str, str]:
    """Add what stands in the way at the chosen offer; an empty prompt is nobody's fault yet."""
    errors = dict(errors)
    for problem in found:
        empty = problem.field == "prompt" and not draft.prompt.strip()
        if problem.severity != ADAPT and not empty:
            errors.setdefault(problem.field, problem.message)
    return errors


def _settings(draft: ShotDraft, chosen: Offer | None, wish: Wish) -> dict[str, Any]:
    spec = chosen.spec if chosen else None
    lengths = allowed_durations(spec, wish) if spec else LENGTHS_S
    shown = sorted({*ALWAYS_SHOWN_S, *lengths, draft.duration_s})
    shapes = spec.aspect_ratios if spec else ASPECT_RATIOS
    if draft.neighbour is not None:
        shapes = (draft.neighbour.aspect_ratio,)
    sizes = spec.resolutions if spec else RESOLUTIONS
    width, height = frame_size(draft.aspect_ratio, draft.resolution)
    return {
        "shapes": [
            Choice(one, one, one == draft.aspect_ratio, one not in shapes) for one in ASPECT_RATIOS
        ],
        "resolutions": [
            Choice(one, size_label(one), one == draft.resolution, one not in sizes)
            for one in RESOLUTIONS
        ],
        "lengths": [
            Choice(one, f"{one} s", one == draft.duration_s, one not in lengths) for one in shown
        ],
        "takes": [
            Choice(one, str(one), one == draft.takes, draft.drafts and one > 1) for one in TAKES
        ],
        "loops": [
            Choice(0, "Off", not draft.loop),
            Choice(1, "On", draft.loop, spec is not None and not spec.loop),
        ],
        "pixels": f"{width} × {height}",
        "length_ms": draft.duration_s * 1000,
    }


def _camera(draft: ShotDraft) -> dict[str, Any]:
    picked = [camera.CONCEPTS[slug] for slug in draft.concepts if slug in camera.CONCEPTS]
    notes = [
        f"{one.label} and {other.label} cancel each other out."
        for one, other in camera.opposites(draft.concepts)
    ]
    if len(picked) > BEST_TOGETHER:
        notes.append(f"{len(picked)} are chosen; two or three read best together.")
    return {
        "picked": picked,
        "camera_notes": notes,
        "groups": [
            (group, hint, [(concept, concept.slug in draft.concepts) for concept in members])
            for group, hint, members in camera.groups()
        ],
    }


def _well(name: str, draft: ShotDraft, errors: dict[str, str], found: list[Problem]) -> Well:
    notes = tuple(p.message for p in found if p.field == name and p.severity == ADAPT)
    return Well(name, draft.at(name), draft.aspect_ratio, errors.get(name, ""), notes)


def _cost(
    request: StudioRequest,
    project: Project,
    draft: ShotDraft,
    chosen: Offer | None,
    drafting: Drafting | None,
) -> Cost:
    budget = month_budget(project)
    each = chosen.microusd if chosen else None
    total = None if each is None else each * draft.takes
    credits = chosen.credits * draft.takes if chosen and chosen.credits else None
    certainty = chosen.certainty if chosen else Certainty.EXACT
    buyer = chosen
    if drafting is not None and drafting.on and drafting.chosen is not None:
        total, credits = drafting.microusd, None
        buyer, certainty = drafting.chosen.offer, drafting.chosen.certainty
    limit = None
    if buyer is not None and buyer.account is not None and total is not None:
        limit = limit_on(
            project=project,
            by=request.user,
            account=buyer.account,
            spec=buyer.spec,
            microusd=total,
            certainty=certainty,
        )
    return Cost(
        microusd=total,
        credits=credits,
        unit=chosen.unit if chosen else "",
        left=budget.left,
        month=budget.month,
        over=limit.sentence if limit else "",
        ask=limit.ask if limit else False,
        low=budget.is_low,
        certainty=certainty,
    )
