"""Who may make projects, what new ones start with, and which paid accounts a project may use."""

from __future__ import annotations

import html
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from studio.models import (
    Chain,
    Export,
    Generation,
    ImportRun,
    Project,
    ProviderAccount,
    Segment,
    SpendRequest,
    StudioSettings,
    User,
)
from studio.services import quotas
from studio.services.accounts import ensure_accounts
from studio.services.errors import StudioError
from studio.services.keyframes import store_keyframe
from studio.services.money.offers import list_offers
from studio.services.project_rights import NOT_OFFERED, offered_accounts
from studio.services.projects import create_project
from studio.services.quotas import Quota
from studio.services.shots import NewShot, create_shots
from studio.services.work import failover
from tests.factories import make_generation, make_project
from tests.paid import account_at
from tests.people import make_cast, make_person
from tests.test_archives import archived, picture
from tests.test_compose import paid, shot
from tests.test_quoted_prices import WAYS, failed_clip, queued, set_price

CENT = 10_000
DOLLAR = 1_000_000
HTMX = {"HX-Request": "true"}


@pytest.fixture
def cast(db):
    ensure_accounts()
    return make_cast()


def settings_are(**columns):
    StudioSettings.objects.update_or_create(pk=1, defaults=columns)


def make_staff(name="Root"):
    return make_person(name, is_staff=True, is_superuser=True)


def an_archive() -> bytes:
    project = make_project(make_person("Elsewhere"))
    make_generation(project, files=True, seconds=1)
    data = archived(project)
    Generation.objects.filter(project=project).delete()
    project.delete()
    return data


# ---- Who may make one ------------------------------------------------------------------------
WAYS_IN = {
    "by hand": lambda client, data: client.post("/projects/", {"name": "Mine"}),
    "the sample": lambda client, data: client.post("/projects/sample/"),
    "by import": lambda client, data: client.post(
        "/projects/import/", {"archive": SimpleUploadedFile("a.zip", data)}
    ),
}


@pytest.mark.parametrize(
    ("makers", "chosen", "is_staff", "may"),
    [
        ("everybody", False, False, True),
        ("chosen", False, False, False),
        ("chosen", True, False, True),
        ("staff", True, False, False),
        ("staff", False, True, True),
    ],
)
@pytest.mark.parametrize("way", WAYS_IN)
def test_projects_are_made_by_whom_the_studio_lets(
    client, cast, way, makers, chosen, is_staff, may
):
    settings_are(project_makers=makers)
    make_staff("Maja Aas")
    data = an_archive()
    someone = make_person("Erin", may_make_projects=chosen, is_staff=is_staff)
    client.force_login(someone)
    before = Project.objects.count()
    answer = WAYS_IN[way](client, data)
    assert Project.objects.count() == before + may
    if not may:
        assert answer.status_code in (403, 422)
        page = html.unescape(answer.content.decode())
        assert "You may not make projects in this studio. Ask Maja Aas." in page
        assert not ImportRun.objects.exists()


def test_a_new_studio_leaves_it_to_staff_and_the_projects_page_says_so(client, db):
    make_staff("Maja Aas")
    client.force_login(make_person("Dave", may_make_projects=False))
    page = client.get("/").content.decode()
    assert "You may not make projects in this studio. Ask Maja Aas." in page
    for way in ("/projects/new/", "/projects/sample/", "/projects/import/"):
        assert way not in page
    assert client.get("/projects/new/").status_code == 403


# ---- What a new one starts with -----------------------------------------------------------------
@pytest.mark.parametrize("way", WAYS_IN)
def test_a_new_project_starts_with_the_defaults_and_without_paid_accounts(client, cast, way):
    paid("luma", "ray-2")
    settings_are(new_budget_microusd=20 * DOLLAR, new_ask_above_microusd=2 * DOLLAR)
    data = an_archive()
    client.force_login(make_person("Erin"))
    WAYS_IN[way](client, data)
    made = Project.objects.order_by("pk").last()
    assert (made.budget_microusd, made.ask_above_microusd) == (20 * DOLLAR, 2 * DOLLAR)
    luma = ProviderAccount.objects.get(provider="luma", enabled=True)
    assert luma not in offered_accounts(made)
    with pytest.raises(StudioError, match=NOT_OFFERED):
        create_shots(
            project=made, by=made.created_by, new=NewShot(prompt="A", account=luma, model="ray-2")
        )


