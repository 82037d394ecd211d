"""The page between an action that may cost money and its doing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from studio.admin.base import StudioAdmin, link
from studio.models import Generation
from studio.templatetags.studio_tags import money

CONFIRMED = "confirmed"
MOST = 500  # rows at once; Django takes 1,000 fields of a form


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked before an action. `risk` says of each row what it may cost, empty for nothing."""

    title: str
    button: str
    risk: Callable[[Generation], str]
    field: str = ""  # the name of one text to be typed
    label: str = ""
    typed: str = ""
    error: str = ""


def is_confirmed(request: HttpRequest) -> bool:
    return request.POST.get(CONFIRMED) == "1"


def ask(
    model_admin: StudioAdmin[Any],
    request: HttpRequest,
    rows: Sequence[Generation],
    action: str,
    question: Question,
) -> HttpResponse:
    """Return the page that names each row and what it may cost; its form does the action."""
    left, rows = len(rows) - MOST, rows[:MOST]
    at_stake = [row.estimated_microusd or 0 for row in rows if question.risk(row)]
    ctx = model_admin.admin_site.each_context(request) | {
        "title": question.title,
        "opts": model_admin.opts,
        "question": question,
        "rows": [
            (row.pk, link(row, f"{row.number}. {row.title or 'Untitled'}, take {row.take}"),
             row.project, question.risk(row))
            for row in rows
        ],
        "total": money(sum(at_stake)) if len(at_stake) > 1 and not question.field else "",
        "left": max(left, 0),
        "action": action,
        "checkbox": ACTION_CHECKBOX_NAME,
        "confirmed": CONFIRMED,
        "back": rows[0].pk if len(rows) == 1 else None,
    }  # fmt: skip
    status = 422 if question.error else 200
    return render(request, "admin/confirm_action.html", ctx, status=status)
