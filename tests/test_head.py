"""HEAD: every address that answers GET answers HEAD with the same status and headers, and no body."""

from __future__ import annotations

import http.client

import pytest
from django.db import transaction
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory
from django.urls import get_resolver

from studio.middleware import HeadMiddleware
from studio.models import Notification
from studio.views.news.webhooks import SHOWN_ONCE
from tests.processes import ROOT
from tests.sharing import BROWSER, share_clips
from tests.test_access import TABLE, address, things  # noqa: F401  (a fixture)
from tests.test_fuzz_pages import asker, client_of, where  # noqa: F401  (a fixture)

pytestmark = pytest.mark.django_db
# Of one answer each: an id, a moment, a masked token.
OF_ONE_ANSWER = {"X-Request-ID", "Expires", "Set-Cookie", "Date"}
# Figures of this moment, and a key that is drawn anew.
OTHER_EACH_TIME = {"/metrics", "/account/two-factor/"}
PEOPLE = ("alice", "carol", "guest", "anonymous")
ICONS = ("/favicon.ico", "/robots.txt", "/static/studio/icons/mark.svg", "/static/nothing.css")


def ask(client, method, url, **headers):
    """The answer, with everything it changed undone."""
    cookies = client.cookies.copy()
    with transaction.atomic():
        answer = client.generic(method, url, headers=headers)
        if answer.streaming:
            b"".join(answer.streaming_content)
        transaction.set_rollback(True)
    client.cookies = cookies
    return answer


def stable(answer):
    return {name: value for name, value in answer.headers.items() if name not in OF_ONE_ANSWER}


def differences(client, urls):
    """What GET and HEAD answer differently; and how many answered GET at all."""
    found, answered = [], 0
    for url in urls:
        get = ask(client, "GET", url)
        if get.status_code == 405:
            continue
        answered += 1
        head = ask(client, "HEAD", url)
        unlike = {*stable(get).items()} ^ {*stable(head).items()}
        if url in OTHER_EACH_TIME:
            unlike = {pair for pair in unlike if pair[0] != "Content-Length"}
        if head.status_code != get.status_code or unlike:
            found.append((url, get.status_code, head.status_code, unlike))
    return found, answered


@pytest.mark.parametrize("person", PEOPLE)
def test_every_address_answers_head_as_get(things, asker, person, settings):  # noqa: F811
    settings.WHITENOISE_USE_FINDERS = settings.WHITENOISE_AUTOREFRESH = True
    urls = [where(name, things) for name in TABLE]
    found, answered = differences(
        client_of(person, things), [*urls, "/nothing-here/", "/s/", *ICONS]
    )
    assert not found, "\n".join(map(str, found))
    assert answered > len(TABLE) / 3


def test_every_page_of_the_control_room_answers_head_as_get(things):  # noqa: F811
    staff = things["cast"].alice
    staff.is_staff = staff.is_superuser = True
    staff.save()
    client = Client()
    client.force_login(staff)
    admin = next(
        one for one in get_resolver().url_patterns if getattr(one, "app_name", "") == "admin"
    )
    plain = sorted({str(one.pattern) for one in admin.url_patterns if "<" not in str(one.pattern)})
    urls = [f"/admin/{route}" for route in plain if not route.startswith(("^", "(?"))]
    found, answered = differences(client, [url for url in urls if "logout" not in url])
    assert not found, "\n".join(map(str, found))
    assert answered > 10


def test_head_of_a_page_marks_nothing_read_and_counts_no_visit(things):  # noqa: F811
    cast = things["cast"]
    client = Client()
    client.force_login(cast.alice)
    note = Notification.objects.get(user=cast.alice)
    clip = cast.project.generations.first()
    note.activity.generation = clip
    note.activity.save()
    client.head(f"/notifications/{note.pk}/")
    client.head(f"/clips/{clip.code}/")
    client.head(f"/p/{cast.project.code}/activity/")
    note.refresh_from_db()
    assert note.read_at is None
    assert cast.member("alice").seen_activity == 0
    client.get(f"/clips/{clip.code}/")
    note.refresh_from_db()
    assert note.read_at is not None

    share, token = share_clips(cast.project, cast.alice, clip)
    url, guest = f"/s/{token}/clips/{clip.code}/", Client(headers={"user-agent": BROWSER})
    guest.head(url)
    share.refresh_from_db()
    assert share.visits == 0
    guest.get(url)
    share.refresh_from_db()
    assert share.visits == 1


