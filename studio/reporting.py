"""What the page of a broken request shows while DEBUG is on: everything but secrets."""

from __future__ import annotations

import re

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter


class SecretsFilter(SafeExceptionReporterFilter):
    # Django's own words, and the settings of ours that hold an address with a password, or keys.
    hidden_settings = re.compile(
        r"API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|HTTP_COOKIE"
        r"|URL$|^PROVIDER_ENVIRONMENT$|^CACHES$|^DATABASES$|^Q_CLUSTER$|^STORAGES$|^DSN$|_DSN$",
        flags=re.IGNORECASE,
    )

    def is_active(self, request: HttpRequest | None) -> bool:
        """Hide while DEBUG is on too: passwords that were posted, for one."""
        return True
