"""App configuration."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class StudioConfig(AppConfig):
    name = "studio"
    verbose_name = "Studio"

    def ready(self) -> None:
        from studio import checks, receivers  # noqa: F401 (importing registers them)
        from studio.operations import reports, tasks  # noqa: F401 (importing registers its receivers)
        from studio.search import looking_through, migrating  # noqa: F401 (importing registers them)

        reports.begin()


class StudioAdminConfig(AdminConfig):
    default_site = "studio.admin.site.StudioAdminSite"

    def ready(self) -> None:
        super().ready()
        # Not in studio/admin/__init__.py: importing the site imports that package, and a page
        # registered while the site is being made would land on a second one.
        from studio.admin import pages  # noqa: F401 (importing registers the pages)
