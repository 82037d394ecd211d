"""Whether this process answers, and whether the studio behind it can work."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from django_q.brokers import get_broker
from redis.exceptions import RedisError


@never_cache
@require_GET
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer without session, database or queue: the process is alive."""
    return HttpResponse("ok", content_type="text/plain")


@never_cache
@require_GET
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when every check is "ok", else 503; each check is "ok" or a short sentence."""
    checks = {"database": _database(), "queue": _queue()}
    ready = all(said == "ok" for said in checks.values())
    return JsonResponse({"ready": ready, **checks}, status=200 if ready else 503)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "the database does not answer"
    return "ok"


def _queue() -> str:
    # Not the broker's ping: on the database broker it answers yes without asking.
    try:
        get_broker().queue_size()
    except (DatabaseError, RedisError):
        return "the queue does not answer"
    return "ok"
