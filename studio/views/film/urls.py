"""Addresses of chains and exports."""

from __future__ import annotations

from django.urls import URLPattern, path

from studio.views.film import chain_edits, chains, exports

urlpatterns: list[URLPattern] = [
    path("p/<uuid:code>/chains/", chains.chain_list, name="chain-list"),
    path("p/<uuid:code>/chains/new/", chain_edits.create_chain, name="create-chain"),
    path("chains/<uuid:code>/", chains.chain_detail, name="chain-detail"),
    path("chains/<uuid:code>/changes/", chains.chain_changes, name="chain-changes"),
    path("chains/<uuid:code>/join/", chain_edits.join_chain, name="join-chain"),
    path("chains/<uuid:code>/title/", chain_edits.rename_chain, name="rename-chain"),
    path("chains/<uuid:code>/duplicate/", chain_edits.duplicate_chain, name="duplicate-chain"),
    path("chains/<uuid:code>/main/", chain_edits.make_main, name="make-main"),
    path("chains/<uuid:code>/delete/", chain_edits.delete_chain, name="delete-chain"),
    path("chains/<uuid:code>/restore/", chain_edits.restore_chain, name="restore-chain"),
    path(
        "chains/<uuid:code>/put-back/<uuid:clip>/<int:position>/",
        chain_edits.put_back,
        name="put-back",
    ),
    path("segments/<int:pk>/move/", chain_edits.move_segment, name="move-segment"),
    path("segments/<int:pk>/replace/", chain_edits.replace_segment, name="replace-segment"),
    path("segments/<int:pk>/remove/", chain_edits.remove_segment, name="remove-segment"),
    path("clips/<uuid:code>/bridge/", chains.choose_bridge, name="choose-bridge"),
    path("chains/<uuid:code>/exports/", exports.chain_exports, name="chain-exports"),
    path("exports/<uuid:code>/cancel/", exports.cancel_export, name="cancel-export"),
    path("exports/<uuid:code>/retry/", exports.retry_export, name="retry-export"),
    path("exports/<uuid:code>/delete/", exports.delete_export, name="delete-export"),
    path("exports/<uuid:code>/restore/", exports.restore_export, name="restore-export"),
    path("media/exports/<uuid:code>", exports.export_file, name="export-file"),
]
