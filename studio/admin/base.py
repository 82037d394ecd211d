"""What every page of the control room shares: careful saving, one-row actions, links, cells."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from studio.amounts import money
from studio.http import StudioRequest
from studio.models import Generation, ProviderAccount, User
from studio.services.accounts import provider_label
from studio.templatetags.studio_tags import ago
from studio.views.clips.media import serve_file

M = TypeVar("M", bound=models.Model)
C = TypeVar("C", bound=models.Model)
P = TypeVar("P", bound=models.Model)

if TYPE_CHECKING:
    DjangoAdmin = admin.ModelAdmin
    DjangoInline = admin.TabularInline
    AccountsField = forms.ModelMultipleChoiceField[ProviderAccount]
else:
    AccountsField = forms.ModelMultipleChoiceField

    # Django's classes take no type parameters at run time.
    class DjangoAdmin(admin.ModelAdmin):
        def __class_getitem__(cls, parameters: object) -> type:
            return cls

    class DjangoInline(admin.TabularInline):
        def __class_getitem__(cls, parameters: object) -> type:
            return cls


MICROUSD = 1_000_000


# ---- Cells -----------------------------------------------------------------------------
def link(row: models.Model | None, text: str = "") -> str | SafeString:
    """Link to a row's page in the control room."""
    if row is None:
        return "—"
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return format_html('<a href="{}">{}</a>', reverse(name, args=[row.pk]), text or str(row))


def filtered(model: type[models.Model], text: object, **filters: object) -> SafeString:
    """Link to a list with these filters set."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    query = "&".join(f"{key}={value}" for key, value in filters.items())
    return format_html('<a href="{}?{}">{}</a>', reverse(name), query, text)


def when(at: datetime | None) -> str | SafeString:
    """A moment as its age, with the full time (UTC) on hover."""
    if at is None:
        return "—"
    return format_html(
        '<time class="when" datetime="{}" title="{} UTC">{}</time>',
        at.isoformat(),
        f"{at:%Y-%m-%d %H:%M:%S}",
        ago(at),
    )


def moment(at: datetime | None) -> str:
    """A moment in full, UTC, with its age."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC ({ago(at)})" if at else "—"


def chip(text: str, tone: str = "") -> SafeString:
    """A state as a word with a dot. Tones: ok, run, wait, bad, or none."""
    return format_html('<span class="chip {}">{}</span>', tone, text)


def dollars(microusd: int | None) -> str:
    return money(microusd) if microusd is not None else "—"


def picture(url: str, shape: str = "") -> SafeString:
    return format_html('<img class="thumb {}" src="{}" alt="" loading="lazy">', shape, url)


def account_name(account: ProviderAccount) -> str:
    label = provider_label(account.provider)
    return f"{label} ({account.label})" if account.label else label


def signed_in_user(request: HttpRequest) -> User:
    return cast(StudioRequest, request).user


