"""Putting a backup back: all of it or nothing, and of an earlier version too.

Everything is read first. The media files that are not there are added, which changes nothing for
the rows of now. Then one transaction empties the tables, fills them and, for a backup of an earlier
version, makes the tables as they were and migrates them with their rows in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import DatabaseError, connection, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from studio import lifecycle, search
from studio.lifecycle import SENDING
from studio.models import Generation, ProviderAccount, StudioSettings, User
from studio.models.generation import State
from studio.services import disk
from studio.services.bulk.runs import stop_retrying
from studio.services.errors import StudioError
from studio.services.exchange.backup_format import BATCH, Report, Say
from studio.services.exchange.backup_reading import Backup, can_unlock, check_backup, opened
from studio.services.exchange.backup_rows import PERMISSION, Row, through_of
from studio.services.exchange.restored_media import RestoredMedia, clear_up_after_restore
from studio.services.exchange.schema_state import (
    Models,
    applied_migrations,
    backed_up_models,
    is_current,
    targets_at,
)

HELD = "Restored from a backup: it may have been sent after the backup was made. Look before you let it go."
STOPPED = (
    "A backup was put back while this ran: the rest may have been bought. Look before you retry."
)
DISK_FULL = "The disk is full. Free space and restore again."
LOCK_WITHIN = "5s"


def restore_backup(path: Path, *, replace: bool = False, say: Say = lambda _: None) -> Report:
    """Put a backup back into an empty studio, or with `replace` in the place of what is there.

    Raises StudioError, and then nothing was changed. Shots that waited to be sent to a paid provider are
    held: they may have been sent between the backup and now.
    """
    check_backup(path)
    say("The backup is whole.")
    try:
        if not replace and has_people():
            raise StudioError(
                "There are people in this studio already. To put the backup in their place: --replace."
            )
        clear_up_after_restore()
        with opened(path) as backup:
            return _restore(backup, say)
    except (OSError, DatabaseError, ValueError) as error:
        if disk.ran_out(error):
            raise StudioError(DISK_FULL) from error
        text = " ".join(str(error).split()).rstrip(".")[:400]
        raise StudioError(f"The backup could not be restored: {text}.") from error


def _restore(backup: Backup, say: Say) -> Report:
    report, media = Report(missing=list(backup.manifest.missing)), RestoredMedia()
    try:
        say("Putting the media files back.")
        media.add(backup, report)
        say("Putting the rows back.")
        with _one_transaction():
            _put_rows_back(backup, media, report)
    except BaseException:
        # What cannot be removed now is removed by the next restore, or the next start.
        with suppress(OSError):
            media.take_back()
        raise
    # The rows are back, and name whole files: that some keep a second name for now undoes nothing.
    with suppress(OSError, DatabaseError):
        media.settle()
    return report


def has_people() -> bool:
    """Whether anybody has an account here; False for a database without tables."""
    if User._meta.db_table not in connection.introspection.table_names():
        return False
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {User._meta.db_table} LIMIT 1")  # noqa: S608 (our own name)
        return cursor.fetchone() is not None


@contextmanager
def _one_transaction() -> Iterator[None]:
    """A transaction in which tables may be remade; on PostgreSQL nobody waits for them long."""
    # SQLite remakes tables only where foreign keys were not enforced before the transaction began.
    remakes = connection.vendor == "sqlite" and not connection.in_atomic_block
    if remakes:
        connection.disable_constraint_checking()
    try:
        with transaction.atomic():
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_WITHIN])
            yield
            connection.check_constraints()  # now, not at the commit: what is wrong undoes it all
    finally:
        if remakes:
            connection.enable_constraint_checking()


def _put_rows_back(backup: Backup, media: RestoredMedia, report: Report) -> None:
    migrations = backup.manifest.migrations
    remakes = not (is_current(migrations) and applied_migrations() == sorted(migrations))
    if remakes:
        _make_tables_at(migrations)
    else:
        _empty_tables()
    permissions = _fill(backup, media, report)
    _reset_sequences(backup.models.values())
    if remakes:
        # Rows wait for their foreign keys to be checked, and PostgreSQL alters no table that has such:
        # neither ones of the backup, nor ones that a migration wrote before the next one alters it.
        connection.check_constraints()
        _check_keys("IMMEDIATE")
        call_command("migrate", verbosity=0, interactive=False)
        _check_keys("DEFERRED")
        _reset_sequences(backed_up_models())
    report.left_out = _give_permissions(permissions)
    report.held = _stop_buying()
    report.locked_keys = sum(not can_unlock(row) for row in ProviderAccount.objects.all())


# ---- Tables -------------------------------------------------------------------------------


def _empty_tables() -> None:
    """Delete the rows of a backup's tables, and of all that point at them (sessions, logs of the admin)."""
    emptied = backed_up_models()
    pending = [m for m in apps.get_models(include_auto_created=True) if m._meta.managed]
    while dependent := [m for m in pending if m not in emptied and _points_at(m, emptied)]:
        emptied = [*emptied, *dependent]
    for model in reversed(emptied):
        _empty(model)
    if apps.is_installed("django.contrib.sessions"):
        apps.get_model("sessions.session")._base_manager.all().delete()


