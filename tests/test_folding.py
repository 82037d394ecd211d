"""One folding of letters, on every database: tags, mentions, filters, views and prompts."""

from __future__ import annotations

from pathlib import Path
from unicodedata import category, normalize

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from studio import migrations, tasks
from studio.folding import fold
from studio.incoming_text import tidy_line
from studio.models import SavedView, Tag, User
from studio.search.looking_through import Folded
from studio.search.words import fold as fold_words
from studio.services.errors import StudioError
from studio.services.gallery import tags
from studio.services.gallery.views import save_view
from studio.services.library.prompts import known_prompts
from studio.services.review.mentions import keep_mentions
from tests.factories import make_generation, make_member, make_user

FOLDER = Path(migrations.__file__).parent
LIKE = [
    ("Über", "ÜBER", "u\u0308ber", "uber"),
    ("Étude", "étude", "ETUDE"),
    ("Ночь", "НОЧЬ", "ночь"),
    ("ΝΥΧΤΑΣ", "νύχτας", "νυχτας"),
    ("İzmir", "izmir", "IZMIR", "ızmir"),
    ("Straße", "STRASSE", "straẞe"),
    ("Ｔｏｋｙｏ", "tokyo"),
    ("ﬁlm", "FILM"),
    ("ｶﾞ", "ガ"),
    ("한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8"),
    ("ՀԱՅ", "հայ"),
    ("სახლი", "Სახლი"),
    ("a\u00a0 b", "A\u3000B"),
    ("co\u00adop", "COOP"),
    ("ᎠᎳᎳ", "ꭰꮃꮃ", "Ꭰꮃꮃ"),
    ("می\u200cخواهم", "میخواهم"),
    ("שָׁלוֹם", "שלום"),
    ("مُحَمَّد", "محمد", "محـــمد"),
    ("Đà Nẵng", "ĐÀ NẴNG", "da nang"),
    ("Łódź", "lodz"),
    ("l’été", "l'ete"),
    ("jean‑luc", "Jean-Luc"),
    ("𝐍𝐢𝐠𝐡𝐭", "night"),
    ("e\u0327\u0301", "é\u0327"),
]
UNLIKE = [
    ("か", "が"), ("कि", "की"), ("ночь", "день"), ("a", "á b"), ("ไม", "ไม้"), ("한", "하"),
    ("👩", "👩\u200d🎤"), ("👍", "👍🏽"),
]  # fmt: skip


@pytest.mark.pure
@pytest.mark.parametrize("names", LIKE, ids=lambda names: names[0])
def test_names_that_are_alike(names):
    assert len({fold(name) for name in names}) == 1
    assert len({fold_words(name) for name in names}) == 1


@pytest.mark.pure
@pytest.mark.parametrize("names", UNLIKE, ids=lambda names: names[0])
def test_names_that_are_not(names):
    assert len({fold(name) for name in names}) == len(names)


@pytest.mark.pure
def test_case_and_forms_of_no_letter_make_a_difference():
    wrong = []
    for letter in map(chr, range(0x30000)):
        if category(letter) in ("Cn", "Co", "Cs"):
            continue
        forms = {letter.upper(), letter.lower(), letter.title(), fold(letter)}
        forms |= {normalize(form, letter) for form in ("NFC", "NFD", "NFKC", "NFKD")}
        if {fold(form) for form in forms} != {fold(letter)}:
            wrong.append(letter)
    assert wrong == []


@pytest.mark.django_db
def test_the_database_folds_every_letter_as_the_studio_does():
    """PostgreSQL folds what is looked through itself, SQLite by the studio's own function."""
    letters = [c for c in map(chr, range(1, 0x1F000)) if category(c) not in ("Cn", "Co", "Cs")]
    function = Folded.function
    with connection.cursor() as cursor:
        found = []
        for at in range(0, len(letters), 500):
            some = [f"a{letter}b" for letter in letters[at : at + 500]]
            rows = ", ".join([f"{function}(%s)"] * len(some))
            cursor.execute(f"SELECT {rows}", some)
            found += cursor.fetchone()
    pairs = zip(letters, found, strict=True)
    assert [c for c, folded in pairs if folded.strip() != fold_words(f"a{c}b")] == []


