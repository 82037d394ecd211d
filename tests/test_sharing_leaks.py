"""What a link does not open cannot be reached through it: not by guessing, not by any address."""

from __future__ import annotations

import re
import uuid

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from studio.models import (
    Chain,
    Comment,
    Generation,
    GivenVerdict,
    Guest,
    Membership,
    SavedView,
    Segment,
    Share,
)
from studio.models.generation import State
from studio.services.sharing import making
from studio.services.sharing.making import Options, Source
from tests.factories import make_comment, make_generation, make_still
from tests.sharing import browser, browser_of, share_clips

pytestmark = pytest.mark.django_db
PROMPT = "A velvet walrus conducts thunder over Trondheim"
# Words that stand in the project and must stand on no page of a guest.
SECRETS = (
    "velvet", "walrus", "nordlys", "example.com", "alice", "bob", "hidden shot", "luma", "ray-2",
    "push in", "seed", "4711", "teams eyes only",
)  # fmt: skip
# Pages that anybody may open. They say nothing of any project.
PUBLIC = {
    "login",
    "welcome",
    "join",
    "robots",
    "favicon",
    "healthz",
    "readyz",
    "metrics",
    "webhook-docs",
    "unsubscribe",
}


@pytest.fixture
def clips(cast):
    """One clip the link opens, and one of every kind that it does not."""
    common = {"prompt": PROMPT, "sent_prompt": PROMPT, "provider": "luma", "model": "ray-2"}
    common |= {"concepts": ["push_in"], "files": True, "actual_microusd": 4_711_000}
    made = {
        "open": make_generation(cast.project, title=PROMPT[:32], charged="yes", **common),
        "other": make_generation(cast.project, title="Hidden shot", **common),
        "archived": make_generation(
            cast.project, title="Hidden shot", archived_at=timezone.now(), **common
        ),
        "deleted": make_generation(
            cast.project, title="Hidden shot", archived_at=timezone.now(),
            deleted_at=timezone.now(), **common,
        ),
        "failed": make_generation(
            cast.project, title="Hidden shot", state=State.FAILED, prompt=PROMPT, failure_text="No"
        ),
    }  # fmt: skip
    make_comment(made["open"], cast.alice, "For the teams eyes only")
    make_comment(made["other"], cast.alice, "For the teams eyes only")
    return made


@pytest.fixture
def shared(cast, clips):
    gone = [clips["archived"], clips["deleted"], clips["failed"]]
    share, token = share_clips(
        cast.project, cast.bob, clips["open"], may_decide=True, may_download=True, title="Round 2"
    )
    # Even where they were put into the share before, or by hand.
    share.generations.add(*gone)
    return share, token


def patterns(resolver, before=""):
    """Every pattern of the studio's table of addresses, as written; the admin's own left out."""
    for one in resolver.url_patterns:
        route = before + str(one.pattern)
        if isinstance(one, URLResolver):
            if one.app_name != "admin":
                yield from patterns(one, route)
        elif isinstance(one, URLPattern):
            yield one.name, route


def addresses(route, codes):
    """The pattern with each of these codes in its place."""
    filled = route.replace("<int:pk>", "1").replace("<int:position>", "1")
    filled = re.sub(r"<(str|slug|path|int):[a-z_]+>", "x1", filled)
    filled = re.sub(r"<uuid:(?!code)[a-z_]+>", str(uuid.uuid4()), filled)
    if "(?P" in filled or "^" in filled:
        return []
    return [f"/{filled.replace('<uuid:code>', str(code))}" for code in codes]


def words_of(answer):
    raw = b"".join(answer.streaming_content) if answer.streaming else answer.content
    # Its id is made of chance, and any number may stand in that.
    headers = {name: value for name, value in answer.headers.items() if name != "X-Request-ID"}
    said = raw.decode(errors="replace") + repr(headers)
    # Nor is a token against forgery a word: a short name comes up in one of some hundred.
    return re.sub(r"[A-Za-z0-9]{32,}", "", said).lower()


def no_secret(answer, where):
    said = words_of(answer)
    # The name of the browser's own cookie or of a static file is not a word of the project.
    said = re.sub(r"/static/\S+", "", said)
    assert not [word for word in SECRETS if word in said], where


