from __future__ import annotations

from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import Schedule, Success

from studio.models import (
    Invite,
    LedgerEntry,
    Orphan,
    Price,
    ProviderAccount,
    Share,
)
from studio.services.work.schedules import ensure_schedules
from tests.control_room import allow, fill, make_failure
from tests.factories import make_comment, make_generation, make_previs, make_still

pytestmark = pytest.mark.django_db
LISTS = (
    "studio/provideraccount", "studio/price", "studio/orphan", "studio/project",
    "studio/generation", "studio/generationevent", "studio/keyframe", "studio/chain",
    "studio/export", "studio/importrun", "studio/ledgerentry", "studio/spendrequest", "studio/studiosettings", "studio/favouriteprompt", "studio/preset", "studio/blindtest",
    "studio/tag", "studio/collection", "studio/savedview", "studio/bulkrun",
    "studio/comment", "studio/givenverdict", "studio/seen", "studio/share", "studio/guest", "studio/user", "studio/membership",
    "studio/invite", "auth/group", "axes/accessattempt", "axes/accesslog", "django_q/failure",
    "django_q/ormq", "django_q/schedule",
    "studio/activity", "studio/notification", "studio/webhook", "studio/webhookdelivery",
)  # fmt: skip
# Made by no row below: their own tables are empty.
EMPTY = {"auth/group", "axes/accessattempt", "axes/accesslog"}


# ---- The door --------------------------------------------------------------------------
def test_a_stranger_is_sent_to_the_studios_own_sign_in(client):
    answer = client.get("/admin/studio/generation/?q=1")
    assert answer.status_code == 302
    assert answer["Location"] == "/login/?next=%2Fadmin%2Fstudio%2Fgeneration%2F%3Fq%3D1"
    assert client.get("/admin/login/")["Location"] == "/login/?next=%2Fadmin%2F"
    assert client.post("/admin/studio/price/add/")["Location"] == "/login/?next=%2Fadmin%2F"


def test_members_who_are_not_staff_find_nothing_there(client, cast):
    client.force_login(cast.alice)
    for path in (
        "/admin/",
        "/admin/login/",
        "/admin/health/",
        "/admin/studio/project/",
        "/admin/x/",
    ):
        assert client.get(path).status_code == 404, path


def test_the_sign_in_page_brings_staff_back(client, root):
    assert client.get("/admin/login/?next=/admin/health/")["Location"] == "/admin/health/"
    assert client.get("/admin/login/?next=https://evil.example/")["Location"] == "/admin/"
    assert client.get("/admin/password_change/")["Location"] == "/account/password/"


def test_the_first_owner_finds_the_way_in_the_account_menu(client, root):
    assert 'href="/admin/"' in client.get("/").content.decode()


def test_a_deactivated_superuser_is_a_stranger(client, root):
    root.is_active = False
    root.save()
    assert client.get("/admin/")["Location"].startswith("/login/")


# ---- Every page ------------------------------------------------------------------------
def test_every_table_of_the_studio_has_a_page():
    # The search index belongs to the database.
    inline_only = {
        "SearchText",
        "RateLimit",
        "BulkItem",
        "CollectionItem",
        "BlindPair",
        "BlindVote",
        "Segment",
    }
    pages = {model for model in admin.site._registry if model._meta.app_label == "studio"}
    assert {
        m.__name__ for m in set(apps.get_app_config("studio").get_models()) - pages
    } == inline_only
    assert Success not in admin.site._registry


def test_each_page_belongs_to_a_room(client, root):
    page = client.get("/admin/").content.decode()
    for model in admin.site._registry:
        path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        assert f'<a href="{path}"' in page, path
    assert len(LISTS) == len(admin.site._registry)