@pytest.mark.django_db
def test_a_tag_that_is_chosen_twice_is_one_filter(project, me):
    clip = make_generation(project)
    tags.put(generation=clip, name="Über")
    page = me.get(f"/p/{project.code}/", {"tag": ["Über", "ÜBER"]}).content.decode()
    assert "that filter is left out" not in page


@pytest.mark.django_db
def test_signs_that_fold_to_nothing_are_tags_of_their_own(project):
    clip = make_generation(project)
    for name in ("´", "¨", "´"):
        tags.put(generation=clip, name=name)
    assert set(Tag.objects.values_list("name", flat=True)) == {"´", "¨"}


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["\u200b", "\u2060\u200d", "\u3164", "\u2800", "#", "＃", "a，b"])
def test_what_nobody_sees_is_no_tag_nor_are_several(project, name):
    with pytest.raises(StudioError):
        tags.put(generation=make_generation(project), name=name)


@pytest.mark.django_db
@pytest.mark.parametrize("names", LIKE, ids=lambda names: names[0])
def test_a_tag_is_one_tag_and_is_found(project, me, names):
    clip = make_generation(project)
    make_generation(project)
    for name in names:
        tags.put(generation=clip, name=name)
    assert list(Tag.objects.values_list("name", flat=True)) == [tidy_line(names[0])]
    page = me.get(f"/p/{project.code}/", {"tag": names[-1]}).content.decode()
    assert "that filter is left out" not in page
    assert page.count('id="clip-') == 1
    assert tags.suggested(project, names[-1]) == [tidy_line(names[0])]
    tags.take(generation=clip, name=names[-1])
    assert not clip.tags.exists()


@pytest.mark.django_db
def test_the_database_refuses_what_is_alike(project):
    Tag.objects.create(project=project, name="Ночь")
    with pytest.raises(IntegrityError), transaction.atomic():
        Tag.objects.create(project=project, name="НОЧЬ")
    other = Tag.objects.create(project=project, name="День")
    with pytest.raises(StudioError, match="already"):
        tags.rename(tag=other, name="ночь")
    tags.rename(tag=other, name="ДЕНЬ")
    assert Tag.objects.get(pk=other.pk).folded == "день"


@pytest.mark.django_db
def test_a_view_has_a_name_of_its_own(project):
    owner = project.created_by
    save_view(project=project, owner=owner, name="Ночь", query="rating=5")
    with pytest.raises(StudioError, match="already"):
        save_view(project=project, owner=owner, name="НОЧЬ", query="rating=4")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("Irem", "@İrem"), ("Irem", "@ırem"), ("Mike", "@MİKE"), ("İpek Su", "@İpek Su"),
        ("İpek Su", "@ipek su"), ("Zoë", "@zoe"), ("Ночь", "@НОЧЬ"), ("Ｍａｉ", "@mai"),
        ("Straßer", "@STRASSER"), ("ᎠᎳ", "@ꭰꮃ"), ("שלום", "@שָׁלוֹם"), ("محمد", "@مُحَمَّد"), ("Đức", "@duc"),
        ("O’Neil", "@o'neil"), ("Anne", "＠Anne"), ("राम", "@राम"), ("แม่", "@แม่"),
    ],
)  # fmt: skip
def test_a_mention_means_its_person_however_it_is_written(project, name, typed):
    person = make_user(name)
    make_member(project, person, "editor")
    text, people = keep_mentions(f"é {typed}, look\nand x@{name}.", project)
    assert people == [person]
    assert text == f"é @{{{person.pk}}}, look\nand x@{name}."


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("Stras", "@Straß"), ("राम", "@रामी"), ("แม", "@แม่"), ("か", "@が"), ("か", "@ｶﾞ"), ("하", "@한"),
        ("👩", "@👩\u200d🎤"), ("👍", "@👍🏽"), ("Ann", "@Ann\u0301e"),
    ],
)  # fmt: skip
def test_half_a_letter_means_nobody(project, name, typed):
    make_member(project, make_user(name), "editor")
    assert keep_mentions(typed, project) == (typed, [])


@pytest.mark.django_db
def test_prompts_are_looked_through_in_any_script(project):
    make_generation(project, prompt="Ночь над рекой, Über die Straße")
    make_generation(project, prompt="A day")
    user = project.created_by
    for query in ("НОЧЬ", "uber", "РЕКОЙ ночь", "STRASSE", "%", ""):
        found, _ = known_prompts(project=project, user=user, query=query)
        assert len(found) == (1 if query.strip("%") else 2), query


