from __future__ import annotations

import copy
import hashlib
import io
import json
import random
import struct
import tracemalloc
import unicodedata
import uuid
import zipfile
import zlib
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from studio.media import zipping
from studio.media.zipping import Entry, stream_zip, zip_size
from studio.models import (
    Chain,
    Generation,
    GenerationEvent,
    Keyframe,
    Project,
    ProviderAccount,
    Segment,
)
from studio.services.errors import StudioError
from studio.services.exchange import imports, manifests
from studio.services.exchange.archives import NOT_INCLUDED, project_entries, text_entry
from studio.services.exchange.imports import import_archive
from studio.services.keyframes import store_keyframe
from tests.factories import make_comment, make_generation, make_member, make_project, make_user

pytestmark = pytest.mark.django_db


def picture(shade: int) -> bytes:
    from PIL import Image

    data = io.BytesIO()
    Image.new("RGB", (320, 180), (shade, 80, 200 - shade)).save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def alice():
    return make_user("Alice")


@pytest.fixture
def project(alice):
    """Two stills, four clips (one continues another, one paid), a chain with a branch."""
    project = make_project(alice, name="Nordlys winter", description="A film", resolution="1080p")
    still, _ = store_keyframe(project=project, by=alice, source=picture(40), name="Dawn.png")
    paid = ProviderAccount.objects.create(provider="luma", label="Team")
    clips = [
        make_generation(
            project, by=alice, files=True, seconds=1, title="Ridge at first light",
            start_keyframe=still, concepts=["push_in"], rating=4, verdict="approved",
        ),
        make_generation(
            project, by=alice, files=True, seconds=2, account=paid, model="ray-2",
            actual_microusd=640_000, charged="yes", prompt="Second & <more>\n北光",
        ),
        make_generation(project, by=alice, files=True, seconds=3),
    ]  # fmt: skip
    clips.append(
        make_generation(
            project, by=alice, files=True, seconds=1, aspect_ratio="1:1",
            start_generation=clips[1], shot=clips[1].shot, take=2,
        )
    )  # fmt: skip
    grabbed, _ = store_keyframe(
        project=project, by=alice, source=picture(90), name="Grab", grabbed_from=clips[0],
        grabbed_at_ms=500,
    )  # fmt: skip
    Generation.objects.filter(pk=clips[2].pk).update(end_keyframe=grabbed)
    make_generation(project, state="failed", failure_text="no")
    make_comment(clips[0], alice, "Lower the ridge", at_ms=700)
    chain = Chain.objects.create(project=project, title="The long night", created_by=alice)
    branch = Chain.objects.create(
        project=project, title="Storm", created_by=alice, branched_from=chain, branched_position=1
    )
    for owner, position, clip in ((chain, 1, 0), (chain, 2, 1), (branch, 2, 2)):
        Segment.objects.create(chain=owner, position=position, generation=clips[clip])
    return project


def archived(project, clips=None) -> bytes:
    return b"".join(stream_zip(project_entries(project, clips)[1]))


