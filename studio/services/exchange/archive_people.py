"""The people of an archive: names, never accounts.

Anybody can write an archive, with any name in it, and get somebody to import it. So nothing in one is
put under an account, not even the importer's own: whoever said or decided something becomes a guest
voice, "Carol (from the archive)", and what has to belong to an account belongs to the importer.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Iterable
from typing import Any

from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.utils import timezone
from django.utils.crypto import salted_hmac

from studio.models import Generation, Guest, Project, Share, User
from studio.plain_text import one_line
from studio.services.exchange.records import Record

MAX_NAME_CHARS = 60
IMPORTED_TITLE = "Names from an imported archive"
NOBODY = "Somebody"
MARK = " (from the archive)"
# Who made an imported clip, as its archive says: for a query of clips.
MAKER = KeyTextTransform("by", KeyTransform("imported", "raw_answer"))


def author_of(user: User | None, guest: Guest | None = None, name: str = "") -> dict[str, Any]:
    """Return what an archive says of an author: the name, and what tells two of one name apart."""
    if user is not None:
        return {"by": user.name, "by_key": f"member-{user.pk}"}
    key = {"by_key": f"guest-{guest.pk}"} if guest else {}
    return {"by": guest.name if guest else name, **key, "guest": True}


def archive_name(name: str) -> str:
    """Return the name under which somebody of an archive is shown: clean, and marked once."""
    plain = one_line(name)
    while plain.endswith(MARK):
        plain = plain.removesuffix(MARK)
    return one_line(plain or NOBODY, most=MAX_NAME_CHARS - len(MARK)) + MARK


def makers(clips: Iterable[Generation]) -> dict[int, str]:
    """Return who made the imported ones of these clips, by the clip's key; one query."""
    rows = Generation.objects.filter(pk__in=[clip.pk for clip in clips])
    found = rows.filter(raw_answer__has_key="imported").annotate(maker=MAKER)
    return {pk: archive_name(name or "") for pk, name in found.values_list("pk", "maker")}


class Authors:
    """The guests of a project that stand for the people of imported archives."""

    def __init__(self, project: Project, by: User) -> None:
        self._project, self._importer = project, by
        self._guests: dict[str, Guest] = {}
        self._share: Share | None = None

    def guest(self, record: Record) -> Guest:
        """Return the guest that stands for who said or decided this; the same each time."""
        name = archive_name(record.text("by", 80))
        # Archives of the first releases tell people apart by a digest of their e-mail address.
        key = record.text("by_key", 64) or record.text("by_address", 64)
        who = f"{key}:{name}"
        if who not in self._guests:
            share = self._closed_share()
            # Keyed: no token that a browser could hold has this hash.
            token = salted_hmac("archive voice", f"{share.code}:{who}", algorithm="sha256")
            self._guests[who], _ = Guest.objects.get_or_create(
                share=share, token_hash=token.hexdigest(), defaults={"name": name}
            )
        return self._guests[who]

    def _closed_share(self) -> Share:
        """Return the link that never opens, to which the guests of imports belong."""
        if self._share is None:
            self._share, _ = Share.objects.get_or_create(
                code=imported_share_code(self._project),
                defaults={
                    "project": self._project,
                    "title": IMPORTED_TITLE,
                    "token_hash": hashlib.sha256(secrets.token_bytes(32)).hexdigest(),
                    "created_by": self._importer,
                    "revoked_at": timezone.now(),
                },
            )
        return self._share


def imported_share_code(project: Project) -> uuid.UUID:
    return uuid.uuid5(project.code, "names of imported archives")


def names_in_archives(project: Project) -> list[str]:
    """Return the names of people whose words came in with archives; one query."""
    rows = Guest.objects.filter(share__code=imported_share_code(project))
    names = {name.removesuffix(MARK) for name in rows.values_list("name", flat=True)}
    return sorted(names, key=str.casefold)
