"""Encryption of provider keys at rest: Fernet, several keys for rotation."""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def _vault() -> MultiFernet:
    return MultiFernet([_key(text) for text in settings.ENCRYPTION_KEYS])


def _key(text: str) -> Fernet:
    # Any text works as a key: it is stretched to the 32 bytes Fernet wants.
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()))


def lock(secret: str) -> str:
    """Return `secret` encrypted with the newest key, as text for a database column."""
    return _vault().encrypt(secret.encode()).decode() if secret else ""


def unlock(token: str) -> str:
    """Return the secret. Raises ImproperlyConfigured when no key of STUDIO_ENCRYPTION_KEY fits."""
    if not token:
        return ""
    try:
        return _vault().decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise ImproperlyConfigured(
            "A provider key cannot be decrypted: STUDIO_ENCRYPTION_KEY has changed. "
            "Put the earlier key back (after the new one, with a comma), or enter the provider key again."
        ) from error


def is_newest(token: str) -> bool:
    """Whether the newest key of STUDIO_ENCRYPTION_KEY locked this."""
    try:
        _key(settings.ENCRYPTION_KEYS[0]).decrypt(token.encode())
    except InvalidToken:
        return False
    return True