@pytest.mark.parametrize("path", LISTS)
def test_lists_and_rows_open_with_a_constant_number_of_queries(client, root, cast, path):
    ensure_schedules()
    fill(cast, 1)
    address = f"/admin/{path}/"
    assert client.get(address).status_code == 200
    with CaptureQueriesContext(
        connection,
    ) as before:
        client.get(address)
    for number in range(2, 6):
        fill(cast, number)
    with CaptureQueriesContext(connection) as after:
        answer = client.get(address)
    assert len(after) == len(before)
    rows = answer.context["cl"].result_list
    assert rows or path in EMPTY
    if rows:
        assert client.get(f"{address}{rows[0].pk}/change/").status_code == 200


@pytest.mark.parametrize("path", [path for path in LISTS if path != "django_q/ormq"])
def test_lists_can_be_searched_and_sorted_by_every_column(client, root, cast, path):
    fill(cast, 1)
    columns = len(client.get(f"/admin/{path}/").context["cl"].list_display)
    for term in ("night", "8a1f0a1e-6a4e-4d0c-9f43-111111111111", "<b>"):
        assert client.get(f"/admin/{path}/", {"q": term}).status_code == 200
    for column in range(1, columns):
        assert client.get(f"/admin/{path}/", {"o": f"{column}.-1"}).status_code == 200


def test_no_page_can_make_or_delete_what_the_lifecycle_owns(client, root, cast):
    fill(cast, 1)
    for path in (
        "generation",
        "generationevent",
        "export",
        "keyframe",
        "chain",
        "project",
        "share",
    ):
        model = apps.get_model("studio", path)
        row = model.objects.first()
        assert client.get(f"/admin/studio/{path}/add/").status_code == 403
        assert (
            client.post(f"/admin/studio/{path}/{row.pk}/delete/", {"post": "yes"}).status_code
            == 403
        )
        everything = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        client.post(f"/admin/studio/{path}/", everything)
        assert model.objects.filter(pk=row.pk).exists()


def test_staff_sees_only_what_it_was_given(client, cast):
    allow(cast.dave, "view_generation")
    client.force_login(cast.dave)
    clip = make_generation(cast.project)
    index = client.get("/admin/").content.decode()
    assert "/admin/studio/generation/" in index
    assert "/admin/studio/price/" not in index
    assert client.get(f"/admin/studio/generation/{clip.pk}/change/").status_code == 200
    assert client.get("/admin/studio/price/").status_code == 403
    assert client.get("/admin/health/").status_code == 403
    assert 'class="signs"' not in index


def test_pages_hold_no_inline_script_or_style(client, root, cast):
    fill(cast, 1)
    for path in ("", "health/", "studio/price/add/", "studio/user/add/", "studio/generation/"):
        answer = client.get(f"/admin/{path}")
        page = answer.content.decode()
        assert "<script>" not in page and "<style" not in page and " style=" not in page
        assert "'unsafe" not in answer["Content-Security-Policy"]


# ---- Health ----------------------------------------------------------------------------
def test_health_says_when_no_worker_looked_for_long(client, root):
    account = make_previs()
    assert "No worker has run yet" in client.get("/admin/health/").content.decode()
    ProviderAccount.objects.filter(pk=account.pk).update(
        swept_at=timezone.now() - timedelta(hours=2)
    )
    assert "2 h ago" in client.get("/admin/health/").content.decode()
    ProviderAccount.objects.filter(pk=account.pk).update(swept_at=timezone.now())
    page = client.get("/admin/health/").content.decode()
    assert "Start a worker" not in page


def test_health_counts_what_is_under_way_and_what_is_stored(client, root, cast):
    make_generation(cast.project, state="running")
    make_generation(cast.project, state="stalled")
    make_generation(cast.project, size_bytes=3_000_000)
    make_still(cast.project)
    context = client.get("/admin/health/").context
    signs = {sign.name: (sign.value, sign.tone) for sign in context["signs"]}
    assert signs["In flight"] == ("1", "run")
    assert signs["For a person"] == ("1", "wait")
    (row,) = context["accounts"]
    assert dict(row.counts) == {
        "queued": 0, "submitting": 0, "running": 1, "storing": 0, "stalled": 1, "uncertain": 0,
    }  # fmt: skip
    (kept,) = context["storage"]
    assert kept.clips == 3_000_000
    assert kept.stills > 0
    assert kept.total == kept.clips + kept.stills
    assert dict(context["versions"])["Ray Studio"]


