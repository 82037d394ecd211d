"""What tests of bulk actions share: many clips in one statement, a press, and rows read again."""

from __future__ import annotations

import uuid
from typing import Any

from django.utils import timezone

from studio.models import BulkRun, Generation, Membership, Project, ProviderAccount, User
from studio.services.bulk import runs
from studio.services.bulk.choosing import Choice


def make_clips(project: Project, count: int, **fields: Any) -> list[Generation]:
    """Make finished clips, numbers going on, in one INSERT."""
    account, _ = ProviderAccount.objects.get_or_create(provider="previs", label="")
    first = Project.objects.values_list("next_number", flat=True).get(pk=project.pk)
    version = Project.bump(project.pk)
    now = timezone.now()
    values = {
        "by": project.created_by, "title": "Ridge", "prompt": "Low cloud", "duration_s": 5,
        "aspect_ratio": "16:9", "resolution": "720p", "provider": "previs", "model": "previs-1",
        "account": account, "state": "succeeded", "finished_at": now, "width": 64, "height": 36,
        "version": version,
    }  # fmt: skip
    made = Generation.objects.bulk_create(
        Generation(
            project=project,
            number=first + n,
            **(values | {"clip": f"c/{first + n}.mp4", "poster": f"c/{first + n}.webp"} | fields),
        )
        for n in range(count)
    )
    Project.objects.filter(pk=project.pk).update(next_number=first + count)
    project.refresh_from_db()
    return made


def press(
    user: User,
    project: Project,
    action: str,
    clips: list[Generation] | None = None,
    *,
    query: str = "",
    version: int | None = None,
    but: list[Generation] | None = None,
    token: uuid.UUID | None = None,
    **params: Any,
) -> BulkRun:
    """Do what a button of the selection bar does: to `clips`, or to all that match `query`."""
    if clips is not None:
        choice = Choice(codes=[clip.code for clip in clips])
    else:
        now = Project.objects.values_list("version", flat=True).get(pk=project.pk)
        left = tuple(clip.code for clip in but or ())
        choice = Choice(query=query, version=now if version is None else version, but=left)
    return runs.begin(
        membership=member(user, project),
        action=action,
        choice=choice,
        params=params,
        request_token=token or uuid.uuid4(),
    )


def take_back(user: User, run: BulkRun) -> BulkRun:
    run.refresh_from_db()
    return runs.undo(run=run, membership=member(user, run.project))


def member(user: User, project: Project) -> Membership:
    return Membership.objects.select_related("project", "user").get(project=project, user=user)


def again(clip: Generation) -> Generation:
    return Generation.objects.get(pk=clip.pk)


def reasons(run: BulkRun) -> dict[int, str]:
    """Why each clip was left as it was (or kept), by its number."""
    rows = run.items.exclude(reason="").values_list("generation__number", "reason")
    return dict(rows)
