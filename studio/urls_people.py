"""Addresses of people, projects and members. studio.urls includes them at the root."""

from __future__ import annotations

from django.urls import URLPattern, path

from studio.views import account, health, members, metrics, projects

urlpatterns: list[URLPattern] = [
    path("", projects.project_list, name="project-list"),
    path("projects/", projects.create_project, name="create-project"),
    path("projects/new/", projects.new_project, name="new-project"),
    path("projects/sample/", projects.create_sample, name="create-sample"),
    path("projects/menu/", projects.projects_menu, name="projects-menu"),
    path("p/<uuid:code>/settings/", projects.project_settings, name="project-settings"),
    path("p/<uuid:code>/archive/", projects.archive_project, name="archive-project"),
    path("p/<uuid:code>/restore/", projects.restore_project, name="restore-project"),
    path("p/<uuid:code>/leave/", members.leave_project, name="leave-project"),
    path("p/<uuid:code>/members/<int:pk>/role/", members.change_role, name="change-role"),
    path("p/<uuid:code>/members/<int:pk>/remove/", members.remove_member, name="remove-member"),
    path("p/<uuid:code>/invites/", members.create_invite, name="create-invite"),
    path("p/<uuid:code>/invites/<int:pk>/revoke/", members.revoke_invite, name="revoke-invite"),
    path("login/", account.sign_in, name="login"),
    path("logout/", account.sign_out, name="logout"),
    path("welcome/", account.welcome, name="welcome"),
    path("join/<str:token>/", account.join, name="join"),
    path("account/", account.account, name="account"),
    path("account/password/", account.change_password, name="change-password"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
]
