"""The addresses of bulk actions, tags, collections and the bin."""

from __future__ import annotations

from django.urls import URLPattern, path

from studio.views import bin as bin_
from studio.views import bulk, collections, tags

urlpatterns: list[URLPattern] = [
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
