"""The control room speaks the studio's words on the pages that are Django's own."""

from __future__ import annotations

import re

import pytest

from studio.models import ProviderAccount, Share
from studio.services.sharing import making
from studio.services.sharing.making import Options, Source
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
        ("/admin/studio/user/{pk}/password/", "Control room › People › Root › Password"),
        ("/admin/studio/user/{pk}/history/", "Control room › People › Root › History"),
    ],
)
def test_every_way_back_leads_by_the_control_room(client, root, path, crumbs):
    assert crumbs in words(client, path.format(pk=root.pk))


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
