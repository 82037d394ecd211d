"""The one error of the services: a rule was broken, and here is the sentence for the person."""

from __future__ import annotations


class StudioError(Exception):
    """A rule was broken. `message` is shown as it is; `field` names the form field, if any."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
