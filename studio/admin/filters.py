"""Filters that several lists share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from studio.admin.base import account_name
from studio.models import Project, ProviderAccount
from studio.services.accounts import provider_label

SHOWN_PROJECTS = 30


class OneOf(admin.SimpleListFilter):
    """A filter with one value at a time; an unknown value filters nothing."""

    def chosen(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        raise NotImplementedError

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        known = {str(choice) for choice, _ in self.lookup_choices}
        return self.chosen(queryset, value) if value in known else queryset


class ProjectFilter(OneOf):
    """A project by id; listed are the newest that are not archived, and the one asked for."""

    title = "project"
    parameter_name = "project__id__exact"
    path = "project"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = Project.objects.active().values_list("pk", "name")[:SHOWN_PROJECTS]
        listed = [(str(pk), name) for pk, name in rows]
        asked = request.GET.get(self.parameter_name, "")
        # More digits than a database's id has belong to no project.
        if asked.isascii() and asked.isdigit() and len(asked) < 19 and asked not in dict(listed):
            names = Project.objects.filter(pk=asked).values_list("name", flat=True)
            listed += [(asked, name) for name in names]
        return listed

    def chosen(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(**{self.path: int(value)})


class ShareProjectFilter(ProjectFilter):
    parameter_name = "share__project__id__exact"
    path = "share__project"


class ProviderNames(admin.AllValuesFieldListFilter):
    """A column that holds a provider's slug, by the providers' names."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        for choice in super().choices(changelist):
            yield choice | {"display": provider_label(str(choice["display"]))}


class AccountNames(admin.RelatedFieldListFilter):
    """A provider account, as it is called everywhere else."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        return [(account.pk, account_name(account)) for account in ProviderAccount.objects.all()]


def when_empty(field: str, title: str, *, empty: str, filled: str) -> tuple[str, type[Any]]:
    """Return a filter on whether a column is filled, with words for both instead of Django's own."""
    words = {"Empty": empty, "Not empty": filled}

    class Filter(admin.EmptyFieldListFilter):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.title = title

        def choices(self, changelist: Any) -> Iterator[Any]:
            for choice in super().choices(changelist):
                said, bracket, count = str(choice["display"]).partition(" (")
                yield choice | {"display": words.get(said, said) + bracket + count}

    return field, Filter
