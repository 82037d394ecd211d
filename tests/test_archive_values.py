"""One bad value of a manifest is left out and named; everything else comes in."""

from __future__ import annotations

import copy
import io
import json
import uuid
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from studio.models import (
    Chain,
    Collection,
    Comment,
    Generation,
    ImportRun,
    Keyframe,
    Project,
    Segment,
    User,
)
from studio.plain_text import one_line
from studio.services.errors import StudioError
from studio.services.exchange import import_runs, imports, manifest_json
from studio.services.exchange.imports import import_archive
from studio.services.exchange.manifest_json import MAX_DEPTH, read_json
from studio.services.keyframes import store_keyframe
from tests.people import make_person
from tests.test_archive_review import cast
from tests.test_archives import archived, picture

__all__ = ["cast"]

pytestmark = pytest.mark.django_db
Place = tuple[str | int, ...]


class Raw(str):
    """JSON as it stands in the manifest: what `json.dumps` would not write."""


DEEP = Raw("[" * 5000 + "]" * 5000)
HOSTILE: list[Any] = [
    None, True, False, 0, -1, 2**31, 2**63, 10**25, 1.5, "", "x", "x" * 30_000, [], [[]], {},
    {"a": []}, ["x"], [None], [{}], [1], "\u0000", "a\u0000b", "\ud800", "\u202e\u200b\x1b[31m\n",
    "99999-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00",
    "2026-01-01T00:00:00", "2026-01-01T00:00:00+00:00:30.5", "../../etc/passwd", "<script>",
    str(uuid.UUID(int=7)), "approved", "@{1}", Raw("NaN"), Raw("-Infinity"), Raw("1e400"),
    Raw("9" * 5000), Raw("-" + "9" * 31), DEEP, Raw('{"a":' * 5000 + "1" + "}" * 5000),
]  # fmt: skip


class Source(tuple[Any, dict[str, bytes]]):
    """A manifest and the files beside it."""

    def __new__(cls, manifest: Any, files: dict[str, bytes]) -> Source:
        return super().__new__(cls, (manifest, files))

    def __repr__(self) -> str:
        return "the archive"


@pytest.fixture
def source(cast):
    """An archive with something of everything, and its manifest; the studio holds none of it."""
    still, _ = store_keyframe(project=cast.project, by=cast.alice, source=picture(40), name="Dawn")
    first, second = cast.project.generations.order_by("number")
    Generation.objects.filter(pk=second.pk).update(start_keyframe=still, end_generation=first)
    Keyframe.objects.filter(pk=still.pk).update(grabbed_from=first, grabbed_at_ms=100)
    chain = Chain.objects.create(project=cast.project, title="Night", created_by=cast.alice)
    Segment.objects.create(chain=chain, position=1, generation=first)
    with zipfile.ZipFile(io.BytesIO(archived(cast.project))) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    Project.objects.update(code=uuid.uuid4())
    return Source(json.loads(files.pop("manifest.json")), files)


def packed(manifest: Any, files: dict[str, bytes]) -> bytes:
    raw: dict[str, str] = {}

    def marked(value: Any) -> Any:
        if isinstance(value, Raw):
            raw[f"raw-{len(raw)}-value"] = value
            return f"raw-{len(raw) - 1}-value"
        if isinstance(value, list):
            return [marked(item) for item in value]
        if isinstance(value, dict):
            return {key: marked(item) for key, item in value.items()}
        return value

    text = json.dumps(marked(manifest))
    for mark, value in raw.items():
        text = text.replace(f'"{mark}"', value)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in {"manifest.json": text.encode(), **files}.items():
            archive.writestr(name, content)
    return data.getvalue()


def places(value: Any, where: Place = ()) -> Iterator[Place]:
    """Yield the place of every value of the manifest but of the lists that are not read."""
    yield where
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            if where or key != "not_included":
                yield from places(item, (*where, key))


def put(manifest: Any, where: Place, change: Any) -> Any:
    """Return a copy of the manifest with `change` applied to one value: its key and its holder."""
    spoiled = {"": copy.deepcopy(manifest)}
    holder: Any = spoiled
    for key in ("", *where)[:-1]:
        holder = holder[key]
    change(holder, ("", *where)[-1])
    return spoiled.get("")


@pytest.fixture
def quick(monkeypatch):
    """Films are measured and pictured once: this is about values, not about media."""
    kept: dict[bytes, dict[str, object]] = {}
    real = imports.keep_media

    def once(clip, path):
        film = path.read_bytes()
        if film not in kept:
            kept[film] = real(clip, path)
        return kept[film]

    monkeypatch.setattr(imports, "keep_media", once)


class Undone(Exception):
    """Takes back what one example wrote."""


