"""Every address of the studio: those of each subject's views, and the control room's."""

from __future__ import annotations

from importlib import import_module

from django.contrib import admin
from django.urls import path

SUBJECTS = (
    "gallery",
    "looking",
    "clips",
    "review",
    "compose",
    "film",
    "sharing",
    "money",
    "news",
    "library",
    "projects",
    "signing_in",
    "operations",
)

urlpatterns = [
    path("admin/", admin.site.urls),
    *(
        pattern
        for subject in SUBJECTS
        for pattern in import_module(f"studio.views.{subject}.urls").urlpatterns
    ),
]

handler400 = "studio.views.operations.errors.bad_request"
handler403 = "studio.views.operations.errors.forbidden"
handler404 = "studio.views.operations.errors.not_found"
handler500 = "studio.views.operations.errors.server_error"