def test_a_later_takes_title_tells_nothing_of_the_first_prompt(cast, clips):
    """Takes keep the title of the first one, whatever their own prompts say; alone in a link too."""
    first = clips["open"]
    later = make_generation(
        cast.project, title=first.title, prompt="Fog", shot=first.shot, take=2, files=True
    )
    _, token = share_clips(cast.project, cast.bob, later, may_download=True)
    guest = browser()
    page = guest.get(f"/s/{token}/", follow=True)
    no_secret(page, "page")
    assert "Clip 1" in page.content.decode()
    no_secret(guest.get(f"/s/{token}/media/{later.code}.mp4?download"), "download")
    _, shows = share_clips(cast.project, cast.bob, later, shows_prompts=True)
    assert first.title in browser().get(f"/s/{shows}/", follow=True).content.decode()


def table():
    return [
        (name, route) for name, route in patterns(get_resolver()) if not re.match(r"\^?s/", route)
    ]


def rows():
    """Counts of all that an address could make, change or take away."""
    counted = {m.__name__: m.objects.count() for m in (Comment, GivenVerdict, Share, Chain, Guest)}
    changed = list(Generation.objects.order_by("pk").values_list("pk", "version", "archived_at"))
    return counted, changed


def test_no_address_of_the_studio_opens_for_a_guest(cast, clips, shared, settings):
    # Without it the metrics open for this machine, which is where this guest sits.
    settings.METRICS_TOKEN = "the-operators-token"
    share, token = shared
    chain = Chain.objects.create(project=cast.project, title="Hidden shot", created_by=cast.alice)
    still = make_still(cast.project)
    comment = Comment.objects.first()
    codes = [c.code for c in clips.values()]
    codes += [cast.project.code, chain.code, share.code, still.code, comment.code]
    client = browser_of(share, "Ingrid")
    client.get(f"/s/{token}/")
    before, seen = rows(), 0
    for name, route in table():
        for url in addresses(route, codes) or []:
            for ask in (client.get, client.post):
                answer = ask(url)
                seen += 1
                where = (name, url, ask.__name__)
                assert answer.status_code < 500, where
                no_secret(answer, where)
                if answer.status_code == 200:
                    assert name in PUBLIC, where
    assert seen > 500
    assert rows() == before


def test_the_control_room_is_shut(cast, clips, shared):
    client = browser_of(shared[0], "Ingrid")
    for path in ("", "studio/share/", "studio/guest/", "studio/generation/"):
        assert client.get(f"/admin/{path}")["Location"].startswith("/login/")


@pytest.mark.parametrize("which", ["other", "archived", "deleted", "failed", "nowhere"])
def test_other_clips_codes_open_nothing_under_this_link(clips, shared, which):
    share, token = shared
    code = clips[which].code if which in clips else uuid.uuid4()
    client = browser_of(share, "Ingrid")
    before = rows()
    for tail in ("", "changes/", "changes/?since=0"):
        answer = client.get(f"/s/{token}/clips/{code}/{tail}")
        assert answer.status_code == 404, tail
        no_secret(answer, tail)
    for kind in (".mp4", "-preview.mp4", "-poster.webp", "-strip.webp", ".mp4?download"):
        assert client.get(f"/s/{token}/media/{code}{kind}").status_code == 404, kind
        assert client.get(f"/media/clips/{code}{kind}").status_code == 404, kind
    for tail, data in (("comments/", {"text": "Hello"}), ("verdict/", {"verdict": "approved"})):
        data |= {"name": "Ingrid"}
        assert client.post(f"/s/{token}/clips/{code}/{tail}", data).status_code == 404
    assert rows() == before


@pytest.mark.parametrize(
    "tail", [".webp", "-poster.mp4", "-raw.mp4", "-poster.webp/../x", ".mp4%00", "-strip.webp.mp4"]
)
def test_media_have_no_other_names(clips, shared, tail):
    assert browser().get(f"/s/{shared[1]}/media/{clips['open'].code}{tail}").status_code == 404


