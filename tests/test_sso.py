"""Single sign-on, against a stand-in for an OpenID Connect issuer on this machine."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
import pytest
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth import SESSION_KEY

from studio.models import Activity, Membership, User
from studio.services import sso, two_factor
from studio.services.people import welcome_link
from tests.people import PASSWORD, make_cast, make_person
from tests.test_two_factor import clock, code_of, secret_of, turn_on  # noqa: F401 (a fixture)

pytestmark = pytest.mark.django_db
CLIENT, SECRET = "ray-studio", "issuer-secret-of-the-studio"
KEY = "x" * 32


class Issuer:
    """Answers as an issuer does, of the one person in `claims`; `broken` says how it does not."""

    def __init__(self):
        self.claims = {"sub": "1", "email": "alice@example.com", "email_verified": True}
        self.info = None  # what user info says, where it is not the same
        self.audience, self.broken, self.asked = CLIENT, "", {}
        self.token_of = lambda said: jwt.encode(said, KEY)
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.reply(issuer.get(self.path, self.headers))

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self.reply(issuer.token(dict(parse_qsl(body))))

            def reply(self, said):
                body = said.encode() if isinstance(said, str) else json.dumps(said).encode()
                self.send_response(400 if "error" in said else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def get(self, path, headers):
        if path == "/.well-known/openid-configuration":
            if self.broken == "nonsense":
                return "<html>Under repair</html>"
            return {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "userinfo_endpoint": f"{self.url}/me",
                "jwks_uri": f"{self.url}/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            }
        assert (path, headers["Authorization"]) == ("/me", "Bearer access")
        return self.info or self.claims

    def token(self, form):
        challenge = base64.urlsafe_b64encode(
            hashlib.sha256(form["code_verifier"].encode()).digest()
        )
        right = (
            form["code"] == "one-time"
            and form["client_secret"] == SECRET
            and form["redirect_uri"] == self.asked["redirect_uri"]
            and challenge.decode().rstrip("=") == self.asked["code_challenge"]
        )
        if not right:
            return {"error": "invalid_grant"}
        said = {"iss": self.url, "aud": self.audience, "exp": time.time() + 60} | self.claims
        return {"access_token": "access", "token_type": "bearer",
                "id_token": self.token_of(said)}  # fmt: skip


@pytest.fixture
def issuer(settings):
    issuer = Issuer()
    settings.SSO_ISSUER = issuer.url
    settings.SSO_CLIENT_ID, settings.SSO_CLIENT_SECRET = CLIENT, SECRET
    settings.SSO_NAME = "Nordlys"
    yield issuer
    issuer.server.shutdown()
    issuer.server.server_close()


def go(client, issuer, start="/sso/"):
    """Press the button, say yes at the issuer, and come back; return the studio's answer."""
    there = client.get(start)["Location"]
    assert there.startswith(f"{issuer.url}/authorize?"), there
    issuer.asked = {key: value for key, (value,) in parse_qs(urlsplit(there).query).items()}
    assert issuer.asked["redirect_uri"] == "http://testserver/sso/callback/"
    return come_back(client, issuer)


def come_back(client, issuer, **more):
    said = {"code": "one-time", "state": issuer.asked["state"]} | more
    return client.get(f"/sso/callback/?{urlencode(said)}")


def signed_in_as(client):
    return client.session.get(SESSION_KEY) and User.objects.get(pk=client.session[SESSION_KEY])


def make_without_password(name):
    person = make_person(name)
    person.set_unusable_password()
    person.email_confirmed = True
    person.save()
    return person


# ---- The button ------------------------------------------------------------------------
def test_without_an_issuer_there_is_no_button_and_no_address(client):
    make_person("Alice")
    assert "/sso/" not in client.get("/login/").content.decode()
    for path in ("/sso/", "/sso/callback/"):
        assert client.get(path).status_code == 404
    assert client.get("/sso/link/")["Location"] == "/login/"


