"""Coming in and going out: signing in, the first owner, invites, one's own account."""

from __future__ import annotations

from typing import Any, cast

from allauth.account.utils import perform_login
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout, update_session_auth_hash
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from studio.forms.account import AccountForm, ChangePasswordForm, NewAccountForm, SignInForm
from studio.forms.current_password import CurrentPasswordMixin
from studio.forms.news import NewsForm
from studio.http import StudioRequest, is_safe, require_safe_or_post, signed_in
from studio.models import Membership, User
from studio.services import email_address, notices, people, sessions, sso, two_factor
from studio.services.errors import StudioError
from studio.services.news import digest
from studio.services.signing_in import TooManyTries, check_password

BACKEND = "django.contrib.auth.backends.ModelBackend"
DAY_S = 24 * 60 * 60


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
@require_safe_or_post
def sign_in(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return HttpResponseRedirect(next_page(request))
    if not people.has_people():
        return _door(request, new_studio=True)
    form = SignInForm(request.POST or None)
    if is_safe(request):
        return _door(request, form=form)
    if form.is_valid():
        email = form.cleaned_data["username"]
        try:
            user = check_password(request, email=email, password=form.cleaned_data["password"])
        except TooManyTries as error:
            return locked_out(request, error)
        except StudioError as error:
            # The same words for a wrong password and an unknown email: nobody learns who is here.
            form.add_error("password", error.message)
        else:
            # By way of a code, where that is on.
            return cast(HttpResponse, perform_login(request, user, redirect_url=next_page(request)))
    return _door(request, form=form, status=422)


def locked_out(request: HttpRequest, error: TooManyTries) -> HttpResponse:
    """Answer a try that is not judged, or the last that was: how long to wait, and what else works."""
    response = _door(request, locked_for=error.wait_text, status=429)
    response.headers["Retry-After"] = str(error.wait_s)
    return response


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponseRedirect(settings.LOGOUT_REDIRECT_URL)


@never_cache
@sensitive_post_parameters("password")
@require_safe_or_post
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
@require_safe_or_post
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
    if closed or is_safe(request):
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


def answer_form(
    request: HttpRequest, template: str, ctx: dict[str, Any], form: CurrentPasswordMixin
) -> HttpResponse:
    """Show a form that asks for the current password: 422 where it is refused, 429 for a while."""
    response = render(request, template, ctx, status=422 if request.method == "POST" else 200)
    if form.too_many:
        response.status_code = 429
        response.headers["Retry-After"] = str(form.too_many.wait_s)
    return response


@require_safe_or_post
@signed_in
def account(request: StudioRequest) -> HttpResponse:
    # A fresh row: a form that fails must not leave its values in the page's own menu.
    row = User.objects.get(pk=request.user.pk)
    form = AccountForm(request, request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid() and _save_account(request, form):
        return HttpResponseRedirect("/account/")
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
    return answer_form(request, "account.html", ctx, form)


def _save_account(request: StudioRequest, form: AccountForm) -> bool:
    """Save the form; have a new address confirmed first. False where that cannot be asked for now."""
    new, person = form.new_email, form.save()
    if not new:
        messages.success(request, "Saved.")
        return True
    base = settings.PUBLIC_URL or request.build_absolute_uri("/").rstrip("/")
    try:
        email_address.ask_change(user=person, new=new, base_url=base)
    except StudioError as error:
        form.add_error("email", error.message)
        return False
    messages.success(
        request, f"Saved. Open the link mailed to {new} within a day: then the email changes."
    )
    return True


@never_cache
@require_safe_or_post
@signed_in
def confirm_email(request: StudioRequest) -> HttpResponse:
    """Ask once more, then change the address: programs that check mail open links too."""
    token = request.POST.get("token") or request.GET.get("token") or ""
    try:
        if request.method == "POST":
            new = email_address.confirm(user=request.user, token=token)
            messages.success(request, f"You sign in with {new} from now on.")
            return HttpResponseRedirect("/account/")
        new = email_address.read_token(request.user, token)
    except StudioError as error:
        ctx = {"closed": error.message, "here": "account"}
        return render(request, "registration/confirm_email.html", ctx, status=410)
    ctx = {"new": new, "token": token, "here": "account"}
    return render(request, "registration/confirm_email.html", ctx)


@sensitive_post_parameters()
@require_safe_or_post
@signed_in
def change_password(request: StudioRequest) -> HttpResponse:
    form = ChangePasswordForm(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        person = form.save()
        update_session_auth_hash(request, person)
        sessions.end_all(user=person, but=request.session.session_key)
        notices.tell(person, notices.PASSWORD)
        messages.success(request, "Password changed. You are signed out everywhere else.")
        return HttpResponseRedirect("/account/")
    ctx = {"form": form, "here": "account"}
    return answer_form(request, "registration/password_change.html", ctx, form)
