"""One line for each task of the workers, and what its lines are about. Imported once ready."""

from __future__ import annotations

import logging
import time
from contextvars import Token
from typing import Any

from django.dispatch import receiver
from django_q.signals import post_execute_in_worker, pre_execute

from studio.operations import context

logger = logging.getLogger(__name__)

MOST_RESULT = 300
# A worker does one task at a time.
_running: list[tuple[Token[Any], float]] = []


@receiver(pre_execute)
def task_begins(task: dict[str, Any], **_: Any) -> None:
    # The group is the request that asked for it (see studio.queue), or its schedule's name.
    request = "" if _is_scheduled(task) else task.get("group", "")
    token = context.begin(task=task["id"], request=request)
    _running.append((token, time.perf_counter()))


@receiver(post_execute_in_worker)
def task_ended(task: dict[str, Any], **_: Any) -> None:
    if not _running:
        return
    token, began = _running.pop()
    ms = round((time.perf_counter() - began) * 1000, 1)
    name = task["group"] if _is_scheduled(task) else task["name"]
    well = bool(task.get("success"))
    # A failure's traceback is written where it is caught, by django-q2.
    said = str(task.get("result") or "")[:MOST_RESULT] if well else "failed"
    logger.info("%s: %s", name, said, extra={"facts": {"ms": ms, "ok": well}})
    context.end(token)


def _is_scheduled(task: dict[str, Any]) -> bool:
    """Whether django-q2's scheduler asked for it: such tasks are named by chance."""
    return bool(task.get("group")) and task["name"].split(":")[0] != task["func"].rpartition(".")[2]
