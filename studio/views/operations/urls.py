"""Addresses of health, metrics, the icon and the providers' calls."""

from __future__ import annotations

from django.urls import URLPattern

from studio.address_rules import HOOK_BYTES, MACHINE, PUBLIC, address
from studio.views.operations import health, hooks, icon, metrics

urlpatterns: list[URLPattern] = [
    address(
        "hooks/<slug:provider>/<uuid:token>/",
        hooks.provider_hook,
        PUBLIC.sending(MACHINE).up_to(HOOK_BYTES),
        name="provider-hook",
    ),
    address("favicon.ico", icon.favicon, PUBLIC, name="favicon"),
    address("healthz", health.healthz, PUBLIC, name="healthz"),
    address("readyz", health.readyz, PUBLIC, name="readyz"),
    address("metrics", metrics.metrics, PUBLIC, name="metrics"),
]