def test_head_uses_up_neither_a_message_nor_a_secret_that_is_shown_once(things):  # noqa: F811
    cast = things["cast"]
    client = Client()
    client.force_login(cast.alice)
    session = client.session
    session[SHOWN_ONCE] = [str(things["hook"]), "whsec_shown-once"]
    session.save()
    client.post("/account/", {"name": "Alice", "email": cast.alice.email})
    hook = address("webhook-detail", things)
    for url in (hook, "/account/"):
        client.head(url)
    page = client.get(hook).content.decode()
    assert "whsec_shown-once" in page and "Saved." in page
    assert "whsec_shown-once" not in client.get(hook).content.decode()


def test_head_of_a_clip_is_whole_whatever_range_is_asked_for(things):  # noqa: F811
    client = Client()
    client.force_login(things["cast"].alice)
    clip = things["cast"].project.generations.get(code=things["clip"])
    part = {"Range": "bytes=10-19"}
    get, head = client.get(clip.clip_url), client.head(clip.clip_url, headers=part)
    assert client.get(clip.clip_url, headers=part).status_code == 206
    # RFC 9110, 14.2: a range is of GET alone.
    assert head.status_code == 200
    for name in ("Content-Length", "ETag", "Accept-Ranges", "Content-Type", "Last-Modified"):
        assert head.headers.get(name) == get.headers.get(name), name
    assert int(head["Content-Length"]) == clip.clip.size
    held = {"If-None-Match": get["ETag"]}
    assert client.head(clip.clip_url, headers=held).status_code == 304


class Closing:
    """A file that says whether it was closed and read."""

    closed = was_read = False

    def read(self, *_):
        self.was_read = True
        return b""

    def close(self):
        self.closed = True


def test_the_icon_every_browser_asks_for_is_the_studios_mark(client):
    answer = client.get("/favicon.ico")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/svg+xml")
    assert answer.content == (ROOT / "static" / "studio" / "icons" / "mark.svg").read_bytes()
    assert answer["Cache-Control"] == "public, max-age=86400" and not answer.cookies


def test_no_body_goes_out_and_what_it_came_from_is_closed():
    asked = RequestFactory().head("/")
    page = HeadMiddleware(lambda _: HttpResponse("words", headers={"Content-Length": "5"}))(asked)
    assert (page.content, page["Content-Length"]) == (b"", "5")
    file = Closing()
    answer = HeadMiddleware(lambda _: FileResponse(file))(asked)
    assert list(answer) == [] and answer.file_to_stream is None
    answer.close()
    assert file.closed and not file.was_read
    streamed = HeadMiddleware(lambda _: StreamingHttpResponse(iter([b"zip"])))(asked)
    assert b"".join(streamed) == b""


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", "GET, HEAD, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/login/", "GET, HEAD, POST, OPTIONS"),
        ("/logout/", "POST, OPTIONS"),
    ],
)
def test_options_names_what_an_address_takes(client, path, allowed):
    answer = client.options(path)
    assert (answer.status_code, answer.content, answer["Allow"]) == (204, b"", allowed)
    assert client.put(path).status_code == 405


@pytest.mark.processes
@pytest.mark.once
def test_a_probe_leaves_no_line_in_the_log(studio_process):
    paths = ("/", "/login/", "/healthz", "/readyz", "/metrics", "/nothing", "/s/none/", *ICONS)
    before = len(studio_process.lines)
    for method in ("GET", "HEAD", "OPTIONS"):
        for path in paths:
            connection = http.client.HTTPConnection("127.0.0.1", studio_process.port, timeout=60)
            connection.request(method, path)
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            assert answer.status < 500, (method, path)
            if method == "HEAD":
                assert body == b""
                assert answer.status in (
                    {404} if "noth" in path or "none" in path else {200, 302}
                ), path
    assert studio_process.lines[before:] == []
