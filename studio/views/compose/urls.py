"""Addresses of the compose page, sketches and stills."""

from __future__ import annotations

from django.urls import URLPattern, path

from studio.views.compose import compose_page, sending, sketches, stills

urlpatterns: list[URLPattern] = [
    path("p/<uuid:code>/new/", compose_page.compose_shot, name="compose-shot"),
    path("p/<uuid:code>/quote/", compose_page.quote_shot, name="quote-shot"),
    path("p/<uuid:code>/sent/", sending.show_sent, name="show-sent"),
    path("p/<uuid:code>/sketch/", sketches.sketch_shot, name="sketch-shot"),
    path("p/<uuid:code>/sketch/first/", sketches.sketch_first, name="sketch-first"),
    path("p/<uuid:code>/moves/", sketches.compare_moves, name="compare-moves"),
    path("p/<uuid:code>/moves/<slug:slug>.webp", sketches.move_seen, name="move-seen"),
    path("p/<uuid:code>/stills/", stills.still_list, name="still-list"),
    path("p/<uuid:code>/stills/picker/", stills.still_picker, name="still-picker"),
    path("stills/<uuid:code>/name/", stills.rename_still, name="rename-still"),
    path("stills/<uuid:code>/delete/", stills.delete_still, name="delete-still"),
    path("stills/<uuid:code>/crop/", stills.crop_still, name="crop-still"),
    path("media/stills/<uuid:code>", stills.still_file, name="still-file"),
    path("media/stills/<uuid:code>/thumbnail", stills.still_thumbnail, name="still-thumbnail"),
]
