"""Addresses of the compose page, sketches and stills."""

from __future__ import annotations

from django.urls import URLPattern

from studio.address_rules import CREATE, DRAWING, LOOKUP, SEE, STRIPS, address
from studio.views.compose import compose_page, sending, sketches, stills

urlpatterns: list[URLPattern] = [
    address(
        "p/<uuid:code>/new/",
        compose_page.compose_shot,
        CREATE.with_files(),
        name="compose-shot",
    ),
    address(
        "p/<uuid:code>/quote/",
        compose_page.quote_shot,
        CREATE.with_files(),
        name="quote-shot",
    ),
    address("p/<uuid:code>/sent/", sending.show_sent, CREATE.with_files(), name="show-sent"),
    address(
        "p/<uuid:code>/sketch/",
        sketches.sketch_shot,
        CREATE.sending(DRAWING).with_files(),
        name="sketch-shot",
    ),
    address(
        "p/<uuid:code>/sketch/first/",
        sketches.sketch_first,
        CREATE.sending(DRAWING).with_files(),
        name="sketch-first",
    ),
    address(
        "p/<uuid:code>/moves/",
        sketches.compare_moves,
        CREATE.asking(LOOKUP).with_files(),
        name="compare-moves",
    ),
    address(
        "p/<uuid:code>/moves/<slug:slug>.webp",
        sketches.move_seen,
        CREATE.asking(STRIPS),
        name="move-seen",
    ),
    address("p/<uuid:code>/stills/", stills.still_list, SEE.with_files(), name="still-list"),
    address("p/<uuid:code>/stills/picker/", stills.still_picker, CREATE, name="still-picker"),
    address("stills/<uuid:code>/name/", stills.rename_still, CREATE, name="rename-still"),
    address("stills/<uuid:code>/delete/", stills.delete_still, CREATE, name="delete-still"),
    address(
        "stills/<uuid:code>/crop/", stills.crop_still, CREATE.sending(DRAWING), name="crop-still"
    ),
    address("media/stills/<uuid:code>", stills.still_file, SEE, name="still-file"),
    address(
        "media/stills/<uuid:code>/thumbnail", stills.still_thumbnail, SEE, name="still-thumbnail"
    ),
]
