"""The one step between the password (or single sign-on) and the studio: a code, where it is on."""

from __future__ import annotations

from typing import Any

from allauth.account.stages import LoginStage
from django.shortcuts import redirect

from studio.services import two_factor


class CodeStage(LoginStage):  # type: ignore[misc]  # allauth is untyped
    key = "code"
    urlname = "sign-in-code"

    def handle(self) -> tuple[Any, bool]:
        """Return where to go first, if anywhere, and that the sign-in goes on."""
        user = self.login.user
        if user is not None and two_factor.is_on(user):
            return redirect(self.urlname), True
        return None, True
