"""Addresses of chains and exports."""

from __future__ import annotations

from django.urls import URLPattern

from studio.address_rules import CREATE, RARE, SEE, address
from studio.views.film import chain_edits, chains, exports

urlpatterns: list[URLPattern] = [
    address("p/<uuid:code>/chains/", chains.chain_list, SEE, name="chain-list"),
    address("p/<uuid:code>/chains/new/", chain_edits.create_chain, CREATE, name="create-chain"),
    address("chains/<uuid:code>/", chains.chain_detail, SEE, name="chain-detail"),
    address("chains/<uuid:code>/changes/", chains.chain_changes, SEE, name="chain-changes"),
    address("chains/<uuid:code>/join/", chain_edits.join_chain, CREATE, name="join-chain"),
    address("chains/<uuid:code>/title/", chain_edits.rename_chain, CREATE, name="rename-chain"),
    address(
        "chains/<uuid:code>/duplicate/", chain_edits.duplicate_chain, CREATE, name="duplicate-chain"
    ),
    address("chains/<uuid:code>/main/", chain_edits.make_main, CREATE, name="make-main"),
    address("chains/<uuid:code>/delete/", chain_edits.delete_chain, CREATE, name="delete-chain"),
    address("chains/<uuid:code>/restore/", chain_edits.restore_chain, CREATE, name="restore-chain"),
    address(
        "chains/<uuid:code>/put-back/<uuid:clip>/<int:position>/",
        chain_edits.put_back,
        CREATE,
        name="put-back",
    ),
    address("segments/<int:pk>/move/", chain_edits.move_segment, CREATE, name="move-segment"),
    address(
        "segments/<int:pk>/replace/", chain_edits.replace_segment, CREATE, name="replace-segment"
    ),
    address("segments/<int:pk>/remove/", chain_edits.remove_segment, CREATE, name="remove-segment"),
    address("clips/<uuid:code>/bridge/", chains.choose_bridge, CREATE, name="choose-bridge"),
    address(
        "chains/<uuid:code>/exports/",
        exports.chain_exports,
        SEE.sending(RARE),
        name="chain-exports",
    ),
    address("exports/<uuid:code>/cancel/", exports.cancel_export, CREATE, name="cancel-export"),
    address(
        "exports/<uuid:code>/retry/",
        exports.retry_export,
        CREATE.sending(RARE),
        name="retry-export",
    ),
    address("exports/<uuid:code>/delete/", exports.delete_export, CREATE, name="delete-export"),
    address("exports/<uuid:code>/restore/", exports.restore_export, CREATE, name="restore-export"),
    address("media/exports/<uuid:code>", exports.export_file, SEE, name="export-file"),
]
