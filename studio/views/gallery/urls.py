"""Addresses of the gallery, bulk actions, tags, collections and the bin."""

from __future__ import annotations

from django.urls import URLPattern, path

from studio.views.gallery import bin as bin_
from studio.views.gallery import bulk, clip_list, collections, saved_views, tags

urlpatterns: list[URLPattern] = [
    path("p/<uuid:code>/", clip_list.clip_list, name="clip-list"),
    path("p/<uuid:code>/changes/", clip_list.clip_changes, name="clip-changes"),
    path("p/<uuid:code>/filters/<slug:kind>/", clip_list.filter_menu, name="filter-menu"),
    path("p/<uuid:code>/views/", saved_views.saved_views, name="saved-views"),
    path("p/<uuid:code>/views/restore/<path:kept>/", saved_views.restore_view, name="restore-view"),
    path("views/<uuid:code>/rename/", saved_views.rename_view, name="rename-view"),
    path("views/<uuid:code>/share/", saved_views.share_view, name="share-view"),
    path("views/<uuid:code>/default/", saved_views.open_first, name="open-view-first"),
    path("views/<uuid:code>/delete/", saved_views.delete_view, name="delete-view"),
    path("p/<uuid:code>/bulk/", bulk.bulk, name="bulk"),
    path("p/<uuid:code>/bulk/count/", bulk.count_matching, name="count-matching"),
    path("bulk/<uuid:code>/", bulk.run_detail, name="bulk-run"),
    path("bulk/<uuid:code>/undo/", bulk.undo_run, name="undo-bulk"),
    path("p/<uuid:code>/bin/", bin_.bin_list, name="bin"),
    path("p/<uuid:code>/bin/empty/", bin_.empty_bin, name="empty-bin"),
    path("clips/<uuid:code>/purge/", bin_.purge_clip, name="purge-clip"),
    path("clips/<uuid:code>/tags/", tags.clip_tags, name="clip-tags"),
    path("p/<uuid:code>/tags/", tags.tag_list, name="tag-list"),
    path("p/<uuid:code>/tags/names/", tags.tag_names, name="tag-names"),
    path("p/<uuid:code>/tags/<int:pk>/", tags.change_tag, name="change-tag"),
    path("p/<uuid:code>/collections/", collections.collection_list, name="collection-list"),
    path("collections/<uuid:code>/", collections.collection_detail, name="collection-detail"),
    path("collections/<uuid:code>/title/", collections.describe, name="describe-collection"),
    path("collections/<uuid:code>/move/", collections.move_clip, name="move-in-collection"),
    path("collections/<uuid:code>/remove/", collections.remove_clip, name="remove-from-collection"),
    path("collections/<uuid:code>/put-back/<uuid:clip>/<int:position>/", collections.put_back, name="put-back-in-collection"),
    path("collections/<uuid:code>/archive.zip", collections.collection_archive, name="collection-archive"),
    path("collections/<uuid:code>/delete/", collections.delete_collection, name="delete-collection"),
    path("collections/<uuid:code>/restore/", collections.restore_collection, name="restore-collection"),
]  # fmt: skip
