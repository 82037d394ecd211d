"""Single sign-on: to the issuer and back, the password that links an account, and refusals."""

from __future__ import annotations

import logging
import time
from typing import Any

import requests
from allauth.account.utils import perform_login
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_safe

from studio.forms.two_factor import PasswordForm
from studio.http import require_safe_or_post
from studio.models import User
from studio.services import sso
from studio.services.errors import StudioError
from studio.services.signing_in import TooManyTries, check_password
from studio.views.signing_in.account import locked_out, next_page

logger = logging.getLogger(__name__)

# In the session: whom the issuer vouched for, until they have written their studio password.
WAITING = "studio_sso_waiting"
WAITS_S = 600
# What an issuer that is down, or answers nonsense, ends in.
UNANSWERED = (requests.RequestException, OAuth2Error, ValueError, KeyError)


class _Issuer(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # allauth is untyped
    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        if settings.PUBLIC_URL:
            return f"{settings.PUBLIC_URL}/sso/callback/"
        return request.build_absolute_uri("/sso/callback/")

    def complete_login(self, *args: Any, **kwargs: Any) -> SocialLogin:
        """Read the issuer's answer. Raises ValueError for one that no issuer gives."""
        try:
            login = super().complete_login(*args, **kwargs)
        except (AttributeError, TypeError, ImproperlyConfigured) as error:
            raise ValueError("It is not of the shape it must have.") from error
        login.account.extra_data = sso.readable(login.account.extra_data)
        return login


@never_cache
@require_safe
def start(request: HttpRequest) -> HttpResponseBase:
    """Send somebody to the issuer. Only from a page of ours: nobody else starts a sign-in here."""
    if not sso.is_configured():
        raise Http404("Single sign-on is not configured.")
    goal = next_page(request)
    if request.user.is_authenticated:
        return HttpResponseRedirect(goal)
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        return redirect("login")
    provider = get_adapter().get_provider(request, sso.provider_id())
    provider.oauth2_adapter_class = _Issuer
    try:
        answer: HttpResponseBase = provider.redirect(request, AuthProcess.LOGIN, next_url=goal)
    except UNANSWERED as error:
        return unanswered(request, error)
    return answer


@never_cache
@require_safe
def come_back(request: HttpRequest) -> HttpResponseBase:
    """Take what the issuer sends somebody back with; sso.SsoAdapter decides who comes in."""
    if not sso.is_configured():
        raise Http404("Single sign-on is not configured.")
    view = OAuth2CallbackView.adapter_view(_Issuer(request, sso.provider_id()))
    try:
        answer: HttpResponseBase = view(request)
    except UNANSWERED as error:
        return unanswered(request, error)
    return answer


def ask_for_password(
    request: HttpRequest, sociallogin: SocialLogin, claims: sso.Claims
) -> HttpResponse:
    """Go on at the page that links an account: e-mails here are typed, not verified."""
    request.session[WAITING] = {
        "subject": claims.subject,
        "email": claims.email,
        "next": sociallogin.get_redirect_url(request) or "/",
        "until": int(time.time()) + WAITS_S,
    }
    return redirect("sso-link")


@never_cache
@sensitive_post_parameters("password")
@require_safe_or_post
def link(request: HttpRequest) -> HttpResponseBase:
    """Link the issuer's account to the studio's by the studio's password, once."""
    waiting = request.session.get(WAITING)
    if not sso.is_configured() or not waiting or waiting["until"] < time.time():
        return redirect("login")
    form = PasswordForm(request.POST or None)
    ctx = {"form": form, "email": waiting["email"], "name": settings.SSO_NAME}
    if request.method == "POST" and form.is_valid():
        try:
            user = check_password(
                request, email=waiting["email"], password=form.cleaned_data["password"]
            )
        except TooManyTries as error:
            return locked_out(request, error)
        except StudioError as error:
            form.add_error("password", error.message)
        else:
            return _linked(request, user, waiting)
    status = 422 if request.method == "POST" else 200
    return render(request, "registration/sso_link.html", ctx, status=status)


def _linked(request: HttpRequest, user: User, waiting: dict[str, Any]) -> HttpResponseBase:
    """Link the two and go on with the sign-in."""
    del request.session[WAITING]
    try:
        sso.link(user=user, subject=waiting["subject"])
    except StudioError as error:
        return refused(request, error.message)
    answer: HttpResponseBase = perform_login(request, user, redirect_url=waiting["next"])
    return answer


# ---- What goes wrong -------------------------------------------------------------------
def refused(request: HttpRequest, text: str) -> HttpResponse:
    ctx = {"text": text, "name": settings.SSO_NAME}
    return render(request, "registration/sso_refused.html", ctx, status=403)


def cancelled(request: HttpRequest) -> HttpResponse:
    messages.info(request, "You did not go on with single sign-on.")
    return redirect("login")


def unanswered(request: HttpRequest, error: Exception | None) -> HttpResponse:
    # Its kind only: the text may hold what the issuer was asked with.
    logger.warning("Single sign-on did not work: %s.", type(error).__name__ if error else "state")
    ctx = {"unanswered": True, "name": settings.SSO_NAME}
    return render(request, "registration/sso_refused.html", ctx, status=502 if error else 400)
