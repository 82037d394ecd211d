from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from studio.models import Membership, Project, User
from studio.services.projects import create_project, project_cards
from tests.people import make_clip, make_person

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
USD = 1_000_000


def settings_form(**changes):
    return {
        "name": "Nordlys",
        "description": "Tourism board",
        "aspect_ratio": "21:9",
        "duration_s": "9",
        "resolution": "1080p",
        "budget": "150",
    } | changes


# ---- The projects page -----------------------------------------------------------------
def test_a_member_sees_the_project_and_an_outsider_does_not(client, cast):
    for user in (cast.alice, cast.bob, cast.carol):
        client.force_login(user)
        assert f'href="/p/{cast.project.code}/"' in client.get("/").content.decode()
    client.force_login(cast.dave)
    assert str(cast.project.code) not in client.get("/").content.decode()


def test_a_newcomer_gets_two_ways_to_begin(client, cast):
    client.force_login(cast.dave)
    page = client.get("/").content.decode()
    assert "Your first project starts here" in page
    assert 'href="/projects/new/"' in page
    assert 'action="/projects/sample/"' in page


def test_the_card_shows_three_newest_posters_and_counts(client, cast):
    clips = [make_clip(cast.project) for _ in range(4)]
    make_clip(cast.project, archived_at=timezone.now())
    make_clip(cast.project, state="queued")
    make_clip(cast.project, state="running")
    make_clip(cast.project, state="uncertain")
    client.force_login(cast.carol)
    page = client.get("/").content.decode()
    assert re.findall(r'<img src="/media/clips/([0-9a-f-]{36})-poster', page) == [
        str(clip.code) for clip in reversed(clips[1:])
    ]
    assert "2 in flight" in page
    assert "7 clips" in page


@pytest.mark.parametrize(
    ("budget", "spent", "words", "low", "bar"),
    [
        (None, 0, "$0.00 this month", False, False),
        (None, 1_600_000, "$1.60 this month", False, False),
        (400 * USD, 182_400_000, "$182.40 of $400", False, True),
        (150 * USD, 140_600_000, "$9.40 left of $150", True, True),
        (99_500_000, 100_000_000, "$0.50 over $99.50", True, True),
        (0, 0, "$0.00 of $0", False, False),
    ],
)
def test_the_month_reads_plainly(client, cast, budget, spent, words, low, bar):
    Project.objects.update(budget_microusd=budget)
    make_clip(cast.project, actual_microusd=spent, charged="yes")
    client.force_login(cast.alice)
    page = client.get("/").content.decode()
    assert words in page
    assert ("warnc" in page) is low
    assert ('class="is-money"' in page) is bar


def test_the_month_adds_what_was_and_will_be_charged(cast):
    last_month = timezone.now().replace(day=1) - timedelta(days=1)
    for charged, estimated, actual, made in (
        ("yes", 5 * USD, 1 * USD, timezone.now()),
        ("", 2 * USD, None, timezone.now()),
        ("unknown", 4 * USD, None, timezone.now()),
        ("no", 8 * USD, None, timezone.now()),
        ("yes", 16 * USD, 16 * USD, last_month),
    ):
        make_clip(
            cast.project,
            charged=charged,
            estimated_microusd=estimated,
            actual_microusd=actual,
            created_at=made,
        )
    # An archived clip was paid for all the same.
    make_clip(cast.project, charged="yes", actual_microusd=32 * USD, archived_at=timezone.now())
    (card,) = project_cards(cast.alice)
    assert card.spent == (1 + 2 + 4 + 32) * USD


def test_any_number_of_projects_takes_the_same_queries(client, cast):
    client.force_login(cast.alice)
    make_clip(cast.project)

    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert client.get("/").status_code == 200
        return len(captured)

    few = count()
    for n in range(9):
        project = create_project(name=f"Project {n}", by=cast.alice)
        for _ in range(3):
            make_clip(project)
    assert count() == few
    assert few <= 8  # one of them is the studio's settings: who may make projects


def test_cards_ask_again_only_while_something_is_in_flight(client, cast):
    client.force_login(cast.alice)
    make_clip(cast.project)
    assert 'hx-trigger="every 5s"' not in client.get("/").content.decode()
    make_clip(cast.project, state="running")
    assert 'hx-trigger="every 5s"' in client.get("/").content.decode()


def test_htmx_gets_the_cards_alone(client, cast):
    client.force_login(cast.alice)
    response = client.get("/", headers=HTMX)
    assert response.content.decode().lstrip().startswith('<section class="projects" id="projects"')
    assert "HX-Request" in response["Vary"]
    back = client.get("/", headers=HTMX | {"HX-History-Restore-Request": "true"})
    assert "<!doctype html>" in back.content.decode()


