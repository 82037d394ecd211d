"""Addresses of the ways to look at clips."""

from __future__ import annotations

from django.urls import URLPattern

from studio.address_rules import LOOKUP, QUICK, SEE, address
from studio.views.looking import compare, judging, light_table, lightbox

urlpatterns: list[URLPattern] = [
    address("p/<uuid:code>/look/<uuid:clip>/", lightbox.look_at_clip, SEE, name="look-at-clip"),
    address("p/<uuid:code>/compare/", compare.compare_clips, SEE, name="compare-clips"),
    address(
        "p/<uuid:code>/light-table/",
        light_table.light_table,
        SEE.asking(LOOKUP),
        name="light-table",
    ),
    address(
        "clips/<uuid:code>/judge/",
        judging.judge_in_passing,
        SEE.sending(QUICK),
        name="judge-in-passing",
    ),
]
