"""Signing in with a code, in a browser: every page of it at both sizes."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from playwright.sync_api import expect

from studio import vault
from tests.browser.conftest import DESKTOP, PHONE, axe, overflow
from tests.people import PASSWORD, make_person
from tests.test_two_factor import code_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_two_factor_is_turned_on_and_asked_for(open_as, settings, size, console_errors):
    settings.SSO_ISSUER, settings.SSO_NAME = "https://login.example", "Nordlys"
    alice = make_person("Alice")
    page = open_as(alice, "/account/two-factor/", viewport=size)

    def fine(heading):
        expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()
        assert axe(page) == []
        console_errors.clear()  # axe adds styles of its own, which our policy refuses
        assert overflow(page) == 0

    fine("Two-factor sign-in")
    # The picture really shows: the policy lets it.
    assert page.locator("img.qr").evaluate("node => node.complete && node.naturalWidth") > 0
    secret = page.locator(".secret").inner_text().replace(" ", "")
    page.get_by_label("Code the app shows").fill(code_of(secret))
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Turn it on").click()
    fine("It is on")
    with page.expect_download() as file:
        page.get_by_role("link", name="Download").click()
    assert len(file.value.path().read_text().split("\n\n")[1].splitlines()) == 10
    recovery = page.locator(".codes li").first.inner_text()
    page.goto(page.url)
    fine("Two-factor sign-in")

    page.context.clear_cookies()
    page.goto(page.url.replace("/account/two-factor/", "/login/"))
    fine("Roll when you’re ready.")
    expect(page.get_by_role("link", name="Sign in with Nordlys")).to_be_visible()
    page.get_by_label("Email").fill(alice.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    fine("And the code.")
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("That code doesn’t fit.")).to_be_visible()
    fine("And the code.")
    page.get_by_label("Code").fill(recovery)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: url.endswith("/") and "/login" not in url)
    row = Authenticator.objects.get(type="totp")
    assert secret == vault.unlock(row.data["secret"])