def changed(data: bytes, change=None, *, files=None, **options) -> io.BytesIO:
    """Return the archive with another manifest or other files."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(out, "w", **options) as target,
    ):
        for name in source.namelist():
            content = source.read(name)
            if name == "manifest.json" and change:
                manifest = json.loads(content)
                content = json.dumps(change(manifest) or manifest).encode()
            target.writestr(name, (files or {}).get(name, content))
    out.seek(0)
    return out


# ---- Going out ---------------------------------------------------------------------------------


def test_everything_is_in_it_with_its_checksum(project):
    with zipfile.ZipFile(io.BytesIO(archived(project))) as archive:
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        manifest = json.loads(archive.read("manifest.json"))
        for item in manifest["clips"] + manifest["stills"]:
            content = archive.read(item["file"])
            assert hashlib.sha256(content).hexdigest() == item["sha256"]
            assert len(content) == item["size_bytes"]
        assert len(archive.namelist()) == 1 + 4 + 2
    first, second, *_ = manifest["clips"]
    assert first["file"] == "clips/0001-ridge-at-first-light-take-1.mp4"
    assert (first["rating"], first["verdict"], first["by"]) == (4, "approved", "Alice")
    assert first["comments"][0]["text"] == "Lower the ridge"
    assert second["prompt"] == "Second & <more>\n北光" and second["provider"] == "luma"
    assert second["cost"] == {
        "charged": "yes", "microusd": 640_000, "certainty": "exact", "credits": None,
        "unit": "",
    }  # fmt: skip
    assert manifest["clips"][3]["start_clip"] == second["code"]
    assert [chain["title"] for chain in manifest["chains"]] == ["The long night", "Storm"]


def test_a_selection_takes_its_stills_and_whole_chains_only(project):
    first, second, *_ = project.generations.filter(state="succeeded").order_by("number")
    names, entries = project_entries(project, [first, second])
    manifest = json.loads(
        b"".join(stream_zip(entries[:1])).split(b"manifest.json", 1)[1][: entries[0].size]
    )
    assert [c["number"] for c in manifest["clips"]] == [first.number, second.number]
    assert [s["name"] for s in manifest["stills"]] == ["Dawn"]
    assert [c["title"] for c in manifest["chains"]] == ["The long night"]
    assert "-2-clips-" in names


def test_the_page_sends_it_with_its_length(project, alice):
    client = Client()
    client.force_login(alice)
    response = client.get(f"/p/{project.code}/archive.zip")
    body = b"".join(response.streaming_content)
    assert int(response["Content-Length"]) == len(body)
    assert response["Content-Disposition"].startswith('attachment; filename="nordlys-winter-20')
    one = project.generations.get(number=1)
    chosen = client.get(f"/p/{project.code}/archive.zip?clip={one.code}&clip=nonsense")
    with zipfile.ZipFile(io.BytesIO(b"".join(chosen.streaming_content))) as archive:
        assert [n for n in archive.namelist() if n.startswith("clips/")] == [
            "clips/0001-ridge-at-first-light-take-1.mp4"
        ]


def test_outsiders_and_empty_projects_get_no_archive(project):
    dave = make_user("Dave")
    client = Client()
    client.force_login(dave)
    assert client.get(f"/p/{project.code}/archive.zip").status_code == 404
    make_member(project, dave, "reviewer")
    assert client.get(f"/p/{project.code}/archive.zip").status_code == 403
    empty = make_project(dave)
    assert client.get(f"/p/{empty.code}/archive.zip").status_code == 302
    with pytest.raises(StudioError, match="nothing to archive"):
        project_entries(empty)


def test_the_length_is_known_before(monkeypatch):
    monkeypatch.setattr(zipping, "ZIP64_LIMIT", 1000)
    monkeypatch.setattr(zipping, "ZIP_FILECOUNT_LIMIT", 5)
    draw = random.Random(7)
    for count in range(8):
        entries = [
            text_entry(f"clips/{'ø' * (n % 2)}{n}.mp4", "x" * draw.choice([0, 10, 980, 1001, 3000]))
            for n in range(count)
        ]
        data = b"".join(stream_zip(entries))
        assert zip_size(entries) == len(data)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.testzip() is None and len(archive.namelist()) == count


def test_memory_does_not_grow_with_the_archive():
    class Endless(io.RawIOBase):
        def __init__(self, size: int) -> None:
            self.left = size

        def read(self, count: int = -1) -> bytes:
            count = min(count, self.left)
            self.left -= count
            return bytes(count)

        def seek(self, to: int, whence: int = 0) -> int:
            self.left = 40 * 2**20 - to
            return to

    @contextmanager
    def opened():
        yield Endless(40 * 2**20)

    entries = [Entry(f"clips/{n}.mp4", 40 * 2**20, opened) for n in range(5)]
    tracemalloc.start()
    total = sum(len(piece) for piece in stream_zip(entries))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == zip_size(entries) > 200 * 2**20 and peak < 4 * 2**20


NAMES = [
    "plain.txt",
    "東京/夜景.txt",
    "e\u0301tude.txt",
    "empty.txt",
    "\U0001f469\u200d\U0001f3a4.txt",
]
AGES = [None, *(datetime(year, 12, 31, 3, 4, 6, tzinfo=UTC) for year in (1970, 2026, 9999))]


def kinds_of_entries() -> dict[str, Entry]:
    made = {}
    for number, name in enumerate(NAMES):
        data = b"" if "empty" in name else f"{name}\n".encode() * 40_000
        made[unicodedata.normalize("NFC", name)] = Entry(
            name, len(data), lambda data=data: closing(io.BytesIO(data)), AGES[number % len(AGES)]
        )
    return made


def read_by_zipfile(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def read_from_the_front(data: bytes) -> dict[str, bytes]:
    """Read as a program does that cannot seek: each header says all about its file."""
    found, at = {}, 0
    while data[at : at + 4] == b"PK\3\4":
        _, flags, method, _, crc, packed, size, name_length, extra_length = struct.unpack_from(
            "<HHHLLLLHH", data, at + 4
        )
        assert not flags & 8 and method == 0
        at += 30
        name = data[at : at + name_length].decode("utf-8" if flags & 1 << 11 else "ascii")
        at += name_length
        if packed == 0xFFFFFFFF:
            size, packed = struct.unpack_from("<QQ", data, at + 4)
        at += extra_length
        found[name] = data[at : at + packed]
        assert size == packed and zlib.crc32(found[name]) == crc
        at += packed
    return found


def read_by_stream_unzip(data: bytes) -> dict[str, bytes]:
    reader = pytest.importorskip("stream_unzip")
    pieces = (data[at : at + 7000] for at in range(0, len(data), 7000))
    return {name.decode(): b"".join(chunks) for name, _, chunks in reader.stream_unzip(pieces)}


def read_by_libarchive(data: bytes) -> dict[str, bytes]:
    try:
        import libarchive
    except (ImportError, OSError, TypeError):  # the wrapper, or the system's library
        pytest.skip("libarchive is not on this machine")
    with libarchive.memory_reader(data) as archive:
        return {entry.pathname: b"".join(entry.get_blocks()) for entry in archive}


@pytest.mark.once
@pytest.mark.parametrize("limit", [0xFFFFFFFF, 1000], ids=["short", "zip64"])
@pytest.mark.parametrize(
    "read", [read_by_zipfile, read_from_the_front, read_by_stream_unzip, read_by_libarchive]
)
def test_every_kind_of_reader_finds_every_file_whole(read, limit, monkeypatch):
    monkeypatch.setattr(zipping, "ZIP64_LIMIT", limit)
    entries = kinds_of_entries()
    data = b"".join(stream_zip(list(entries.values())))
    assert len(data) == zip_size(list(entries.values()))
    expected = {}
    for name, entry in entries.items():
        with entry.open() as source:
            expected[name] = source.read()
    assert read(data) == expected


@pytest.mark.once
def test_a_file_that_changed_since_its_size_was_told_ends_the_archive():
    entry = Entry("a.txt", 5, lambda: closing(io.BytesIO(b"longer")))
    with pytest.raises(OSError, match="changed while it was sent"):
        b"".join(stream_zip([entry]))


# ---- Coming in -----------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(project):
    """The archive, in a studio that knows neither the project nor its people."""
    data = archived(project)
    for model in (Segment, Chain, GenerationEvent):
        model.objects.all().delete()
    Generation.objects.update(
        start_keyframe=None, end_keyframe=None, start_generation=None, end_generation=None
    )
    Generation.objects.all().delete()
    Keyframe.objects.all().delete()
    Project.objects.all().delete()
    return data


def packed_again(data: bytes, name, *extra: str) -> io.BytesIO:
    """Return the archive unpacked and packed by another program; `name` says how it names files."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for member in extra:
            target.writestr(member, b"" if member.endswith("/") else b"\0\5\x16\7")
        for member in source.namelist():
            target.writestr(name(member), source.read(member))
    out.seek(0)
    return out


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "extra"),
    [
        # Finder: a folder around it, and a twin of each file.
        (lambda one: f"Nordlys/{one}", ["Nordlys/", "Nordlys/.DS_Store", "__MACOSX/Nordlys/._manifest.json", "__MACOSX/._Nordlys", "Nordlys/clips/._0001.mp4"]),
        (lambda one: one, [".DS_Store", "__MACOSX/._manifest.json", "__MACOSX/manifest.json"]),
        # Explorer, and programs that keep its slashes.
        (lambda one: f"Nordlys winter/{one}", ["Nordlys winter/Thumbs.db", "Nordlys winter/desktop.ini"]),
        (lambda one: f"Nordlys\\{one}".replace("/", "\\"), []),
        # Somebody's own folders, and `zip -r x.zip .`.
        (lambda one: f"sent/on monday/{one}", ["notes.txt", "sent/also.pdf"]),
        (lambda one: f"./{one}", ["./"]),
    ],
)  # fmt: skip
def test_an_archive_packed_again_comes_in_whole(elsewhere, name, extra):
    report = import_archive(packed_again(elsewhere, name, *extra), by=make_user("Bob"))
    assert (report.clips, report.stills, report.chains, report.problems) == (4, 2, 2, [])


