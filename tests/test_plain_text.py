"""Other people's words in a terminal, a log, a subject and a file's name: seen, never obeyed."""

from __future__ import annotations

import io
import json
import logging
from datetime import timedelta
from importlib import import_module
from pkgutil import iter_modules
from urllib.parse import unquote

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.utils import timezone

from studio.management import commands
from studio.management.base import StudioCommand
from studio.media.serve import attachment
from studio.models import Generation, Keyframe, Share, User
from studio.models.generation import title_from
from studio.operations.logs import JsonFormatter, TextFormatter
from studio.plain_text import escaped, one_line
from studio.services.keyframes import name_from_file, store_keyframe
from studio.services.news import digest
from studio.services.review import comments
from studio.services.sharing import guests
from tests.people import cast, make_clip, make_person
from tests.test_archives import alice, changed, elsewhere, picture, project

__all__ = ["alice", "cast", "elsewhere", "project"]

# Escape sequences, C1 controls, line ends of every kind, direction overrides, zero width, a tag.
HOSTILE = "Ann\x1b[2J\x9b31m\r\nDone.\u2028\u202egpj\u2066\u200b\ufeff\U000e0041\x00"
STORED = HOSTILE.replace("\x00", "")  # no text column holds NUL
ACTING = "\x1b\x9b\r\n\u2028\u202e\u2066\u200b\ufeff\U000e0041\x00"


def acts(text: str) -> list[str]:
    return [c for c in ACTING if c in text]


def test_one_line_keeps_what_is_seen():
    assert one_line(HOSTILE) == "Ann [2J 31m Done. gpj"
    assert one_line("سی\u200cنا  \u3000👩\u200d🎤") == "سی\u200cنا 👩\u200d🎤"
    assert one_line("x" * 30, most=10) == "x" * 9 + "…"
    flag = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
    # The second is younger than the Unicode of Python 3.11.
    assert one_line(f"{flag} \U0001fae9 \U000e0041") == f"{flag} \U0001fae9"
    assert one_line("\ufffe") == ""


def test_escaped_loses_nothing():
    assert escaped("a\x1b[31m\n\u202eb\U000e0041") == r"a\x1b[31m\n\u202eb\U000e0041"
    assert escaped("a\n\tb", lines=True) == "a\n\\tb" and escaped("né “x”") == "né “x”"
    assert escaped("\ud800") == r"\ud800"


# ---- A terminal ----------------------------------------------------------------------------------


def test_every_command_of_the_studio_prints_plainly():
    names = [name for _, name, _ in iter_modules(commands.__path__)]
    for name in set(names) - {"qcluster"}:  # django-q2's own, which logs
        command = import_module(f"studio.management.commands.{name}").Command
        assert issubclass(command, StudioCommand), name


class Speaking(StudioCommand):
    """Prints and fails with what it is given."""

    def add_arguments(self, parser):
        parser.add_argument("words", type=str)  # as they stand in a database

    def handle(self, *args, **options):
        self.stdout.write(options["words"])
        self.stderr.write(options["words"])
        raise CommandError(options["words"])


def test_a_command_shows_escapes_and_prints_one_line_a_write(capsys):
    words = STORED
    with pytest.raises(SystemExit):
        Speaking().run_from_argv(["manage.py", "speaking", words])
    shown = capsys.readouterr()
    for text, count in ((shown.out, 1), (shown.err, 2)):
        assert acts(text.replace("\n", "")) == [] and text.count("\n") == count
    assert r"Ann\x1b[2J" in shown.out and r"\u202egpj" in shown.err
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command(Speaking(), words, stdout=out, stderr=io.StringIO())
    assert out.getvalue().count("\n") == 1 and acts(out.getvalue().strip()) == []


@pytest.mark.django_db
def test_an_import_prints_no_name_as_it_is(elsewhere, tmp_path, capsys):
    make_person("Bob")

    def spoil(manifest):
        first, second = manifest["clips"][:2]
        first["title"], first["number"] = HOSTILE, HOSTILE
        second["comments"] = [
            {"by": HOSTILE, "guest": True, "text": "Hm", "created_at": second["created_at"]}
        ]

    path = tmp_path / "a.zip"
    path.write_bytes(changed(elsewhere, spoil).getvalue())
    with pytest.raises(CommandError, match="were left out"):
        call_command("import_project", str(path), owner="bob@example.com")
    lines = capsys.readouterr().err.splitlines()
    assert all(line.isprintable() for line in lines)
    assert "The clip “Ann[2J31m Done. gpj” was left out: clips[0].number is " in lines[0]
    assert any("What Ann[2J31m Done. gpj said and decided" in line for line in lines)
    assert not any(line.startswith("Done.") for line in lines)


