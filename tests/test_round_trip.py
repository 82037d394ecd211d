"""Words of every script stay the same from the form to the page, the archive, and the backup."""

from __future__ import annotations

import html
import io

import pytest

from studio.incoming_text import clean, clean_line, tidy_line
from studio.models import Comment, Generation, Project, SavedView, Tag
from studio.services.exchange.backups import restore_backup, write_backup
from studio.services.exchange.imports import import_archive
from studio.services.gallery.views import save_view
from tests.factories import make_generation, make_member, make_user
from tests.test_archives import archived

pytestmark = pytest.mark.django_db(transaction=True)
# Of each: what is typed, and another way to write it that finds the same.
TEXTS = {
    "spaces": ("l’heure\u202fbleue", "L’HEURE\u202fBLEUE"),
    "wide": ("東京\u3000夜景", "東京 夜景"),
    "joined": ("نمی\u200cخواهم", "نمیخواهم"),
    "emoji": ("singer 👩\u200d🎤👍🏽", "SINGER 👩\u200d🎤👍🏽"),
    "hebrew": ("\u200fשלום\u200e", "שלום"),
    "turkish": ("İzmir ışık", "izmir isik"),
    "cyrillic": ("Ночь", "НОЧЬ"),
    "greek": ("νύχτας", "ΝΥΧΤΑΣ"),
    "apart": ("e\u0301tude", "ÉTUDE"),
    "sharp": ("Straße", "STRASSE"),
    "thai": ("กลางคืน", "กลางคืน"),
    "hindi": ("रात की", "रात की"),
    "markup": ("<b>&amp; 'x' %s {{ y }}", "<B>&AMP; 'X' %S {{ Y }}"),
    "acts": ("Ri\0dge \u202eat\x1b dawn", "ridge AT dawn"),
}


def words_of(project):
    """Everything of people's words that is stored of a project."""
    return {
        "titles": list(project.generations.order_by("number").values_list("title", flat=True)),
        "prompts": list(project.generations.order_by("number").values_list("prompt", flat=True)),
        "comments": sorted(
            Comment.objects.filter(generation__project=project).values_list("text", flat=True)
        ),
        "tags": sorted(Tag.objects.filter(project=project).values_list("name", flat=True)),
        "views": sorted(SavedView.objects.filter(project=project).values_list("name", flat=True)),
    }


def test_words_stay_what_they_are(project, me, tmp_path):
    for text, _ in TEXTS.values():
        name = tidy_line(text)
        clip = make_generation(project, prompt=clean(text), files=True)
        for place, sent in (
            ("title", {"title": text}),
            ("comments", {"text": f"{text}\r\nline two", "at": "0"}),
            ("tags", {"tag": text}),
        ):
            answer = me.post(f"/clips/{clip.code}/{place}/", sent)
            assert answer.status_code < 400, (name, place, answer.status_code)
        save_view(project=project, owner=project.created_by, name=name, query="rating=5")
    names = [tidy_line(text) for text, _ in TEXTS.values()]
    before = words_of(project)
    assert before["titles"] == names
    assert set(before["comments"]) == {f"{clean(text)}\nline two" for text, _ in TEXTS.values()}
    assert before["tags"] == sorted(names)

    clips = project.generations.order_by("number")
    for clip, (text, other) in zip(clips, TEXTS.values(), strict=True):
        page = html.unescape(me.get(f"/clips/{clip.code}/").content.decode())
        assert page.count(clean_line(text)) >= 3, text
        for query in ({"q": other}, {"tag": other}, {"q": text}, {"tag": text}):
            found = me.get(f"/p/{project.code}/", query).content.decode()
            assert f'id="clip-{clip.code}"' in found, (query, text)
            assert found.count('id="clip-') == 1, (query, text)

    path = tmp_path / "studio.tar"
    write_backup(path)
    zipped = archived(project)
    Generation.objects.update(title="Changed", prompt="Changed")
    Comment.objects.update(text="Changed")
    Tag.objects.all().delete()
    restore_backup(path, replace=True)
    project = Project.objects.get(pk=project.pk)
    assert words_of(project) == before

    report = import_archive(io.BytesIO(zipped), by=make_user("Erin"))
    assert report.problems == []
    after = words_of(report.project)
    # Views of one person go with them alone.
    assert after | {"views": before["views"]} == before


def test_everybody_can_be_mentioned(project, me):
    clip = make_generation(project)
    for text, other in TEXTS.values():
        if not (name := clean_line(text).strip("\u200e\u200f"))[0].isalpha():
            continue
        person = make_user(name)
        make_member(project, person, "editor")
        me.post(f"/clips/{clip.code}/comments/", {"text": f"@{other}: look", "at": "0"})
        assert Comment.objects.order_by("pk").last().text == f"@{{{person.pk}}}: look", name