def test_two_manifests_in_folders_are_nobodys_archive(elsewhere):
    twice = packed_again(elsewhere, lambda one: f"a/{one}", "b/manifest.json")
    with pytest.raises(StudioError, match="no manifest.json"):
        import_archive(twice, by=make_user("Bob"))


def test_a_project_comes_back_as_it_was(elsewhere):
    bob = make_user("Bob")
    report = import_archive(io.BytesIO(elsewhere), by=bob)
    assert (report.clips, report.stills, report.chains, report.problems) == (4, 2, 2, [])
    project = report.project
    assert (project.name, project.resolution, project.created_by) == (
        "Nordlys winter",
        "1080p",
        bob,
    )
    first, second, third, fourth = project.generations.order_by("number")
    assert first.is_clip and first.prompt == "Low cloud slides between the ridges."
    assert (first.rating, first.verdict, first.concepts) == (4, "approved", ["push_in"])
    assert first.start_keyframe.name == "Dawn" and third.end_keyframe.grabbed_from == first
    assert (fourth.start_generation, fourth.shot, fourth.take) == (second, second.shot, 2)
    assert second.model == "ray-2" and second.account.label == imports.FOREIGN
    assert not second.account.enabled and second.cost_microusd == 0
    assert second.raw_answer["imported"]["cost"]["microusd"] == 640_000
    for clip in (first, second, third, fourth):
        with clip.clip.open("rb") as file:
            assert hashlib.sha256(file.read()).hexdigest() == clip.sha256
        assert clip.poster and clip.strip and clip.preview and clip.duration_ms
        assert clip.events.get().reason == "brought from another studio"
    comment = first.comments.get()
    assert (comment.guest_name, comment.text, comment.at_ms) == (
        "Alice (from the archive)",
        "Lower the ridge",
        700,
    )
    branch = Chain.objects.get(title="Storm")
    assert branch.branched_from.title == "The long night" and branch.branched_position == 1
    assert [s.generation for s in branch.segments.all()] == [third]
    assert Project.objects.get().next_number == 5


