"""Addresses of exports, hand-over and archives. studio.urls includes them at the root."""

from __future__ import annotations

from django.urls import URLPattern, path

from studio.views import archives, exports

urlpatterns: list[URLPattern] = [
    path("chains/<uuid:code>/exports/", exports.chain_exports, name="chain-exports"),
    path("exports/<uuid:code>/cancel/", exports.cancel_export, name="cancel-export"),
    path("exports/<uuid:code>/retry/", exports.retry_export, name="retry-export"),
    path("exports/<uuid:code>/delete/", exports.delete_export, name="delete-export"),
    path("exports/<uuid:code>/restore/", exports.restore_export, name="restore-export"),
    path("media/exports/<uuid:code>", exports.export_file, name="export-file"),
    path("chains/<uuid:code>/handover.zip", archives.chain_handover, name="chain-handover"),
    path("p/<uuid:code>/archive.zip", archives.project_archive, name="project-archive"),
    path("projects/import/", archives.import_project, name="import-project"),
]
