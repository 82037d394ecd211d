"""Addresses of accounts: signing in, two-factor, sessions."""

from __future__ import annotations

from django.urls import URLPattern, path

from studio.views.signing_in import account, sessions, sso, two_factor

urlpatterns: list[URLPattern] = [
    path("login/", account.sign_in, name="login"),
    path("logout/", account.sign_out, name="logout"),
    path("welcome/", account.welcome, name="welcome"),
    path("join/<str:token>/", account.join, name="join"),
    path("account/", account.account, name="account"),
    path("account/password/", account.change_password, name="change-password"),
    path("login/code/", two_factor.sign_in_code, name="sign-in-code"),
    path("account/two-factor/", two_factor.two_factor_page, name="two-factor"),
    path("account/two-factor/off/", two_factor.turn_off, name="two-factor-off"),
    path("account/two-factor/codes/", two_factor.new_codes, name="two-factor-codes"),
    path("account/sessions/others/", sessions.end_other_sessions, name="end-other-sessions"),
    path("account/sessions/<int:pk>/end/", sessions.end_session, name="end-session"),
    path("sso/", sso.start, name="sso"),
    path("sso/callback/", sso.come_back, name="sso-callback"),
    path("sso/link/", sso.link, name="sso-link"),
]
