"""Who listens to studio.signals. Imported once the app is ready.

News must never stand in the way of what it is about: each receiver writes behind a savepoint of
its own, so that its failure undoes nothing but itself, and is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from studio import signals
from studio.models import Chain, Membership, Notification
from studio.services import known_browsers, sessions
from studio.services.money import warnings
from studio.services.news import happenings

logger = logging.getLogger(__name__)
Receiver = Callable[..., None]


def aside(note: Receiver) -> Receiver:
    """Write behind a savepoint; log what goes wrong instead of raising it."""

    @wraps(note)
    def inner(**said: Any) -> None:
        try:
            with transaction.atomic():
                note(**said)
        except Exception:
            logger.exception("%s: this news was not written", note.__name__)

    return inner


@receiver(signals.shots_moved)
def note_moved(moves: Any, actor: Any, **_: Any) -> None:
    # Nearly every move is no ending: those cost this line, and no savepoint.
    ended = [move for move in moves if move.new in happenings.ENDINGS]
    if ended:
        note_endings(moves=ended, actor=actor)


@aside
def note_endings(**said: Any) -> None:
    happenings.shots_ended(said["moves"], said["actor"])


@receiver(signals.shots_queued)
@aside
def note_queued(**said: Any) -> None:
    happenings.shots_queued(said["generations"], said["actor"])


@receiver(signals.shots_queued)
@aside
def note_budgets(**said: Any) -> None:
    for warning in warnings.due(said["generations"]):
        happenings.budget_warned(warning)


@receiver(signals.comment_made)
@aside
def note_comment(**said: Any) -> None:
    happenings.comment_made(
        said["generation"], said["comment"], said.get("actor"), said.get("guest")
    )


@receiver(signals.comment_edited)
@aside
def note_edit(**said: Any) -> None:
    happenings.comment_edited(said["comment"], said.get("mentioned", ()), said.get("actor"))


@receiver(signals.verdict_given)
@aside
def note_verdict(**said: Any) -> None:
    happenings.verdict_given(
        said["generation"],
        said["verdict"],
        said.get("actor"),
        said.get("guest"),
        said.get("comment"),
    )


@receiver(signals.verdicts_changed)
@aside
def note_verdicts(**said: Any) -> None:
    happenings.verdicts_changed(said["verdicts"], said["actor"], said["comments"])


@receiver(signals.share_made)
@aside
def note_share(**said: Any) -> None:
    happenings.share_made(said["share"], said["actor"])


@receiver(signals.share_visited)
@aside
def note_visit(**said: Any) -> None:
    happenings.share_visited(said["share"], said.get("guest"))


@receiver(signals.film_made)
@aside
def note_film(**said: Any) -> None:
    happenings.film_made(said["export"])


@receiver(signals.bulk_done)
@aside
def note_bulk(**said: Any) -> None:
    happenings.bulk_done(said["run"], said["actor"], undone=said.get("undone", False))


@receiver(signals.import_ended)
@aside
def note_import(**said: Any) -> None:
    happenings.import_ended(said["run"])


@receiver(signals.spend_asked)
@aside
def note_asked(**said: Any) -> None:
    happenings.spend_asked(said["request"], said["actor"])


@receiver(signals.spend_decided)
@aside
def note_decided(**said: Any) -> None:
    happenings.spend_decided(said["request"], said["actor"])


@receiver(post_save, sender=Chain)
@aside
def note_chain(instance: Chain, created: bool, raw: bool = False, **_: Any) -> None:
    # Chains are made in many ways, by extending a clip too: the row itself is the one sign.
    if created and not raw:
        happenings.chain_made(instance)


@receiver(post_delete, sender=Membership)
@aside
def forget_news(instance: Membership, **_: Any) -> None:
    """Who left a project, in whatever way, keeps no quotes of it."""
    rows = Notification.objects.filter(user=instance.user_id)
    rows.filter(activity__project=instance.project_id).delete()


@receiver(user_logged_in)
@aside
def note_sign_in(**said: Any) -> None:
    sessions.begin(said["request"], said["user"])
    known_browsers.note(said["request"], said["user"])
