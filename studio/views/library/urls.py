"""Addresses of the prompt library, presets and blind tests."""

from __future__ import annotations

from django.urls import URLPattern, path

from studio.views.library import blind, library_page

urlpatterns: list[URLPattern] = [
    path("p/<uuid:code>/library/", library_page.library, name="library"),
    path("p/<uuid:code>/library/prompts/", library_page.keep_prompt, name="keep-prompt"),
    path("p/<uuid:code>/presets/<uuid:preset_code>/", library_page.change_preset, name="change-preset"),
    path("p/<uuid:code>/blind/", blind.blind_list, name="blind-list"),
    path("blind/<uuid:code>/", blind.blind_test, name="blind-test"),
    path("blind/<uuid:code>/judge/", blind.judge_pair, name="judge-pair"),
    path("blind/<uuid:code>/close/", blind.close_test, name="close-blind-test"),
]  # fmt: skip
