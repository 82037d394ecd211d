"""Addresses of projects, their people, and archives."""

from __future__ import annotations

from django.urls import URLPattern, path

from studio.views.projects import archives, members, project_list

urlpatterns: list[URLPattern] = [
    path("chains/<uuid:code>/handover.zip", archives.chain_handover, name="chain-handover"),
    path("p/<uuid:code>/archive.zip", archives.project_archive, name="project-archive"),
    path("projects/import/", archives.import_project, name="import-project"),
    path("", project_list.project_list, name="project-list"),
    path("projects/", project_list.create_project, name="create-project"),
    path("projects/new/", project_list.new_project, name="new-project"),
    path("projects/sample/", project_list.create_sample, name="create-sample"),
    path("projects/menu/", project_list.projects_menu, name="projects-menu"),
    path("p/<uuid:code>/settings/", project_list.project_settings, name="project-settings"),
    path("p/<uuid:code>/archive/", project_list.archive_project, name="archive-project"),
    path("p/<uuid:code>/restore/", project_list.restore_project, name="restore-project"),
    path("p/<uuid:code>/leave/", members.leave_project, name="leave-project"),
    path("p/<uuid:code>/members/<int:pk>/role/", members.change_role, name="change-role"),
    path("p/<uuid:code>/members/<int:pk>/remove/", members.remove_member, name="remove-member"),
    path("p/<uuid:code>/invites/", members.create_invite, name="create-invite"),
    path("p/<uuid:code>/invites/<int:pk>/revoke/", members.revoke_invite, name="revoke-invite"),
]
