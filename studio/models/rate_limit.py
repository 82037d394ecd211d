"""Token buckets of rate limits; see studio/services/rate_limits.py."""

from __future__ import annotations

from django.db import models


class RateLimit(models.Model):
    """One bucket. Without a row it is full, so a full one may be deleted at any time."""

    # A hash of what is limited: addresses and e-mails are not kept here.
    key = models.CharField(max_length=64, primary_key=True)
    # The bucket's whole state: what is missing from it comes back at a steady pace until then.
    full_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.key
