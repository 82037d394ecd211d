"""Takes the index's triggers off before the studio's tables change, and puts them back after."""

from __future__ import annotations

from typing import Any

from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate
from django.dispatch import receiver

from studio import search


def _changes_studio(plan: list[tuple[Any, bool]] | None) -> bool:
    return any(migration.app_label == "studio" for migration, _ in plan or [])


@receiver(pre_migrate, dispatch_uid="studio-search-off")
def take_off(
    app_config: Any, using: str, plan: list[tuple[Any, bool]] | None = None, **kwargs: Any
) -> None:
    if app_config.label == "studio" and _changes_studio(plan):
        search.take_off(connections[using])


@receiver(post_migrate, dispatch_uid="studio-search-on")
def put_back(app_config: Any, using: str, **kwargs: Any) -> None:
    if app_config.label == "studio":
        search.ensure(connections[using])