def test_staff_offer_all_accounts_and_the_setting_those_it_names(cast):
    paid("luma", "ray-2")
    paid("apiframe", "luma-ray-2")
    luma, apiframe = (ProviderAccount.objects.get(provider=p) for p in ("luma", "apiframe"))
    assert luma in offered_accounts(create_project(name="Hers", by=make_staff()))
    settings_are(new_offered="all")
    assert luma in offered_accounts(create_project(name="All", by=cast.dave))
    settings_are(new_offered="chosen")
    StudioSettings.load().new_accounts.set([luma])
    offered = offered_accounts(create_project(name="One", by=cast.dave))
    assert (luma in offered, apiframe in offered) == (True, False)


def test_only_staff_raise_a_budget_above_the_default(client, cast):
    settings_are(new_budget_microusd=20 * DOLLAR)
    project = create_project(name="Mine", by=cast.dave)
    at = f"/p/{project.code}/settings/"
    form = {
        "name": "Mine", "aspect_ratio": "16:9", "duration_s": "5", "resolution": "720p",
        "embed_provenance": "on", "slate": "on", "ask_above": "", "failover": "",
    }  # fmt: skip
    client.force_login(cast.dave)
    for asked, status in (("20.01", 422), ("", 422), ("5", 302), ("20", 302)):
        assert client.post(at, form | {"budget": asked}).status_code == status, asked
    assert "up to $20.00" in client.post(at, form | {"budget": ""}).content.decode()
    project.memberships.create(user=(root := make_staff()), role="owner")
    client.force_login(root)
    assert client.post(at, form | {"budget": "500"}).status_code == 302
    project.refresh_from_db()
    assert project.budget_microusd == 500 * DOLLAR
    client.force_login(cast.dave)  # what staff set stays, and may be lowered and set again
    assert client.post(at, form | {"budget": "500"}).status_code == 302
    # A project of before has no budget: its owner goes on as before.
    client.force_login(cast.alice)
    at = f"/p/{cast.project.code}/settings/"
    for asked in ("900", ""):
        Project.objects.filter(pk=cast.project.pk).update(budget_microusd=None)
        assert client.post(at, form | {"budget": asked}).status_code == 302


# ---- Every way of buying, by right ------------------------------------------------------------
RIGHTS = {
    "the account is not offered": lambda cast: Project.objects.filter(pk=cast.project.pk).update(all_accounts=False),
    "the buyer only reviews now": lambda cast: cast.project.memberships.update(role="reviewer"),
    "the buyer has left": lambda cast: cast.project.memberships.all().delete(),
    "the buyer is deactivated": lambda cast: User.objects.update(is_active=False),
}  # fmt: skip


@pytest.mark.parametrize("right", RIGHTS)
@pytest.mark.parametrize("way", WAYS)
def test_every_right_holds_against_every_way_of_buying(cast, emulator, asked, way, right):
    apiframe = account_at(emulator, "apiframe")
    paid("luma", "ray-2")
    account = ProviderAccount.objects.get(provider="luma")
    failed_clip(cast)
    offer = failover.next_offer(Generation.objects.get())
    RIGHTS[right](cast)
    cast.project.refresh_from_db()
    if way == "failover" and right == "the account is not offered":
        # No offer is left; and one that was shown before is refused.
        assert failover.next_offer(failed_clip(cast)) is None
        with pytest.raises(StudioError, match="cannot take this shot over any more"):
            failover.fail_over(
                generation=failed_clip(cast), by=cast.bob, offer_value=offer.value,
                request_token=cast.project.code,
            )  # fmt: skip
    elif way == "failover by itself" and right == "the account is not offered":
        with pytest.raises(StudioError, match="no other provider can take it"):
            WAYS[way](cast, account)
    else:
        with pytest.raises(StudioError, match=f"{NOT_OFFERED}|may not make shots in this project"):
            WAYS[way](cast, account)
    assert apiframe.enabled and not queued(cast).exists()


def test_an_approval_buys_nothing_for_somebody_who_has_left(client, cast):
    Project.objects.filter(pk=cast.project.pk).update(ask_above_microusd=10 * CENT)
    form = shot(prompt="A boat", concepts=[], offer=paid("luma", "ray-2"), do="ask")
    set_price(24 * CENT)
    client.force_login(cast.bob)
    client.post(f"/p/{cast.project.code}/new/", form)
    found = SpendRequest.objects.get()
    cast.project.memberships.filter(user=cast.bob).delete()
    client.force_login(cast.alice)
    answer = client.post(
        f"/requests/{found.code}/decide/", {"do": "approve", "note": "", "most": "240000"}
    )
    assert "Bob may not make shots in this project. Nothing was sent." in answer.content.decode()
    assert not queued(cast).exists()
    assert SpendRequest.objects.get().state == "open"


