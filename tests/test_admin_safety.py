"""Nothing in the control room writes a state behind the lifecycle's back, and every action takes its right.

Both go through whatever is registered: a new page, field or action is tested without anybody adding it.
"""

from __future__ import annotations

import itertools
import uuid

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import models
from django.test import RequestFactory
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule

from studio import lifecycle
from studio.admin.base import ReadOnlyAdmin
from studio.models import (
    Activity,
    BlindTest,
    BulkRun,
    Comment,
    Export,
    Generation,
    GenerationEvent,
    GivenVerdict,
    ImportRun,
    LedgerEntry,
    SpendRequest,
    WebhookDelivery,
)
from studio.models.generation import State
from tests.control_room import fill, make_staff
from tests.factories import make_generation, make_previs
from tests.people import make_person

pytestmark = pytest.mark.django_db

# What the lifecycle, the ledger and the services own: no form may write any column of these.
OWNED = (
    Generation, GenerationEvent, Export, LedgerEntry, SpendRequest, BulkRun, Activity, GivenVerdict, ImportRun,
    Comment, BlindTest, WebhookDelivery, Failure, OrmQ, Schedule,
)  # fmt: skip
# The fields a form may write, of every page with a form. A field added to a page is added here
# by somebody who thought about who else writes that column.
WRITABLE = {
    "studio.provideraccount": {
        "provider", "label", "enabled", "key", "base_url", "dialect", "concurrent_limit",
        "monthly_limit_microusd", "credit_nanousd",
    },
    "studio.studiosettings": {
        "monthly_limit_microusd", "project_makers", "new_budget_microusd", "new_ask_above_microusd",
        "new_offered", "new_accounts",
    },
    "studio.price": {
        "provider", "model", "duration_s", "resolution", "microusd", "credits", "unit", "source",
        "checked_on",
    },
    "studio.project": {
        "name", "description", "budget_microusd", "ask_above_microusd", "failover_microusd",
        "aspect_ratio", "duration_s", "resolution", "all_accounts", "accounts",
    },
    "studio.chain": {"title"},
    "studio.user": {
        "name", "email", "password", "is_active", "is_staff", "is_superuser", "groups",
        "user_permissions", "shortcuts", "usable_password", "password1", "password2",
        "may_make_projects",
    },
    "auth.group": {"name", "permissions"},
}  # fmt: skip


def pages():
    return sorted(admin.site._registry.items(), key=lambda page: page[0]._meta.label_lower)


def as_root():
    request = RequestFactory().get("/admin/")
    request.user = make_person("Root", is_staff=True, is_superuser=True)
    return request


# ---- Forms -----------------------------------------------------------------------------
def test_forms_write_the_fields_somebody_thought_about_and_no_other(cast):
    fill(cast, 1)
    request = as_root()
    for model, page in pages():
        row = model._default_manager.first()
        found = set()
        for obj in (None, row):
            allowed = (
                page.has_add_permission(request)
                if obj is None
                else page.has_change_permission(request, obj)
            )
            if allowed:
                fields = page.get_form(request, obj, change=obj is not None).base_fields
                found |= set(fields) - set(page.get_readonly_fields(request, obj))
        assert found <= WRITABLE.get(model._meta.label_lower, set()), model


def test_what_the_services_own_has_no_form_at_all(cast):
    request = as_root()
    for model in OWNED:
        page = admin.site._registry[model]
        assert isinstance(page, ReadOnlyAdmin), model
        assert not page.has_add_permission(request)
        assert not page.has_change_permission(request)
        assert page.list_editable == ()


def test_inlines_write_members_only():
    request = as_root()
    for model, page in pages():
        for inline in page.get_inline_instances(request, None):
            writes = inline.has_add_permission(request, None) or inline.has_change_permission(
                request, None
            )
            assert not writes or inline.model._meta.label_lower == "studio.membership", model


def snapshot():
    return {
        model: list(model._default_manager.order_by("pk").values())
        for model in (Generation, GenerationEvent, Export, LedgerEntry, SpendRequest)
    }


