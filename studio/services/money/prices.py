"""Prices learn from what was really charged."""

from __future__ import annotations

from datetime import date

from django.utils import timezone

from studio.models import Generation, Price
from studio.models.generation import Charged


def learn_price(generation: Generation) -> bool:
    """Note what this clip cost beside the list price. Returns whether there was anything to learn."""
    if generation.actual_microusd is None or generation.charged != Charged.YES:
        return False
    learned = {"charged_microusd": generation.actual_microusd, "charged_at": timezone.now()}
    Price.objects.update_or_create(
        provider=generation.provider,
        model=generation.model,
        duration_s=generation.duration_s,
        resolution=generation.resolution,
        defaults=learned,
        create_defaults=learned | {"source": "first charge seen here", "checked_on": date.today()},  # noqa: DTZ011 (a date for people)
    )
    return True