def holds(source, erin: User, asked, manifest: Any, where: Place) -> None:
    """Import the manifest with one value spoiled, and check all that must hold of any."""
    whole, files = source
    data = packed(manifest, files)
    films = {clip["sha256"] for i, clip in enumerate(whole["clips"]) if where[:2] != ("clips", i)}
    if where == ("clips",):
        films = set()
    refusable = where in ((), ("format",))
    asked.clear()
    projects = Project.objects.count()
    try:
        run = import_runs.begin(file=SimpleUploadedFile("a.zip", data), by=erin)
    except StudioError as refused:
        assert refusable, (where, refused.message)
        assert Project.objects.count() == projects and not ImportRun.objects.exists()
        return
    asked.run("work_import")
    run = ImportRun.objects.get(pk=run.pk)
    assert run.state == "done", (where, run.failure_text)
    clips = Generation.objects.filter(project=run.project)
    here = set(clips.values_list("sha256", flat=True))
    assert films <= here, where
    for clip, record in ((c, r) for r in whole["clips"] for c in clips if c.sha256 == r["sha256"]):
        if record["sha256"] in films:
            assert clip.comments.count() == len(record["comments"])
            assert clip.verdicts.count() == len(record["verdicts"])
            assert clip.tags.count() == len(record["tags"])
    problems = "\n".join(run.problems)
    if len(here) < 2 and where[:1] == ("clips",) and isinstance(manifest.get("clips"), list):
        gone = [i for i, clip in enumerate(whole["clips"]) if clip["sha256"] not in here]
        for index in gone:
            if index < len(manifest["clips"]):
                assert f"clips[{index}]" in problems, (where, problems)
    if len(where) >= 4 and where[0] == "clips" and where[2] in ("comments", "verdicts"):
        lists = Comment if where[2] == "comments" else Generation.verdicts.rel.related_model
        count = lists.objects.filter(generation__project=run.project).count()
        wanted = sum(len(clip[where[2]]) for clip in whole["clips"])
        held = manifest["clips"][where[1]][where[2]]
        if count < wanted and len(held) == len(whole["clips"][where[1]][where[2]]):
            assert f"clips[{where[1]}].{where[2]}" in problems or "clips" in problems
    for kind, model in (("collections", Collection), ("chains", Chain)):
        gone = not model.objects.filter(project=run.project).exists()
        if gone and where[:1] == (kind,) and manifest.get(kind):
            assert kind in problems or "of its clips" in problems, (where, problems)
    assert run.left_out == len(run.problems)
    assert [one_line(line) for line in run.problems] == run.problems


@hypothesis_settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_bad_value_anywhere_leaves_out_itself_alone(source, quick, asked, data):
    whole, _ = source
    erin, _ = User.objects.get_or_create(
        email="erin@example.com", defaults={"name": "Erin", "may_make_projects": True}
    )
    where = data.draw(st.sampled_from(list(places(whole))))
    how = data.draw(st.sampled_from(["put", "put", "put", "drop", "twice"]))
    value = copy.deepcopy(data.draw(st.sampled_from(HOSTILE)))

    def change(holder, key):
        if how == "put" or key == "":
            holder[key] = value
        elif how == "drop":
            del holder[key]
        elif isinstance(holder, list):
            holder.append(holder[key])
        else:
            holder[f"{key}\ud800"] = value

    manifest = put(whole, where, change)
    # What is dropped from a list moves what stands behind it.
    touched = where[:1] if how == "drop" and where[:1] == ("clips",) and len(where) == 2 else where
    with pytest.raises(Undone), transaction.atomic():
        holds(source, erin, asked, manifest, touched)
        raise Undone


SPOILED: list[tuple[Place, Any, str]] = [
    (("clips", 0, "number"), "one", "The clip “Clip number 1” was left out: clips[0].number is 'one'"),
    (("clips", 0, "rating"), Raw("NaN"), "clips[0].rating is NaN; it must be a whole number"),
    (("clips", 0, "duration_s"), Raw("1e400"), "clips[0].duration_s is 1e400; it must be"),
    (("clips", 0, "take"), Raw("9" * 5000), "clips[0].take is 999999999999999999999999999999…;"),
    (("clips", 0, "title"), DEEP, "clips[0].title is [[[...]]]; it must be text of at most 120"),
    (("clips", 0, "created_at"), "99999-01-01T00:00:00Z", "it must be a time"),
    (("clips", 0, "verdict"), "perfect", "clips[0].verdict is 'perfect'; it must be one of"),
    (("clips", 0, "loop"), "yes", "clips[0].loop is 'yes'; it must be true or false"),
    (("clips", 0), [], "clips[0] is []; it must be an object"),
    (("clips", 0, "comments", 0, "at_ms"), -1, "A comment on the clip “Clip number 1” was left out: "
     "clips[0].comments[0].at_ms is -1; it must be a whole number from 0 to 2,147,483,647."),
    (("clips", 0, "comments", 0), "x", "clips[0].comments[0] is 'x'; it must be an object"),
    (("clips", 0, "comments"), {}, "clips[0].comments is {}; it must be a list"),
    (("clips", 0, "verdicts", 0, "at"), "soon", "A verdict on the clip “Clip number 1” was left out"),
    (("clips", 0, "tags"), "night", "clips[0].tags is 'night'; it must be a list"),
    (("clips", 1, "start_still"), str(uuid.UUID(int=7)), "came in without its start still"),
    (("clips", 1, "end_clip"), str(uuid.UUID(int=7)), "came in without its end clip"),
    (("collections", 0, "title"), 7, "The collection collections[0] was left out: collections[0].title"),
    (("chains", 0, "segments", 0, "position"), "x", "The chain “Night” was left out"),
    (("saved_views", 0, "query"), {}, "The saved view “Best” was left out: saved_views[0].query is {}"),
    (("project", "duration_s"), 999, "The project came in without one value: project.duration_s is 999"),
    (("project",), [], "The project’s name and settings were left out: project is []"),
    (("stills",), "x", "stills is 'x'; it must be a list"),
]  # fmt: skip


