"""Two-factor sign-in: the code after the password, and turning it on and off."""

from __future__ import annotations

import base64
from typing import Any

from allauth.account.stages import LoginStageController
from allauth.mfa.adapter import get_adapter
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from studio import vault
from studio.forms.two_factor import CodeForm, TurnOnForm
from studio.http import StudioRequest, require_safe_or_post, signed_in
from studio.models import User
from studio.services import sessions, two_factor
from studio.services.errors import StudioError
from studio.sign_in.stages import CodeStage
from studio.views.signing_in.account import answer_form

# In the session while it is being turned on: what the app was shown, encrypted.
PENDING = "studio_two_factor_pending"


@never_cache
@sensitive_post_parameters("code")
@require_safe_or_post
def sign_in_code(request: HttpRequest) -> HttpResponseBase:
    """Ask for the code of somebody whose password was right."""
    stage = LoginStageController.enter(request, CodeStage.key)
    if request.user.is_authenticated or stage is None or not stage.holds():
        return redirect("login")
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            row = two_factor.check(user=stage.login.user, code=form.cleaned_data["code"])
        except StudioError as error:
            form.add_error("code", error.message)
        else:
            request.session[two_factor.SESSION_KEY] = row.pk
            answer: HttpResponseBase = stage.exit()
            return answer
    status = 422 if request.method == "POST" else 200
    return render(request, "registration/code.html", {"form": form}, status=status)


@never_cache
@sensitive_post_parameters()
@require_safe_or_post
@signed_in
def two_factor_page(request: StudioRequest) -> HttpResponse:
    """Show whether codes are on; where they are off, how to turn them on, and do it."""
    if two_factor.is_on(request.user):
        return _page(request)
    form = TurnOnForm(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            row, codes = two_factor.turn_on(
                user=request.user, secret=_pending(request), code=form.cleaned_data["code"]
            )
        except StudioError as error:
            form.add_error(error.field or None, error.message)
        else:
            del request.session[PENDING]
            request.session.cycle_key()
            request.session[two_factor.SESSION_KEY] = row.pk
            sessions.end_all(user=request.user, but=request.session.session_key)
            return _codes(request, codes, just_on=True)
    secret = _pending(request)
    ctx = {
        "form": form,
        "secret": " ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
        "qr": _picture(request.user, secret),
        "required": two_factor.is_required(request.user),
        "here": "account",
    }
    return answer_form(request, "registration/two_factor_on.html", ctx, form)


@sensitive_post_parameters("code")
@require_POST
@signed_in
def turn_off(request: StudioRequest) -> HttpResponse:
    form = _checked(request)
    if not form.is_valid():
        return _page(request, off_form=form)
    two_factor.turn_off(user=request.user, by=request.user)
    sessions.end_all(user=request.user, but=request.session.session_key)
    messages.success(request, "Two-factor sign-in is off. You are signed out everywhere else.")
    return HttpResponseRedirect("/account/")


@never_cache
@sensitive_post_parameters("code")
@require_POST
@signed_in
def new_codes(request: StudioRequest) -> HttpResponse:
    form = _checked(request)
    if not form.is_valid():
        return _page(request, codes_form=form)
    return _codes(request, two_factor.new_recovery_codes(user=request.user))


def _checked(request: StudioRequest) -> CodeForm:
    """Return the form with a code in it, valid once the code was right and is used up."""
    form = CodeForm(request.POST, auto_id=f"id_{request.resolver_match.url_name}_%s")  # type: ignore[union-attr]  # routed
    if form.is_valid():
        try:
            two_factor.check(user=request.user, code=form.cleaned_data["code"])
        except StudioError as error:
            form.add_error("code", error.message)
    return form


def _page(request: StudioRequest, **forms: CodeForm) -> HttpResponse:
    ctx: dict[str, Any] = {
        "off_form": CodeForm(auto_id="id_two-factor-off_%s"),
        "codes_form": CodeForm(auto_id="id_two-factor-codes_%s"),
        "left": two_factor.recovery_codes_left(request.user),
        "required": two_factor.is_required(request.user),
        "here": "account",
    } | forms
    return render(request, "registration/two_factor.html", ctx, status=422 if forms else 200)


def _codes(request: StudioRequest, codes: list[str], *, just_on: bool = False) -> HttpResponse:
    """Show recovery codes. This once: they are not kept in a readable form."""
    spaced = [f"{code[:5]} {code[5:]}" for code in codes]
    text = "\n".join(
        [f"Recovery codes of {request.user.email} for {request.get_host()}", "", *spaced, ""]
    )
    ctx = {
        "codes": spaced,
        "download": base64.b64encode(text.encode()).decode(),
        "just_on": just_on,
        "here": "account",
    }
    return render(request, "registration/recovery_codes.html", ctx)


def _pending(request: HttpRequest) -> str:
    """Return the secret this browser is being shown, the same until it is used."""
    if PENDING not in request.session:
        request.session[PENDING] = vault.lock(two_factor.new_secret())
    return vault.unlock(request.session[PENDING])


def _picture(user: User, secret: str) -> str:
    """Return the QR code that an app reads, as an SVG for an img's address."""
    adapter = get_adapter()
    svg = adapter.build_totp_svg(adapter.build_totp_url(user, secret))
    return base64.b64encode(svg.encode()).decode()
