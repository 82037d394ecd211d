"""Whether this process answers, and whether the studio behind it can work."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from studio.services import disk, holds, signs
from studio.templatetags.studio_tags import provider_label, took

OK = "ok"


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer without session, database or queue: the process is alive."""
    return HttpResponse(OK, content_type="text/plain")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Say of each part whether it is "ok", else what is wrong, in a short sentence.

    503 where pages cannot be answered: without the database or the queue. Workers that are away, a
    sweep that stops with an error, shots set aside or a disk that is nearly full stop new work, not the people who watch and judge, so a balancer must
    go on sending them here; `?strict` answers 503 for those too, for an alarm.
    """
    needed = {"database": _database(), "queue": _queue()}
    alive = all(said == OK for said in needed.values())
    wanted = {
        "workers": _workers() if alive else "not known",
        "sweep": _sweep() if alive else "not known",
        "accounts": _accounts() if alive else "not known",
        "disk": _disk(),
    }
    strict = "strict" in request.GET
    ready = alive and (not strict or all(said == OK for said in wanted.values()))
    return JsonResponse({"ready": ready, **needed, **wanted}, status=200 if ready else 503)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "the database does not answer"
    return OK


def _queue() -> str:
    # Not the broker's ping: on the database broker it answers yes without asking.
    try:
        signs.queue_depth()
    except (DatabaseError, RedisError):
        return "the queue does not answer"
    return OK


def _workers() -> str:
    age = signs.sweep_age()
    if age is None:
        return "no worker has run yet"
    if age > signs.SWEEP_LATE:
        return f"no worker has looked after the shots for {took(age.total_seconds())}"
    return OK


def _sweep() -> str:
    failure = signs.sweep_failure()
    if failure is not None:
        ago, finished = (None if age is None else took(age.total_seconds()) for age in failure)
        last = (
            f"the last finished sweep was {finished} ago" if finished else "none has finished yet"
        )
        return f"degraded: the sweep stopped with an error {ago} ago; {last}"
    count = signs.set_aside()
    if count:
        shots = "1 shot is" if count == 1 else f"{count} shots are"
        return f"degraded: {shots} set aside, for what comes of them cannot be recorded"
    return OK


def _accounts() -> str:
    # Whoever asks is not signed in: which provider and why, without sums.
    held = [
        f"{provider_label(account.provider)} ({account.get_hold_reason_display().lower()})"
        for account in holds.held_accounts()
    ]
    return f"held: {', '.join(held)}" if held else OK


def _disk() -> str:
    if disk.is_spent():
        return "full: finished clips wait outside"
    return "nearly full: nothing new is begun" if disk.is_short() else OK
