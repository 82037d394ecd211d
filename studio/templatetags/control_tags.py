"""What the pages of the control room need of their own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.filter
def with_headings(cells: Iterable[SafeString], headers: list[dict[str, Any]]) -> list[SafeString]:
    """Name each cell of a row after its column, for the phone, where the headings are not shown.

    `cells` are whole `<td>` or `<th>` elements as Django makes them. Those under a column
    without a heading, and those of which nothing is known, stay as they are.
    """
    named = []
    for cell, header in zip(cells, headers, strict=False):
        text = str(header["text"]).strip()
        start, rest = cell[:3], cell[3:]
        if text and "<" not in text and start in ("<td", "<th"):
            mark = format_html(' data-heading="{}{}"', text[:1].upper(), text[1:])
            cell = mark_safe(start + mark + rest)  # noqa: S308  # a cell of Django's and a mark made safe
        named.append(cell)
    return named
