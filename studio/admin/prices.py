"""Prices: what each provider asks, as the catalogue says or as somebody corrected it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from studio.admin.base import StudioAdmin, dollars, tell
from studio.admin.filters import ProviderNames
from studio.models import Price
from studio.models.project import RESOLUTIONS
from studio.providers.catalog import SPECS, UnknownModel, get_spec, price_for
from studio.services.accounts import provider_label
from studio.services.money.prices import take_charges
from studio.services.money.quotes import AGREEING_CHARGES, is_settled
from studio.templatetags.studio_tags import ago

WHAT = ("provider", "model", "duration_s", "resolution")


class PriceForm(forms.ModelForm):  # type: ignore[type-arg]  # takes no parameters at run time
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = {
            "provider": sorted({(s.provider, provider_label(s.provider)) for s in SPECS.values()}),
            "model": sorted({(s.id, f"{s.label}: {s.id}") for s in SPECS.values()}),
            "resolution": [(size, size) for size in RESOLUTIONS],
        }
        for name in choices.keys() & self.fields.keys():
            label = self.fields[name].label
            self.fields[name] = forms.ChoiceField(label=label, choices=choices[name])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "model" in data:
            try:
                spec = get_spec(data.get("provider", ""), data["model"])
            except UnknownModel as error:
                self.add_error("model", str(error))
            else:
                self._check_length(spec.durations_s, data.get("duration_s"))
        if data.get("microusd") is None and data.get("credits") is None:
            self.add_error(None, "Give a price in dollars, in credits, or both.")
        return data

    def _check_length(self, lengths: tuple[int, ...], length: int | None) -> None:
        if length is not None and length not in lengths:
            allowed = ", ".join(map(str, lengths))
            self.add_error("duration_s", f"The length is {length} s; this model has {allowed} s.")


@admin.register(Price)
class PriceAdmin(StudioAdmin[Price]):
    title = "Prices"
    form = PriceForm
    labels = {"microusd": "Dollars", "credits": "Provider’s own", "duration_s": "Length"}
    help_texts = {
        "microusd": "US dollars; empty = the credits at the account’s rate. Luma: of 16:9, other "
        "shapes follow by their pixels",
        "credits": "In the provider’s own unit; empty = none",
        "unit": "The word for it, such as credits",
        "duration_s": "Seconds",
    }
    list_display = (
        "provider_name",
        "model",
        "length",
        "resolution",
        "price",
        "own_amount",
        "last_charge",
        "follows",
        "checked_on",
    )
    list_display_links = ("provider_name", "model")
    list_filter = (("provider", ProviderNames), "model", "edited")
    search_fields = ("provider", "model", "source")
    ordering = WHAT
    readonly_fields = ("edited", "last_charge")
    fieldsets = (
        (None, {"fields": WHAT}),
        ("Price of one clip", {"fields": ("microusd", "credits", "unit", "last_charge")}),
        ("Where it is from", {"fields": ("source", "checked_on", "edited")}),
    )
    actions = ("follow_catalogue", "accept_charges")
    page_actions = ("follow_catalogue", "accept_charges")

    @admin.display(description="Provider", ordering="provider")
    def provider_name(self, obj: Price) -> str:
        return provider_label(obj.provider)

    @admin.display(description="Length", ordering="duration_s")
    def length(self, obj: Price) -> str:
        return f"{obj.duration_s} s"

    @admin.display(description="Price", ordering="microusd")
    def price(self, obj: Price) -> str:
        return "free" if obj.microusd == 0 else dollars(obj.microusd)

    @admin.display(description="Provider’s own", ordering="credits")
    def own_amount(self, obj: Price) -> str:
        return "—" if obj.credits is None else f"{obj.credits:,.10g} {obj.unit}"

    @admin.display(description="Set", ordering="edited")
    def follows(self, obj: Price) -> str:
        return "by hand" if obj.edited else "from the list"

    @admin.display(description="Charged", ordering="charged_microusd")
    def last_charge(self, obj: Price) -> str:
        return " ".join(filter(None, (_learned(obj), _flagged(obj)))) or "—"

    def get_readonly_fields(
        self, request: HttpRequest, obj: Price | None = None
    ) -> tuple[str, ...]:
        return self.readonly_fields if obj is None else (*WHAT, *self.readonly_fields)

    def save_model(self, request: HttpRequest, obj: Price, form: Any, change: bool) -> None:
        if not form.changed_data:
            return
        obj.edited = True
        columns = [*self.changed_columns(form), "edited", "checked_on"]
        if "credits" in form.changed_data and "microusd" not in form.changed_data:
            # The dollars were those of the other amount of credits.
            obj.microusd = None
            columns.append("microusd")
        if not form.cleaned_data.get("checked_on"):
            obj.checked_on = timezone.now().date()
        if change:
            obj.save(update_fields=columns)
        else:
            obj.save()

    def offers(self, obj: Price, name: str) -> bool:
        if name == "accept_charges":
            return obj.charged_microusd not in (None, obj.microusd)
        return obj.edited and price_for(*(getattr(obj, n) for n in WHAT)) is not None

    @admin.action(description="Take what is charged as the price", permissions=["change"])
    def accept_charges(self, request: HttpRequest, queryset: QuerySet[Price]) -> None:
        done, refused = [], []
        for price in queryset:
            if price.charged_microusd is None:
                refused.append(f"{price}: nothing was charged for this yet.")
                continue
            take_charges(price)
            self.log_change(
                request, price, f"Takes {dollars(price.charged_microusd)}, as is charged."
            )
            done.append(price)
        tell(request, done, "Priced as is charged", refused)

    @admin.action(description="Follow the catalogue again", permissions=["change"])
    def follow_catalogue(self, request: HttpRequest, queryset: QuerySet[Price]) -> None:
        done, refused = [], []
        for price in queryset.filter(edited=True):
            seed = price_for(price.provider, price.model, price.duration_s, price.resolution)
            if seed is None:
                refused.append(f"{price}: the catalogue has no price for this.")
                continue
            Price.objects.filter(pk=price.pk).update(
                microusd=seed.microusd,
                credits=seed.credits,
                unit=seed.unit,
                source=seed.source,
                checked_on=seed.checked,
                edited=False,
            )
            self.log_change(request, price, "Follows the catalogue again.")
            done.append(price)
        tell(request, done, "Following the catalogue again", refused)


def _learned(price: Price) -> str:
    if price.charged_microusd is None:
        return ""
    count = len(price.charges or []) or 1
    amounts = "" if count == 1 else f", the median of {count}"
    text = f"{dollars(price.charged_microusd)}{amounts}"
    if price.drift:
        text += f" ({price.drift:+.0%})"
    if price.microusd is None and price.credits is None and not is_settled(price, None):
        text += f", no price yet: {AGREEING_CHARGES} charges that agree make one"
    if not price.edited and price.microusd is not None and price.charged_microusd < price.microusd:
        text += ", cheaper than the list: quotes use the list until you accept it"
    return f"{text}, {ago(price.charged_at)}." if price.charged_at else f"{text}."


def _flagged(price: Price) -> str:
    if price.odd_microusd is None:
        return ""
    return (
        f"{dollars(price.odd_microusd)} was charged {ago(price.odd_at)}: far from any price, so "
        "nothing is learned from it. Look at the provider’s bill."
    )
