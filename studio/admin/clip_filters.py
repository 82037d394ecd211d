"""The filters of the clips list: who it waits for, how old, charged or not, archived."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from studio.admin.filters import OneOf
from studio.models.generation import ACTIVE_STATES, MOVING_STATES, TERMINAL_STATES, Charged, State
from studio.providers.catalog import SPECS
from studio.services.accounts import provider_label

NEEDS_A_PERSON = frozenset({State.UNCERTAIN, State.STALLED})
STANDS = {
    "moving": ("In flight", MOVING_STATES),
    "person": ("Waits for a person", NEEDS_A_PERSON),
    "active": ("Not finished", ACTIVE_STATES),
    "over": ("Finished", TERMINAL_STATES),
}
UNKEPT = Q(state=State.FAILED) & ~Q(result_url="")
AGES = {
    "10m": ("Older than 10 minutes", timedelta(minutes=10)),
    "1h": ("Older than an hour", timedelta(hours=1)),
    "1d": ("Older than a day", timedelta(days=1)),
    "7d": ("Older than a week", timedelta(days=7)),
    "30d": ("Older than 30 days", timedelta(days=30)),
}


class StandsFilter(OneOf):
    title = "where it stands"
    parameter_name = "stands"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        listed = [(key, text) for key, (text, _) in STANDS.items()]
        return [*listed, ("unkept", "Rendered, not kept")]

    def chosen(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        if value == "unkept":
            return queryset.filter(UNKEPT)
        return queryset.filter(state__in=sorted(STANDS[value][1]))


class AgeFilter(OneOf):
    title = "age"
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(key, text) for key, (text, _) in AGES.items()]

    def chosen(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(created_at__lt=timezone.now() - AGES[value][1])


class ChargedFilter(OneOf):
    title = "charged"
    parameter_name = "paid"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        listed = [(value or "pending", str(text)) for value, text in Charged.choices]
        return [*listed, ("amount", "Charged, amount unknown")]

    def chosen(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        if value == "amount":
            return queryset.filter(charged=Charged.YES, actual_microusd=None)
        return queryset.filter(charged="" if value == "pending" else value)


class ProviderFilter(OneOf):
    title = "provider"
    parameter_name = "at"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        slugs = dict.fromkeys(spec.provider for spec in SPECS.values())
        return [(slug, provider_label(slug)) for slug in slugs]

    def chosen(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(provider=value)


class ArchivedFilter(OneOf):
    title = "gallery"
    parameter_name = "archived"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "In the gallery"), ("yes", "Archived")]

    def chosen(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(archived_at__isnull=value == "no")