def test_segments_a_chain_lost_or_never_had_are_not_opened(cast, clips):
    chain = Chain.objects.create(project=cast.project, title="Night", created_by=cast.alice)
    kept = Segment.objects.create(chain=chain, position=1, generation=clips["open"])
    Segment.objects.create(chain=chain, position=2, generation=clips["archived"])
    branch = Chain.objects.create(
        project=cast.project, title="Other", created_by=cast.alice,
        branched_from=chain, branched_position=1,
    )  # fmt: skip
    Segment.objects.create(chain=branch, position=2, generation=clips["other"])
    _, token = making.create_share(
        project=cast.project, by=cast.bob, source=Source(chain=chain), options=Options()
    )
    client = browser()
    for which, status in (("open", 200), ("archived", 404), ("other", 404)):
        for url in (f"clips/{clips[which].code}/", f"media/{clips[which].code}.mp4"):
            assert client.get(f"/s/{token}/{url}").status_code == status, (which, url)
    kept.delete()
    assert client.get(f"/s/{token}/media/{clips['open'].code}.mp4").status_code == 404


def test_a_view_opens_what_matches_and_not_its_question(cast, clips):
    view = SavedView.objects.create(
        project=cast.project,
        owner=cast.bob,
        name="Hidden shot",
        query="q=walrus&by=me&archived=with",
    )
    _, token = making.create_share(
        project=cast.project, by=cast.bob, source=Source(saved_view=view), options=Options()
    )
    answer = browser().get(f"/s/{token}/")
    assert answer.status_code == 200
    no_secret(answer, "the first page")


def test_nothing_on_a_guests_pages_tells_of_the_project(cast, clips, shared):
    share, token = shared
    client = browser_of(share, "Ingrid")
    code = clips["open"].code
    home, page = f"/s/{token}/", f"/s/{token}/clips/{code}/"
    client.post(f"{page}comments/", {"text": "Hello"})
    live = {"HX-Request": "true"}
    answers = [
        client.get(home, follow=True),
        client.get(page),
        client.get(f"{page}changes/?since=x", headers=live),
        client.get(f"{home}changes/?since=x", headers=live),
        client.get(f"{home}name/"),
        client.post(f"{page}comments/", {"text": ""}, headers=live),
        client.post(f"{page}verdict/", {"verdict": "approved"}, headers=live),
        browser().post(f"{page}comments/", {"text": "Hello"}),
    ]
    for answer in answers:
        assert answer.status_code in (200, 422)
        no_secret(answer, answer.request["PATH_INFO"])
        html = answer.content.decode()
        assert (
            not re.search(rf"clip {clips['open'].number}\b(?! of)", html, re.I) or "Clip 1" in html
        )
        links = re.findall(r'(?:href|src|action|formaction|hx-get|hx-post|poster)="([^"]+)"', html)
        inner = [a for a in links if not a.startswith((f"/s/{token}/", "/static/", "#", "?"))]
        assert inner == [], answer.request["PATH_INFO"]


def test_every_number_a_guest_gets_is_of_the_share(cast, clips, shared):
    """Neither the clip's number nor its version stands on the page."""
    _, token = shared
    Generation.objects.filter(pk=clips["open"].pk).update(number=86420, version=97531)
    page = browser().get(f"/s/{token}/clips/{clips['open'].code}/").content.decode()
    assert "86420" not in page and "97531" not in page


def test_closed_pages_say_nothing_either(cast, shared):
    share, token = shared
    making.revoke_share(share=share)
    for url in (f"/s/{token}/", f"/s/{token}/name/", f"/s/{token}/open/"):
        answer = browser().get(url)
        assert answer.status_code == 410
        no_secret(answer, url)
        assert "Round 2" not in answer.content.decode()
    unknown = browser().get("/s/nobody-made-this/")
    assert unknown.status_code == 404
    assert "noindex" in unknown["X-Robots-Tag"]


def test_a_revoked_link_takes_nothing_more(clips, shared):
    share, token = shared
    client = browser_of(share, "Ingrid")
    making.revoke_share(share=share)
    page = f"/s/{token}/clips/{clips['open'].code}/"
    before = rows()
    assert client.post(f"{page}comments/", {"text": "Hello"}).status_code == 410
    assert client.post(f"{page}verdict/", {"verdict": "approved"}).status_code == 410
    assert client.post(f"/s/{token}/name/", {"name": "Olav"}).status_code == 410
    live = client.get(f"{page}changes/", headers={"HX-Request": "true"})
    assert live["HX-Redirect"] == f"/s/{token}/"
    assert rows() == before


