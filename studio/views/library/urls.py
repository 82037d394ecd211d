"""Addresses of the prompt library, presets and blind tests."""

from __future__ import annotations

from django.urls import URLPattern

from studio.address_rules import CREATE, LOOKUP, OWN, QUICK, SEE, address
from studio.views.library import blind, library_page

urlpatterns: list[URLPattern] = [
    address("p/<uuid:code>/library/", library_page.library, CREATE.asking(LOOKUP), name="library"),
    address("p/<uuid:code>/library/prompts/", library_page.keep_prompt, CREATE, name="keep-prompt"),
    address("p/<uuid:code>/presets/<uuid:preset_code>/", library_page.change_preset, OWN, name="change-preset"),
    address("p/<uuid:code>/blind/", blind.blind_list, SEE, name="blind-list"),
    address("blind/<uuid:code>/", blind.blind_test, SEE, name="blind-test"),
    address("blind/<uuid:code>/judge/", blind.judge_pair, SEE.sending(QUICK), name="judge-pair"),
    address("blind/<uuid:code>/close/", blind.close_test, OWN, name="close-blind-test"),
]  # fmt: skip
