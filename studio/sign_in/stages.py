"""The one step between the password (or single sign-on) and the studio: a code, where it is on."""

from __future__ import annotations

from typing import Any

from allauth.account.stages import LoginStage
from django.shortcuts import redirect
from django.utils.crypto import constant_time_compare

from studio.services import two_factor


class CodeStage(LoginStage):  # type: ignore[misc]  # allauth is untyped
    key = "code"
    urlname = "sign-in-code"

    def handle(self) -> tuple[Any, bool]:
        """Return where to go first, if anywhere, and that the sign-in goes on."""
        user = self.login.user
        if user is not None and two_factor.is_on(user):
            self.state["password"] = user.get_session_auth_hash()
            return redirect(self.urlname), True
        return None, True

    def holds(self) -> bool:
        """Whether who passed the step before may go on: the account is active, its password the same."""
        user = self.login.user
        if user is None or not user.is_active:
            return False
        return constant_time_compare(self.state.get("password", ""), user.get_session_auth_hash())
