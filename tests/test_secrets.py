"""Secrets stay where they belong: markers are planted, the studio is driven, everything is searched."""

from __future__ import annotations

import base64
import gzip
import io
import logging
import re
import tarfile
import zipfile
from urllib.parse import quote

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from studio import tasks, vault
from studio.models import Generation, ProviderAccount, Share, Webhook, WebhookDelivery
from studio.operations.logs import TextFormatter, secrets
from studio.services import holds
from studio.services.exchange.backups import write_backup
from studio.services.news import webhooks
from studio.services.sharing import making
from studio.services.sharing.making import Options, Source
from studio.services.work import balances, storing
from studio.services.work.submitting import submit_next
from tests.emulator import Emulator, serving
from tests.paid import DIALECTS, account_at, make_due, queue_shot, sweep_once
from tests.people import PASSWORD, make_person
from tests.receiving import receiving
from tests.test_access import OWN, PUBLIC, RULES, TABLE, address, answer_to, things  # noqa: F401 (a fixture)
from tests.test_admin import LISTS

pytestmark = [pytest.mark.django_db, pytest.mark.once]
KEYS = {
    name: f"marker-key-of-{name}-7f3a9c" for name in ("apiframe", "aimlapi", "gmicloud", "luma")
}
VAULT, SIGNING = "marker-vault-key-51d2e8", "marker-signing-key-88b1f0-" + "x" * 40
GUEST_PASSWORD, MAIL, DATABASE, ISSUER, CAME_BY_ENVIRONMENT = (
    f"marker-{name}-4e6d01" for name in ("guests", "mail", "database", "issuer", "environment")
)
PLANTED = {
    **KEYS, "vault": VAULT, "signing": SIGNING, "guests": GUEST_PASSWORD, "mail": MAIL,
    "database": DATABASE, "issuer": ISSUER, "environment": CAME_BY_ENVIRONMENT, "person": PASSWORD,
}  # fmt: skip


class Found(list):
    """Where which marker was seen. Each marker is looked for as it is, quoted, and in base64."""

    def __init__(self, markers):
        super().__init__()
        self.spellings = {
            spelt.encode(): name
            for name, marker in markers.items()
            for spelt in (marker, quote(marker), base64.b64encode(marker.encode()).decode())
        }

    def look(self, where, said):
        raw = said if isinstance(said, bytes) else str(said).encode(errors="replace")
        self.extend((name, where) for spelt, name in self.spellings.items() if spelt in raw)


@pytest.fixture
def logs():
    """Everything that any logger says at any level, with tracebacks: as said, and as we write it."""
    said, written = io.StringIO(), io.StringIO()
    handlers = [logging.StreamHandler(said), logging.StreamHandler(written)]
    handlers[0].setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s %(args)s"))
    handlers[1].setFormatter(TextFormatter())
    loggers = [
        logging.getLogger(),
        *(logging.getLogger(name) for name in logging.root.manager.loggerDict),
    ]
    before = [(logger, logger.level, logger.disabled) for logger in loggers]
    for logger in loggers:
        # Of templates at that level: each variable that is not there, with the whole context.
        logger.setLevel(logging.INFO if logger.name == "django.template" else logging.DEBUG)
        logger.disabled = False
        if logger is loggers[0] or not logger.propagate:
            for handler in handlers:
                logger.addHandler(handler)
    secrets.cache_clear()
    yield said, written
    secrets.cache_clear()  # the planted ones
    for logger, level, disabled in before:
        logger.setLevel(level)
        logger.disabled = disabled
        for handler in handlers:
            logger.removeHandler(handler)


