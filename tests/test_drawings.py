"""Every drawing that a template names is there: a page that is seldom empty must not fail when it is."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings

from studio.concepts import CONCEPTS

TEMPLATES = Path(settings.BASE_DIR) / "templates"
SPRITE = Path(settings.BASE_DIR) / "static/studio/icons/icons.svg"


def named(tag):
    """Return (template, name) for every drawing named outright."""
    found = re.compile(rf'\{{% {tag} "([\w-]+)"')
    return [
        (str(path.relative_to(TEMPLATES)), name)
        for path in TEMPLATES.rglob("*.html")
        for name in found.findall(path.read_text())
    ]


def test_every_glyph_is_a_camera_word():
    assert [one for one in named("glyph") if one[1] not in CONCEPTS] == []


def test_every_icon_is_in_the_sprite():
    there = set(re.findall(r'id="i-([\w-]+)"', SPRITE.read_text()))
    asked = named("icon")
    assert len(asked) > 100
    assert [one for one in asked if one[1] not in there] == []
