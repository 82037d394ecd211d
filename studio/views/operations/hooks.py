"""Where providers call to say "look now". The truth is fetched; nothing else is believed."""

from __future__ import annotations

import logging
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from studio.forms.gallery import whole_number
from studio.models import Generation, ProviderAccount
from studio.models.generation import State
from studio.queue import wake_sweep
from studio.services.doors import open_door

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 256 * 1024


@csrf_exempt  # providers have no session; the token in the address and the signature stand for it
@require_POST
def provider_hook(request: HttpRequest, provider: str, token: UUID) -> HttpResponse:
    """Set a known job's next poll to now. Replays are harmless, unknown jobs are ignored."""
    account = ProviderAccount.objects.filter(provider=provider, webhook_token=token).first()
    length = whole_number(request.headers.get("Content-Length"), most=MAX_BODY_BYTES)
    if account is None:
        return HttpResponse(status=404)
    if length is None:
        return HttpResponse(status=413)
    try:
        with open_door(account, account.dialect) as door:
            hint = door.parse_webhook(dict(request.headers), request.body)
    except (NotImplementedError, ImproperlyConfigured, ValueError):
        # No such call at this provider, or no key to check it with.
        return HttpResponse(status=404)
    if hint is None:
        logger.warning("a call to the %s hook was forged or unreadable", provider)
        return HttpResponse(status=403)
    now = timezone.now()
    rows = Generation.objects.filter(
        account=account, provider_job_id=hint.job_id, state__in=[State.RUNNING, State.STALLED]
    )
    # What is due already is looked at anyway: of many calls one wakes the sweep.
    if rows.exclude(next_poll_at__lte=now).update(next_poll_at=now):
        logger.info("%s says to look at %s (%s)", provider, hint.job_id, hint.matched or hint.event)
        wake_sweep(account.pk)
    # Luma calls again for any answer but 200.
    return HttpResponse(status=200)