def test_a_form_posted_with_every_column_of_the_table_changes_no_column_but_its_own(
    client, root, cast
):
    fill(cast, 1)
    before = snapshot()
    for model, page in pages():
        row = model._default_manager.first()
        if row is None or model in OWNED:
            continue
        kept = model._default_manager.filter(pk=row.pk).values().get()
        everything = {
            field.name: value_for(field) for field in model._meta.concrete_fields if not field.primary_key
        }  # fmt: skip
        address = f"/admin/{model._meta.app_label}/{model._meta.model_name}/{row.pk}/change/"
        answer = client.post(address, everything | management(page))
        assert answer.status_code < 500, model
        written = {
            model._meta.get_field(name).attname
            for name in WRITABLE.get(model._meta.label_lower, set())
            if name in {field.name for field in model._meta.concrete_fields}
        } | {"key_locked", "edited"}
        now = model._default_manager.filter(pk=row.pk).values().get()
        assert {name for name in now if now[name] != kept[name]} <= written, model
    for model in OWNED[:5]:
        row = model._default_manager.first()
        everything = {f.name: value_for(f) for f in model._meta.concrete_fields}
        address = f"/admin/{model._meta.app_label}/{model._meta.model_name}/{row.pk}/change/"
        assert client.post(address, everything).status_code == 403
    assert snapshot() == before


def value_for(field):
    if field.choices:
        return str(field.choices[-1][0])
    if isinstance(field, models.EmailField):
        return "somebody@example.com"
    if isinstance(field, models.UUIDField):
        return str(uuid.uuid4())
    if isinstance(field, models.BooleanField):
        return "on"
    if isinstance(field, (models.DateTimeField, models.DateField)):
        return "2020-01-01"
    return "1"


def management(page):
    names = ("memberships", "segments", "exports", "events", "items", "pairs")
    return {
        f"{name}-{what}": "0"
        for name, what in itertools.product(names, ("TOTAL_FORMS", "INITIAL_FORMS"))
    }


# ---- Actions ---------------------------------------------------------------------------
def test_every_action_moves_a_clip_through_the_lifecycle_or_not_at_all(
    client, root, cast, monkeypatch
):
    """Each action on a clip of each state, confirmed, with columns sent along: a state that changed has its event."""
    monkeypatch.setattr("studio.services.work.reconcile.wake_sweep", lambda *a, **k: None)
    account = make_previs()
    make_previs()
    for name, state in itertools.product(admin.site._registry[Generation].actions, State):
        row = make_generation(
            cast.project, state=state, account=account, estimated_microusd=0,
            archived_at=timezone.now() if name == "restore" else None,
        )  # fmt: skip
        events = GenerationEvent.objects.filter(generation=row)
        client.post(
            f"/admin/studio/generation/{row.pk}/do/{name}/",
            {"confirmed": "1", "job_id": f"job-{row.pk}", "state": "succeeded", "charged": "no"},
        )
        now = Generation.objects.get(pk=row.pk)
        if now.state != state:
            newest = events.order_by("-pk").first()
            assert newest is not None, (name, state)
            assert (newest.old, newest.new) == (state, now.state)
            assert newest.new in lifecycle.MOVES[State(state)], (name, state)
        else:
            assert not events.filter(new=State.SUCCEEDED).exists()


def test_every_action_takes_the_right_to_change(client, cast):
    """Staff who may see a table and not change it are offered nothing there, and refused."""
    fill(cast, 1)
    person = make_staff()
    person.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(person)
    for model, page in pages():
        row = model._default_manager.first()
        if row is None:
            continue
        address = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        assert (
            not client.get(address)
            .context["cl"]
            .model_admin.get_actions(client.get(address).wsgi_request)
        ), model
        before = model._default_manager.filter(pk=row.pk).values().get()
        for name in page.page_actions if hasattr(page, "page_actions") else ():
            answer = client.post(f"{address}{row.pk}/do/{name}/", {"confirmed": "1"})
            assert answer.status_code == 403, (model, name)
        for name in page.actions or ():
            client.post(address, {"action": name, "_selected_action": [row.pk], "confirmed": "1"})
        assert model._default_manager.filter(pk=row.pk).values().get() == before, model


def test_the_pages_beside_the_tables_take_their_rights(client, cast):
    """Each address of the control room that is no plain table: none opens to staff without rights."""
    fill(cast, 1)
    client.force_login(make_staff())
    clip, still = Generation.objects.first(), cast.project.keyframes.first()
    for method, path in (
        ("get", "/admin/health/"),
        ("post", "/admin/encrypt-again/"),
        ("post", "/admin/studio/orphan/look/"),
        ("get", f"/admin/studio/generation/{clip.pk}/change/"),
        ("get", f"/admin/studio/user/{cast.alice.pk}/password/"),
        ("get", "/admin/autocomplete/?app_label=studio&model_name=membership&field_name=user"),
    ):
        assert getattr(client, method)(path).status_code == 403, path
    for path in (
        f"/admin/studio/generation/{clip.pk}/file/poster/",
        f"/admin/studio/keyframe/{still.pk}/file/full/",
    ):
        assert client.get(path).status_code == 404, path
