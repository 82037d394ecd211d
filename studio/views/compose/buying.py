"""From a draft on the compose page to queued shots: the one place where a press becomes a purchase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from studio.forms.shot import ShotDraft
from studio.models import Generation, Project, User
from studio.providers.catalog import PREVIS, refusals
from studio.services.drafts import create_drafts
from studio.services.errors import StudioError
from studio.services.money.offers import Offer
from studio.services.shots import NewShot, create_shots
from studio.views.compose.desk import offers_for, wish_for
from studio.views.compose.drafting import Drafting, drafting_of


class NotBought(Exception):
    """Nothing was queued. `errors`: a sentence per field of the form."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = errors


def plan(
    project: Project, draft: ShotDraft, errors: dict[str, str], *, previs: bool = False
) -> tuple[NewShot, Drafting | None, Offer]:
    """Return what the draft asks for and from whom. Raises NotBought when it cannot be made so."""
    errors = dict(errors)
    offers = offers_for(draft, project)
    if previs:
        offer = next((o for o in offers if o.spec.id == PREVIS.id and not o.unavailable), None)
    else:
        offer = next((o for o in offers if o.value == draft.offer and not o.unavailable), None)
    if offer is None or offer.account is None:
        errors["offer"] = "Choose who renders the shot: the one chosen before cannot be used now."
        raise NotBought(errors)
    for problem in refusals(offer.spec, wish_for(offer, draft)):
        errors.setdefault(problem.field, problem.message)
    drafting = drafting_of(draft, offers, offer) if draft.drafts and not previs else None
    if drafting is not None and drafting.wrong:
        errors.setdefault("concepts", drafting.wrong)
    if errors:
        raise NotBought(errors)
    return _new_shot(draft, offer), drafting, offer


def buy(
    *,
    project: Project,
    by: User,
    draft: ShotDraft,
    errors: dict[str, str],
    previs: bool = False,
    approved: bool = False,
    quotes: Mapping[str, int] = MappingProxyType({}),
) -> list[Generation]:
    """Queue what the draft asks for. Raises NotBought, and then nothing was queued.

    `quotes` are the prices of one take that were shown, by the offer's value: a dearer one now is
    refused.
    """
    new, drafting, offer = plan(project, draft, errors, previs=previs)
    new = replace(new, quoted_microusd=quotes.get(offer.value))
    try:
        if drafting is None:
            return create_shots(project=project, by=by, new=new, approved=approved)
        assert drafting.chosen is not None and drafting.chosen.offer.account is not None
        return create_drafts(
            project=project,
            by=by,
            master=new,
            draft_account=drafting.chosen.offer.account,
            draft_model=drafting.chosen.offer.spec.id,
            draft_resolution=drafting.chosen.resolution,
            approved=approved,
            quoted_microusd=quotes.get(drafting.chosen.value),
        )
    except StudioError as error:
        raise NotBought({error.field or "form": error.message}) from error


def _new_shot(draft: ShotDraft, offer: Offer) -> NewShot:
    assert offer.account is not None
    return NewShot(
        prompt=draft.prompt,
        style_notes=draft.notes,
        account=offer.account,
        model=offer.spec.id,
        concepts=draft.concepts,
        duration_s=draft.duration_s,
        aspect_ratio=draft.aspect_ratio,
        resolution=draft.resolution,
        loop=draft.loop,
        start_keyframe=draft.start.keyframe,
        start_generation=draft.start.generation,
        end_keyframe=draft.end.keyframe,
        end_generation=draft.end.generation,
        takes=draft.takes,
        title=draft.take_of.title if draft.take_of else "",
        shot=draft.take_of.shot if draft.take_of else None,
        answers=draft.answers if draft.take_of else None,
        request_token=draft.request_token,
        chain=draft.joining.chain,
        branch=draft.joining.branching,
        after=draft.joining.follows if draft.start.generation is None else None,
        segment=draft.joining.segment,
    )
