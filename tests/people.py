"""The cast of the tests: four people around one project, and clips for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from studio.models import Generation, Membership, Project, ProviderAccount, User
from studio.models.generation import TERMINAL_STATES
from tests.factories import make_previs, make_project, make_user

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Cast:
    """alice owns the project, bob edits, carol reviews, dave is an outsider."""

    alice: User
    bob: User
    carol: User
    dave: User
    project: Project

    def member(self, name: str) -> Membership:
        return Membership.objects.get(project=self.project, user=getattr(self, name))


def make_person(name: str, **fields: Any) -> User:
    """Make somebody called `name` at example.com, whose password is PASSWORD; they may make projects."""
    fields.setdefault("may_make_projects", True)
    return User.objects.create_user(f"{name.lower()}@example.com", PASSWORD, name=name, **fields)


def make_cast(project_name: str = "Nordlys winter film") -> Cast:
    alice, bob, carol, dave = (make_person(n) for n in ("Alice", "Bob", "Carol", "Dave"))
    project = Project.objects.create(name=project_name, created_by=alice)
    for user, role in ((alice, "owner"), (bob, "editor"), (carol, "reviewer")):
        Membership.objects.create(project=project, user=user, role=role)
    return Cast(alice, bob, carol, dave, project)


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


@pytest.fixture
def owner(db: None) -> User:
    return make_user("Maja Aas")


@pytest.fixture
def project(owner: User) -> Project:
    """A project of the owner alone, in a studio that can draw previs."""
    make_previs()
    return make_project(owner)


@pytest.fixture
def me(client: Client, owner: User) -> Client:
    """The test client, signed in as the owner."""
    client.force_login(owner)
    return client


def make_clip(project: Project, **fields: Any) -> Generation:
    """Make a generation, ready unless `state` says otherwise, with a poster unless told not to."""
    account, _ = ProviderAccount.objects.get_or_create(provider="previs", label="")
    number = project.generations.count() + 1
    state = fields.pop("state", "succeeded")
    values: dict[str, Any] = {
        "number": number,
        "by": project.created_by,
        "title": f"Clip {number}",
        "prompt": "Aurora over a black fjord",
        "duration_s": 5,
        "aspect_ratio": "16:9",
        "resolution": "720p",
        "provider": "previs",
        "model": "previs-1",
        "account": account,
        "state": state,
        "finished_at": timezone.now() if state in TERMINAL_STATES else None,
        "provider_job_id": f"job-{number}-{project.pk}" if state == "running" else "",
    }
    if state == "succeeded":
        values |= {"clip": f"clips/{number}.mp4", "poster": f"clips/{number}.webp"}
    return Generation.objects.create(project=project, **(values | fields))
