"""Who is told what: the feed, the bell, the digest by e-mail, and webhooks going out."""

from __future__ import annotations