@pytest.mark.parametrize(("where", "value", "words"), SPOILED)
def test_what_is_left_out_is_named_with_its_value(source, quick, where, value, words):
    whole, files = source

    def change(holder, key):
        holder[key] = copy.deepcopy(value)

    data = packed(put(whole, where, change), files)
    report = import_archive(io.BytesIO(data), by=make_person("Erin"))
    assert any(words in problem for problem in report.problems), report.problems
    alone = len(where) == 3 and where[:2] == ("clips", 0) and where[2] not in ("comments", "tags")
    assert report.clips == (1 if alone or where == ("clips", 0) else 2)


def test_of_two_with_one_code_or_one_file_the_first_comes_in(source, quick):
    whole, files = source
    first = whole["clips"][0]
    whole["clips"] += [first | {"file": "clips/other.mp4", "number": 9}, first | {"code": None}]
    whole["clips"][0]["comments"].append(first["comments"][0] | {"text": "Again"})
    report = import_archive(io.BytesIO(packed(whole, files)), by=make_person("Erin"))
    assert report.clips == 2
    text = "\n".join(report.problems)
    assert "clips[2].code is " in text and "must be a code that nothing else has" in text
    assert (
        "clips[3].file is " in text and "must be a file that no other clip or still names" in text
    )
    assert "must be a code that no other comment has" in text


@pytest.mark.parametrize(
    "text",
    ["{", "[" * 100_000, "[]", "7", '{"format": 7}', '{"format": "ray-studio/2"}', "{}", "\ud800"],
)
def test_what_is_no_manifest_is_refused_before_anything_is_made(text):

    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("manifest.json", text.encode("utf-8", "surrogatepass"))
    with pytest.raises(StudioError):
        import_archive(data, by=make_person("Erin"))
    assert not Project.objects.exists()


def test_more_values_than_memory_has_room_for_are_refused_unread(monkeypatch):
    monkeypatch.setattr(manifest_json, "_loads", lambda text: pytest.fail("it was read"))
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", '{"clips": [' + "{}," * 800_000 + "{}]}")
    assert len(data.getvalue()) < 10_000
    with pytest.raises(StudioError, match="holds more than 1,500,000 values"):
        import_archive(data, by=make_person("Erin"))


def test_json_is_read_whatever_a_value_is():
    deep = "[" * 300 + "]" * 300
    text = f'{{"a": {deep}, "b": "[[\\"[", "c": 1e999, "d": {"7" * 6000}, "e": [1, 2.5, "x"]}}'
    read = read_json(text.encode())
    assert read["b"] == '[["[' and read["e"] == [1, 2.5, "x"]
    assert repr(read["c"]) == "1e999" and repr(read["d"]) == "7" * 30 + "…"
    level, value = 0, read["a"]
    while isinstance(value, list) and value:
        level, value = level + 1, value[0]
    assert level <= MAX_DEPTH and repr(value) == "nested too deep"
    far = "[" * 200_000 + "]" * 200_000
    assert read_json(f'{{"a": {far}, "b": 1}}'.encode())["b"] == 1
    for broken in ('{"a": ' + "[" * 5000, '"' + '\\"' * 50_000, "[" * 5000 + '"\\'):
        with pytest.raises(ValueError):
            read_json(broken.encode())


def test_many_bad_values_are_a_few_sentences(source, quick):
    whole, files = source
    whole["clips"][1]["answers_comment"], whole["clips"][0]["verdicts"] = None, []
    whole["clips"][0]["comments"] = [{"at_ms": -1}] * 1000 + [7] * 1000
    report = import_archive(io.BytesIO(packed(whole, files)), by=make_person("Erin"))
    assert report.clips == 2 and len(report.problems) == 21
    assert report.problems[-1] == "1,980 more on the clip “Clip number 1” were left out."


def test_an_archive_of_chosen_clips_points_at_nothing_outside_itself(source, quick, cast):
    second = cast.project.generations.get(number=2)
    assert second.end_generation and second.answers_comment
    report = import_archive(io.BytesIO(archived(cast.project, [second])), by=make_person("Erin"))
    assert (report.clips, report.stills, report.problems) == (1, 1, [])