@pytest.mark.django_db
@pytest.mark.parametrize("names", LIKE, ids=lambda names: names[0])
def test_clips_are_found_however_they_are_written(project, me, names):
    clip = make_generation(project, title=f"One {names[0]} two")
    make_generation(project)
    for name in names:
        page = me.get(f"/p/{project.code}/", {"q": name}).content.decode()
        assert (page.count('id="clip-'), f'id="clip-{clip.code}"' in page) == (1, True), name


# ---- Names that were two before -----------------------------------------------------------------


def migrate(ending):
    name = next(path.stem for path in FOLDER.glob(f"*_{ending}.py"))
    executor = MigrationExecutor(connection)
    executor.migrate([("studio", name)])
    return MigrationExecutor(connection).loader.project_state([("studio", name)]).apps


@pytest.mark.django_db(transaction=True)
def test_like_tags_become_one_and_like_views_are_numbered():
    old = migrate("removed_clips_are_undownloaded_ones")
    try:
        get = old.get_model
        user = get("studio", "User").objects.create(email="a@example.com", name="A")
        project = get("studio", "Project").objects.create(name="P", created_by=user)
        account = get("studio", "ProviderAccount").objects.create(provider="luma", label="")
        clips = [
            get("studio", "Generation").objects.create(
                project=project, by=user, account=account, number=number, prompt="A boat",
                provider="luma", model="ray-2", duration_s=5, aspect_ratio="16:9",
                resolution="720p", state="failed", finished_at=timezone.now(),
            )
            for number in range(1, 4)
        ]  # fmt: skip
        for name, on in (("Étude", clips[:2]), ("Etude", clips[1:]), ("Night", clips[:1])):
            tag = get("studio", "Tag").objects.create(project=project, name=name)
            tag.generations.add(*on)
        for name in ("Zoë", "zoe", "Other"):
            get("studio", "SavedView").objects.create(
                project=project, owner=user, name=name, query="q"
            )
        migrate("folded_names_once")
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
    worn = {tag.name: {clip.number for clip in tag.generations.all()} for tag in Tag.objects.all()}
    assert worn == {"Étude": {1, 2, 3}, "Night": {1}}
    views = {view.name: view.folded for view in SavedView.objects.all()}
    assert views == {"Zoë": "zoe", "zoe (2)": "zoe (2)", "Other": "other"}
    assert User.objects.filter(email="a@example.com").exists()


@pytest.mark.django_db(transaction=True)
def test_names_that_were_folded_by_an_earlier_rule_are_folded_anew():
    old = migrate("when_a_backup_was_put_back")
    try:
        get = old.get_model
        user = get("studio", "User").objects.create(email="a@example.com", name="A")
        project = get("studio", "Project").objects.create(name="P", created_by=user)
        for model, more in (("Tag", {}), ("SavedView", {"owner": user, "query": "q"})):
            rows = get("studio", model).objects
            for name in ("שָׁלוֹם", "שלום", "Night"):
                row = rows.create(project=project, name=name, **more)
                rows.filter(pk=row.pk).update(folded=name.lower())  # as it was before
        migrate("names_folded_anew")
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
    assert dict(Tag.objects.values_list("name", "folded")) == {"שָׁלוֹם": "שלום", "Night": "night"}
    assert dict(SavedView.objects.values_list("name", "folded")) == {
        "שָׁלוֹם": "שלום", "שלום (2)": "שלום (2)", "Night": "night",
    }  # fmt: skip


@pytest.mark.django_db
def test_what_the_version_before_wrote_is_folded_within_a_day(project):
    clip = make_generation(project)
    tags.put(generation=clip, name="Étude")
    Tag.objects.bulk_create([Tag(project=project, name="Night"), Tag(project=project, name="x")])
    Tag.objects.exclude(name="Étude").update(folded=None)
    Tag.objects.filter(name="x").update(name="etude")
    late = Tag.objects.get(name="etude")
    late.generations.add(make_generation(project))
    tasks.clear_up()
    found = {tag.folded: tag.generations.count() for tag in Tag.objects.all()}
    assert found == {"etude": 2, "night": 0}
