"""The page between an action that cannot be taken back, or may cost money, and its doing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from studio.admin.base import StudioAdmin, link
from studio.amounts import money
from studio.models import Generation

CONFIRMED = "confirmed"
MOST = 500  # rows at once; Django takes 1,000 fields of a form


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked before an action. `risk` says of each row what it does, empty for nothing."""

    title: str
    button: str
    risk: Callable[[Any], str]
    column: str = "What it may cost"  # the heading above the risks
    field: str = ""  # the name of one text to be typed
    label: str = ""
    typed: str = ""
    error: str = ""
    price: Callable[[Any], int | None] | None = None  # of a row, micro-USD; goes with the answer


def is_confirmed(request: HttpRequest) -> bool:
    return request.POST.get(CONFIRMED) == "1"


def asked(
    model_admin: StudioAdmin[Any],
    request: HttpRequest,
    rows: Sequence[Any],
    action: str,
    question: Question,
) -> HttpResponse | None:
    """Return the page that asks, or None where it was answered or nothing can be at stake."""
    if is_confirmed(request) or not any(question.risk(row) for row in rows):
        return None
    return ask(model_admin, request, rows, action, question)


def ask(
    model_admin: StudioAdmin[Any],
    request: HttpRequest,
    rows: Sequence[Any],
    action: str,
    question: Question,
) -> HttpResponse:
    """Return the page that names each row and what is at stake; its form does the action."""
    left, rows = len(rows) - MOST, rows[:MOST]
    price = question.price or (lambda row: getattr(row, "estimated_microusd", None))
    at_stake = [price(row) or 0 for row in rows if question.risk(row)]
    of_money = any(at_stake) and len(at_stake) > 1 and not question.field
    ctx = model_admin.admin_site.each_context(request) | {
        "title": question.title,
        "opts": model_admin.opts,
        "list_title": model_admin.title,
        "noun": model_admin.noun or model_admin.opts.verbose_name,
        "question": question,
        "rows": [
            (
                row.pk,
                _named(model_admin, row),
                getattr(row, "project", None),
                question.risk(row),
                question.price(row) if question.price else None,
            )
            for row in rows
        ],
        "in_projects": any(hasattr(row, "project") for row in rows),
        "total": money(sum(at_stake)) if of_money else "",
        "left": max(left, 0),
        "action": action,
        "checkbox": ACTION_CHECKBOX_NAME,
        "confirmed": CONFIRMED,
        "back": rows[0].pk if len(rows) == 1 else None,
    }  # fmt: skip
    status = 422 if question.error else 200
    return render(request, "admin/confirm_action.html", ctx, status=status)


def _named(model_admin: StudioAdmin[Any], row: Any) -> str:
    if isinstance(row, Generation):
        return link(row, f"{row.number}. {row.title or 'Untitled'}, take {row.take}")
    return link(row, model_admin.heading(row))
