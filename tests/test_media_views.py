from __future__ import annotations

import uuid
from pathlib import Path
from urllib.parse import unquote

import pytest

from studio.media.serve import MAX_PART
from studio.models import Membership
from studio.models.generation import State
from tests.factories import make_generation, make_member, make_project, make_user

pytestmark = pytest.mark.django_db
KINDS = {
    ".mp4": ("clip", "video/mp4"),
    "-preview.mp4": ("preview", "video/mp4"),
    "-poster.webp": ("poster", "image/webp"),
    "-strip.webp": ("strip", "image/webp"),
}


@pytest.fixture
def made(owner):
    return make_generation(
        make_project(owner, name="Nordlys winter"), files=True, title="Aurora over the fjord"
    )


def url(made, tail=".mp4"):
    return f"/media/clips/{made.code}{tail}"


def body_of(response):
    return b"".join(response.streaming_content) if response.streaming else response.content


def bytes_of(made, name="clip"):
    with getattr(made, name).open("rb") as file:
        return file.read()


@pytest.mark.parametrize("tail", KINDS)
def test_each_file_is_served_as_what_it_is(me, made, tail):
    name, content_type = KINDS[tail]
    response = me.get(url(made, tail))
    assert response.status_code == 200
    assert response["Content-Type"] == content_type
    assert response["Cache-Control"] == "private, max-age=31536000, immutable"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "Content-Disposition" not in response
    assert body_of(response) == bytes_of(made, name)


def test_the_addresses_on_pages_are_the_addresses_served(me, made):
    for address in (made.clip_url, made.preview_url, made.poster_url, made.strip_url):
        assert me.get(address).status_code == 200


def test_a_part_is_served_as_asked(me, made):
    whole = bytes_of(made)
    response = me.get(url(made), headers={"Range": "bytes=10-19"})
    assert response.status_code == 206
    assert response["Content-Range"] == f"bytes 10-19/{len(whole)}"
    assert body_of(response) == whole[10:20]


def test_an_open_part_ends_after_a_megabyte(me, owner):
    made = make_generation(make_project(owner), files=True)
    with Path(made.clip.path).open("ab") as file:
        file.write(bytes(2 * MAX_PART))
    response = me.get(url(made), headers={"Range": "bytes=0-"})
    assert response["Content-Length"] == str(MAX_PART)


def test_a_part_outside_the_file_is_416(me, made):
    response = me.get(url(made), headers={"Range": "bytes=99999999-"})
    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{len(bytes_of(made))}"


def test_if_range_with_the_same_tag_gets_the_part_and_with_another_the_whole(me, made):
    tag = me.get(url(made))["ETag"]
    assert tag == f'"{made.sha256[:16]}-clip"'
    part = {"Range": "bytes=0-3"}
    assert me.get(url(made), headers=part | {"If-Range": tag}).status_code == 206
    assert me.get(url(made), headers=part | {"If-Range": '"older"'}).status_code == 200


def test_a_known_tag_is_answered_without_a_body(me, made):
    tag = me.get(url(made))["ETag"]
    response = me.get(url(made), headers={"If-None-Match": tag})
    assert response.status_code == 304
    assert response.content == b""


def test_every_file_of_a_clip_has_a_tag_of_its_own(me, made):
    assert len({me.get(url(made, tail))["ETag"] for tail in KINDS}) == len(KINDS)


def test_head_says_the_length_without_the_body(me, made):
    response = me.head(url(made))
    assert response.status_code == 200
    assert response["Content-Length"] == str(len(bytes_of(made)))
    assert response["Accept-Ranges"] == "bytes"
    assert body_of(response) == b""


def test_other_methods_are_refused(me, made):
    assert me.post(url(made)).status_code == 405
    assert me.delete(url(made)).status_code == 405


def test_a_download_has_a_name_people_understand_and_no_cap(me, made):
    type(made.project).objects.update(embed_provenance=False)
    response = me.get(made.clip_url + "&download")
    assert response["Content-Disposition"] == (
        'attachment; filename="nordlys-winter-001-aurora-over-the-fjord-take-1.mp4"'
    )
    assert body_of(response) == bytes_of(made)


def test_a_name_of_other_letters_still_downloads(me, owner):
    made = make_generation(make_project(owner, name="北"), files=True, title="夜")
    response = me.get(made.clip_url + "&download")
    said = response["Content-Disposition"]
    assert unquote(said) == "attachment; filename*=utf-8''北-001-夜-take-1.mp4"


@pytest.mark.parametrize("tail", KINDS)
def test_nothing_is_there_for_strangers(client, made, tail):
    assert client.get(url(made, tail)).status_code == 404
    client.force_login(make_user())
    assert client.get(url(made, tail)).status_code == 404
    client.force_login(make_user(is_staff=True, is_superuser=True))
    assert client.get(url(made, tail)).status_code == 404


def test_reviewers_may_watch(client, made):
    reviewer = make_user()
    make_member(made.project, reviewer, Membership.Role.REVIEWER)
    client.force_login(reviewer)
    assert client.get(url(made)).status_code == 200


def test_a_former_member_is_a_stranger(me, made, owner):
    Membership.objects.filter(user=owner).delete()
    assert me.get(url(made)).status_code == 404


@pytest.mark.parametrize(
    "tail", [".webp", "-poster.mp4", "-strip.mp4", "-preview.webp", "-other.mp4", ".mov", ""]
)
def test_a_wrong_name_is_404(me, made, tail):
    assert me.get(url(made, tail)).status_code == 404


def test_an_unknown_clip_is_404(me):
    assert me.get(f"/media/clips/{uuid.uuid4()}.mp4").status_code == 404


def test_a_shot_without_a_clip_has_no_files(me, owner):
    made = make_generation(make_project(owner), state=State.RUNNING)
    assert me.get(url(made)).status_code == 404


def test_a_file_missing_on_disk_is_404(me, made):
    made.clip.storage.delete(made.clip.name)
    assert me.get(url(made)).status_code == 404


def test_nginx_serves_it_where_it_is_set_up(me, made, settings):
    settings.STUDIO_ACCEL = "/protected/"
    response = me.get(url(made))
    assert response["X-Accel-Redirect"] == f"/protected/{made.clip.name}"
    assert response.content == b""


def test_a_part_costs_one_query_beyond_the_session(me, made, django_assert_num_queries):
    with django_assert_num_queries(3):
        response = me.get(url(made), headers={"Range": "bytes=0-99"})
    body_of(response)
