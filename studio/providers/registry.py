"""Which adapter serves which provider account."""

from __future__ import annotations

from studio.providers.aimlapi import AimlApiProvider
from studio.providers.aimlapi_legacy import AimlApiLegacyProvider
from studio.providers.apiframe import ApiframeProvider
from studio.providers.gmicloud import GmiCloudProvider
from studio.providers.http import Transport
from studio.providers.luma import LumaProvider
from studio.providers.remote import RemoteProvider

_ADAPTERS: dict[tuple[str, str], type[RemoteProvider]] = {
    ("apiframe", ""): ApiframeProvider,
    ("aimlapi", ""): AimlApiProvider,
    ("aimlapi", "legacy"): AimlApiLegacyProvider,
    ("gmicloud", ""): GmiCloudProvider,
    ("luma", ""): LumaProvider,
}

DEFAULT_BASE_URLS: dict[str, str] = {
    slug: adapter.default_base_url for (slug, _), adapter in _ADAPTERS.items()
}


def make_provider(
    slug: str,
    *,
    api_key: str,
    base_url: str = "",
    dialect: str = "",
    transport: Transport | None = None,
    timeout_s: float | None = None,
) -> RemoteProvider:
    """Return the adapter for one account. No network.

    An empty `base_url` means the provider's own. `timeout_s` shortens every call's read timeout
    (30 s, 45 s for AI/ML API's older endpoint, 60 s for uploads). Raises ValueError, in words, for a provider or
    dialect that has no adapter and for a base URL that is not http or https. Previs has no
    account and is not made here.
    """
    adapter = _ADAPTERS.get((slug, dialect))
    if adapter is None:
        known = ", ".join(f"{name} ({kind})" if kind else name for name, kind in _ADAPTERS)
        wanted = f"{slug} ({dialect})" if dialect else slug
        raise ValueError(f"There is no adapter for “{wanted}”. Known: {known}.")
    if base_url and not base_url.startswith(("https://", "http://")):
        raise ValueError(f"The base URL “{base_url}” must start with https:// or http://.")
    return adapter(api_key=api_key, base_url=base_url, transport=transport, timeout_s=timeout_s)
