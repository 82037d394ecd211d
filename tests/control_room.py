"""The control room's tests: who comes in, and a row in every table."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from django_q.models import Failure, OrmQ
from django_q.signing import SignedPackage

from studio.models import (
    BlindPair,
    BlindTest,
    BulkItem,
    BulkRun,
    Chain,
    Collection,
    CollectionItem,
    Export,
    FavouritePrompt,
    GenerationEvent,
    GivenVerdict,
    Guest,
    ImportRun,
    Invite,
    LedgerEntry,
    Orphan,
    Preset,
    SavedView,
    Seen,
    Segment,
    Share,
    SpendRequest,
    Tag,
    User,
)
from studio.services.news.activity import record, tell
from studio.services.news.deliveries import send_test
from studio.services.news.webhooks import create_webhook
from tests.factories import make_comment, make_generation, make_previs, make_still
from tests.people import Cast, make_person


@pytest.fixture
def root(client: Client, db: None) -> User:
    """Somebody who may do everything, signed in."""
    person = make_person("Root", is_staff=True, is_superuser=True)
    client.force_login(person)
    return person


def allow(person: User, *rights: str) -> None:
    """Let somebody into the control room, with these rights there."""
    person.is_staff = True
    person.save()
    person.user_permissions.add(*(Permission.objects.get(codename=right) for right in rights))


def make_staff(*rights: str) -> User:
    """Make somebody called Staff with these rights in the control room, and no others."""
    person = make_person("Staff", is_staff=True)
    allow(person, *rights)
    return person


def fill(cast: Cast, number: int) -> None:
    """Make one more row in every table."""
    account = make_previs()
    clip = make_generation(cast.project)
    still = make_still(cast.project, shade=number)
    make_generation(
        cast.project,
        state="failed",
        failure_text="No.",
        start_keyframe=still,
        title=f"Shot {number}",
    )
    GenerationEvent.objects.create(generation=clip, old="", new="queued", actor=cast.bob)
    comment = make_comment(clip, cast.carol, f"@{{{cast.bob.pk}}} lower the ridge")
    comment.mentions.add(cast.bob)
    GivenVerdict.objects.create(
        generation=clip, by=cast.carol, verdict="needs_changes", comment=comment
    )
    Seen.objects.create(user=cast.bob, generation=clip)
    chain = Chain.objects.create(project=cast.project, title="Night", created_by=cast.alice)
    Segment.objects.create(chain=chain, position=0, generation=clip)
    Export.objects.create(chain=chain, created_by=cast.alice)
    share = Share.objects.create(
        project=cast.project, token_hash=f"share-{number}", created_by=cast.alice
    )
    share.generations.add(clip)
    Guest.objects.create(share=share, name="Ingrid", token_hash=f"guest-{number}")
    Invite.objects.create(
        project=cast.project, role="editor", token_hash=f"invite-{number}", created_by=cast.alice
    )
    Orphan.objects.create(account=account, job_id=f"lost-{number}", status="succeeded")
    activity = record(
        "comment", project_id=cast.project.pk, actor=cast.bob, generation=clip, text="Lower"
    )
    tell([(cast.alice.pk, activity, "comment")])
    hook = create_webhook(
        project=cast.project, by=cast.alice, url="https://hooks.example/x", kinds=["failed"]
    )
    send_test(hook)
    FavouritePrompt.objects.create(
        project=cast.project, user=cast.bob, text="A boat", text_hash=str(number)
    )
    LedgerEntry.objects.create(
        kind="reserved", generation=clip, project=cast.project, user=cast.bob, account=account,
        month=timezone.now().date().replace(day=1), microusd=10_000,
    )  # fmt: skip
    SpendRequest.objects.create(
        project=cast.project, by=cast.bob, estimated_microusd=10_000, rule="Over $0.01"
    )
    Preset.objects.create(project=cast.project, owner=cast.bob, name=f"Preset {number}")
    test = BlindTest.objects.create(project=cast.project, title="Water", created_by=cast.bob)
    BlindPair.objects.create(test=test, left=clip, right=make_generation(cast.project))
    tag = Tag.objects.create(project=cast.project, name=f"night {number}")
    tag.generations.add(clip)
    collection = Collection.objects.create(
        project=cast.project, title="Shortlist", created_by=cast.alice
    )
    CollectionItem.objects.create(collection=collection, generation=clip, position=1)
    SavedView.objects.create(
        project=cast.project, owner=cast.bob, name=f"Mine {number}", query="by=me"
    )
    run = BulkRun.objects.create(
        project=cast.project, by=cast.bob, action="rate", params={"rating": 4}, total=1, skipped=1
    )
    BulkItem.objects.create(run=run, generation=clip, outcome="skipped", reason="No.")
    ImportRun.objects.create(
        project=cast.project, by=cast.bob, file_name="winter.zip", archive="imports/1.zip",
        total=4, done=1, left_out=1, problems=["It is <b>damaged</b>."],
    )  # fmt: skip
    make_failure(number)
    task = {"id": "1", "name": "n", "func": "studio.tasks.sweep", "args": ()}
    OrmQ.objects.create(key="studio", payload=SignedPackage.dumps(task), lock=timezone.now())


def make_failure(
    number: int, func: str = "studio.tasks.store_clip", args: tuple[object, ...] = (7,)
) -> Failure:
    """Make a task that failed nine seconds after it began."""
    now = timezone.now()
    return Failure.objects.create(
        id=f"{number:032d}", name="store_clip:7", func=func, args=args, success=False,
        started=now - timedelta(seconds=9), stopped=now, attempt_count=1,
        result="Traceback (most recent call last):\n  File x\nOSError: <b>disk full</b>\n",
    )  # fmt: skip