def _points_at(model: type[models.Model], others: list[type[models.Model]]) -> bool:
    return any(
        one.related_model in others and getattr(one, "db_constraint", True)
        for one in model._meta.concrete_fields
        if isinstance(one, models.ForeignKey)
    )


def _empty(model: type[models.Model]) -> None:
    for relation in model._meta.many_to_many:
        through_of(relation)._base_manager.all()._raw_delete("default")
    model._base_manager.all()._raw_delete("default")


def _make_tables_at(migrations: list[str]) -> None:
    """Drop the studio's tables, whatever version they are of, and make them as they were."""
    _drop_tables()
    targets, replacing = targets_at(migrations)
    executor = MigrationExecutor(connection)
    executor.loader.replace_migrations = replacing  # type: ignore[attr-defined]  # not in the stubs
    executor.loader.build_graph()
    executor.migrate(targets)
    # A column added with its foreign key leaves that checked at once; rows come in any order.
    _check_keys("DEFERRED")


def _check_keys(when: str) -> None:
    """Have PostgreSQL check foreign keys at each statement (IMMEDIATE) or later (DEFERRED)."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET CONSTRAINTS ALL {when}")


def _drop_tables() -> None:
    names = connection.introspection.table_names()
    if search.TEXTS in names:
        search.remove(connection)
    prefixes = tuple(f"{app.label}_" for app in apps.get_app_configs()) + ("django_",)
    quoted = [
        connection.ops.quote_name(name)
        for name in connection.introspection.table_names()
        if name.startswith(prefixes)
    ]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql" and quoted:
            cursor.execute(f"DROP TABLE {', '.join(quoted)} CASCADE")
            return
        for name in quoted:
            cursor.execute(f"DROP TABLE {name}")


def _reset_sequences(found: Any) -> None:
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(found)):
            cursor.execute(statement)


# ---- Rows ---------------------------------------------------------------------------------

# Who has which permissions: (label of the owner, name of the field, key of the owner, permission).
Granted = list[tuple[str, str, Any, list[str]]]


def _fill(backup: Backup, media: RestoredMedia, report: Report) -> Granted:
    """Insert every row; return the permissions, which are given when all tables are of this version."""
    reader = backup.reader(media.renamed)
    permissions: Granted = []
    for label, rows in backup.tables(reader):
        batch: list[Row] = []
        for row in rows:
            batch.append(row)
            report.rows += 1
            if len(batch) == BATCH:
                _insert(backup.models, label, batch, permissions)
                batch = []
        _insert(backup.models, label, batch, permissions)
    report.cleaned, report.renamed = reader.cleaned, reader.names.renamed
    return permissions


def _insert(found: Models, label: str, rows: list[Row], permissions: Granted) -> None:
    model = found[label]
    model._base_manager.bulk_create([row.object for row in rows], batch_size=BATCH)
    for many in model._meta.many_to_many:
        links = [(row.object.pk, key) for row in rows for key in row.links.get(many.name, [])]
        if many.related_model._meta.label_lower == PERMISSION:
            permissions += [(label, many.name, pk, key) for pk, key in links]
            continue
        _link(many, links)


def _link(many: Any, links: list[tuple[Any, Any]]) -> None:
    through = through_of(many)
    source = through._meta.get_field(many.m2m_field_name()).attname  # type: ignore[union-attr]
    target = through._meta.get_field(many.m2m_reverse_field_name()).attname  # type: ignore[union-attr]
    through._base_manager.bulk_create(
        [through(**{source: pk, target: key}) for pk, key in links], batch_size=BATCH
    )


def _give_permissions(granted: Granted) -> list[str]:
    """Give people and groups their permissions; return those that this version does not have."""
    known = {
        (codename, app, model): pk
        for pk, codename, app, model in Permission.objects.values_list(
            "pk", "codename", "content_type__app_label", "content_type__model"
        )
    }
    unknown = set()
    found = {model._meta.label_lower: model for model in backed_up_models()}
    for label, name, pk, natural in granted:
        permission = known.get((natural[0], natural[1], natural[2]))
        if permission is None:
            unknown.add(f"{natural[1]}.{natural[0]}")
        else:
            _link(found[label]._meta.get_field(name), [(pk, permission)])
    return sorted(unknown)


def _stop_buying() -> int:
    """Let nothing be bought by itself that may have been bought since the backup was made.

    Returns how many shots are held. By the moment noted here no shot of before goes on to another
    provider by itself (`services/work/failover.py`).
    """
    StudioSettings.load()
    StudioSettings.objects.update(restored_at=timezone.now())
    stop_retrying(STOPPED)
    paid = Generation.objects.exclude(provider="previs")
    preparing = paid.filter(state=State.SUBMITTING).exclude(raw_status=SENDING)
    for pk in preparing.order_by("pk").values_list("pk", flat=True):
        lifecycle.return_to_queue(pk, reason="restored from a backup")
    return paid.filter(state=State.QUEUED).update(held=True, waiting_text=HELD)
