"""Draft to master: try several cameras cheaply, pick one, render it again at full quality."""

from __future__ import annotations

import uuid
from dataclasses import replace

from django.db import transaction

from studio.models import Generation, Project, ProviderAccount, User
from studio.services.errors import StudioError
from studio.services.shots import NewShot, create_shots, same_shot

MOST_DRAFTS = 8


def create_drafts(
    *,
    project: Project,
    by: User,
    master: NewShot,
    draft_account: ProviderAccount,
    draft_model: str,
    draft_resolution: str,
    approved: bool = False,
    quoted_microusd: int | None = None,
) -> list[Generation]:
    """Queue one cheap draft per concept of `master`, each remembering what its master would be.

    All drafts are asked for in one press: the request token of the n-th is derived from the form's,
    so a form sent twice makes them once. `quoted_microusd` is the price of one draft as it was
    shown. Raises StudioError before anything is queued.
    """
    if not 2 <= len(master.concepts) <= MOST_DRAFTS:
        raise StudioError(
            f"Drafts try one camera concept each: choose 2 to {MOST_DRAFTS}, not {len(master.concepts)}.",
            field="concepts",
        )
    with transaction.atomic():
        return _queue_drafts(
            project,
            by,
            replace(master, quoted_microusd=quoted_microusd),
            draft_account,
            draft_model,
            draft_resolution,
            approved,
        )


def _queue_drafts(
    project: Project,
    by: User,
    master: NewShot,
    account: ProviderAccount,
    model: str,
    size: str,
    approved: bool,
) -> list[Generation]:
    made: list[Generation] = []
    for index, slug in enumerate(master.concepts):
        draft = replace(
            master,
            concepts=(slug,),
            account=account,
            model=model,
            resolution=size,
            takes=1,
            shot=None,
            request_token=uuid.uuid5(master.request_token, f"draft-{index}"),
            master={
                "account": master.account.pk,
                "model": master.model,
                "resolution": master.resolution,
                "duration_s": master.duration_s,
            },
        )
        made += create_shots(project=project, by=by, new=draft, approved=approved)
    return made


def master_of(draft: Generation) -> NewShot | None:
    """Return the master this draft stands for, everything else unchanged; None when it is no draft."""
    wanted = draft.master
    account = ProviderAccount.objects.filter(pk=wanted.get("account"), enabled=True).first()
    if not wanted or account is None:
        return None
    return replace(
        same_shot(draft),
        account=account,
        model=wanted["model"],
        duration_s=wanted["duration_s"],
        resolution=wanted["resolution"],
    )


def render_master(
    *,
    draft: Generation,
    by: User,
    request_token: uuid.UUID,
    quoted_microusd: int | None = None,
) -> Generation:
    """Queue the master of a draft, as the next take of its shot."""
    master = master_of(draft)
    if master is None:
        raise StudioError("This clip is not a draft, or its master's account is switched off.")
    wanted = replace(master, request_token=request_token, quoted_microusd=quoted_microusd)
    (made,) = create_shots(project=draft.project, by=by, new=wanted)
    return made