def test_compose_hides_accounts_that_are_not_offered_and_says_whom_to_ask(client, cast):
    offer = paid("luma", "ray-2")
    make_staff("Maja Aas")
    at = f"/p/{cast.project.code}/new/"
    client.force_login(cast.bob)
    assert f'value="{offer}"' in client.get(at).content.decode()
    Project.objects.filter(pk=cast.project.pk).update(all_accounts=False)
    page = html.unescape(client.get(at).content.decode())
    assert f'value="{offer}"' not in page
    assert "This project may use no paid account. Ask Maja Aas." in page
    quoted = client.post(f"/p/{cast.project.code}/quote/", shot(offer=offer), headers=HTMX)
    assert f'value="{offer}"' not in quoted.content.decode()
    answer = client.post(at, shot(prompt="A boat", concepts=[], offer=offer))
    assert answer.status_code == 422 and not queued(cast).exists()
    cast.project.accounts.set([ProviderAccount.objects.get(provider="luma")])
    page = html.unescape(client.get(at).content.decode())
    assert f'value="{offer}"' in page
    assert "This project may use only these paid accounts. Ask Maja Aas." in page


# ---- What is for staff, and what reviewers do not see ---------------------------------------------
def test_balances_and_account_names_are_for_staff(client, cast):
    luma = ProviderAccount.objects.create(provider="luma", label="Client Bergen")
    luma.set_key("k")
    luma.balance_microusd, luma.balance_at = 77 * DOLLAR, luma.created_at
    luma.monthly_limit_microusd = 50 * DOLLAR
    luma.save()
    paid("luma", "ray-2")
    names = {
        offer.name
        for offer in list_offers(wish=NewShot(prompt="A", account=luma, model="ray-2").wish())
    }
    assert not any("Bergen" in name for name in names)
    assert len([name for name in names if "(account " in name]) >= 2
    root = make_staff()
    cast.project.memberships.create(user=root, role="editor")
    set_price(60 * DOLLAR)
    form = shot(prompt="A boat", concepts=[], offer=f"{luma.pk}:ray-2")
    for who, sees in ((cast.alice, False), (cast.bob, False), (root, True)):
        client.force_login(who)
        pages = [
            client.get(f"/p/{cast.project.code}/{page}/").content.decode()
            for page in ("new", "spend")
        ]
        pages.append(client.post(f"/p/{cast.project.code}/new/", form).content.decode())
        for page in pages:
            assert ("Bergen" in page, "77.00" in page) == (sees, sees), who
        assert "This would go over the limit of this account" in pages[2]
        assert ("$50.00 is left" in pages[2]) == sees


def test_reviewers_see_no_requests_and_no_amounts(client, cast):
    Project.objects.filter(pk=cast.project.pk).update(
        budget_microusd=4321 * CENT, ask_above_microusd=10 * CENT
    )
    form = shot(prompt="A boat", concepts=[], offer=paid("luma", "ray-2"), do="ask")
    set_price(1234 * CENT)
    clip = make_generation(
        cast.project, files=True, charged="yes", actual_microusd=5678 * CENT, estimated_microusd=5678 * CENT,
    )  # fmt: skip
    Generation.objects.filter(pk=failed_clip(cast).pk).update(
        charged="yes", actual_microusd=8765 * CENT
    )
    client.force_login(cast.bob)
    client.post(f"/p/{cast.project.code}/new/", form)
    request = SpendRequest.objects.get()
    client.force_login(cast.alice)
    client.post(f"/requests/{request.code}/decide/", {"do": "refuse", "note": "Too dear"})
    pages = [
        "/", f"/p/{cast.project.code}/", f"/p/{cast.project.code}/activity/",
        f"/p/{cast.project.code}/activity/changes/?after=0", f"/p/{cast.project.code}/settings/",
        f"/p/{cast.project.code}/line/", f"/clips/{clip.code}/", f"/p/{cast.project.code}/look/{clip.code}/",
        f"/p/{cast.project.code}/compare/?a={clip.code}&b={clip.code}", "/notifications/",
    ]  # fmt: skip
    amounts = ("43.21", "12.34", "56.78", "87.65", "Too dear")
    seen = {a for p in pages for a in amounts if a in client.get(p).content.decode()}
    assert seen == set(amounts), "what an owner sees"
    client.force_login(cast.carol)
    for page in pages:
        text = client.get(page).content.decode()
        assert not [amount for amount in amounts if amount in text], page
        assert "/requests/" not in text
    assert client.get(f"/requests/{request.code}/").status_code == 403


