"""Which tables there are at a given set of migrations: of this version, or of an earlier one.

A backup is written and read with the models of the migrations it was made at, so one made before
an upgrade restores after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from django.apps import apps
from django.apps.registry import Apps
from django.db import connection, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from studio.services.errors import StudioError

# The apps whose migrations say which version of the tables a backup has.
BACKED_UP = ("auth", "mfa", "socialaccount", "studio")
# Of the apps other than the studio's own, without which people would come in without their codes.
ALSO_BACKED_UP = ("mfa.authenticator", "socialaccount.socialaccount")
FIRST = "auth.group"
DERIVED = "studio.searchtext"  # made anew from the others

Models = dict[str, type[models.Model]]
Node = tuple[str, str]


def applied_migrations() -> list[str]:
    """Return the migrations of this database that concern a backup; empty for an empty database."""
    applied = MigrationRecorder(connection).applied_migrations()
    return sorted(f"{app}.{name}" for app, name in applied if app in BACKED_UP)


def backed_up_models(registry: Apps = apps) -> list[type[models.Model]]:
    """Return the tables of a backup, those that others point at first."""
    own = [
        model
        for model in registry.get_app_config("studio").get_models()
        if model._meta.label_lower != DERIVED
    ]
    also = [_model(registry, label) for label in ALSO_BACKED_UP]
    first = _model(registry, FIRST)
    return [model for model in (first, *own, *also) if model is not None]


def _model(registry: Apps, label: str) -> type[models.Model] | None:
    try:
        return registry.get_model(label)
    except LookupError:
        return None


def by_label(found: Iterable[type[models.Model]]) -> Models:
    return {model._meta.label_lower: model for model in found}


def unknown_migrations(names: Iterable[str], *, of: Iterable[str] = BACKED_UP) -> list[str]:
    """Return those that this version does not have: they come from a newer one."""
    loader = _loader(replacing=True)
    known = set(loader.disk_migrations or {})
    replaced = {
        node for migration in (loader.disk_migrations or {}).values() for node in migration.replaces
    }
    wanted = set(of)
    return [
        name
        for name in names
        if name.partition(".")[0] in wanted and _node(name) not in known | replaced
    ]


def is_current(names: Iterable[str]) -> bool:
    """Whether these are all the migrations that this version has."""
    loader = _loader(replacing=True)
    given = set(map(_node, names))
    for node in loader.graph.nodes:
        if node[0] not in BACKED_UP or node in given:
            continue
        replaces = set(loader.graph.nodes[node].replaces)
        if not replaces or not replaces <= given:
            return False
    return True


def models_at(names: Iterable[str]) -> list[type[models.Model]]:
    """Return the tables of a backup as they were at these migrations. Raises StudioError."""
    listed = list(names)
    if unknown := unknown_migrations(listed):
        raise StudioError(
            f"This was made by a newer Ray Studio: this one does not know the migration "
            f"{unknown[0]}. Upgrade first, then restore."
        )
    if is_current(listed):
        return backed_up_models()
    loader, nodes = _graph_at(listed)
    return backed_up_models(loader.project_state(nodes).apps)


def targets_at(names: Iterable[str]) -> tuple[list[Node], bool]:
    """Return what to migrate an empty database to, and whether squashed migrations count as such."""
    loader, nodes = _graph_at(list(names))
    return nodes, loader.replace_migrations  # type: ignore[attr-defined]  # not in the stubs


def _graph_at(names: list[str]) -> tuple[MigrationLoader, list[Node]]:
    if not {app for app, _ in map(_node, names)} >= set(BACKED_UP):
        raise StudioError("The backup is incomplete: its manifest lacks migrations of its tables.")
    for replacing in (True, False):
        loader = _loader(replacing=replacing)
        given = set(map(_node, names))
        nodes = given & set(loader.graph.nodes)
        covered = set(nodes)
        for node in loader.graph.nodes:
            replaces = set(loader.graph.nodes[node].replaces)
            if replaces and replaces <= given and replacing:
                nodes.add(node)
                covered |= replaces
        if given <= covered:
            break
    return loader, sorted(nodes)


@cache
def _loader(*, replacing: bool) -> MigrationLoader:
    """Return the migrations of the code alone, whatever the database has."""
    loader = MigrationLoader(None, load=False)
    loader.replace_migrations = replacing  # type: ignore[attr-defined]  # not in the stubs
    loader.build_graph()
    return loader


def _node(name: str) -> Node:
    app, _, migration = name.partition(".")
    return app, migration