def test_the_button_carries_where_one_wanted_to_go(client, issuer):
    make_without_password("Alice")
    page = client.get("/login/?next=/account/").content.decode()
    assert 'href="/sso/?next=/account/"' in page.replace("%2F", "/")
    assert "Sign in with Nordlys" in page
    assert go(client, issuer, "/sso/?next=/account/")["Location"] == "/account/"


def test_nobody_is_sent_on_to_another_site(client, issuer):
    make_without_password("Alice")
    assert go(client, issuer, "/sso/?next=https://evil.example/")["Location"] == "/"


def test_another_site_cannot_start_a_sign_in(client, issuer):
    answer = client.get("/sso/", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer["Location"] == "/login/"


# ---- Who comes in ----------------------------------------------------------------------
def test_an_account_with_a_password_is_linked_by_it_once(client, issuer):
    alice = make_person("Alice")
    assert go(client, issuer, "/sso/?next=/account/")["Location"] == "/sso/link/"
    assert SESSION_KEY not in client.session
    page = client.get("/sso/link/").content.decode()
    assert "alice@example.com" in page
    wrong = client.post("/sso/link/", {"password": "wrong"})
    assert wrong.status_code == 422 and "Four tries left." in wrong.content.decode()
    assert not SocialAccount.objects.exists()
    assert client.post("/sso/link/", {"password": PASSWORD})["Location"] == "/account/"
    assert signed_in_as(client) == alice
    client.post("/logout/")
    assert go(client, issuer)["Location"] == "/"
    assert signed_in_as(client) == alice


def test_guessing_the_password_there_is_slowed_down_as_at_the_door(client, issuer):
    make_person("Alice")
    go(client, issuer)
    answers = [client.post("/sso/link/", {"password": "wrong"}).status_code for _ in range(5)]
    assert answers == [422] * 4 + [429]
    assert client.post("/sso/link/", {"password": PASSWORD}).status_code == 429


def test_the_link_page_does_not_wait_for_ever(client, issuer, monkeypatch):
    make_person("Alice")
    go(client, issuer)
    now = time.time()
    monkeypatch.setattr("studio.views.signing_in.sso.time.time", lambda: now + 601)
    assert client.post("/sso/link/", {"password": PASSWORD})["Location"] == "/login/"


def test_an_account_without_a_password_is_linked_at_once(client, issuer):
    alice = make_without_password("Alice")
    issuer.claims["email"] = "Alice@Example.com"
    assert go(client, issuer)["Location"] == "/"
    assert signed_in_as(client) == alice


def test_a_linked_person_may_change_the_address_here(client, issuer):
    alice = make_without_password("Alice")
    go(client, issuer)
    client.post("/logout/")
    User.objects.filter(pk=alice.pk).update(email="berg@example.com")
    go(client, issuer)
    assert signed_in_as(client) == alice


def test_two_factor_is_asked_after_it_too(client, issuer, clock):  # noqa: F811
    alice = make_without_password("Alice")
    turn_on(alice, clock)
    assert go(client, issuer, "/sso/?next=/account/")["Location"] == "/login/code/"
    assert SESSION_KEY not in client.session
    code = {"code": code_of(secret_of(alice))}
    assert client.post("/login/code/", code)["Location"] == "/account/"
    assert signed_in_as(client) == alice
    assert two_factor.is_on(alice)


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"email_verified": False}, "does not say that alice@example.com is verified"),
        ({"email_verified": "false"}, "does not say that alice@example.com is verified"),
        ({"email_verified": 1}, "does not say that alice@example.com is verified"),
        ({"email": f"{'a' * 60}@{'b.' * 110}example.com"}, "did not say your e-mail address"),
        ({"email": ""}, "did not say your e-mail address"),
        ({"email": "stranger@example.com"}, "stranger@example.com has no account in this studio"),
        ({"email": "alice@elsewhere.example"}, "Addresses at elsewhere.example are not let in"),
        ({"email": "gone@example.com"}, "Your account in this studio is deactivated"),
    ],
)
def test_who_is_turned_away_reads_why(client, issuer, settings, claims, words):
    settings.SSO_DOMAINS = frozenset({"example.com"})
    make_without_password("Alice")
    make_person("Gone", is_active=False)
    issuer.claims |= claims
    answer = go(client, issuer)
    assert answer.status_code == 403
    assert words in answer.content.decode()
    assert SESSION_KEY not in client.session
    assert not SocialAccount.objects.exists()


