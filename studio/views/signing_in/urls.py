"""Addresses of accounts: signing in, two-factor, sessions."""

from __future__ import annotations

from django.urls import URLPattern

from studio.address_rules import ISSUER, OWN, PASSWORD, PUBLIC, SIGNED_IN, address
from studio.views.signing_in import account, sessions, sso, two_factor

urlpatterns: list[URLPattern] = [
    address("login/", account.sign_in, PUBLIC.sending(PASSWORD), name="login"),
    address("logout/", account.sign_out, PUBLIC, name="logout"),
    address("welcome/", account.welcome, PUBLIC.sending(PASSWORD), name="welcome"),
    address("join/<str:token>/", account.join, PUBLIC.sending(PASSWORD), name="join"),
    address("account/", account.account, SIGNED_IN.sending(PASSWORD), name="account"),
    address("account/email/", account.confirm_email, SIGNED_IN, name="confirm-email"),
    address(
        "account/password/",
        account.change_password,
        SIGNED_IN.sending(PASSWORD),
        name="change-password",
    ),
    address("login/code/", two_factor.sign_in_code, PUBLIC.sending(PASSWORD), name="sign-in-code"),
    address(
        "account/two-factor/",
        two_factor.two_factor_page,
        SIGNED_IN.sending(PASSWORD),
        name="two-factor",
    ),
    address("account/two-factor/off/", two_factor.turn_off, SIGNED_IN, name="two-factor-off"),
    address("account/two-factor/codes/", two_factor.new_codes, SIGNED_IN, name="two-factor-codes"),
    address(
        "account/sessions/others/",
        sessions.end_other_sessions,
        SIGNED_IN,
        name="end-other-sessions",
    ),
    address("account/sessions/<int:pk>/end/", sessions.end_session, OWN, name="end-session"),
    address("sso/", sso.start, PUBLIC.asking(ISSUER), name="sso"),
    address("sso/callback/", sso.come_back, PUBLIC.asking(ISSUER), name="sso-callback"),
    address("sso/link/", sso.link, PUBLIC.sending(PASSWORD), name="sso-link"),
]
