"""The control room speaks the studio's words on the pages that are Django's own."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest
from axes.models import AccessLog

from studio import ledger
from studio.models import LedgerEntry, ProviderAccount, Share, SpendRequest
from studio.services.sharing import making
from studio.services.sharing.making import Options, Source
from studio.templatetags.studio_tags import money
from tests.factories import make_generation, make_project
from tests.people import make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(client):
    root = make_person("Root", is_staff=True, is_superuser=True)
    client.force_login(root)
    return root


def words(client, path):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", client.get(path).content.decode()))


@pytest.mark.parametrize(
    ("path", "crumbs"),
    [
        ("/admin/health/", "Control room › Health"),
        ("/admin/studio/user/{pk}/password/", "Control room › People › Pia › Password"),
        ("/admin/studio/user/{pk}/history/", "Control room › People › Pia › History"),
    ],
)
def test_every_way_back_leads_by_the_control_room(client, root, path, crumbs):
    # Not one's own: the password of who is signed in is changed on the account page.
    assert crumbs in words(client, path.format(pk=make_person("Pia").pk))


def test_rows_are_counted_by_the_words_of_the_page(client, root):
    project = make_project(root)
    make_generation(project)
    assert " 1 clip " in words(client, "/admin/studio/generation/")
    make_generation(project)
    assert " 2 clips " in words(client, "/admin/studio/generation/")
    assert " 1 person " in words(client, "/admin/studio/user/")


def test_a_history_without_lines_says_so(client, root):
    page = words(client, f"/admin/studio/user/{root.pk}/history/")
    assert "Nothing was changed here by hand yet." in page


def test_an_account_that_made_something_is_disabled_and_not_deleted(client, root):
    account = ProviderAccount.objects.create(provider="apiframe", label="Team")
    page = f"/admin/studio/provideraccount/{account.pk}/"
    assert 'class="deletelink"' in client.get(f"{page}change/").content.decode()
    assert "Control room › Provider accounts ›" in words(client, f"{page}delete/")
    make_generation(make_project(root), account=account)
    assert 'class="deletelink"' not in client.get(f"{page}change/").content.decode()
    assert client.get(f"{page}delete/").status_code == 403
    assert client.post(f"{page}delete/", {"post": "yes"}).status_code == 403


def test_whether_a_share_asks_for_a_password_is_a_word(client, root):
    project = make_project(root)
    clip = make_generation(project)
    for password, word in (("", "none"), ("vinterlys", "asked for")):
        making.create_share(
            project=project,
            by=root,
            source=Source(clips=[clip]),
            options=Options(password=password),
        )
        share = Share.objects.latest("pk")
        page = words(client, f"/admin/studio/share/{share.pk}/change/")
        assert f"Password: {word}" in page
        assert "Last visit at: —" in page


# ---- Money and moments -----------------------------------------------------------------
def test_a_request_is_headed_by_dollars_and_shows_what_was_asked(client, root):
    asked = SpendRequest.objects.create(
        project=make_project(root),
        by=root,
        estimated_microusd=510_000,
        rule="Over",
        shot={"prompt": ["A boat"], "concepts": ["push_in", "tilt_up"], "end": [""]},
        created_at=datetime(2026, 11, 21, 18, 17, tzinfo=UTC),
    )
    page = words(client, f"/admin/studio/spendrequest/{asked.pk}/change/")
    assert "Root asks for $0.51" in page and "micro" not in page
    assert "&quot;prompt&quot;: &quot;A boat&quot;" in page and "&quot;end" not in page


def test_what_was_given_back_is_written_with_its_minus_in_front():
    assert money(-650_000) == "−$0.65"
    assert money(-5) == "> −$0.01"
    assert money(0) == "$0.00"


def test_the_ledger_names_accounts_and_months(client, root):
    account = ProviderAccount.objects.create(provider="aimlapi", label="Team")
    ledger.reserve(
        [make_generation(make_project(root), account=account, estimated_microusd=650_000)]
    )
    LedgerEntry.objects.update(
        month=date(2026, 11, 1), at=datetime(2026, 11, 21, 18, 17, tzinfo=UTC)
    )
    page = words(client, "/admin/studio/ledgerentry/")
    assert "AI/ML API (Team)" in page and "November 2026" in page
    assert "21 November 2026, 18:17" in page


def test_sign_ins_name_the_browser(client, root):
    AccessLog.objects.create(
        username="root@example.com",
        ip_address="10.0.0.4",
        user_agent="Mozilla (X11; Linux) Firefox/9",
    )
    assert "Firefox on Linux" in words(client, "/admin/axes/accesslog/")


@pytest.mark.parametrize(
    ("path", "title"),
    [("user", "Active"), ("export", "Made"), ("generationevent", "To"), ("keyframe", "Kind")],
)
def test_filters_are_headed_as_the_columns_are(client, root, path, title):
    make_generation(make_project(root))
    html = client.get(f"/admin/studio/{path}/").content.decode()
    assert f'data-title="{title}"' in html
    assert not re.search('data-title="(Is |[^"]+ at|superuser)', html, re.I)
