"""Coming in and going out: signing in, the first owner, invites, one's own account."""

from __future__ import annotations

from typing import Any, cast

from allauth.account.utils import perform_login
from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_cool_off
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout, update_session_auth_hash
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from studio.forms.account import AccountForm, ChangePasswordForm, NewAccountForm, SignInForm
from studio.forms.news import NewsForm
from studio.http import StudioRequest, signed_in
from studio.models import Membership, User
from studio.services import notices, people, sessions, sso, two_factor
from studio.services.errors import StudioError
from studio.services.news import digest
from studio.services.signing_in import authenticate_in_turn

BACKEND = "django.contrib.auth.backends.ModelBackend"
DAY_S = 24 * 60 * 60
COUNT_WORDS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")


def next_page(request: HttpRequest) -> str:
    """Return where to go after signing in: `next`, if it is an address of this studio."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    here = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if here else settings.LOGIN_REDIRECT_URL


def _door(request: HttpRequest, *, status: int = 200, **ctx: Any) -> HttpResponse:
    return render(
        request,
        "registration/login.html",
        {"next": next_page(request), "sso_name": sso.is_configured() and settings.SSO_NAME, **ctx},
        status=status,
    )


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return HttpResponseRedirect(next_page(request))
    if not people.has_people():
        return _door(request, new_studio=True)
    form = SignInForm(request.POST or None)
    if request.method == "GET":
        return _door(request, form=form)
    if form.is_valid():
        user = authenticate_in_turn(request, **form.cleaned_data)
        if user is not None:
            # By way of a code, where that is on.
            return cast(HttpResponse, perform_login(request, user, redirect_url=next_page(request)))
        # The same words for a wrong password and an unknown email: nobody learns who is here.
        form.add_error(
            "password",
            f"That password doesn’t match. {tries_left(request, form.cleaned_data['username'])}",
        )
    return _door(request, form=form, status=422)


def tries_left(request: HttpRequest, email: str) -> str:
    made = AxesProxyHandler.get_failures(request, {"username": email})
    left = max(settings.AXES_FAILURE_LIMIT - made, 0)
    count = COUNT_WORDS[left] if left < len(COUNT_WORDS) else str(left)
    return f"{count} {'try' if left == 1 else 'tries'} left."


def locked_out(
    request: HttpRequest, response: HttpResponse | None, credentials: Any
) -> HttpResponse:
    """Answer for django-axes once an address has used up its tries.

    Each further try starts the wait anew, so the whole wait is always what is left.
    """
    wait = get_cool_off(request)
    minutes = round(wait.total_seconds() / 60) if wait else 0
    return _door(request, locked_minutes=minutes, status=429)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponseRedirect(settings.LOGOUT_REDIRECT_URL)


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def welcome(request: HttpRequest) -> HttpResponse:
    if not people.open_welcome(request.GET.get("token", "")):
        return _welcome_closed(request)
    form = NewAccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = people.make_first_owner(**form.cleaned_data)
        except StudioError:
            return _welcome_closed(request)
        login(request, user, backend=BACKEND)
        return HttpResponseRedirect("/")
    status = 422 if request.method == "POST" else 200
    return render(request, "welcome.html", {"form": form}, status=status)


def _welcome_closed(request: HttpRequest) -> HttpResponse:
    ctx = {
        "closed": True,
        "has_owner": people.has_people(),
        "hours": settings.WELCOME_LINK_HOURS,
    }
    return render(request, "welcome.html", ctx, status=410)


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Show what an invite opens; on POST let the person in, making an account where needed."""
    invite = people.find_invite(token)
    me = request.user if isinstance(request.user, User) else None
    if me and invite and Membership.objects.filter(project=invite.project, user=me).exists():
        messages.info(request, f"You are a member of {invite.project.name} already.")
        return HttpResponseRedirect(invite.project.get_absolute_url())
    closed = people.closed_because(invite)
    form = None if me else NewAccountForm(request.POST or None)
    ctx = {"invite": invite, "closed": closed, "form": form, "here_url": request.path}
    if closed or request.method == "GET":
        return render(request, "join.html", ctx, status=410 if closed else 200)
    try:
        if me:
            people.accept_invite(token=token, user=me)
        elif form and form.is_valid():
            made = people.join_as_new(token=token, **form.cleaned_data)
            login(request, made, backend=BACKEND)
        else:
            return render(request, "join.html", ctx, status=422)
    except StudioError as error:
        return _refused_join(request, ctx, error)
    assert invite
    messages.success(request, f"You are in. Welcome to {invite.project.name}.")
    return HttpResponseRedirect(invite.project.get_absolute_url())


def _refused_join(request: HttpRequest, ctx: dict[str, Any], error: StudioError) -> HttpResponse:
    if error.field and ctx["form"]:
        ctx["form"].add_error(error.field, error.message)
        return render(request, "join.html", ctx, status=422)
    return render(request, "join.html", ctx | {"closed": error.message}, status=410)


@require_http_methods(["GET", "POST"])
@signed_in
def account(request: StudioRequest) -> HttpResponse:
    # A fresh row: a form that fails must not leave its values in the page's own menu.
    form = AccountForm(request.POST or None, instance=User.objects.get(pk=request.user.pk))
    if request.method == "POST" and form.is_valid():
        before, person = request.user.email, form.save()
        notices.tell_of_address(person, before=before)
        messages.success(request, "Saved.")
        return HttpResponseRedirect("/account/")
    status = 422 if request.method == "POST" else 200
    ctx = {
        "form": form,
        "news_form": NewsForm(user=request.user),
        "can_mail": digest.can_mail(),
        "two_factor": two_factor.is_on(request.user),
        "places": sessions.places_of(request, request.user),
        "most_days": settings.SESSION_MOST_S // DAY_S,
        "unused_days": settings.SESSION_UNUSED_S // DAY_S,
        "here": "account",
    }
    return render(request, "account.html", ctx, status=status)


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@signed_in
def change_password(request: StudioRequest) -> HttpResponse:
    form = ChangePasswordForm(request.user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        person = form.save()
        update_session_auth_hash(request, person)
        sessions.end_all(user=person, but=request.session.session_key)
        notices.tell(person, notices.PASSWORD)
        messages.success(request, "Password changed. You are signed out everywhere else.")
        return HttpResponseRedirect("/account/")
    status = 422 if request.method == "POST" else 200
    ctx = {"form": form, "here": "account"}
    return render(request, "registration/password_change.html", ctx, status=status)