# ---- Logs ----------------------------------------------------------------------------------------


def record(message: str, *args: object, error: Exception | None = None) -> logging.LogRecord:
    info = (type(error), error, None) if error else None
    return logging.LogRecord("studio", logging.INFO, "x.py", 1, message, args, info)


def test_a_log_line_is_one_line_whatever_it_quotes():
    text = TextFormatter().format(record("clip %s failed", HOSTILE))
    assert acts(text) == [] and r"\r\nDone.\u2028\u202egpj" in text
    line = JsonFormatter().format(record("clip %s failed", STORED))
    assert acts(line) == [] and json.loads(line)["message"] == f"clip {STORED} failed"


def test_a_traceback_keeps_its_lines_and_nothing_else():
    text = TextFormatter().format(record("broke", error=ValueError(HOSTILE)))
    assert acts(text.replace("\n", "")) == [] and "\nValueError: Ann" in text
    line = JsonFormatter().format(record("broke", error=ValueError(STORED)))
    assert acts(line) == [] and STORED in json.loads(line)["error"]


# ---- Headers -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_digest_of_a_hostile_title_is_sent_with_one_line_as_its_subject(cast, settings):
    settings.EMAIL_URL, settings.PUBLIC_URL = "smtp://mail.example", "https://studio.example"
    User.objects.filter(pk=cast.bob.pk).update(
        digest="daily", digest_at=timezone.now() - timedelta(days=7)
    )
    clip = make_clip(cast.project, by=cast.bob)
    Generation.objects.filter(pk=clip.pk).update(title=STORED)
    clip.refresh_from_db()
    comments.comment(generation=clip, by=cast.carol, text="Hm")
    digest.send_due(now=timezone.now() + timedelta(days=1))
    (sent,) = mail.outbox
    assert "“Ann [2J 31m Done. gpj”" in sent.subject and acts(sent.subject) == []
    assert sent.message()["Subject"]
    assert not any(line.startswith("Done.") for line in sent.body.splitlines())


def test_a_file_is_saved_under_a_name_of_one_visible_line():
    for name in (HOSTILE + ".mp4", "a\r\nSet-Cookie: x=1.mp4", "annexe\u202e4pm.exe"):
        header = attachment(name)
        assert "\n" not in header and "\r" not in header and acts(unquote(header)) == []


@pytest.mark.django_db
def test_a_still_of_a_hostile_name_can_be_downloaded(client, cast):
    still, _ = store_keyframe(project=cast.project, by=cast.alice, source=picture(9), name="x")
    Keyframe.objects.filter(pk=still.pk).update(name=STORED)
    client.force_login(cast.alice)
    answer = client.get(f"{Keyframe.objects.get().url}?download")
    assert answer.status_code == 200 and acts(unquote(answer["Content-Disposition"])) == []


@pytest.mark.django_db
def test_names_are_cleaned_where_they_come_in(cast):
    share = Share.objects.create(project=cast.project, token_hash="x", created_by=cast.alice)
    guest, _ = guests.introduce(share=share, name=HOSTILE)
    assert guest.name == "Ann [2J 31m Done. gpj"
    guest, _ = guests.introduce(share=share, name="سی\u200cنا")
    assert guest.name == "سی\u200cنا"


@pytest.mark.pure
@pytest.mark.parametrize("emoji", ["👩\u200d🎤", "👍🏽", "q\u0301", "🇳🇴"])
def test_no_name_is_cut_within_a_letter(emoji):
    """Each is made from a longer text: of a prompt, a file, a subject, a name that is taken."""
    assert title_from("x" * 79 + emoji) == "x" * 79
    assert name_from_file("x" * 119 + emoji + ".png") == "x" * 119
    assert one_line("x" * 8 + emoji + "y", most=10) == "x" * 8 + "…"


@pytest.mark.pure
def test_marks_that_say_where_a_line_begins_stay():
    assert one_line("\u200fשלום\u200e 1") == "\u200fשלום\u200e 1"