def test_archived_projects_have_their_own_list(client, cast):
    create_project(name="Deep water", by=cast.alice)
    Project.objects.filter(pk=cast.project.pk).update(archived_at=timezone.now())
    client.force_login(cast.alice)
    page = client.get("/").content.decode()
    assert "Deep water" in page and "Nordlys winter film" not in page
    assert 'href="/?archived=1"' in page
    page = client.get("/?archived=1").content.decode()
    assert "Nordlys winter film" in page and "Deep water" not in page


# ---- New projects ----------------------------------------------------------------------
def test_a_new_project_has_its_maker_as_owner(client, cast):
    client.force_login(cast.dave)
    response = client.post("/projects/", {"name": "  Deep   water ", "description": ""})
    project = Project.objects.get(name="Deep water")
    assert response["Location"] == f"/p/{project.code}/"
    assert Membership.objects.get(project=project).role == "owner"
    assert Membership.objects.get(project=project).user == cast.dave


def test_a_new_project_by_htmx_moves_the_page(client, cast):
    client.force_login(cast.dave)
    response = client.post("/projects/", {"name": "Deep water"}, headers=HTMX)
    assert response["HX-Redirect"] == f"/p/{Project.objects.get(name='Deep water').code}/"


def test_a_project_without_a_name_is_asked_for_one(client, cast):
    client.force_login(cast.dave)
    page = client.post("/projects/", {"name": " "})
    assert page.status_code == 422
    assert "Give the project a name." in page.content.decode()
    assert "<!doctype html>" in page.content.decode()
    fragment = client.post("/projects/", {"name": "n" * 81}, headers=HTMX)
    assert fragment.status_code == 422
    assert fragment.content.decode().count("<form") == 1
    assert "The name has 81 characters; 80 are allowed." in fragment.content.decode()
    assert Project.objects.count() == 1


def test_the_new_project_form_is_a_dialog_or_a_page(client, cast):
    client.force_login(cast.dave)
    assert "<!doctype html>" in client.get("/projects/new/").content.decode()
    fragment = client.get("/projects/new/", headers=HTMX).content.decode()
    assert "<dialog" in fragment and "<!doctype" not in fragment


def test_a_sample_project_is_one_press(client, cast, monkeypatch):
    made = []

    def make(*, by):
        made.append(by)
        return create_project(name="Sample", by=by)

    monkeypatch.setattr("studio.views.projects.project_list.make_sample_project", make)
    client.force_login(cast.dave)
    response = client.post("/projects/sample/")
    assert made == [cast.dave]
    assert response["Location"] == f"/p/{Project.objects.get(name='Sample').code}/"


@pytest.mark.parametrize("path", ["/projects/", "/projects/sample/"])
def test_making_takes_a_post_and_a_sign_in(client, cast, path):
    assert client.post(path, {"name": "x"})["Location"].startswith("/login/")
    client.force_login(cast.dave)
    assert client.get(path).status_code == 405
    assert Project.objects.count() == 1


def test_the_menu_lists_ones_own_projects(client, cast):
    other = create_project(name="Someone else's", by=make_person("Erin"))
    gone = create_project(name="Gone", by=cast.alice)
    Project.objects.filter(pk=gone.pk).update(archived_at=timezone.now())
    client.force_login(cast.alice)
    menu = client.get(f"/projects/menu/?at={cast.project.code}", headers=HTMX).content.decode()
    assert f'href="/p/{cast.project.code}/" aria-current="true"' in menu
    assert 'href="/"' in menu
    assert str(other.code) not in menu and str(gone.code) not in menu
    assert client.get("/projects/menu/?at=nonsense").status_code == 200


# ---- Settings --------------------------------------------------------------------------
def test_an_owner_changes_the_settings(client, cast):
    Project.objects.update(version=7, next_number=31)
    client.force_login(cast.alice)
    url = f"/p/{cast.project.code}/settings/"
    assert client.post(url, settings_form(budget="99.50"))["Location"] == url
    project = Project.objects.get()
    assert (project.name, project.description) == ("Nordlys", "Tourism board")
    assert (project.aspect_ratio, project.duration_s, project.resolution) == ("21:9", 9, "1080p")
    assert project.budget_microusd == 99_500_000
    assert (project.version, project.next_number) == (7, 31)
    assert 'value="99.50"' in client.get(url).content.decode()