@pytest.mark.parametrize(
    ("theirs", "here"),
    [
        # Letters that databases or Python take for k, i and s: other addresses, other people.
        ("mi\N{KELVIN SIGN}e@example.com", "mike@example.com"),
        ("m\N{LATIN SMALL LETTER DOTLESS I}ke@example.com", "mike@example.com"),
        ("\N{LATIN SMALL LETTER LONG S}am@example.com", "sam@example.com"),
        ("mike@example.com", "m\N{LATIN SMALL LETTER DOTLESS I}ke@example.com"),
    ],
)
def test_an_address_that_only_looks_the_same_opens_no_account(client, issuer, theirs, here):
    person = make_without_password("Person")
    User.objects.filter(pk=person.pk).update(email=here, email_confirmed=True)
    issuer.claims["email"] = theirs
    assert go(client, issuer).status_code == 403
    assert SESSION_KEY not in client.session and not SocialAccount.objects.exists()


def test_a_linked_person_deactivated_since_is_turned_away(client, issuer):
    alice = make_without_password("Alice")
    go(client, issuer)
    client.post("/logout/")
    alice.is_active = False
    alice.save()
    assert "deactivated" in go(client, issuer).content.decode()
    assert SESSION_KEY not in client.session


def test_an_address_given_on_does_not_open_the_first_ones_account(client, issuer):
    make_without_password("Alice")
    go(client, issuer)
    client.post("/logout/")
    issuer.claims["sub"] = "2"
    assert "linked to another account" in go(client, issuer).content.decode()
    assert SESSION_KEY not in client.session


def test_the_same_subject_of_another_issuer_is_somebody_else(client, issuer, settings):
    alice = make_without_password("Alice")
    sso.link(user=alice, subject="1")
    before = sso.provider_id()
    settings.SSO_ISSUER = "https://another.example"
    assert sso.provider_id() != before


# ---- Unknown people --------------------------------------------------------------------
@pytest.mark.parametrize(("kind", "role"), [("person", None), ("reviewer", "reviewer")])
def test_unknown_people_become_what_the_settings_say(client, issuer, settings, kind, role):
    settings.SSO_NEW_PEOPLE, settings.SSO_DOMAINS = kind, frozenset({"example.com"})
    cast = make_cast()
    issuer.claims |= {"email": "ingrid@example.com", "name": " Ingrid  Moe "}
    assert go(client, issuer)["Location"] == "/"
    ingrid = signed_in_as(client)
    assert (ingrid.name, ingrid.email) == ("Ingrid Moe", "ingrid@example.com")
    assert not ingrid.is_staff and not ingrid.has_usable_password()
    roles = Membership.objects.filter(user=ingrid, project=cast.project)
    assert list(roles.values_list("role", flat=True)) == ([role] if role else [])
    assert Activity.objects.filter(actor=ingrid).count() == (1 if role else 0)


def test_nobody_comes_in_before_the_first_owner(client, issuer, settings):
    settings.SSO_NEW_PEOPLE, settings.SSO_DOMAINS = "person", frozenset({"example.com"})
    assert go(client, issuer).status_code == 403
    assert welcome_link("http://testserver")