def test_health_takes_the_same_queries_however_much_there_is(client, root, cast):
    fill(cast, 1)
    client.get("/admin/health/")
    with CaptureQueriesContext(connection) as before:
        client.get("/admin/health/")
    for number in range(2, 6):
        fill(cast, number)
    with CaptureQueriesContext(connection) as after:
        client.get("/admin/health/")
    assert len(after) == len(before)


# ---- Background work -------------------------------------------------------------------
def test_a_failed_task_shows_what_it_was_and_its_traceback(client, root):
    task = make_failure(1)
    page = client.get("/admin/django_q/failure/").content.decode()
    assert "Fetch and keep one finished clip" in page
    assert "OSError: &lt;b&gt;disk full" in page
    page = client.get(f"/admin/django_q/failure/{task.pk}/change/").content.decode()
    assert "Traceback (most recent call last)" in page


def test_a_failed_task_runs_again_and_a_strange_one_does_not(client, root, monkeypatch):
    asked = []
    monkeypatch.setattr("studio.admin.queue.enqueue", lambda *task: asked.append(task))
    ours, strange = make_failure(1), make_failure(2, func="os.system", args=("true",))
    for task in (ours, strange):
        client.post(f"/admin/django_q/failure/{task.pk}/do/run_again/")
    assert asked == [("store_clip", 7)]


def test_schedules_say_when_they_are_late(client, root):
    ensure_schedules()
    Schedule.objects.filter(name="sweep").update(next_run=timezone.now() - timedelta(minutes=10))
    page = client.get("/admin/django_q/schedule/").content.decode()
    assert "Late by 10 min" in page
    assert client.get("/admin/django_q/schedule/add/").status_code == 403


# ---- Prices ----------------------------------------------------------------------------
def test_a_price_changed_by_hand_is_kept_in_dollars_and_marked(client, root):
    make_previs()
    price = Price.objects.filter(provider="luma", microusd__gt=0).first()
    Price.objects.filter(pk=price.pk).update(charged_microusd=5)
    address = f"/admin/studio/price/{price.pk}/change/"
    shown = client.get(address).context["adminform"].form["microusd"].value()
    assert float(shown) == price.microusd / 1_000_000
    client.post(address, {"microusd": "1.25", "source": "Our contract", "checked_on": "2026-11-20"})
    price.refresh_from_db()
    assert (price.microusd, price.edited, price.charged_microusd) == (1_250_000, True, 5)
    client.post(f"/admin/studio/price/{price.pk}/do/follow_catalogue/")
    price.refresh_from_db()
    assert price.edited is False
    assert price.microusd != 1_250_000


def test_a_price_saved_without_a_change_is_not_marked(client, root):
    make_previs()
    price = Price.objects.filter(provider="luma").first()
    address = f"/admin/studio/price/{price.pk}/change/"
    form = client.get(address).context["adminform"].form
    client.post(address, {name: form[name].value() or "" for name in form.fields})
    price.refresh_from_db()
    assert price.edited is False


def test_a_price_for_an_unknown_model_or_length_is_refused(client, root):
    new = {
        "provider": "luma",
        "model": "ray-2",
        "duration_s": "7",
        "resolution": "720p",
        "microusd": "1",
    }
    answer = client.post("/admin/studio/price/add/", new)
    assert "The length is 7 s; this model has 5, 9 s." in answer.content.decode()
    answer = client.post("/admin/studio/price/add/", new | {"model": "previs-1", "duration_s": "5"})
    assert answer.context["adminform"].form.errors["model"]
    assert not Price.objects.exists()


# ---- Projects, comments, shares, invites, orphans --------------------------------------
def project_form(cast, **changes):
    members = list(cast.project.memberships.order_by("pk"))
    form = {
        "name": cast.project.name, "description": "", "aspect_ratio": "16:9", "duration_s": "5",
        "resolution": "720p", "budget_microusd": "", "failover_microusd": "",
        "memberships-TOTAL_FORMS": len(members), "memberships-INITIAL_FORMS": len(members),
    }  # fmt: skip
    for index, member in enumerate(members):
        form |= {
            f"memberships-{index}-id": member.pk,
            f"memberships-{index}-project": cast.project.pk,
            f"memberships-{index}-user": member.user_id,
            f"memberships-{index}-role": member.role,
        }
    return form | changes


