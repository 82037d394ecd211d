"""Addresses of the gallery's filter menus and saved views."""

from __future__ import annotations

from django.urls import path

from studio.views import gallery, saved_views

urlpatterns = [
    path("p/<uuid:code>/filters/<slug:kind>/", gallery.filter_menu, name="filter-menu"),
    path("p/<uuid:code>/views/", saved_views.saved_views, name="saved-views"),
    path("p/<uuid:code>/views/restore/<path:kept>/", saved_views.restore_view, name="restore-view"),
    path("views/<uuid:code>/rename/", saved_views.rename_view, name="rename-view"),
    path("views/<uuid:code>/share/", saved_views.share_view, name="share-view"),
    path("views/<uuid:code>/default/", saved_views.open_first, name="open-view-first"),
    path("views/<uuid:code>/delete/", saved_views.delete_view, name="delete-view"),
]
