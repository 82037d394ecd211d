"""What allauth asks of the studio. Nothing of allauth's own pages, messages or mail is used."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base.constants import AuthError
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse

from studio import vault
from studio.models import User
from studio.proxies import client_address
from studio.services import sso
from studio.services.errors import StudioError

BACKEND = "django.contrib.auth.backends.ModelBackend"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    def get_login_stages(self) -> list[str]:
        return ["studio.sign_in.stages.CodeStage"]

    def login(self, request: HttpRequest, user: User) -> None:
        login(request, user, backend=BACKEND)

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def respond_user_inactive(self, request: HttpRequest, user: Any) -> HttpResponse:
        from studio.views.signing_in.sso import refused

        return refused(request, sso.DEACTIVATED)

    def get_client_ip(self, request: HttpRequest) -> str:
        # Of a proxy's word as much is believed as elsewhere, and a socket's lack of one is no error.
        return client_address(request)

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """The studio's pages say what happened."""

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """The studio writes its own (studio/services/notices.py)."""


class TwoFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth is untyped
    """Keeps what codes are made of as provider keys are kept: encrypted, the key elsewhere."""

    def encrypt(self, text: str) -> str:
        return vault.lock(text)

    def decrypt(self, encrypted_text: str) -> str:
        return vault.unlock(encrypted_text)


class SsoAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """Return the one issuer of the environment; rows of the database are not looked at."""
        app = sso.app()
        if app is None or provider not in {None, app.provider, app.provider_id}:
            return []
        return [app]

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Let in whom the issuer vouches for, ask for the password first, or turn away."""
        from studio.views.signing_in.sso import ask_for_password, refused

        try:
            claims = sso.read_claims(sociallogin.account.extra_data)
            if sociallogin.is_existing:
                return
            person = sso.find_person(claims)
            if person is None:
                person = sso.make_person(claims)
            elif person.has_usable_password():
                raise ImmediateHttpResponse(ask_for_password(request, sociallogin, claims))
        except StudioError as error:
            raise ImmediateHttpResponse(refused(request, error.message)) from error
        sociallogin.connect(request, person)

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        from studio.views.signing_in.sso import cancelled, unanswered

        if error == AuthError.CANCELLED:
            raise ImmediateHttpResponse(cancelled(request))
        raise ImmediateHttpResponse(unanswered(request, exception))

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """The studio writes its own (studio/services/notices.py)."""