def test_bringing_it_in_again_adds_nothing(elsewhere):
    bob = make_user("Bob")
    import_archive(io.BytesIO(elsewhere), by=bob)
    again = import_archive(io.BytesIO(elsewhere), by=bob)
    assert (again.clips, again.known_clips, again.stills, again.chains) == (0, 4, 0, 0)
    assert Project.objects.count() == 1 and Generation.objects.count() == 4
    assert Keyframe.objects.count() == 2 and Chain.objects.count() == 2


def test_bringing_it_in_where_it_came_from_adds_nothing(project, alice):
    report = import_archive(io.BytesIO(archived(project)), by=alice)
    assert report.project == project and report.known_clips == 4
    assert (report.clips, report.stills, report.chains) == (0, 0, 0)


def test_another_person_gets_a_copy_of_their_own(project):
    dave = make_user("Dave")
    report = import_archive(io.BytesIO(archived(project)), by=dave)
    assert report.project != project and report.clips == 4 and not report.problems
    codes = set(project.generations.values_list("code", flat=True))
    assert not codes & set(report.project.generations.values_list("code", flat=True))
    assert project.generations.count() == 5


def test_a_damaged_clip_is_left_out_and_named(elsewhere):
    name = "clips/0001-ridge-at-first-light-take-1.mp4"
    bad = changed(elsewhere, files={name: b"something else"})
    report = import_archive(bad, by=make_user("Bob"))
    assert report.clips == 3
    assert f"“{name}” is not the file the manifest describes." in report.problems
    assert (
        "The chain “The long night” was left out: one of its clips is missing." in report.problems
    )
    assert not Chain.objects.exists()