class PaidAccountsField(AccountsField):
    """A box for each paid account."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, **kwargs: Any) -> None:
        rows = ProviderAccount.objects.exclude(provider="previs")
        super().__init__(queryset=rows, **({"required": False} | kwargs))

    def label_from_instance(self, obj: models.Model) -> str:
        return account_name(cast(ProviderAccount, obj))


# ---- Money -----------------------------------------------------------------------------
class DollarsField(forms.DecimalField):
    """Dollars on the page, whole micro-USD in the row. Empty = None."""

    unit = MICROUSD
    places = 6

    def __init__(self, **kwargs: Any) -> None:
        usual = {"min_value": 0, "max_digits": 9 + self.places, "decimal_places": self.places}
        super().__init__(**(usual | kwargs))

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, int):
            return value
        shown = f"{Decimal(value) / self.unit:.{self.places}f}".rstrip("0")
        whole, _, cents = shown.partition(".")
        return f"{whole}.{cents:0<2}"

    def clean(self, value: Any) -> Any:
        amount = super().clean(value)
        return None if amount is None else int(amount * self.unit)

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.clean(data) != initial)
        except ValidationError:
            return True


class RateField(DollarsField):
    """Dollars for one credit on the page, whole nano-USD in the row: credits may be very small."""

    unit = 1_000_000_000
    places = 9


# Column -> what its filter is headed with, where the column's own name is not a word.
FILTER_TITLES = {
    "created_at": "Made",
    "at": "When",
    "old": "From",
    "new": "To",
    "started": "Begun",
    "func": "Task",
    "content_type": "Kind",
}


# ---- Pages -----------------------------------------------------------------------------
class StudioAdmin(DjangoAdmin[M]):
    """A page of the control room.

    `title` names the list. `page_actions` are names of list actions that also stand as buttons on
    a row's own page; `offers` says which fit the row now.
    """

    title = ""
    noun = ""  # one row in words, where the model's own name is not the one on the page
    page_actions: tuple[str, ...] = ()
    list_per_page = 50
    # A count of the whole table at each search is slow and tells nothing. So are Django's rows of
    # days above a list: tables that grow with every shot have filters on the date instead.
    show_full_result_count = False
    # Deleting many rows at once is nowhere wanted; where one row may go, its page says so.
    can_delete_many = False
    stored_columns: dict[str, str] = {}  # form field -> column, where the names differ
    labels: dict[str, str] = {}
    help_texts: dict[str, str] = {}
    code_columns: tuple[str, ...] = ()  # UUID columns that a search for a whole code looks in

    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        if db_field.name.endswith("microusd"):
            words = {k: v for k, v in kwargs.items() if k in ("label", "help_text")}
            return DollarsField(required=not db_field.blank, **words)
        if db_field.name.endswith("nanousd"):
            words = {k: v for k, v in kwargs.items() if k in ("label", "help_text")}
            return RateField(required=not db_field.blank, **words)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def formfield_for_manytomany(
        self, db_field: models.ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.ModelMultipleChoiceField[Any] | None:
        if db_field.related_model is ProviderAccount:
            words = {k: v for k, v in kwargs.items() if k in ("label", "help_text")}
            return PaidAccountsField(**words)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: M, form: Any, change: bool) -> None:
        """Write only what was changed on the page: workers write other columns of the same row."""
        if change:
            obj.save(update_fields=self.changed_columns(form))
        else:
            obj.save()

    def changed_columns(self, form: Any) -> list[str]:
        columns = {field.name for field in self.opts.concrete_fields}
        names = {self.stored_columns.get(name, name) for name in form.changed_data}
        return sorted(names & columns)

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)
        if not self.can_delete_many:
            actions.pop("delete_selected", None)
        return actions

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[M], search_term: str
    ) -> tuple[models.QuerySet[M], bool]:
        try:
            code = uuid.UUID(search_term.strip())
        except ValueError:
            return super().get_search_results(request, queryset, search_term)
        # Databases keep UUIDs in different spellings, so a text search would miss them.
        wanted = models.Q()
        for column in self.code_columns:
            wanted |= models.Q(**{column: code})
        return queryset.filter(wanted) if wanted else queryset.none(), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        own = {"title": self.title} if self.title else {}
        return super().changelist_view(request, own | (extra_context or {}))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Head the filters with the words of the columns and the form.

        A year that no calendar has is a wrong filter as others are: the list opens without it.
        """
        try:
            found = super().get_changelist_instance(request)
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters from error
        for spec in found.filter_specs:
            name = getattr(spec, "field_path", "")
            spec.title = self.labels.get(name) or FILTER_TITLES.get(name, spec.title)
        return found

    def get_form(
        self, request: HttpRequest, obj: M | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        kwargs = {"labels": self.labels, "help_texts": self.help_texts} | kwargs
        return super().get_form(request, obj, change=change, **kwargs)

    @admin.display(description="Made", ordering="created_at")
    def created(self, obj: Any) -> str | SafeString:
        return when(obj.created_at)

    @admin.display(description="Made")
    def made_at(self, obj: Any) -> str:
        return moment(obj.created_at)

    # ---- One row's buttons -----------------------------------------------------------------
    def offers(self, obj: M, name: str) -> bool:
        return True

    def get_urls(self) -> list[URLPattern]:
        info = f"{self.opts.app_label}_{self.opts.model_name}"
        act = self.admin_site.admin_view(require_POST(self.act))
        own = path("<path:object_id>/do/<str:name>/", act, name=f"{info}_do")
        return [own, *super().get_urls()]

    def act(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Run one action on one row, then show its page again, or what the action asks first."""
        obj = self.get_object(request, object_id)
        if obj is None or name not in self.page_actions:
            raise Http404("No such row or action.")
        action = self.get_actions(request).get(name)
        if action is None or not self.has_view_permission(request, obj):
            raise PermissionDenied("Your account in the control room does not reach this far.")
        asks = action[0](self, request, self.get_queryset(request).filter(pk=obj.pk))
        if asks is not None:
            return cast(HttpResponse, asks)
        info = f"{self.opts.app_label}_{self.opts.model_name}"
        return HttpResponseRedirect(reverse(f"admin:{info}_change", args=[obj.pk]))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        obj = kwargs.get("obj")
        context["list_title"] = self.title
        if obj is None:
            context["title"] = f"Add {self.noun or self.opts.verbose_name}"
        else:
            context |= {"title": self.heading(obj), "subtitle": None}
            actions = self.get_actions(request)
            context["page_actions"] = [
                (name, actions[name][2] % {"verbose_name_plural": ""})
                for name in self.page_actions
                if name in actions and self.offers(obj, name)
            ]
            info = f"{self.opts.app_label}_{self.opts.model_name}"
            context["do_url"] = reverse(f"admin:{info}_do", args=[obj.pk, "x"]).removesuffix("x/")
        response = super().render_change_form(request, context, *args, **kwargs)
        # A page of the studio opens to members only; a dead link helps nobody.
        if obj is not None and context.get("has_absolute_url"):
            context["has_absolute_url"] = self.is_member(request, obj)
            context["absolute_url"] = cast(Any, obj).get_absolute_url()
        return response

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        named = {"list_title": self.title} | (extra_context or {})
        return super().history_view(request, object_id, named)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        named = {"list_title": self.title} | (extra_context or {})
        return super().delete_view(request, object_id, named)

    def heading(self, obj: M) -> str:
        return str(obj)

    def is_member(self, request: HttpRequest, obj: M) -> bool:
        project_id = obj.pk if hasattr(obj, "memberships") else getattr(obj, "project_id", None)
        return signed_in_user(request).memberships.filter(project=project_id).exists()


class ReadOnlyAdmin(StudioAdmin[M]):
    """Rows that others write. Actions, where there are any, go through services."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whether this person may use the actions: Django's change permission for the model."""
        return super().has_change_permission(request)


class ReadOnlyInline(DjangoInline[C, P]):
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: P | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: P | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: P | None = None) -> bool:
        return False


def file_view(
    model_admin: StudioAdmin[Any], fields: dict[str, tuple[str, str]]
) -> Callable[..., HttpResponseBase]:
    """Return a view of one row's files for those who may see the row. `fields`: name -> (field, type)."""

    def view(request: HttpRequest, object_id: str, kind: str) -> HttpResponseBase:
        obj = model_admin.get_object(request, object_id)
        field, content_type = fields.get(kind, ("", ""))
        if obj is None or not field or not model_admin.has_view_permission(request, obj):
            raise Http404("No such file.")
        file: FieldFile = getattr(obj, field)
        if not file:
            raise Http404("No such file.")
        if isinstance(obj, Generation) and field == "clip":
            content_type = obj.content_type
        etag = f"{getattr(obj, 'sha256', '')[:16]}-{field}"
        return serve_file(cast(StudioRequest, request), file, content_type=content_type, etag=etag)

    return view


def tell(
    request: HttpRequest, done: Sequence[object], what: str, refused: Sequence[str] = ()
) -> None:
    """Say how many rows an action changed, and each sentence of those it did not."""
    if done:
        messages.success(request, f"{what}: {len(done)}.")
    for sentence in refused[:5]:
        messages.error(request, sentence)
    if len(refused) > 5:
        messages.error(request, f"And {len(refused) - 5} more.")
    if not done and not refused:
        messages.info(request, "Nothing to do for these.")
