"""The five dialects as tests see them, and short ways to make their adapters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from studio.providers.base import ShotRequest
from studio.providers.registry import make_provider
from studio.providers.remote import RemoteProvider
from tests.emulator import Emulator


@dataclass(frozen=True)
class Account:
    slug: str
    dialect: str
    model: str

    @property
    def name(self) -> str:
        return self.dialect or self.slug

    def at(self, emulator: Emulator, **options: Any) -> RemoteProvider:
        return make_provider(
            self.slug,
            **{
                "api_key": emulator.key(self.slug),
                "base_url": emulator.base_url(self.slug),
                "dialect": self.dialect,
                "timeout_s": 20.0,
                **options,
            },
        )

    def mocked(self, handler: Callable[[httpx.Request], httpx.Response]) -> RemoteProvider:
        return make_provider(
            self.slug,
            api_key="test-key-0123456789",
            dialect=self.dialect,
            transport=httpx.MockTransport(handler),
        )

    def answering(self, status: int, body: Any = None, **headers: str) -> RemoteProvider:
        """Return the adapter with every answer fixed: JSON, text, or nothing."""

        def handler(request: httpx.Request) -> httpx.Response:
            if isinstance(body, str | bytes):
                return httpx.Response(status, content=body, headers=headers)
            return httpx.Response(status, json=body, headers=headers)

        return self.mocked(handler)

    def shot(self, prompt: str = "A fox in the snow", **changes: Any) -> ShotRequest:
        return ShotRequest(**{"model": self.model, "prompt": prompt, **changes})


APIFRAME = Account("apiframe", "", "luma-ray-2")
AIMLAPI = Account("aimlapi", "", "luma/ray-2")
LEGACY = Account("aimlapi", "legacy", "ray-2")
GMI = Account("gmicloud", "", "Luma-Ray2")
LUMA = Account("luma", "", "ray-2")
ACCOUNTS = (APIFRAME, AIMLAPI, LEGACY, GMI, LUMA)
