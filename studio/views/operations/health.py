"""Whether this process answers, and whether the studio behind it can work."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from redis.exceptions import RedisError

from studio.services import disk, signs
from studio.templatetags.studio_tags import took

OK = "ok"


@never_cache
@require_GET
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer without session, database or queue: the process is alive."""
    return HttpResponse(OK, content_type="text/plain")


@never_cache
@require_GET
def readyz(request: HttpRequest) -> HttpResponse:
    """Say of each part whether it is "ok", else what is wrong, in a short sentence.

    503 where pages cannot be answered: without the database or the queue. Workers that are away or
    a disk that is nearly full stop new work, not the people who watch and judge, so a balancer must
    go on sending them here; `?strict` answers 503 for those too, for an alarm.
    """
    needed = {"database": _database(), "queue": _queue()}
    alive = all(said == OK for said in needed.values())
    wanted = {"workers": _workers() if alive else "not known", "disk": _disk()}
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


def _disk() -> str:
    if disk.is_spent():
        return "full: finished clips wait outside"
    return "nearly full: nothing new is begun" if disk.is_short() else OK
