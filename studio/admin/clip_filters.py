"""The filters of the clips list: who it waits for, how old, charged or not, archived."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from studio.models import Generation, Project
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


class OneOf(admin.SimpleListFilter):
    """A filter with one value at a time; an unknown value filters nothing."""

    def chosen(self, queryset: QuerySet[Generation], value: str) -> QuerySet[Generation]:
        raise NotImplementedError

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Generation]
    ) -> QuerySet[Generation]:
        value = self.value()
        known = {str(choice) for choice, _ in self.lookup_choices}
        return self.chosen(queryset, value) if value in known else queryset


class StandsFilter(OneOf):
    title = "where it stands"
    parameter_name = "stands"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        listed = [(key, text) for key, (text, _) in STANDS.items()]
        return [*listed, ("unkept", "Rendered, not kept")]

    def chosen(self, queryset: QuerySet[Generation], value: str) -> QuerySet[Generation]:
        if value == "unkept":
            return queryset.filter(UNKEPT)
        return queryset.filter(state__in=sorted(STANDS[value][1]))


class AgeFilter(OneOf):
    title = "age"
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(key, text) for key, (text, _) in AGES.items()]

    def chosen(self, queryset: QuerySet[Generation], value: str) -> QuerySet[Generation]:
        return queryset.filter(created_at__lt=timezone.now() - AGES[value][1])


class ChargedFilter(OneOf):
    title = "charged"
    parameter_name = "paid"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value or "pending", str(text)) for value, text in Charged.choices]

    def chosen(self, queryset: QuerySet[Generation], value: str) -> QuerySet[Generation]:
        return queryset.filter(charged="" if value == "pending" else value)


class ProviderFilter(OneOf):
    title = "provider"
    parameter_name = "at"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        slugs = dict.fromkeys(spec.provider for spec in SPECS.values())
        return [(slug, provider_label(slug)) for slug in slugs]

    def chosen(self, queryset: QuerySet[Generation], value: str) -> QuerySet[Generation]:
        return queryset.filter(provider=value)


class ArchivedFilter(OneOf):
    title = "gallery"
    parameter_name = "archived"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "In the gallery"), ("yes", "Archived")]

    def chosen(self, queryset: QuerySet[Generation], value: str) -> QuerySet[Generation]:
        return queryset.filter(archived_at__isnull=value == "no")


class ProjectFilter(OneOf):
    """A project by id; listed are those that are not archived, newest first."""

    title = "project"
    parameter_name = "project__id__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = Project.objects.active().values_list("pk", "name")[:30]
        listed = [(str(pk), name) for pk, name in rows]
        asked = request.GET.get(self.parameter_name, "")
        if asked.isdigit() and asked not in dict(listed):
            listed += [(asked, name) for name in _name(Project, asked)]
        return listed

    def chosen(self, queryset: QuerySet[Generation], value: str) -> QuerySet[Generation]:
        return queryset.filter(project=int(value))


def _name(model: type[Project], pk: str) -> list[str]:
    return list(model.objects.filter(pk=pk).values_list("name", flat=True))