@pytest.fixture
def planted(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    settings.ENCRYPTION_KEYS = [VAULT]
    settings.SECRET_KEY = SIGNING
    settings.EMAIL_HOST_PASSWORD = MAIL
    settings.EMAIL_URL = f"smtp://ray:{MAIL}@127.0.0.1:9"
    settings.DATABASE_URL = f"postgres://ray:{DATABASE}@127.0.0.1/studio"
    settings.SSO_ISSUER, settings.SSO_CLIENT_ID = "http://127.0.0.1:9", "studio"
    settings.SSO_CLIENT_SECRET = ISSUER
    settings.PROVIDER_ENVIRONMENT = {"luma": (CAME_BY_ENVIRONMENT, "http://127.0.0.1:9")}


@pytest.fixture
def paid(planted, settings, monkeypatch):
    """The providers, each with a marker as its key, which they say again when they refuse it."""
    refuse = serving._before

    async def blab(world, dialect, fault, request):
        if fault == "unauthorized":
            return dialect.refuse(
                401, f"Invalid API key in {dict(request.headers)} of {request.url}"
            )
        return await refuse(world, dialect, fault, request)

    monkeypatch.setattr(serving, "_before", blab)
    with Emulator(finish_after_s=0, clip_s=1, keys=dict(KEYS)) as running:
        settings.MEDIA_HOSTS = frozenset({running.url.partition("://")[2]})
        yield running


def work(project, emulator, shots=1):
    """Submit, poll and store at every provider, whatever comes of it."""
    for dialect in DIALECTS:
        account = account_at(emulator, dialect)
        for _ in range(shots):
            queue_shot(project, account)
        submit_next(account.pk)
    sweep_once(0.05)
    make_due(*Generation.objects.filter(project=project))
    for shot in Generation.objects.filter(project=project, state="storing"):
        storing.store_clip(shot.pk)


def fail(project, emulator):
    """Let each thing go wrong at every provider; return what the studio noted of it."""
    noted = set()
    for fault in ("unauthorized", "error_500", "html", "out_of_credit", "moderation"):
        emulator.configure(rates={fault: 1.0})
        work(project, emulator)
        for account in ProviderAccount.objects.exclude(provider="previs"):
            balances.refresh(account.pk)
        emulator.configure(rates={})
        for column in ("trouble", "hold_text"):
            noted |= set(ProviderAccount.objects.values_list(column, flat=True))
        noted |= set(Generation.objects.values_list("waiting_text", flat=True))
        for account in ProviderAccount.objects.exclude(hold_reason=""):
            holds.lift(account.pk)
        ProviderAccount.objects.update(paused_until=None)
    return noted | set(Generation.objects.values_list("failure_text", flat=True))


def tell(project, by, settings):
    """A webhook that is answered, and one that is not; return their secrets."""
    signing = {}
    with receiving() as receiver:
        settings.WEBHOOK_HOSTS = frozenset({receiver.host})
        for answer in (200, 500):
            receiver.answer = answer
            hook = webhooks.create_webhook(
                project=project, by=by, url=receiver.url, kinds=["finished"]
            )
            signing[f"webhook {answer}"] = hook.reveal_secret()
            tasks.send_webhooks()
            Webhook.objects.filter(pk=hook.pk).update(enabled=False)
    WebhookDelivery.objects.update(next_at=timezone.now())
    return signing


def call_back(client, account):
    """Forged, wrong and odd calls of a provider."""
    place = f"/hooks/{account.provider}/{account.webhook_token}/"
    for body in (b"{}", b"nonsense", b'{"id": "x", "status": "done"}'):
        client.post(place, body, content_type="application/json", headers={"X-Signature": "wrong"})


# ---- Searching -------------------------------------------------------------------------
def text_of(answer):
    raw = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return raw + repr(dict(answer.headers)).encode()


def search_pages(found, things, root, pages=RULES, lists=LISTS):  # noqa: F811
    """As the owner, who is shown the most; as a stranger; and the control room."""
    for person in ("alice", None):
        client = Client(raise_request_exception=False)
        if person:
            client.force_login(getattr(things["cast"], person))
        for name in pages:
            rule = RULES[name]
            if rule == OWN or (rule == PUBLIC and (person or re.search(r"[<(]", TABLE[name]))):
                continue
            with transaction.atomic():
                answer = answer_to(client, address(name, things))
                found.look(f"{name} as {person}", text_of(answer))
                transaction.set_rollback(True)
    client = Client(raise_request_exception=False)
    client.force_login(root)
    for path in ("", "health/", *(f"{path}/" for path in lists)):
        answer = client.get(f"/admin/{path}")
        found.look(f"admin {path}", text_of(answer))
        rows = answer.context["cl"].result_list if answer.context and "cl" in answer.context else ()
        for row in rows:
            change = client.get(f"/admin/{path}{row.pk}/change/")
            found.look(f"admin {path}{row.pk}", text_of(change))


def search_rows(found):
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            for row in cursor.fetchall():
                found.look(f"table {table}", " ".join(map(str, row)))
    for session in Session.objects.all():
        found.look("a session", session.get_decoded())
    found.look("the cache", getattr(cache, "_cache", {}))


def search_files(found, *folders):
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                found.look(f"file {path.name}", path.read_bytes())


def search_backup(found, path):
    write_backup(path)
    with tarfile.open(path) as tar:
        for member in tar:
            raw = tar.extractfile(member).read()
            found.look(
                f"backup {member.name}",
                gzip.decompress(raw) if member.name.endswith(".gz") else raw,
            )


def search_archive(found, client, project):
    answer = client.get(f"/p/{project.code}/archive.zip")
    assert answer.status_code == 200, answer.headers
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        assert archive.namelist()
        for name in archive.namelist():
            found.look(f"archive {name}", archive.read(name))


def search_commands(found, capfd):
    for command in ("doctor", "orphans", "encrypt_again"):
        try:
            call_command(command)
        except (CommandError, SystemExit) as error:
            found.look(f"command {command}", error)
    out, err = capfd.readouterr()
    found.look("what commands print", out + err)


# ---- The tests -------------------------------------------------------------------------
def test_no_secret_is_said_shown_or_kept_readable(
    things, paid, asked, settings, tmp_path, logs, capfd  # noqa: F811
):  # fmt: skip
    cast = things["cast"]
    root = make_person("Root", is_staff=True, is_superuser=True)
    work(cast.project, paid, shots=2)
    assert Generation.objects.filter(state="succeeded", provider="luma").exists()
    assert len(fail(cast.project, paid)) > 3
    balances.ask_balances()
    hooks = tell(cast.project, cast.alice, settings)
    _, token = making.create_share(
        project=cast.project, by=cast.alice, source=Source(clips=[Generation.objects.filter(state="succeeded").first()]),
        options=Options(password=GUEST_PASSWORD),
    )  # fmt: skip
    guest = Client()
    guest.post(f"/s/{token}/", {"password": "wrong"})
    guest.post(f"/s/{token}/", {"password": GUEST_PASSWORD})
    for account in ProviderAccount.objects.exclude(provider="previs"):
        call_back(guest, account)
    client = Client()
    client.post("/login/", {"username": "alice@example.com", "password": PASSWORD})
    client.get("/sso/")

    found = Found(PLANTED | hooks)
    # Before the pages: what an action there deletes is gone at once, since `asked` waits for no commit.
    search_archive(found, client, cast.project)
    search_backup(found, tmp_path / "studio.tar")
    search_commands(found, capfd)
    search_pages(found, things, root)
    search_rows(found)
    search_files(found, tmp_path, settings.MEDIA_ROOT)
    found.look("the queue", asked.tasks)
    said, written = (log.getvalue() for log in logs)
    found.look("the logs", said)
    # Who has these may call or come in. Django names the address it refuses: we write it without.
    tokens = {f"calls of {a.provider}": str(a.webhook_token) for a in ProviderAccount.objects.all()}
    found.spellings = Found(tokens | {"share": token}).spellings
    found.look("the written logs", written)
    assert sorted(set(found)) == []


def test_the_search_finds_what_is_there(planted, tmp_path, things):  # noqa: F811
    """Each place is really searched: a marker put there is seen."""
    found = Found(PLANTED)
    project = things["cast"].project
    project.description = f"By the way, {KEYS['luma']}"
    project.save()
    root = make_person("Root", is_staff=True, is_superuser=True)
    (tmp_path / "notes.txt").write_bytes(base64.b64encode(VAULT.encode()))
    search_pages(found, things, root, pages=["project-settings"], lists=["studio/project"])
    search_backup(found, tmp_path / "b.tar")
    search_rows(found)
    search_files(found, tmp_path)
    places = {re.split(r"[ /]", where)[0] for _, where in found}
    assert places >= {"admin", "backup", "table", "file"}
    assert ("vault", "file notes.txt") in found
    assert any(where == "project-settings as alice" for _, where in found)


def test_a_key_is_kept_as_ciphertext_only(db):
    account = ProviderAccount(provider="luma", label="x")
    account.set_key(KEYS["luma"])
    account.save()
    assert account.key_locked.startswith("gAAAA")
    assert vault.unlock(account.key_locked) == KEYS["luma"]
    assert Share._meta.get_field("token_hash")


@pytest.mark.parametrize("debug", [False, True])
def test_the_page_of_a_broken_request_tells_no_secret(planted, settings, monkeypatch, logs, debug):
    settings.DEBUG = debug
    settings.REDIS_URL = f"redis://:{DATABASE}@127.0.0.1/0"
    client = Client(raise_request_exception=False)
    client.post("/login/", {"username": make_person("Alice").email, "password": PASSWORD})

    def broken(*args, **kwargs):
        raise RuntimeError("the form fell over")

    monkeypatch.setattr("studio.views.signing_in.account.NewsForm", broken)
    answer = client.get("/account/")
    assert answer.status_code == 500
    assert ("the form fell over" in answer.content.decode()) is debug
    found = Found(PLANTED)
    found.look("the page", text_of(answer))
    # Not by a function: its own frame would have the password.
    monkeypatch.setattr("studio.views.signing_in.account.check_password", None)
    other = Client(raise_request_exception=False)
    posted = other.post("/login/", {"username": "alice@example.com", "password": PASSWORD})
    assert posted.status_code == 500
    found.look("the posted page", text_of(posted))
    found.look("the logs", logs[0].getvalue())
    assert list(found) == []