@pytest.mark.parametrize("page", ["comments/", "verdict/", "name/"])
def test_posts_the_link_does_not_allow_are_refused(cast, clips, page):
    share, token = share_clips(cast.project, cast.bob, clips["open"], may_comment=False)
    client = browser_of(share, "Ingrid")
    before = rows()
    url = f"/s/{token}/" + ("" if page == "name/" else f"clips/{clips['open'].code}/") + page
    data = {"text": "Hello", "verdict": "approved", "name": "Olav"}
    assert client.post(url, data).status_code == 403
    assert rows() == before
    shown = client.get(f"/s/{token}/clips/{clips['open'].code}/").content.decode()
    assert "<form" not in shown


def test_comments_alone_do_not_allow_a_verdict_nor_the_other_way_round(cast, clips):
    talk, talk_token = share_clips(cast.project, cast.bob, clips["open"])
    judge, judge_token = share_clips(
        cast.project, cast.bob, clips["open"], may_comment=False, may_decide=True
    )
    code = clips["open"].code
    answer = browser_of(talk, "I").post(
        f"/s/{talk_token}/clips/{code}/verdict/", {"verdict": "approved", "text": "Hello"}
    )
    assert answer.status_code == 403
    client = browser_of(judge, "I")
    url = f"/s/{judge_token}/clips/{code}/"
    assert client.post(f"{url}comments/", {"text": "Hello"}).status_code == 403
    assert (
        client.post(f"{url}verdict/", {"verdict": "needs_changes", "text": "Slower"}).status_code
        == 302
    )
    assert Comment.objects.filter(guest__share=judge).get().text == "Slower"


def test_a_guest_of_another_link_is_a_stranger_here(cast, clips, shared):
    share, token = shared
    other, _ = share_clips(cast.project, cast.bob, clips["other"], may_decide=True)
    client = browser_of(other, "Olav")
    for name, value in list(client.cookies.items()):
        # The cookie of the other share, laid under this one's name.
        client.cookies[name.replace(other.code.hex, share.code.hex)] = value.value
    answer = client.post(f"/s/{token}/clips/{clips['open'].code}/comments/", {"text": "Hello"})
    assert "Who is speaking?" in answer.content.decode()
    assert not Comment.objects.filter(guest=Guest.objects.get(name="Olav")).exists()


def test_a_guest_cannot_reach_comments_by_their_codes(cast, clips, shared):
    share, token = shared
    client = browser_of(share, "Ingrid")
    client.post(f"/s/{token}/clips/{clips['open'].code}/comments/", {"text": "Mine"})
    before = rows()
    for comment in Comment.objects.all():
        answer = client.post(f"/comments/{comment.code}/resolve/", {"resolved": "1"})
        assert answer.status_code in (302, 404)
    assert not Comment.objects.exclude(resolved_at=None).exists()
    assert rows() == before


def test_posts_need_the_token_against_forged_requests(clips, shared):
    share, token = shared
    client = browser_of(share, "Ingrid")
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    page = f"/s/{token}/clips/{clips['open'].code}/"
    for url in (f"{page}comments/", f"{page}verdict/", f"/s/{token}/name/"):
        data = {"text": "Hello", "verdict": "approved", "name": "Olav"}
        assert strict.post(url, data).status_code == 403, url
    assert not Comment.objects.filter(guest__isnull=False).exists()
    form = strict.get(page).content.decode()
    key = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    answer = strict.post(f"{page}comments/", {"text": "Hello", "csrfmiddlewaretoken": key[1]})
    assert answer.status_code == 302


def test_a_member_elsewhere_gains_nothing_by_a_link(cast, clips, shared):
    """An account in another project and a link together open what the link opens."""
    client = browser()
    client.force_login(cast.dave)
    assert client.get(f"/s/{shared[1]}/", follow=True).status_code == 200
    assert client.get(f"/clips/{clips['open'].code}/").status_code == 404
    assert client.get(f"/media/clips/{clips['open'].code}.mp4").status_code == 404
    assert not Membership.objects.filter(user=cast.dave).exists()
