"""Which passwords are refused, on every form that sets one, and in which normal form they are kept."""

from __future__ import annotations

import io
import unicodedata

import pytest
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client

from studio.models import Share, User
from studio.passwords import (
    COMMON,
    DIGITS,
    PERSONAL,
    REPEAT,
    RUN,
    SENTENCES,
    PredictablePasswordValidator,
    weakness,
)
from studio.services import people
from tests.factories import make_generation
from tests.people import PASSWORD, make_cast, make_person
from tests.sharing import share_clips

WEAK = {
    "123456789012": DIGITS, "098765432109": DIGITS, "198412312359": DIGITS, "2024-12-31-2359": DIGITS,
    "１２３４５６７８９０１２": DIGITS, "111111111111": DIGITS, "+4917012345678": DIGITS,
    "qwertyuiop12": RUN, "poiuytrewq21": RUN, "asdfghjklasdf": RUN, "QWERTYuiop!!": RUN, "azertyuiop123": RUN,
    "1qaz2wsx3edc": RUN, "1q2w3e4r5t6y": RUN, "abcdefghijkl": RUN, "qweasdzxcrfv": RUN, "qwertzuiopas": RUN,
    "!@#$%^&*()_+": RUN,
    "aaaaaaaaaaaa": RUN, "xk7xk7xk7xk7": REPEAT, "vbvbvbvbvbvb": REPEAT,
    "Gh4!Gh4!Gh4!": REPEAT,
    "alice-berg-12": PERSONAL, "AliceBerg2024": PERSONAL, "4l1c3b3rg!!1": PERSONAL, "àlíce bérg ab": PERSONAL,
    "nordlys-alice": PERSONAL, "raystudio2024": PERSONAL, "Studio-Alice1": PERSONAL,
    "password2024": COMMON, "P@ssw0rd1234": COMMON, "welcomeadmin1": COMMON,
}  # fmt: skip
STRONG = [
    PASSWORD, "a long enough one", "another long password", "qvzx mplk 78", "x-long-enough",
    "taken-over-now", "83920174658392017465", "twelve chars", "три слова подряд", "雨の夜に船が出る窓の外",
    "winter aurora over Alice", "tr0ub4dor & three", "a much newer password", "k7#Qz!vR2@mX",
]  # fmt: skip


@pytest.mark.parametrize(("password", "kind"), WEAK.items(), ids=list(WEAK))
def test_a_long_password_that_is_easy_to_guess_is_refused_with_its_reason(password, kind):
    alice = User(name="Alice Berg", email="alice@nordlys.example")
    with pytest.raises(ValidationError) as refused:
        PredictablePasswordValidator().validate(password, alice)
    assert refused.value.messages == [SENTENCES[kind]]


@pytest.mark.parametrize("password", STRONG)
def test_other_long_passwords_are_taken(password):
    alice = User(name="Alice Berg", email="alice@nordlys.example")
    PredictablePasswordValidator().validate(password, alice)


def test_the_words_of_this_studio_are_known(settings):
    settings.PUBLIC_URL, settings.SSO_NAME = "https://boreal.example", "Polaris Film"
    for password in ("boreal-boreal", "polaris2024!!"):
        with pytest.raises(ValidationError, match="the studio’s name"):
            PredictablePasswordValidator().validate(password)


def test_the_longest_password_is_measured_at_once(django_assert_num_queries):
    assert weakness("a" * 4096).unpredictable == 1
    assert weakness("ab" * 2048).unpredictable < 4


# ---- Every form --------------------------------------------------------------------------------
pytestmark = pytest.mark.django_db
WEAK_EVERYWHERE = ["123456789012", "qwertyuiop12", "Gh4!Gh4!Gh4!", "dagfinn-dagfinn"]
WHO = {"name": "Dagfinn", "email": "dagfinn@example.com"}


def welcome(password):
    path = people.welcome_link("http://testserver").removeprefix("http://testserver")
    return Client().post(path, WHO | {"password": password})


def join(password):
    cast = make_cast()
    _, token = people.create_invite(project=cast.project, role="editor", by=cast.alice)
    return Client().post(f"/join/{token}/", WHO | {"password": password})


def own_account(password):
    person = make_person("Dagfinn")
    client = Client()
    client.force_login(person)
    form = {"old_password": PASSWORD, "new_password1": password, "new_password2": password}
    return client.post("/account/password/", form)


def control_room_new(password):
    client = Client()
    client.force_login(make_person("Root", is_staff=True, is_superuser=True))
    form = WHO | {"password1": password, "password2": password}
    return client.post("/admin/studio/user/add/", form)


def control_room_reset(password):
    client = Client()
    client.force_login(make_person("Root", is_staff=True, is_superuser=True))
    person = make_person("Dagfinn")
    form = {"password1": password, "password2": password, "usable_password": "true"}
    return client.post(f"/admin/studio/user/{person.pk}/password/", form)