def test_a_clip_that_is_no_film_is_left_out(elsewhere):
    name, junk = "clips/0001-ridge-at-first-light-take-1.mp4", b"<html>not film</html>"

    def lie(manifest):
        manifest["clips"][0]["sha256"] = hashlib.sha256(junk).hexdigest()

    report = import_archive(changed(elsewhere, lie, files={name: junk}), by=make_user("Bob"))
    assert report.clips == 3 and "not an MP4" in report.problems[0]


def refusal(data, **patches) -> str:
    with pytest.raises(StudioError) as refused:
        import_archive(data, by=make_user("Bob"))
    assert not Generation.objects.exists()
    return refused.value.message


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "clips/../x.mp4", "clips/a/b", ""]
)
def test_names_that_point_elsewhere_are_left_out(elsewhere, name):
    def slip(manifest):
        manifest["clips"][0]["file"] = name

    report = import_archive(changed(elsewhere, slip), by=make_user("Bob"))
    assert report.clips == 3
    assert (
        f"The clip “Ridge at first light” was left out: clips[0].file is {name!r}; it must be a file "
        "of the archive in clips/ or stills/." in report.problems
    )


def test_bombs_are_not_unpacked(elsewhere, monkeypatch):
    name = "clips/0001-ridge-at-first-light-take-1.mp4"
    bomb = changed(elsewhere, files={name: bytes(60 * 2**20)}, compression=zipfile.ZIP_DEFLATED)
    report = import_archive(bomb, by=make_user("Erin"))
    assert report.clips == 3
    assert f"“{name}” was left out: it is packed too tightly" in report.problems[0]
    monkeypatch.setattr(manifests, "MOST_FILE_BYTES", 100)
    report = import_archive(io.BytesIO(elsewhere), by=make_user("Dora"))
    assert report.clips == report.stills == 0
    assert "1 to 100 are allowed" in report.problems[0]
    monkeypatch.setattr(manifests, "MOST_FILE_BYTES", 2**40)
    Generation.objects.update(start_keyframe=None, end_keyframe=None)
    Generation.objects.exclude(start_generation=None).delete()
    Generation.objects.all().delete()
    monkeypatch.setattr(manifests, "MOST_BYTES", 1000)
    assert "at most 0 GB are allowed" in refusal(io.BytesIO(elsewhere))
    monkeypatch.setattr(manifests, "MOST_FILES", 3)
    assert "at most 3 are allowed" in refusal(io.BytesIO(elsewhere))
    monkeypatch.setattr(manifests, "MOST_FILES", 30)
    monkeypatch.setattr(manifests, "MOST_MANIFEST_BYTES", 10)
    assert "manifest.json is" in refusal(io.BytesIO(elsewhere))