# ---- Quotas ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "way"), [("PROJECTS", "by hand"), ("SAMPLES", "the sample"), ("IMPORTS", "by import")]
)
def test_each_person_has_a_daily_quota(client, cast, monkeypatch, name, way):
    quota = getattr(quotas, name)
    monkeypatch.setattr(quotas, name, Quota(quota.key, quota.things, 2))
    data = an_archive()
    for person, counts in ((cast.dave, (1, 1, 0)), (cast.alice, (1,))):
        client.force_login(person)
        for count in counts:
            before = Project.objects.count() + ImportRun.objects.count()
            answer = WAYS_IN[way](client, data)
            made = Project.objects.count() + ImportRun.objects.count() - before
            assert bool(made) == bool(count)
            if not count:
                page = html.unescape(client.get("/").content.decode() + answer.content.decode())
                assert f"2 {quota.things} are the most for one person in a day." in page


def test_uploads_have_a_daily_quota(client, cast, monkeypatch):
    monkeypatch.setattr(quotas, "UPLOADS", Quota("uploads", "pictures uploaded", 1))
    client.force_login(cast.bob)
    files = [SimpleUploadedFile(f"{n}.png", picture(n)) for n in (10, 90)]
    page = client.post(f"/p/{cast.project.code}/stills/", {"stills": files}).content.decode()
    assert "1 pictures uploaded are the most for one person in a day" in page
    assert cast.project.keyframes.count() == 1


def test_films_and_stills_cut_from_clips_have_a_daily_quota(client, cast, monkeypatch):
    clip = make_generation(cast.project, by=cast.bob, files=True)
    chain = Chain.objects.create(project=cast.project, title="A", created_by=cast.bob)
    Segment.objects.create(chain=chain, position=1, generation=clip)
    for name in ("EXPORTS", "CUT_STILLS"):
        quota = getattr(quotas, name)
        monkeypatch.setattr(quotas, name, Quota(quota.key, quota.things, 1))
    client.force_login(cast.bob)
    htmx = {"HX-Request": "true"}
    for fade in ("0.1", "0.2"):
        answer = client.post(f"/chains/{chain.code}/exports/", {"crossfade_s": fade}, headers=htmx)
    assert "1 films exported are the most for one person in a day." in answer.content.decode()
    assert Export.objects.count() == 1
    still, _ = store_keyframe(project=cast.project, by=cast.bob, source=picture(10), name="a.png")
    said = "1 stills cut from clips and pictures are the most for one person in a day."
    client.post(f"/clips/{clip.code}/grab/", {"at_ms": "0"}, headers=htmx)
    for path in (f"/clips/{clip.code}/grab/", f"/stills/{still.code}/crop/"):
        json = {"Accept": "application/json"} if "crop" in path else htmx
        answer = client.post(path, {"at_ms": "500", "shape": "1:1"}, headers=json)
        told = answer.content.decode() + str(answer.headers)
        assert answer.status_code in (409, 422) and said in told, path
    assert list(cast.project.keyframes.all()) == [still]


def test_shots_drawn_here_have_a_daily_quota(cast, monkeypatch):
    """They cost nothing but this machine's processor and disk."""
    monkeypatch.setattr(quotas, "PREVIS", Quota("previs", "Previs shots made", 3))
    previs = ProviderAccount.objects.get(provider="previs")
    token = uuid.uuid4()

    def make(by, takes, token=None):
        new = NewShot(
            prompt="A",
            account=previs,
            model="previs-1",
            takes=takes,
            request_token=token or uuid.uuid4(),
        )
        return create_shots(project=cast.project, by=by, new=new)

    made = make(cast.bob, 2, token)
    # All takes of a press or none, and a press that is sent twice counts once.
    with pytest.raises(
        StudioError, match="3 Previs shots made are the most for one person in a day"
    ):
        make(cast.bob, 2)
    assert make(cast.bob, 2, token) == made
    assert len(make(cast.bob, 1)) == 1
    with pytest.raises(StudioError, match="Try again in"):
        make(cast.bob, 1)
    assert Generation.objects.count() == 3
    assert len(make(cast.alice, 1)) == 1