def test_a_budget_is_set_in_dollars_and_touches_nothing_else(client, root, cast):
    address = f"/admin/studio/project/{cast.project.pk}/change/"
    form = project_form(cast, budget_microusd="150.50")
    client.get(address)
    # A worker raises the counters while the page is open.
    type(cast.project).objects.filter(pk=cast.project.pk).update(version=41, next_number=9)
    assert client.post(address, form).status_code == 302
    cast.project.refresh_from_db()
    assert cast.project.budget_microusd == 150_500_000
    assert (cast.project.version, cast.project.next_number) == (41, 9)


def test_saving_writes_the_changed_columns_alone(client, root, cast):
    with CaptureQueriesContext(connection) as queries:
        client.post(
            f"/admin/studio/project/{cast.project.pk}/change/", project_form(cast, name="Winter")
        )
    (update,) = [q["sql"] for q in queries if q["sql"].startswith('UPDATE "studio_project"')]
    assert '"name" =' in update
    assert "version" not in update and "next_number" not in update


def test_what_a_project_spent_is_the_sum_of_its_ledger(client, root, cast):
    fill(cast, 1)
    LedgerEntry.objects.update(microusd=2_340_000)
    # A clip's own row says something else: an estimate of what is not in the ledger.
    make_generation(cast.project, state="failed", charged="unknown", estimated_microusd=9_000_000)
    assert "$2.34" in client.get("/admin/studio/project/").content.decode()


def test_a_negative_budget_is_refused(client, root, cast):
    form = project_form(cast, budget_microusd="-1")
    answer = client.post(f"/admin/studio/project/{cast.project.pk}/change/", form)
    assert answer.context["adminform"].form.errors["budget_microusd"]


def test_a_project_keeps_an_owner(client, root, cast):
    address = f"/admin/studio/project/{cast.project.pk}/change/"
    for change in ({"memberships-0-role": "editor"}, {"memberships-0-DELETE": "on"}):
        answer = client.post(address, project_form(cast, **change))
        assert "would have no owner" in answer.content.decode()
    answer = client.post(
        address,
        project_form(cast, **{"memberships-0-role": "editor", "memberships-1-role": "owner"}),
    )
    assert answer.status_code == 302
    assert cast.member("bob").role == "owner"


def test_a_person_cannot_be_taken_from_a_project_that_would_lose_its_owner(client, root, cast):
    member = cast.member("alice")
    form = {
        "name": "Alice", "email": "alice@example.com", "is_active": "on",
        "memberships-TOTAL_FORMS": 1, "memberships-INITIAL_FORMS": 1,
        "memberships-0-id": member.pk, "memberships-0-user": cast.alice.pk,
        "memberships-0-project": cast.project.pk, "memberships-0-role": "owner",
        "memberships-0-DELETE": "on",
    }  # fmt: skip
    answer = client.post(f"/admin/studio/user/{cast.alice.pk}/change/", form)
    assert "would have no owner" in answer.content.decode()
    assert cast.member("alice").role == "owner"


def test_projects_are_archived_and_brought_back(client, root, cast):
    chosen = {"action": "archive", "_selected_action": [cast.project.pk]}
    client.post("/admin/studio/project/", chosen)
    cast.project.refresh_from_db()
    assert cast.project.archived_at
    client.post(f"/admin/studio/project/{cast.project.pk}/do/restore/")
    cast.project.refresh_from_db()
    assert cast.project.archived_at is None


def test_the_link_into_the_studio_is_for_members_only(client, root, cast):
    address = f"/admin/studio/project/{cast.project.pk}/change/"
    assert "Open in the studio" not in client.get(address).content.decode()
    cast.project.memberships.create(user=root, role="reviewer")
    assert f'href="/p/{cast.project.code}/"' in client.get(address).content.decode()