def test_other_files_are_refused():
    assert "not a ZIP archive" in refusal(io.BytesIO(b"PK not really"))
    empty = io.BytesIO(b"".join(stream_zip([text_entry("readme.txt", "hello")])))
    assert "no manifest.json" in refusal(empty)
    for text in ("{", "[" * 100_000, '{"format": "other/9"}', "[]"):
        assert refusal(io.BytesIO(b"".join(stream_zip([text_entry("manifest.json", text)]))))


BROKEN = [
    ("clips", "number", -4, "clips[0].number is -4; it must be a whole number from 0"),
    (
        "clips",
        "number",
        2**31 - 2,
        "clips[0].number is 2147483646; it must be a whole number from 0",
    ),
    ("clips", "take", 32_000, "clips[0].take is 32000; it must be a whole number from 1 to 9,999"),
    ("clips", "created_at", "9999-12-31T23:59:59Z", "it must be a time from 2000 until now"),
    ("clips", "created_at", "0001-01-01T00:00:00+14:00", "it must be a time from 2000 until now"),
    ("clips", "prompt", 7, "clips[0].prompt is 7; it must be text of at most 20,000"),
    ("clips", "concepts", ["<b>"], "it must be a list of names"),
    ("clips", "duration_s", True, "clips[0].duration_s is True"),
    ("clips", "aspect_ratio", "wide", "clips[0].aspect_ratio is 'wide'"),
    ("clips", "created_at", "soon", "clips[0].created_at is 'soon'; it must be a time"),
    ("clips", "code", "x", "clips[0].code is 'x'; it must be a code"),
    ("clips", "provider", "../x", "clips[0].provider is '../x'"),
    ("chains", "segments", {}, "chains[0].segments is {}; it must be a list"),
    ("stills", "sha256", "x" * 65, "stills[0].sha256"),
]


@pytest.mark.parametrize(("group", "key", "value", "words"), BROKEN)
def test_values_out_of_range_are_named(elsewhere, group, key, value, words):
    def spoil(manifest):
        manifest[group][0][key] = copy.copy(value)

    report = import_archive(changed(elsewhere, spoil), by=make_user("Bob"))
    assert any(words in problem for problem in report.problems), report.problems
    wanted = {"clips": 4, "stills": 2, "chains": 2} | {group: 3 if group == "clips" else 1}
    assert (report.clips, report.stills) == (wanted["clips"], wanted["stills"])


@pytest.mark.parametrize("group", ["clips", "stills"])
def test_one_file_is_one_clip_or_still(elsewhere, group):
    def again(manifest):
        manifest[group].append({**manifest[group][0], "code": str(uuid.uuid4()), "number": 900})

    report = import_archive(changed(elsewhere, again), by=make_user("Bob"))
    assert (report.clips, report.stills) == (4, 2)
    assert "it must be a file that no other clip or still names" in report.problems[0]


def test_one_code_is_one_clip_however_it_is_written(elsewhere):
    def again(manifest):
        first, second = manifest["clips"][:2]
        second["code"] = "{" + first["code"].replace("-", "").upper() + "}"

    report = import_archive(changed(elsewhere, again), by=make_user("Bob"))
    assert report.clips == 3
    assert any("it must be a code that nothing else has" in said for said in report.problems)


def test_a_take_that_is_there_costs_one_more_query_however_many_are_there(elsewhere):
    bob = make_user("Bob")
    project = import_archive(io.BytesIO(elsewhere), by=bob).project
    clip = project.generations.order_by("pk").first()
    shot = clip.shot
    Generation.objects.filter(pk=clip.pk).update(code=uuid.uuid4(), sha256="0" * 64)
    for take in range(30, 40):
        make_generation(project, by=bob, shot=shot, take=take, number=take + 500)

    def say_the_first(manifest):
        for record in manifest["clips"]:
            record["take"] = 30

    with CaptureQueriesContext(connection) as asked:
        import_archive(changed(elsewhere, say_the_first), by=bob)
    assert max(project.generations.filter(shot=shot).values_list("take", flat=True)) == 40
    assert sum('"take" = ' in query["sql"] for query in asked) <= 2


