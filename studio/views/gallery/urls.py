"""Addresses of the gallery, bulk actions, tags, collections and the bin."""

from __future__ import annotations

from django.urls import URLPattern

from studio.address_rules import CREATE, HEAVY, LOOKUP, MANAGE, OWN, SEE, address
from studio.views.gallery import bin as bin_
from studio.views.gallery import bulk, clip_list, collections, saved_views, tags

urlpatterns: list[URLPattern] = [
    address("p/<uuid:code>/", clip_list.clip_list, SEE.asking(LOOKUP), name="clip-list"),
    address("p/<uuid:code>/changes/", clip_list.clip_changes, SEE, name="clip-changes"),
    address("p/<uuid:code>/filters/<slug:kind>/", clip_list.filter_menu, SEE.asking(LOOKUP), name="filter-menu"),
    address("p/<uuid:code>/views/", saved_views.saved_views, SEE, name="saved-views"),
    address("p/<uuid:code>/views/restore/<path:kept>/", saved_views.restore_view, OWN, name="restore-view"),
    address("views/<uuid:code>/rename/", saved_views.rename_view, OWN, name="rename-view"),
    address("views/<uuid:code>/share/", saved_views.share_view, OWN, name="share-view"),
    address("views/<uuid:code>/default/", saved_views.open_first, OWN, name="open-view-first"),
    address("views/<uuid:code>/delete/", saved_views.delete_view, OWN, name="delete-view"),
    address("p/<uuid:code>/bulk/", bulk.bulk, SEE, name="bulk"),
    address("p/<uuid:code>/bulk/count/", bulk.count_matching, SEE.asking(LOOKUP), name="count-matching"),
    address("bulk/<uuid:code>/", bulk.run_detail, SEE, name="bulk-run"),
    address("bulk/<uuid:code>/undo/", bulk.undo_run, OWN, name="undo-bulk"),
    address("p/<uuid:code>/bin/", bin_.bin_list, CREATE, name="bin"),
    address("p/<uuid:code>/bin/empty/", bin_.empty_bin, MANAGE, name="empty-bin"),
    address("clips/<uuid:code>/purge/", bin_.purge_clip, MANAGE, name="purge-clip"),
    address("clips/<uuid:code>/tags/", tags.clip_tags, CREATE, name="clip-tags"),
    address("p/<uuid:code>/tags/", tags.tag_list, CREATE, name="tag-list"),
    address("p/<uuid:code>/tags/names/", tags.tag_names, SEE.asking(LOOKUP), name="tag-names"),
    address("p/<uuid:code>/tags/<int:pk>/", tags.change_tag, CREATE, name="change-tag"),
    address("p/<uuid:code>/collections/", collections.collection_list, SEE, name="collection-list"),
    address("collections/<uuid:code>/", collections.collection_detail, SEE, name="collection-detail"),
    address("collections/<uuid:code>/title/", collections.describe, CREATE, name="describe-collection"),
    address("collections/<uuid:code>/move/", collections.move_clip, CREATE, name="move-in-collection"),
    address("collections/<uuid:code>/remove/", collections.remove_clip, CREATE, name="remove-from-collection"),
    address("collections/<uuid:code>/put-back/<uuid:clip>/<int:position>/", collections.put_back, CREATE, name="put-back-in-collection"),
    address("collections/<uuid:code>/archive.zip", collections.collection_archive, CREATE.asking(HEAVY), name="collection-archive"),
    address("collections/<uuid:code>/delete/", collections.delete_collection, CREATE, name="delete-collection"),
    address("collections/<uuid:code>/restore/", collections.restore_collection, CREATE, name="restore-collection"),
]  # fmt: skip
