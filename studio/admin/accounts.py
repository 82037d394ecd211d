"""Provider accounts: the keys the studio pays with, their limits, and whether they work."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ImproperlyConfigured
from django.db.models import CharField, Count, OuterRef, Q, QuerySet, Subquery, URLField
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from studio.admin.balance import amount, ask_provider
from studio.admin.base import StudioAdmin, account_name, chip, dollars, filtered, moment, tell, when
from studio.admin.confirming import Question, asked
from studio.admin.filters import ProviderNames
from studio.amounts import rate as in_words
from studio.bulk import update_in_order
from studio.models import Generation, ProviderAccount
from studio.models.generation import AT_PROVIDER_STATES, State
from studio.providers.base import Balance
from studio.providers.catalog import PROVIDER_LABELS
from studio.providers.prices import CREDIT_RATES
from studio.providers.registry import DEFAULT_BASE_URLS
from studio.services import holds
from studio.services.accounts import provider_label
from studio.services.doors import clear_trouble
from studio.services.errors import StudioError
from studio.services.money.bills import book_credits, credits_without_money

Origin = ProviderAccount.Origin
PAID = [(slug, PROVIDER_LABELS.get(slug, slug)) for slug in DEFAULT_BASE_URLS]
# How the result of a test begins in the account's history, where it is kept.
WORKS, FAILS = "Tested, it works: ", "Tested, it does not work: "
# What was said of the earlier key says nothing of this one.
NEW_KEY = "A new key is kept."
DIALECTS = [("", "Its own newer endpoint"), ("legacy", "AI/ML API’s older Luma endpoint")]


class AccountForm(forms.ModelForm):  # type: ignore[type-arg]  # takes no parameters at run time
    key = forms.CharField(
        label="Key",
        required=False,
        strip=True,
        max_length=500,
        widget=forms.PasswordInput(
            render_value=False, attrs={"autocomplete": "new-password", "class": "vTextField"}
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "provider" in self.fields:
            self.fields["provider"] = forms.ChoiceField(label="Provider", choices=PAID)
        if "dialect" in self.fields:
            self.fields["dialect"] = forms.ChoiceField(
                label="Endpoint", choices=DIALECTS, required=False
            )
        self._offer_key()

    def _offer_key(self) -> None:
        if self.instance.provider == "previs" or self.instance.origin == Origin.ENVIRONMENT:
            # Declared fields are in the form even where the page does not show them.
            self.fields.pop("key", None)
        elif "key" in self.fields:
            self.fields["key"].help_text = (
                "A key is kept. Leave empty to keep it; it is never shown again."
                if self.instance.has_key
                else "Kept encrypted and never shown again."
            )

    def clean_key(self) -> str:
        key = str(self.cleaned_data["key"])
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            raise forms.ValidationError(
                "The key holds a space or a sign no key has. Copy it again from the provider."
            )
        return key

    def clean_concurrent_limit(self) -> int:
        limit = int(self.cleaned_data["concurrent_limit"])
        if limit < 1:
            raise forms.ValidationError(f"Shots at once is {limit}; it must be 1 or more.")
        return limit

    def clean_credit_nanousd(self) -> int | None:
        rate: int | None = self.cleaned_data["credit_nanousd"]
        if rate == 0:
            raise forms.ValidationError(
                "What you pay a credit is 0; it must be more. Leave it empty for the usual rate."
            )
        return rate

    def clean_base_url(self) -> str:
        url = str(self.cleaned_data["base_url"] or "")
        if url and not url.startswith(("https://", "http://")):
            raise forms.ValidationError(
                f"The base URL is {url}; it must start with https:// or http://."
            )
        return url

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        provider = data.get("provider") or self.instance.provider
        if data.get("dialect") and provider != "aimlapi":
            self.add_error(
                "dialect", f"{provider_label(provider)} has one endpoint only. Choose its own."
            )
        return data


@admin.register(ProviderAccount)
class ProviderAccountAdmin(StudioAdmin[ProviderAccount]):
    title = "Provider accounts"
    form = AccountForm
    # What is typed without a scheme is meant to be safe.
    formfield_overrides = {
        URLField: {
            "assume_scheme": "https",
            "widget": forms.URLInput(attrs={"class": "vURLField"}),
        }
    }
    stored_columns = {"key": "key_locked"}
    labels = {
        "base_url": "Base URL",
        "concurrent_limit": "Shots at once",
        "monthly_limit_microusd": "Limit a month",
        "credit_nanousd": "What I pay a credit",
    }
    help_texts = {
        "label": "Tells several accounts at one provider apart",
        "concurrent_limit": "The others wait in line",
        "monthly_limit_microusd": "US dollars; empty = no limit",
        "credit_nanousd": "US dollars, such as 0.0083. It counts for charges from now on; what is "
        "booked stays as it is",
    }
    list_display = (
        "name",
        "standing",
        "key_kept",
        "in_flight",
        "month_limit",
        "credit_price",
        "balance",
        "last_test",
        "origin",
    )
    list_filter = (("provider", ProviderNames), "enabled", "origin")
    search_fields = ("provider", "label", "base_url")
    ordering = ("provider", "label")
    actions = ("test", "enable", "disable", "encrypt_again", "book_credits")
    page_actions = ("test", "enable", "disable", "encrypt_again", "book_credits")
    readonly_fields = (
        "standing", "last_test", "balance", "balance_age", "origin", "swept", "made_at",
        "credit_counts",
    )  # fmt: skip

    # ---- Columns -----------------------------------------------------------------------
    def get_queryset(self, request: HttpRequest) -> QuerySet[ProviderAccount]:
        at_provider = Q(generations__state__in=sorted(AT_PROVIDER_STATES))
        queued = Q(generations__state=State.QUEUED)
        rows = (
            super()
            .get_queryset(request)
            .annotate(
                at_provider=Count("generations", filter=at_provider),
                queued=Count("generations", filter=queued),
            )
        )
        return with_last_test(rows)

    @admin.display(description="Account", ordering="provider")
    def name(self, obj: ProviderAccount) -> str:
        return account_name(obj)

    @admin.display(description="Provider")
    def provider_name(self, obj: ProviderAccount) -> str:
        return provider_label(obj.provider)

    def heading(self, obj: ProviderAccount) -> str:
        return account_name(obj)

    @admin.display(description="Standing")
    def standing(self, obj: ProviderAccount) -> SafeString:
        return standing_chip(obj)

    @admin.display(description="Key")
    def key_kept(self, obj: ProviderAccount) -> str:
        if obj.provider == "previs":
            return "not needed"
        return "kept, encrypted" if obj.has_key else "none"

    @admin.display(description="At the provider")
    def in_flight(self, obj: ProviderAccount) -> SafeString:
        text = f"{obj.at_provider} of {obj.concurrent_limit}"  # type: ignore[attr-defined]  # annotated
        if obj.queued:  # type: ignore[attr-defined]  # annotated
            text += f", {obj.queued} waiting"  # type: ignore[attr-defined]  # annotated
        return filtered(Generation, text, account__id__exact=obj.pk, stands="moving")

    @admin.display(description="A month", ordering="monthly_limit_microusd")
    def month_limit(self, obj: ProviderAccount) -> str:
        limit = obj.monthly_limit_microusd
        return "no limit" if limit is None else f"up to {dollars(limit)}"

    @admin.display(description="A credit", ordering="credit_nanousd")
    def credit_price(self, obj: ProviderAccount) -> str:
        if obj.credit_nanousd is not None:
            return in_words(obj.credit_nanousd)
        usual = CREDIT_RATES.get(obj.provider)
        return f"estimated at {in_words(usual.nanousd)}; set what you pay" if usual else "—"

    @admin.display(description="Counts now as")
    def credit_counts(self, obj: ProviderAccount) -> str:
        if obj.credit_nanousd is not None:
            return f"{in_words(obj.credit_nanousd)} a credit, as you set it"
        usual = CREDIT_RATES.get(obj.provider)
        if usual is None:
            return "no rate: a charge told in credits alone is of an unknown amount"
        return f"estimated at {in_words(usual.nanousd)} a credit, by {usual.source}"

    @admin.display(description="Balance")
    def balance(self, obj: ProviderAccount) -> str:
        left = Balance(obj.balance_microusd, obj.balance_credits, obj.balance_unit)
        return amount(left) or "—"

    @admin.display(description="Balance asked")
    def balance_age(self, obj: ProviderAccount) -> str | SafeString:
        return when(obj.balance_at)

    @admin.display(description="Last test")
    def last_test(self, obj: ProviderAccount) -> str | SafeString:
        return test_result(obj)

    @admin.display(description="Last looked after")
    def swept(self, obj: ProviderAccount) -> str:
        return moment(obj.swept_at)

    # ---- The page ----------------------------------------------------------------------
    def get_fieldsets(self, request: HttpRequest, obj: ProviderAccount | None = None) -> Any:
        local = obj is not None and obj.provider == "previs"
        what = ("provider" if obj is None else "provider_name", "label", "enabled")
        limits = ("concurrent_limit",) if local else ("concurrent_limit", "monthly_limit_microusd")
        fieldsets: list[Any] = [
            (None, {"fields": what if local else (*what, "key", "base_url", "dialect")})
        ]
        fieldsets.append(("Limits", {"fields": limits}))
        if not local:
            rate = ("credit_nanousd",) if obj is None else ("credit_nanousd", "credit_counts")
            fieldsets.append(("Credits", {"fields": rate}))
        if obj is None:
            return fieldsets
        if obj.origin == Origin.ENVIRONMENT:
            fieldsets[0][1]["fields"] = (*what, "dialect")
            fieldsets[0][1]["description"] = (
                "The key and the base URL of this account come from the environment "
                "and are read again at each start."
            )
        now = ("standing", "origin", "swept", "made_at")
        fieldsets.append(
            (
                "Now",
                {
                    "fields": now
                    if local
                    else ("standing", "last_test", "balance", "balance_age", *now[1:])
                },
            )
        )
        return fieldsets

    def get_readonly_fields(
        self, request: HttpRequest, obj: ProviderAccount | None = None
    ) -> tuple[str, ...]:
        return self.readonly_fields if obj is None else ("provider_name", *self.readonly_fields)

    def save_model(
        self, request: HttpRequest, obj: ProviderAccount, form: Any, change: bool
    ) -> None:
        fresh = form.cleaned_data.get("key")
        if fresh:
            obj.set_key(fresh)
        super().save_model(request, obj, form, change)
        if change and (fresh or "base_url" in form.changed_data):
            # Whatever held it up was said of the earlier key or address.
            holds.lift(obj.pk)
        if fresh and change:
            clear_trouble(obj)
            self.log_change(request, obj, NEW_KEY)
            messages.info(request, "The new key is kept. Press Test to see whether it works.")

    def has_delete_permission(
        self, request: HttpRequest, obj: ProviderAccount | None = None
    ) -> bool:
        # The other accounts would be made again at the next start; and what was made with one, or
        # charged to it, keeps it: it can be disabled.
        if obj is not None and (
            obj.origin != Origin.ADMIN or obj.generations.exists() or obj.ledger.exists()
        ):
            return False
        return super().has_delete_permission(request, obj)

    def offers(self, obj: ProviderAccount, name: str) -> bool:
        return {
            "test": obj.provider != "previs",
            "enable": not obj.enabled,
            "disable": obj.enabled,
            "encrypt_again": obj.has_key,
            "book_credits": credits_without_money(obj).exists(),
        }[name]

    # ---- Actions -----------------------------------------------------------------------
    @admin.action(description="Test", permissions=["change"])
    def test(self, request: HttpRequest, queryset: QuerySet[ProviderAccount]) -> None:
        for account in queryset:
            try:
                said = ask_provider(account)
            except StudioError as error:
                messages.error(request, error.message)
                self.log_change(request, account, FAILS + error.message)
            else:
                messages.success(request, said)
                self.log_change(request, account, WORKS + said)

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[ProviderAccount]) -> None:
        self._switch(request, queryset, True)

    @admin.action(description="Disable", permissions=["change"])
    def disable(
        self, request: HttpRequest, queryset: QuerySet[ProviderAccount]
    ) -> HttpResponse | None:
        question = Question("Send nothing more there?", "Disable", _held_up, column="What it does")
        busy = list(queryset.filter(enabled=True))
        if page := asked(self, request, busy, "disable", question):
            return page
        self._switch(request, queryset, False)
        return None

    def _switch(
        self, request: HttpRequest, queryset: QuerySet[ProviderAccount], enabled: bool
    ) -> None:
        rows = list(queryset.filter(enabled=not enabled))
        chosen = ProviderAccount.objects.filter(pk__in=[row.pk for row in rows])
        update_in_order(chosen, enabled=enabled)
        for row in rows:
            self.log_change(request, row, "Enabled." if enabled else "Disabled.")
        tell(request, rows, "Enabled" if enabled else "Disabled")

    @admin.action(description="Encrypt again with the newest key", permissions=["change"])
    def encrypt_again(self, request: HttpRequest, queryset: QuerySet[ProviderAccount]) -> None:
        done, refused = [], []
        for account in queryset.exclude(key_locked=""):
            before = account.key_locked
            try:
                account.set_key(account.reveal_key())
            except ImproperlyConfigured as error:
                refused.append(f"{account_name(account)}: {error}")
                continue
            # A key entered meanwhile stays.
            rows = ProviderAccount.objects.filter(pk=account.pk, key_locked=before)
            if rows.update(key_locked=account.key_locked):
                self.log_change(request, account, "Key encrypted again.")
                done.append(account)
        tell(request, done, "Encrypted again with the newest key", refused)

    @admin.action(description="Book credits charged before as money", permissions=["change"])
    def book_credits(self, request: HttpRequest, queryset: QuerySet[ProviderAccount]) -> None:
        done, refused = [], []
        for account in queryset:
            count = book_credits(account)
            if count:
                self.log_change(request, account, f"Booked the credits of {count} clips as money.")
                done.append(account)
            else:
                refused.append(f"{account_name(account)}: no charge in credits waits for a rate.")
        tell(request, done, "Booked as money, at the rate that counts now", refused)


def standing_chip(account: ProviderAccount) -> SafeString:
    if not account.enabled:
        return chip("Switched off")
    if account.hold_reason:
        return chip(f"Held: {account.hold_text}", "bad")
    if account.paused_until and account.paused_until > timezone.now():
        return chip(f"Waits: {account.trouble or 'trouble at the provider'}", "bad")
    if account.trouble:
        return chip(account.trouble, "wait")
    if account.provider != "previs" and not account.has_key:
        return chip("No key", "wait")
    if fails(account):
        return chip("Failed its last test", "bad")
    return chip("Ready", "ok")


# ---- The last test ---------------------------------------------------------------------
def with_last_test(rows: QuerySet[ProviderAccount]) -> QuerySet[Any]:
    """Add the newest test of each account from its history: `tested` (text) and `tested_at`.

    Empty where a new key was entered since. `sent_at` is when the provider last took a shot.
    """
    tests = (
        LogEntry.objects.filter(
            Q(change_message__startswith=WORKS)
            | Q(change_message__startswith=FAILS)
            | Q(change_message=NEW_KEY),
            content_type=ContentType.objects.get_for_model(ProviderAccount),
            object_id=Cast(OuterRef("pk"), CharField()),
        )
        .order_by("-action_time", "-pk")
        .values("change_message", "action_time")
    )
    # Claimed for sending is not taken yet: that has the provider's id.
    taken = Generation.objects.filter(account=OuterRef("pk"), submitted_at__isnull=False)
    sent = taken.exclude(provider_job_id="")
    return rows.annotate(
        tested=Subquery(tests.values("change_message")[:1]),
        tested_at=Subquery(tests.values("action_time")[:1]),
        sent_at=Subquery(sent.order_by("-submitted_at").values("submitted_at")[:1]),
    )


def answered_since(account: ProviderAccount) -> datetime | None:
    """Return when the provider last told a balance or took a shot, if that was after the test."""
    known = (account.balance_at, account.sent_at)  # type: ignore[attr-defined]  # annotated
    since = [at for at in known if at and at > account.tested_at]  # type: ignore[attr-defined]  # annotated
    return max(since, default=None)


def fails(account: ProviderAccount) -> bool:
    """Whether the last test failed, and nothing is known to have worked since.

    Takes a row of `with_last_test`.
    """
    said = str(getattr(account, "tested", None) or "")
    return said.startswith(FAILS) and answered_since(account) is None


def test_result(account: ProviderAccount) -> str | SafeString:
    """Say how the last test ended and when; takes a row of `with_last_test`."""
    said = str(getattr(account, "tested", None) or "")
    if account.provider == "previs":
        return "not needed"
    if not said:
        return "not tested yet"
    if said == NEW_KEY:
        return "not tested since its key was changed"
    works = said.startswith(WORKS)
    words = said.removeprefix(WORKS if works else FAILS).removeprefix(f"{account_name(account)}: ")
    since = None if works else answered_since(account)
    return format_html(
        '{} {}<span class="quiet">{}{}</span>',
        chip("Works" if works else "Failed", "ok" if works else "" if since else "bad"),
        when(account.tested_at),  # type: ignore[attr-defined]  # annotated
        f": {words}" if words else "",
        format_html(" It has answered since: {}.", when(since)) if since else "",
    )


def _held_up(account: ProviderAccount) -> str:
    waiting, there = account.queued, account.at_provider  # type: ignore[attr-defined]  # annotated
    if not waiting and not there:
        return ""
    return (
        f"{waiting} in line here wait until it is enabled; "
        f"{there} at the provider go on and are fetched."
    )