@pytest.mark.once  # refused by the form, before anything is written
@pytest.mark.parametrize("password", WEAK_EVERYWHERE)
@pytest.mark.parametrize("form", [welcome, join, own_account, control_room_new, control_room_reset])
def test_every_form_refuses_it(form, password):
    answer = form(password)
    assert answer.status_code in {200, 422}
    page = answer.content.decode()
    assert any(sentence in page for sentence in SENTENCES.values())
    person = User.objects.filter(email=WHO["email"]).first()
    assert person is None or person.check_password(PASSWORD)


def test_the_commands_refuse_it(monkeypatch):
    person = make_person("Dagfinn")
    monkeypatch.setattr("getpass.getpass", lambda prompt="": "123456789012")
    with pytest.raises(CommandError):
        call_command("changepassword", person.email, stdout=io.StringIO(), stderr=io.StringIO())
    person.refresh_from_db()
    assert person.check_password(PASSWORD)


# ---- Normal forms ------------------------------------------------------------------------------
COMPOSED = unicodedata.normalize("NFC", "l’été à Tromsø, ñandú")
APART = unicodedata.normalize("NFD", COMPOSED)


def sign_in(password):
    client = Client()
    form = {"username": "dagfinn@example.com", "password": password}
    return client.post("/login/", form).status_code == 302


@pytest.mark.parametrize("kept", [COMPOSED, APART])
@pytest.mark.parametrize("typed", [COMPOSED, APART])
def test_a_password_is_the_same_from_every_keyboard(kept, typed):
    person = make_person("Dagfinn")
    person.set_password(kept)
    person.save()
    assert sign_in(typed)


@pytest.mark.parametrize("kept", [COMPOSED, APART])
def test_a_hash_of_before_is_accepted_and_made_anew(kept):
    person = make_person("Dagfinn")
    User.objects.filter(pk=person.pk).update(password=make_password(kept))
    assert sign_in(kept) and sign_in(COMPOSED) and sign_in(APART)
    person.refresh_from_db()
    assert person.check_password(COMPOSED) and not person.has_old_password_form


# Twelve signs where accents are signs of their own, and six where they are not; and one that is longer.
SHORT, LONGER = (unicodedata.normalize("NFD", text) for text in ("ñéüåîö", "ñéüåîö två ord"))


def test_accents_that_are_signs_of_their_own_make_no_password_longer():
    boss = make_person("Dagfinn", is_staff=True, is_superuser=True)
    cast = make_cast()
    clip = make_generation(cast.project, files=True)
    two = "password1", "password2"
    for user, url, more, names in (
        (boss, f"/admin/studio/user/{cast.bob.pk}/password/", {"usable_password": "true"}, two),
        (boss, "/admin/studio/user/add/", {"email": "new@example.com", "name": "N"}, two),
        (
            cast.alice,
            f"/p/{cast.project.code}/shares/new/",
            {"expires": "7", "clip": clip.code},
            ["password"],
        ),
        (
            boss,
            "/account/password/",
            {"old_password": PASSWORD},
            ("new_password1", "new_password2"),
        ),
    ):
        client = Client()
        client.force_login(user)
        before = hashes()
        client.post(url, more | dict.fromkeys(names, SHORT[: 6 if len(names) == 1 else None]))
        assert hashes() == before, url
        client.post(url, more | dict.fromkeys(names, LONGER))
        assert hashes() != before, url


def hashes():
    return [set(model.objects.values_list("password", flat=True)) for model in (User, Share)]


def test_a_new_password_may_be_typed_on_two_keyboards():
    person = make_person("Dagfinn")
    client = Client()
    client.force_login(person)
    answer = client.post(
        "/account/password/",
        {"old_password": PASSWORD, "new_password1": APART, "new_password2": COMPOSED},
    )
    assert answer.status_code == 302 and sign_in(COMPOSED) and sign_in(APART)


def test_a_wrong_password_stays_wrong():
    make_person("Dagfinn")
    assert not sign_in("l’ete à Tromsø")


@pytest.mark.parametrize("kept", [COMPOSED, APART])
def test_a_links_password_is_the_same_from_every_keyboard(kept):
    cast = make_cast()
    clip = make_generation(cast.project, files=True)
    share, token = share_clips(cast.project, cast.bob, clip, password=kept)
    for typed in (COMPOSED, APART):
        assert Client().post(f"/s/{token}/open/", {"password": typed}).status_code == 302
    Share.objects.filter(pk=share.pk).update(password=make_password(kept))
    assert Client().post(f"/s/{token}/open/", {"password": kept}).status_code == 302
    assert Client().post(f"/s/{token}/open/", {"password": "ete"}).status_code == 422