def test_numbers_that_are_used_up_are_said(cast):
    previs = ProviderAccount.objects.get(provider="previs")
    Project.objects.filter(pk=cast.project.pk).update(next_number=2**31 - 1)
    with pytest.raises(StudioError, match="no number left"):
        create_shots(
            project=cast.project,
            by=cast.bob,
            new=NewShot(prompt="A", account=previs, model="previs-1"),
        )
    Project.objects.filter(pk=cast.project.pk).update(next_number=1)
    clip = make_generation(cast.project, take=32_760)
    with pytest.raises(StudioError, match="no number left"):
        create_shots(
            project=cast.project, by=cast.bob,
            new=NewShot(prompt="A", account=previs, model="previs-1", shot=clip.shot),
        )  # fmt: skip


# ---- The control room -----------------------------------------------------------------------------
def test_staff_set_who_makes_projects_and_what_they_start_with(client, cast):
    paid("luma", "ray-2")
    luma = ProviderAccount.objects.get(provider="luma")
    client.force_login(make_staff())
    at = "/admin/studio/studiosettings/1/change/"
    page = client.get("/admin/studio/studiosettings/").content.decode() and client.get(at)
    assert "Who may make projects" in page.content.decode()
    form = {
        "monthly_limit_microusd": "", "project_makers": "staff", "new_budget_microusd": "30",
        "new_ask_above_microusd": "", "new_offered": "chosen", "new_accounts": [luma.pk],
    }  # fmt: skip
    assert client.post(at, form).status_code == 302
    found = StudioSettings.load()
    assert (found.project_makers, found.new_budget_microusd) == ("staff", 30 * DOLLAR)
    assert list(found.new_accounts.all()) == [luma]
    at = f"/admin/studio/project/{cast.project.pk}/change/"
    names = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    form = {
        "name": "Nordlys",
        "aspect_ratio": "16:9",
        "duration_s": "5",
        "resolution": "720p",
        "accounts": [luma.pk],
    }
    assert client.post(at, form | names).status_code == 302
    cast.project.refresh_from_db()
    assert not cast.project.all_accounts and luma in offered_accounts(cast.project)
    at = f"/admin/studio/user/{cast.dave.pk}/change/"
    page = client.get(at).content.decode()
    assert "May make projects" in page


def test_the_first_page_says_the_new_defaults_once(client, cast):
    settings_are(announces_defaults=True, project_makers="everybody")
    client.force_login(make_staff())
    assert "New projects start with limits now" in client.get("/admin/").content.decode()
    client.force_login(make_person("Desk", is_staff=True))
    assert "New projects start" not in client.get("/admin/").content.decode()
    assert client.post("/admin/defaults-read/").status_code == 403
    client.force_login(User.objects.get(name="Root"))
    assert client.post("/admin/defaults-read/").status_code == 302
    assert "New projects start" not in client.get("/admin/").content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("existing", [True, False])
def test_existing_studios_keep_what_they_have(existing):
    executor = MigrationExecutor(connection)
    nodes = executor.loader.graph.node_map
    after = next(node for node in nodes if node[1].endswith("_rights_of_projects"))
    before = next(parent.key for parent in nodes[after].parents if parent.key[0] == "studio")
    try:
        old = executor.migrate([before]).apps
        old.get_model("studio", "StudioSettings").objects.all().delete()
        if existing:
            user = old.get_model("studio", "User").objects.create(email="a@example.com", name="A")
            old.get_model("studio", "Project").objects.create(name="Old", created_by=user)
            old.get_model("studio", "StudioSettings").objects.create(monthly_limit_microusd=5)
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
        found = StudioSettings.load()
        if existing:
            assert (found.project_makers, found.announces_defaults) == ("everybody", True)
            assert found.monthly_limit_microusd == 5
            project = Project.objects.get()
            assert (project.budget_microusd, project.all_accounts) == (None, True)
        else:
            assert (found.project_makers, found.announces_defaults) == ("chosen", False)
            assert (found.new_offered, found.new_budget_microusd) == ("none", 100 * DOLLAR)
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())


def test_the_quotas_are_these():
    # As docs/security.md lists them.
    a_day = {quota.things: quota.a_day for quota in quotas.ALL}
    assert a_day == {
        "projects made": 50,
        "sample projects made": 10,
        "archives imported": 50,
        "pictures uploaded": 1000,
        "stills cut from clips and pictures": 1000,
        "films exported": 200,
        "Previs shots made": 1000,
    }