def test_failover_by_itself_is_off_until_a_difference_is_named(client, cast):
    client.force_login(cast.alice)
    url = f"/p/{cast.project.code}/settings/"
    client.post(url, settings_form(failover="0.50"))
    assert Project.objects.get().failover_microusd == 500_000
    assert 'value="0.50"' in client.get(url).content.decode()
    client.post(url, settings_form(failover=""))
    assert Project.objects.get().failover_microusd is None
    refused = client.post(url, settings_form(failover="-1"))
    assert refused.status_code == 422
    assert "The difference must be 0 or more." in refused.content.decode()


def test_the_slate_can_be_switched_off(client, cast):
    client.force_login(cast.alice)
    client.post(f"/p/{cast.project.code}/settings/", settings_form(slate="on"))
    assert Project.objects.get().slate is True
    client.post(f"/p/{cast.project.code}/settings/", settings_form())
    assert Project.objects.get().slate is False


def test_an_empty_budget_is_no_limit(client, cast):
    Project.objects.update(budget_microusd=5 * USD)
    User.objects.filter(pk=cast.alice.pk).update(
        is_staff=True
    )  # others set up to the studio's default
    client.force_login(cast.alice)
    client.post(f"/p/{cast.project.code}/settings/", settings_form(budget=""))
    assert Project.objects.get().budget_microusd is None


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "Give the project a name."),
        ("description", "d" * 201, "The description has 201 characters; 200 are allowed."),
        ("aspect_ratio", "2:1", "2:1 is not one of the available choices."),
        ("duration_s", "60", "60 is not one of the available choices."),
        ("budget", "lots", "The budget must be a number of dollars"),
        ("budget", "-1", "The budget must be 0 or more."),
        ("budget", "1.005", "The budget can have cents, not smaller parts."),
        ("budget", "1000001", "The budget must be at most 1,000,000 dollars."),
    ],
)
def test_a_wrong_setting_is_named_and_changes_nothing(client, cast, field, value, words):
    client.force_login(cast.alice)
    response = client.post(f"/p/{cast.project.code}/settings/", settings_form(**{field: value}))
    page = response.content.decode()
    assert response.status_code == 422
    assert words in page
    assert (
        '<button class="switch" type="button" popovertarget="switch-menu" aria-haspopup="menu"><span>Nordlys winter film</span>'
        in page
    )
    assert Project.objects.get().name == "Nordlys winter film"


@pytest.mark.parametrize("name", ["bob", "carol"])
def test_others_read_the_settings_without_forms(client, cast, name):
    client.force_login(getattr(cast, name))
    url = f"/p/{cast.project.code}/settings/"
    page = client.get(url).content.decode()
    assert "Alice" in page and "alice@example.com" in page
    assert re.findall(r'<form[^>]* action="(/p/[^"]+)"', page) == [f"/p/{cast.project.code}/leave/"]
    assert 'name="budget"' not in page
    assert client.post(url, settings_form()).status_code == 403
    assert Project.objects.get().name == "Nordlys winter film"


def test_an_outsider_finds_no_settings(client, cast):
    client.force_login(cast.dave)
    url = f"/p/{cast.project.code}/settings/"
    assert client.get(url).status_code == 404
    assert client.post(url, settings_form()).status_code == 404


# ---- Archive ---------------------------------------------------------------------------
def test_archiving_can_be_undone_from_the_toast(client, cast):
    client.force_login(cast.alice)
    response = client.post(f"/p/{cast.project.code}/archive/")
    assert response["Location"] == "/"
    assert Project.objects.get().archived_at
    undo = f"/p/{cast.project.code}/restore/"
    assert [m.extra_tags for m in get_messages(response.wsgi_request)] == [f"undo:{undo}"]
    client.post(undo)
    assert Project.objects.get().archived_at is None


def test_the_toast_offers_undo_on_the_next_page(client, cast):
    client.force_login(cast.alice)
    page = client.post(f"/p/{cast.project.code}/archive/", follow=True).content.decode()
    assert f'action="/p/{cast.project.code}/restore/"' in page
    assert ">Undo</button>" in page


def test_archiving_twice_keeps_the_first_time(client, cast):
    client.force_login(cast.alice)
    client.post(f"/p/{cast.project.code}/archive/")
    first = Project.objects.get().archived_at
    assert client.post(f"/p/{cast.project.code}/archive/").status_code == 302
    assert Project.objects.get().archived_at == first


@pytest.mark.parametrize("verb", ["archive", "restore"])
def test_archiving_is_for_owners(client, cast, verb):
    url = f"/p/{cast.project.code}/{verb}/"
    assert client.post(url)["Location"].startswith("/login/")
    for user, status in ((cast.bob, 403), (cast.carol, 403), (cast.dave, 404)):
        client.force_login(user)
        assert client.post(url).status_code == status
    client.force_login(cast.alice)
    assert client.get(url).status_code == 405
    assert Project.objects.get().archived_at is None
