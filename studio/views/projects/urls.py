"""Addresses of projects, their people, and archives."""

from __future__ import annotations

from django.urls import URLPattern

from studio.address_rules import (
    CREATE,
    HEAVY,
    MANAGE,
    OWN,
    QUICK,
    RARE,
    SEE,
    SIGNED_IN,
    address,
)
from studio.services.exchange.archive_uploads import EDGE_BYTES, PART_BYTES
from studio.services.project_rights import check_may_import
from studio.views.projects import archives, members, project_list, uploads

urlpatterns: list[URLPattern] = [
    address(
        "chains/<uuid:code>/handover.zip",
        archives.chain_handover,
        CREATE.asking(HEAVY),
        name="chain-handover",
    ),
    address(
        "p/<uuid:code>/archive.zip",
        archives.project_archive,
        CREATE.asking(HEAVY),
        name="project-archive",
    ),
    address(
        "projects/import/",
        archives.import_project,
        SIGNED_IN.sending(RARE).with_files().checked_by(check_may_import),
        name="import-project",
    ),
    address(
        "projects/import/uploads/",
        uploads.begin_upload,
        SIGNED_IN.sending(RARE).up_to(2 * EDGE_BYTES).checked_by(check_may_import),
        name="begin-upload",
    ),
    address(
        "projects/import/uploads/<uuid:code>/", uploads.upload_progress, OWN, name="upload-progress"
    ),
    address(
        "projects/import/uploads/<uuid:code>/part/",
        uploads.upload_part,
        OWN.sending(QUICK).up_to(PART_BYTES).checked_by(check_may_import),
        name="upload-part",
    ),
    address(
        "projects/import/uploads/<uuid:code>/finish/",
        uploads.finish_upload,
        OWN.checked_by(check_may_import),
        name="finish-upload",
    ),
    address(
        "projects/import/uploads/<uuid:code>/cancel/",
        uploads.cancel_upload,
        OWN,
        name="cancel-upload",
    ),
    address("", project_list.project_list, SIGNED_IN, name="project-list"),
    address(
        "projects/", project_list.create_project, SIGNED_IN.sending(RARE), name="create-project"
    ),
    address("projects/new/", project_list.new_project, SIGNED_IN, name="new-project"),
    address(
        "projects/sample/",
        project_list.create_sample,
        SIGNED_IN.sending(RARE),
        name="create-sample",
    ),
    address("projects/menu/", project_list.projects_menu, SIGNED_IN, name="projects-menu"),
    address("p/<uuid:code>/settings/", project_list.project_settings, SEE, name="project-settings"),
    address("p/<uuid:code>/archive/", project_list.archive_project, MANAGE, name="archive-project"),
    address("p/<uuid:code>/restore/", project_list.restore_project, MANAGE, name="restore-project"),
    address("p/<uuid:code>/leave/", members.leave_project, OWN, name="leave-project"),
    address(
        "p/<uuid:code>/members/<int:pk>/role/", members.change_role, MANAGE, name="change-role"
    ),
    address(
        "p/<uuid:code>/members/<int:pk>/remove/",
        members.remove_member,
        MANAGE,
        name="remove-member",
    ),
    address("p/<uuid:code>/invites/", members.create_invite, MANAGE, name="create-invite"),
    address(
        "p/<uuid:code>/invites/<int:pk>/revoke/",
        members.revoke_invite,
        MANAGE,
        name="revoke-invite",
    ),
]