# ---- What goes wrong -------------------------------------------------------------------
def test_an_answer_nobody_asked_for_is_refused(client, issuer):
    make_without_password("Alice")
    there = client.get("/sso/")["Location"]
    issuer.asked = {key: value for key, (value,) in parse_qs(urlsplit(there).query).items()}
    for more in ({"state": "made-up"}, {"state": ""}):
        answer = come_back(client, issuer, **more)
        assert answer.status_code == 400 and "That did not work." in answer.content.decode()
    # Another browser's answer, and a second use of one's own.
    assert come_back(client, issuer).status_code == 302
    client.post("/logout/")
    assert come_back(client, issuer).status_code == 400
    assert SESSION_KEY not in client.session


@pytest.mark.parametrize("fault", ["code", "audience", "another person", "nonsense", "down"])
def test_an_issuer_that_answers_wrongly_lets_nobody_in(client, issuer, fault):
    make_without_password("Alice")
    there = client.get("/sso/")["Location"]
    issuer.asked = {key: value for key, (value,) in parse_qs(urlsplit(there).query).items()}
    more = {}
    if fault == "code":
        more = {"code": "stolen"}
    elif fault == "audience":
        issuer.audience = "another-program"
    elif fault == "another person":
        issuer.info = issuer.claims | {"sub": "2"}
    elif fault == "nonsense":
        issuer.broken = "nonsense"
    else:
        issuer.server.shutdown()
        issuer.server.server_close()
    answer = come_back(client, issuer, **more)
    assert answer.status_code == (403 if fault == "another person" else 502)
    assert SECRET not in answer.content.decode()
    assert SESSION_KEY not in client.session


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "9" * 1000},
        {"sub": "1\0"},
        {"sub": ["1"]},
        {"name": ["Alice"]},
        {"name": "Ali\0ce"},
        {"iss": "https://elsewhere.example"},
        {"exp": 1},
        {"exp": None},
    ],
)
def test_an_answer_that_no_issuer_gives_lets_nobody_in_and_breaks_nothing(client, issuer, claims):
    make_without_password("Alice")
    assert go(client, issuer).status_code == 302
    for subject in ("1", "2"):  # linked already, and not
        client.post("/logout/")
        issuer.claims |= {"sub": subject} | claims
        assert go(client, issuer).status_code == 502
        assert SESSION_KEY not in client.session


@pytest.mark.parametrize("info", [["1"], "1", 1])
def test_user_information_that_is_none_lets_nobody_in(client, issuer, info):
    make_without_password("Alice")
    issuer.info = info
    assert go(client, issuer).status_code == 502
    assert SESSION_KEY not in client.session


def test_a_token_without_an_end_lets_nobody_in(client, issuer):
    make_without_password("Alice")
    issuer.token_of = lambda said: jwt.encode({k: v for k, v in said.items() if k != "exp"}, KEY)
    assert go(client, issuer).status_code == 502
    assert SESSION_KEY not in client.session


def test_nothing_is_kept_of_an_answer_that_is_not_needed(client, issuer):
    make_without_password("Alice")
    issuer.claims |= {"picture": "https://elsewhere.example/alice.jpg", "phone_number": "1\0"}
    assert go(client, issuer).status_code == 302
    kept = SocialAccount.objects.get().extra_data
    assert set(kept["userinfo"]) == {"sub", "email", "email_verified"}


def test_an_issuer_that_is_down_is_said_at_the_button(client, issuer, settings):
    make_person("Alice")
    settings.SSO_ISSUER = "http://127.0.0.1:9"
    answer = client.get("/sso/")
    assert answer.status_code == 502
    assert "Nordlys does not answer" in answer.content.decode()


def test_saying_no_at_the_issuer_leads_back_to_the_door(client, issuer):
    make_person("Alice")
    there = client.get("/sso/")["Location"]
    issuer.asked = {key: value for key, (value,) in parse_qs(urlsplit(there).query).items()}
    state = urlencode({"state": issuer.asked["state"], "error": "access_denied"})
    answer = client.get(f"/sso/callback/?{state}", follow=True)
    assert "You did not go on with single sign-on." in answer.content.decode()
