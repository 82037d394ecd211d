"""Addresses of health, metrics and the providers' calls."""

from __future__ import annotations

from django.urls import URLPattern, path

from studio.views.operations import health, hooks, metrics

urlpatterns: list[URLPattern] = [
    path("hooks/<slug:provider>/<uuid:token>/", hooks.provider_hook, name="provider-hook"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
]
