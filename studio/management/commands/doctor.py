"""`manage.py doctor`: look at everything the studio stands on, and say what to fix."""

from __future__ import annotations

import smtplib
import stat
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import av
from av.codec.codec import UnknownCodecError
from django.conf import settings
from django.core.checks import ERROR, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.mail import get_connection
from django.core.management.base import CommandError
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django_q.brokers import get_broker
from django_q.status import Stat
from redis.exceptions import RedisError

from studio import search
from studio.launcher.lock import hold_data_folder
from studio.launcher.migrating import NEWER_TABLES_FIX, newer_tables
from studio.management.base import StudioCommand
from studio.management.commands.search import NO_TRIGRAMS, TRIGRAMS_FIX
from studio.models import ProviderAccount, User
from studio.providers.catalog import PROVIDER_LABELS
from studio.services import disk, holds, signs
from studio.templatetags.studio_tags import took

ANSWER_WITHIN_S = 5


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `fix` says what to do; empty when there is nothing to."""

    verdict: Literal["ok", "note", "fix"]
    what: str
    fix: str = ""


class Command(StudioCommand):
    help = "Check data folder, database, queue, storage, public address, mail, video and keys."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        wrong = 0
        for check in CHECKS:
            for found in check():
                wrong += found.verdict == "fix"
                self.stdout.write(f"{found.verdict:<5} {found.what}")
                if found.fix:
                    self.stdout.write(f"      {found.fix}")
        if wrong:
            raise CommandError(f"{wrong} {'thing needs' if wrong == 1 else 'things need'} fixing.")


def check_software() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("ok", f"Python {version}, video libraries of PyAV {av.__version__}")
    try:
        av.Codec("libx264", "w")
        av.Codec("h264", "r")
    except UnknownCodecError as error:
        yield Finding(
            "fix",
            f"The video libraries lack a codec: {error}.",
            "Install PyAV from its wheel: pip install --force-reinstall --only-binary av av",
        )


def check_data_folder() -> Iterator[Finding]:
    folder = settings.DATA_DIR
    free = disk.free_bytes()
    probe = folder / f".doctor-{uuid.uuid4().hex[:8]}"
    try:
        probe.write_bytes(b"probe")
        probe.unlink()
    except OSError as error:
        yield Finding(
            "fix",
            f"The data folder {folder} cannot be written to: {error.strerror}.",
            "Give this user the right to write there, or set STUDIO_DATA_DIR.",
        )
        return
    if disk.is_short():
        yield Finding(
            "fix",
            f"The data folder {folder} has {free // 10**6} MB left, so nothing new is begun: no "
            "shot, upload, render or film.",
            "Free some space (manage.py retention --dry-run says what the studio could drop), move "
            "the folder and set STUDIO_DATA_DIR, or set STUDIO_DISK_LEAST_MB.",
        )
    else:
        yield Finding("ok", f"Data folder {folder}, {free / 2**30:.1f} GB free")
    for name in ("secret_key", "encryption_key"):
        file = folder / name
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
            yield Finding("fix", f"Others on this machine can read {file}.", f"chmod 600 {file}")


def check_database() -> Iterator[Finding]:
    name = connection.settings_dict["NAME"]
    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
        newer = newer_tables()
    except DatabaseError as error:
        yield Finding(
            "fix", f"The database does not answer: {_flat(error)}.", "Check DATABASE_URL."
        )
        return
    if newer:
        yield Finding("fix", newer, NEWER_TABLES_FIX)
        return
    if waiting:
        yield Finding(
            "fix",
            f"The database {name} lacks {len(waiting)} migrations.",
            "Start the studio (make run), or run: manage.py prepare",
        )
        return
    yield Finding("ok", f"Database {connection.display_name}, {name}, up to date")
    found = search.standing(connection)
    if found.problem:
        yield Finding(
            "fix", f"The search is out of date: {found.problem}.", "manage.py search --rebuild"
        )
    if found.lacks_trigrams:
        yield Finding("note", NO_TRIGRAMS, TRIGRAMS_FIX)


def check_queue() -> Iterator[Finding]:
    try:
        waiting = get_broker().queue_size()
    except (DatabaseError, RedisError) as error:
        where = (
            "Check REDIS_URL." if settings.REDIS_URL else "It is kept in the database: see there."
        )
        yield Finding("fix", f"The queue does not answer: {_flat(error)}.", where)
        return
    yield Finding(
        "ok", f"Queue on {'Redis' if settings.REDIS_URL else 'the database'}, {waiting} waiting"
    )
    if settings.REDIS_URL:
        clusters = len(Stat.get_all())
        running = (
            f"{clusters} worker cluster{'' if clusters == 1 else 's'} at work" if clusters else ""
        )
    else:
        running = "A studio is running on this data folder" if _is_held() else ""
    if running:
        yield Finding("ok", running)
    else:
        yield Finding("note", "Nothing is working off the queue now.", "Start it with: make run")


def check_sweep() -> Iterator[Finding]:
    try:
        failure, set_aside = signs.sweep_failure(), signs.set_aside()
        silent = list(signs.silent_accounts())
    except DatabaseError:
        return  # said already
    if failure is not None:
        ago, finished = (None if age is None else took(age.total_seconds()) for age in failure)
        last = (
            f"the last finished sweep was {finished} ago" if finished else "none has finished yet"
        )
        yield Finding(
            "fix",
            f"The sweep, which watches what is in flight, stopped with an error {ago} ago; {last}.",
            "Read its traceback in the log or under Failed tasks in the control room, and report it.",
        )
    if set_aside:
        shots = "1 shot is" if set_aside == 1 else f"{set_aside} shots are"
        yield Finding(
            "fix",
            f"{shots} set aside: what the provider answers cannot be recorded.",
            "It is tried again every few minutes. Look for “set aside” in the log, and report the "
            "traceback there.",
        )
    for account in silent:
        yield Finding(
            "note", f"{account.polls_trouble}", "It goes by itself once the provider answers again."
        )
    if failure is None and not set_aside and not silent:
        yield Finding("ok", "Sweep: no error, no shot set aside")


def check_storage() -> Iterator[Finding]:
    content = uuid.uuid4().hex.encode()
    try:
        name = default_storage.save(f"doctor/{uuid.uuid4().hex}.txt", ContentFile(content))
        with default_storage.open(name) as file:
            same = file.read() == content
        default_storage.delete(name)
    except Exception as error:  # noqa: BLE001 (each storage has errors of its own)
        yield Finding(
            "fix",
            f"Media cannot be stored in {settings.STUDIO_STORAGE}: {_flat(error)}.",
            "Check STUDIO_STORAGE, and that its credentials may write, read and delete.",
        )
        return
    if same:
        yield Finding("ok", f"Media storage {settings.STUDIO_STORAGE}: wrote, read and deleted")
    else:
        yield Finding("fix", "Media storage gave back something else than was written.")


def check_public_url() -> Iterator[Finding]:
    url = settings.PUBLIC_URL
    if not url:
        yield Finding(
            "note",
            "STUDIO_PUBLIC_URL is not set: providers without uploads of their own cannot be sent "
            "frames, and results are found by polling alone.",
        )
        return
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=ANSWER_WITHIN_S) as answer:  # noqa: S310 (settings allow http and https only)
            ours = answer.read(16) == b"ok"
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", error)
        yield Finding(
            "fix",
            f"STUDIO_PUBLIC_URL, {url}, does not answer from here: {_flat(reason)}.",
            "Start the studio, and check the proxy and the name in front of it.",
        )
        return
    if ours:
        yield Finding("ok", f"Public address {url} leads to a studio")
    else:
        yield Finding("fix", f"Another program answers at {url}/healthz.", "Check the proxy.")


def check_mail() -> Iterator[Finding]:
    if not settings.EMAIL_URL:
        yield Finding(
            "note",
            "EMAIL_URL is not set: nobody gets what they have not read by e-mail.",
        )
        return
    if not settings.PUBLIC_URL:
        yield Finding(
            "fix",
            "Mail has no address to link to, so no digest is sent.",
            "Set STUDIO_PUBLIC_URL.",
        )
    server = get_connection(timeout=ANSWER_WITHIN_S)
    try:
        server.open()
        server.close()
    except (OSError, smtplib.SMTPException) as error:
        yield Finding(
            "fix",
            f"The mail server does not let the studio in: {_flat(error)}.",
            "Check EMAIL_URL: scheme, user, password, host and port.",
        )
        return
    yield Finding("ok", f"Mail goes out as {settings.DEFAULT_FROM_EMAIL}")


def check_people_and_keys() -> Iterator[Finding]:
    try:
        people = User.objects.count()
        accounts = list(ProviderAccount.objects.order_by("provider", "pk"))
    except DatabaseError:
        return
    if not people:
        yield Finding(
            "note", "Nobody has an account yet.", "The start prints the first owner's link."
        )
    for account in accounts:
        label = f"{PROVIDER_LABELS.get(account.provider, account.provider)} {account.label}".strip()
        if not account.enabled or account.provider == "previs":
            continue
        try:
            has_key = bool(account.reveal_key())
        except ImproperlyConfigured as error:
            yield Finding("fix", f"{label}: {error}")
            continue
        if has_key and account.hold_reason:
            yield Finding(
                "fix",
                f"{label} is held, nothing is sent there: {holds.sentence(account)}",
                "Then press Test on the account's page; the studio also looks by itself now and then.",
            )
        elif has_key:
            yield Finding("ok", f"{label} has a key")
        else:
            yield Finding(
                "fix", f"{label} has no key.", "Enter one in the admin, or switch it off."
            )
    without = sorted(
        set(PROVIDER_LABELS) - {a.provider for a in accounts if a.enabled} - {"previs"}
    )
    if without:
        names = ", ".join(PROVIDER_LABELS[name] for name in without)
        yield Finding("note", f"No account for {names}.")


def check_settings() -> Iterator[Finding]:
    messages = run_checks(include_deployment_checks=bool(settings.PUBLIC_URL))
    for message in messages:
        if not message.is_silenced():
            verdict: Literal["fix", "note"] = "fix" if message.level >= ERROR else "note"
            yield Finding(verdict, f"{message.msg} ({message.id})", message.hint or "")
    if not messages:
        yield Finding("ok", "Settings")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    check_software,
    check_data_folder,
    check_database,
    check_queue,
    check_sweep,
    check_storage,
    check_public_url,
    check_mail,
    check_people_and_keys,
    check_settings,
)


def _is_held() -> bool:
    try:
        hold_data_folder(settings.DATA_DIR).close()
    except CommandError:
        return True
    return False


def _flat(error: object) -> str:
    return " ".join(str(error).split()).rstrip(".")
