"""The studio's admin site: its door, its index, and the health page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from studio.http import is_safe

# The control room's rooms: name, and the models in the order they are listed.
ROOMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Providers", ("studio.provideraccount", "studio.price", "studio.orphan")),
    (
        "Work",
        (
            "studio.project",
            "studio.generation",
            "studio.generationevent",
            "studio.keyframe",
            "studio.chain",
            "studio.export",
            "studio.importrun",
        ),
    ),
    (
        "Review",
        ("studio.comment", "studio.givenverdict", "studio.seen", "studio.share", "studio.guest"),
    ),
    (
        "Order",
        ("studio.tag", "studio.collection", "studio.savedview", "studio.bulkrun"),
    ),
    ("Money", ("studio.ledgerentry", "studio.spendrequest", "studio.studiosettings")),
    ("Library", ("studio.favouriteprompt", "studio.preset", "studio.blindtest")),
    (
        "People",
        (
            "studio.user",
            "studio.membership",
            "studio.invite",
            "auth.group",
            "axes.accessattempt",
            "axes.accesslog",
        ),
    ),
    (
        "News",
        (
            "studio.activity",
            "studio.notification",
            "studio.webhook",
            "studio.webhookdelivery",
        ),
    ),
    ("Background", ("django_q.failure", "django_q.ormq", "django_q.schedule")),
)


class StudioAdminSite(AdminSite):
    site_header = "Ray Studio"
    site_title = "Ray Studio control room"
    index_title = "Control room"
    site_url = "/"
    empty_value_display = "—"

    # ---- The door ----------------------------------------------------------------------
    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Send strangers to the studio's own sign-in; to members who are not staff nothing is here."""
        guarded: Callable[..., HttpResponseBase] = super().admin_view(view, cacheable)

        @wraps(guarded)
        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if self.has_permission(request):
                return guarded(request, *args, **kwargs)
            return self._turn_away(request, request.get_full_path())

        return inner

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        wanted = request.GET.get("next", "")
        here = url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()})
        back = wanted if here else "/admin/"
        if self.has_permission(request):
            return HttpResponseRedirect(back)
        return self._turn_away(request, back)

    def _turn_away(self, request: HttpRequest, back: str) -> HttpResponse:
        if request.user.is_authenticated:
            raise Http404("The control room is for staff.")
        back = back if is_safe(request) else "/admin/"
        return HttpResponseRedirect(f"{settings.LOGIN_URL}?{urlencode({'next': back})}")

    def password_change(  # type: ignore[override]  # a redirect instead of a page
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return HttpResponseRedirect("/account/password/")

    # ---- The rooms ---------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern | URLResolver]:
        from studio.admin.health import health_page
        from studio.admin.overview import defaults_read, encrypt_again

        lock = self.admin_view(require_POST(encrypt_again))
        own = [
            path("health/", self.admin_view(self._page(health_page)), name="health"),
            path("encrypt-again/", lock, name="encrypt_again"),
            path(
                "defaults-read/",
                self.admin_view(require_POST(defaults_read)),
                name="defaults_read",
            ),
        ]
        return [*own, *super().get_urls()]

    def _page(self, view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def inner(request: HttpRequest) -> HttpResponse:
            return view(request, self.each_context(request))

        return inner

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        from studio.admin.overview import overview

        return super().index(request, overview(request) | (extra_context or {}))

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the models by room rather than by app; a label asks for one app's as Django does."""
        if app_label:
            return super().get_app_list(request, app_label)
        known = {
            f"{label}.{row['object_name'].lower()}": self._titled(row)
            for label, app in self._build_app_dict(request).items()
            for row in app["models"]
        }
        return [
            self._room(name, [known[m] for m in models if m in known])
            for name, models in ROOMS
            if any(m in known for m in models)
        ]

    def _titled(self, row: dict[str, Any]) -> dict[str, Any]:
        title = getattr(self._registry.get(row["model"]), "title", "")
        return row | ({"name": title} if title else {})

    @staticmethod
    def _room(name: str, models: Sequence[dict[str, Any]]) -> dict[str, Any]:
        slug = name.lower()
        return {
            "name": name,
            "app_label": slug,
            "app_url": f"/admin/#{slug}",
            "has_module_perms": True,
            "models": list(models),
        }