def test_texts_that_no_database_stores_come_without_those_characters(elsewhere):
    hostile, stored = "a\0b\ud800c\u2028d", "ab\ufffdc\nd"

    def spoil(manifest):
        manifest["project"]["description"] = hostile
        clip = manifest["clips"][0]
        clip["prompt"] = clip["title"] = hostile
        clip["tags"] = [hostile]
        clip["comments"] = [
            {"by": hostile, "guest": True, "text": hostile, "created_at": clip["created_at"]}
        ]
        manifest["stills"][0]["name"] = hostile
        manifest["unknown\ud800"] = hostile

    report = import_archive(changed(elsewhere, spoil), by=make_user("Bob"))
    assert not report.problems and report.project.description == "ab\ufffdc d"
    clip = report.project.generations.get(prompt=stored)
    assert clip.title == "ab\ufffdc d"
    comment = clip.comments.get()
    assert (comment.text, comment.guest_name) == (stored, "ab\ufffdc d (from the archive)")
    assert clip.tags.exists()
    assert report.project.keyframes.filter(name="ab\ufffdc d").exists()


def test_a_bad_upload_is_answered_with_the_reason():
    client = Client()
    client.force_login(make_user("Bob"))
    response = client.post("/projects/import/", {"archive": SimpleUploadedFile("a.zip", b"no")})
    assert response.status_code == 422 and "not a ZIP archive" in response.content.decode()
    assert "Choose an archive" in client.post("/projects/import/").content.decode()
    assert not Project.objects.exists()


def test_the_command_brings_it_in(elsewhere, tmp_path, capsys):
    make_user("Bob", email="bob@example.com")
    path = tmp_path / "a.zip"
    path.write_bytes(elsewhere)
    call_command("import_project", str(path), owner="bob@example.com")
    shown = capsys.readouterr()
    assert shown.out.strip() == str(Project.objects.get().code)
    assert Generation.objects.count() == 4
    assert f"Not in an archive: {NOT_INCLUDED[0]}" in shown.err


def test_the_command_names_the_people_of_the_archive(elsewhere, tmp_path, capsys):
    make_user("Bob", email="bob@example.com")

    def say(manifest):
        clip = manifest["clips"][0]
        clip["comments"] = [
            {"by": "Zoe", "guest": True, "text": "Hm", "created_at": clip["created_at"]}
        ]

    path = tmp_path / "a.zip"
    path.write_bytes(changed(elsewhere, say).getvalue())
    call_command("import_project", str(path), owner="bob@example.com")
    assert "What Zoe said and decided is shown under these names" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("at", "value"),
    [(6, 255), (46, 0), (28, 255), (8, 255)],
    ids=["a version of the future", "no name", "a long name", "flags"],
)
def test_a_damaged_directory_is_refused_or_read_without_its_file(project, at, value):
    data = bytearray(archived(project))
    # The second member's record: the first is the manifest.
    second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)
    data[second + at] = value
    try:
        with manifests.Archive(io.BytesIO(bytes(data))) as archive:
            assert len(archive.clips) == 4
    except StudioError:
        assert at != 46


def test_a_clip_without_a_title_is_called_by_its_prompt(project, alice):
    def blank(manifest):
        for clip, title in zip(manifest["clips"], ("", "\u200b", None, "\x00 "), strict=True):
            clip["title"] = title

    report = import_archive(changed(archived(project), blank), by=make_user("Zed"))
    titles = set(report.project.generations.values_list("title", flat=True))
    assert titles == {"Low cloud slides between the ridges", "Second & <more>"}
