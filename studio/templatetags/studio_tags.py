"""Icons, glyphs and the ways money, time and sizes are written."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache

from django import template
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from studio import concepts, glyphs
from studio.amounts import amount_text, dollars, money
from studio.media.frames import exact_rate
from studio.models import Generation
from studio.providers.catalog import PROVIDER_LABELS, UnknownModel, get_spec

register = template.Library()


@register.simple_tag
@lru_cache(512)
def icon(name: str, css: str = "") -> SafeString:
    """Draw one icon of static/studio/icons/icons.svg. Kept: where the file lies is looked up once."""
    return format_html(
        '<svg class="i {}" viewBox="0 0 20 20" aria-hidden="true"><use href="{}#i-{}"/></svg>',
        css,
        static("studio/icons/icons.svg"),
        name,
    )


@register.simple_tag
def glyph(slug: str, css: str = "") -> SafeString:
    """Draw one concept's glyph. The page must hold `glyph_parts` once."""
    return format_html(
        '<svg class="g g-{} {}" viewBox="0 0 48 32" aria-hidden="true">{}</svg>',
        slug,
        css,
        mark_safe(glyphs.glyph_body(slug)),  # noqa: S308 (our own drawing, no outside text)
    )


@register.simple_tag
def glyph_parts() -> SafeString:
    """The parts the glyphs share; once a page."""
    return mark_safe(  # noqa: S308 (our own drawing, no outside text)
        f'<svg width="0" height="0" hidden><defs>{glyphs.PARTS}</defs></svg>'
    )


register.filter("money", money)
register.filter("amount", amount_text)
register.filter("dollars", dollars)


@register.filter
def timecode(ms: int | None) -> str:
    """Milliseconds as 0:03.79 (minutes, seconds, hundredths)."""
    if ms is None:
        return ""
    hundredths = ms // 10
    return f"{hundredths // 6000}:{hundredths // 100 % 60:02d}.{hundredths % 100:02d}"


@register.filter
def frame_rate(fps: float | None) -> str:
    """Frames a second for players, exactly: 25, or 24000/1001."""
    return str(exact_rate(fps))


@register.filter
def clock(seconds: float | None) -> str:
    """Whole seconds as 0:05."""
    whole = round(seconds or 0)
    return f"{whole // 60}:{whole % 60:02d}"


@register.filter
def took(seconds: float | None) -> str:
    """A span as people say it: 8 s, 1 min 48 s, 2 h 5 min."""
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{whole // 3600} h" + (f" {whole // 60 % 60} min" if whole // 60 % 60 else "")


@register.filter
def last_used(at: datetime) -> str:
    """When something was used, in a sentence: just now, 4 min ago, on 3 Nov."""
    if timezone.now() - at >= timedelta(days=7):
        return f"on {ago(at)}"
    return "just now" if ago(at) == "now" else f"{ago(at)} ago"


@register.filter
def ago(at: datetime | None) -> str:
    """How long ago, short: now, 4 min, 2 h, 3 d, then the date."""
    if at is None:
        return ""
    past = timezone.now() - at
    if past < timedelta(minutes=1):
        return "now"
    if past < timedelta(hours=1):
        return f"{past.seconds // 60} min"
    if past < timedelta(days=1):
        return f"{past.seconds // 3600} h"
    if past < timedelta(days=7):
        return f"{past.days} d"
    return f"{at.day} {at:%b}" + (f" {at.year}" if at.year != timezone.now().year else "")


@register.filter
def concept_label(slug: str) -> str:
    return concepts.label(slug)


@register.filter
def concept_labels(slugs: list[str]) -> str:
    """Several concepts in one line: Push in + Tilt up."""
    return " + ".join(concepts.label(slug) for slug in slugs)


@register.filter
def times(count: int) -> range:
    return range(count or 0)


@register.filter
def undo_url(tags: str | None) -> str:
    """The address in a message's extra tags that takes the action back, or an empty string."""
    return next((tag[5:] for tag in (tags or "").split() if tag.startswith("undo:")), "")


@register.filter
def percent_of(part: float | None, whole: float | None) -> str:
    """`part` as a percentage of `whole` for an SVG attribute, such as 42.1%."""
    return f"{100 * (part or 0) / whole:.2f}%" if whole else "0%"


@register.filter
def megabytes(count: int | None) -> str:
    """Bytes as MB with one decimal."""
    return f"{(count or 0) / 1_000_000:.1f} MB"


@register.filter
def provider_name(generation: Generation) -> str:
    """Provider and model for people: AI/ML API, Ray 2."""
    try:
        return get_spec(generation.provider, generation.model).name
    except UnknownModel:
        return f"{generation.provider}, {generation.model}"


@register.filter
def provider_label(provider: str) -> str:
    """A provider for people: AI/ML API."""
    return PROVIDER_LABELS.get(provider, provider)


@register.filter
def rendering_time(generation: Generation) -> float | None:
    """Seconds from being sent to being finished."""
    if not generation.finished_at or not generation.submitted_at:
        return None
    return (generation.finished_at - generation.submitted_at).total_seconds()


@register.filter
def density(request: HttpRequest) -> int:
    """How many clips this browser wants in a row of the gallery, from 1 (fewest) to 5."""
    raw = request.COOKIES.get("density", "")
    return int(raw) if raw in {"1", "2", "3", "4", "5"} else 3
