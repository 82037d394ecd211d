from __future__ import annotations

import pytest

from studio.providers.catalog import SPECS
from studio.providers.registry import DEFAULT_BASE_URLS, make_provider


def test_every_paid_model_has_an_adapter() -> None:
    for spec in SPECS.values():
        if not spec.local:
            provider = make_provider(spec.provider, api_key="k", dialect=spec.dialect)
            assert provider.slug == spec.provider
            assert provider.label == spec.provider_label


def test_the_documented_addresses_are_the_defaults() -> None:
    assert DEFAULT_BASE_URLS == {
        "apiframe": "https://api.apiframe.ai",
        "aimlapi": "https://api.aimlapi.com",
        "gmicloud": "https://console.gmicloud.ai/api/v1/ie/requestqueue/apikey",
        "luma": "https://api.lumalabs.ai/dream-machine/v1",
    }


@pytest.mark.parametrize("slug", ["sora", "previs", ""])
def test_a_provider_without_an_adapter_is_named(slug: str) -> None:
    with pytest.raises(ValueError, match=f"“{slug}”"):
        make_provider(slug, api_key="k")


def test_a_dialect_nobody_speaks_is_named() -> None:
    with pytest.raises(ValueError, match=r"luma \(legacy\)"):
        make_provider("luma", api_key="k", dialect="legacy")


@pytest.mark.parametrize("url", ["api.example", "ftp://api.example", "file:///x"])
def test_a_base_url_must_be_http(url: str) -> None:
    with pytest.raises(ValueError, match="https://"):
        make_provider("luma", api_key="k", base_url=url)


def test_the_key_is_in_no_repr() -> None:
    assert "very-secret" not in repr(make_provider("luma", api_key="very-secret"))
