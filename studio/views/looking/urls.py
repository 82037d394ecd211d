"""Addresses of the ways to look at clips."""

from __future__ import annotations

from django.urls import URLPattern, path

from studio.views.looking import compare, judging, light_table, lightbox

urlpatterns: list[URLPattern] = [
    path("p/<uuid:code>/look/<uuid:clip>/", lightbox.look_at_clip, name="look-at-clip"),
    path("p/<uuid:code>/compare/", compare.compare_clips, name="compare-clips"),
    path("p/<uuid:code>/light-table/", light_table.light_table, name="light-table"),
    path("clips/<uuid:code>/judge/", judging.judge_in_passing, name="judge-in-passing"),
]