def test_a_comment_can_be_taken_away_and_the_gallery_hears_of_it(client, root, cast):
    clip = make_generation(cast.project)
    comment = make_comment(clip, cast.carol)
    version = clip.version
    client.post(f"/admin/studio/comment/{comment.pk}/delete/", {"post": "yes"})
    clip.refresh_from_db()
    assert not clip.comments.exists()
    assert clip.version > version


def test_shares_and_invites_are_revoked(client, root, cast):
    share = Share.objects.create(project=cast.project, token_hash="s", created_by=cast.alice)
    invite = Invite.objects.create(
        project=cast.project, role="editor", token_hash="i", created_by=cast.alice
    )
    client.post(f"/admin/studio/share/{share.pk}/do/revoke/", {"confirmed": "1"})
    client.post(f"/admin/studio/invite/{invite.pk}/do/revoke/", {"confirmed": "1"})
    share.refresh_from_db()
    invite.refresh_from_db()
    assert share.revoked_at and invite.revoked_at


def test_an_unknown_job_is_brought_into_a_project(client, root, cast):
    make_previs()
    account = ProviderAccount.objects.create(provider="apiframe", label="Team")
    orphan = Orphan.objects.create(
        account=account, job_id="lost", model="luma-ray-2", prompt="A fox", status="succeeded",
        result_url="https://cdn.example/fox.mp4",
    )  # fmt: skip
    chosen = {"action": "adopt", "_selected_action": [orphan.pk]}
    client.post("/admin/studio/orphan/", chosen)
    orphan.refresh_from_db()
    assert orphan.generation is None
    client.post("/admin/studio/orphan/", chosen | {"project": cast.project.pk})
    orphan.refresh_from_db()
    assert orphan.generation.project == cast.project
    assert orphan.generation.state == "storing"


def test_an_unknown_job_of_a_model_nobody_knows_says_so(client, root, cast):
    account = ProviderAccount.objects.create(provider="apiframe", label="Team")
    Orphan.objects.create(
        account=account, job_id="lost", model="luma-ray-9", status="succeeded",
        result_url="https://cdn.example/fox.mp4",
    )  # fmt: skip
    chosen = {"action": "adopt", "_selected_action": [Orphan.objects.get().pk]}
    answer = client.post(
        "/admin/studio/orphan/", chosen | {"project": cast.project.pk}, follow=True
    )
    assert "Apiframe has no model “luma-ray-9”" in answer.content.decode()


# ---- The buttons of a row --------------------------------------------------------------
def test_the_buttons_take_a_post_a_known_name_and_the_right(client, cast):
    share = Share.objects.create(project=cast.project, token_hash="s", created_by=cast.alice)
    allow(cast.dave, "view_share")
    client.force_login(cast.dave)
    address = f"/admin/studio/share/{share.pk}/do"
    assert client.get(f"{address}/revoke/").status_code == 405
    assert client.post(f"{address}/explode/").status_code == 404
    assert client.post(f"{address}/revoke/").status_code == 403
    assert (
        "Revoke</button>"
        not in client.get(f"/admin/studio/share/{share.pk}/change/").content.decode()
    )
    allow(cast.dave, "change_share")
    assert "cannot be taken back" in client.post(f"{address}/revoke/").content.decode()
    assert client.post(f"{address}/revoke/", {"confirmed": "1"}).status_code == 302


def test_the_buttons_are_safe_from_other_sites(root, cast):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    strict.force_login(root)
    share = Share.objects.create(project=cast.project, token_hash="s", created_by=cast.alice)
    assert strict.post(f"/admin/studio/share/{share.pk}/do/revoke/").status_code == 403
    share.refresh_from_db()
    assert share.revoked_at is None


def test_a_year_that_no_calendar_has_is_a_wrong_filter(client, root):
    for year in ("99999", "0", "-1", "10000"):
        answer = client.get(f"/admin/studio/generation/?created_at__year={year}")
        assert answer.status_code in (200, 302), year
