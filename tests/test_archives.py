from __future__ import annotations

import copy
import hashlib
import io
import json
import random
import tracemalloc
import zipfile
from contextlib import contextmanager

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client

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
from studio.services.exchange.archives import project_entries, text_entry
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
        "charged": "yes", "microusd": 640_000, "credits": None, "unit": ""
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
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 5)
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

    @contextmanager
    def opened():
        yield Endless(40 * 2**20)

    entries = [Entry(f"clips/{n}.mp4", 40 * 2**20, opened) for n in range(5)]
    tracemalloc.start()
    total = sum(len(piece) for piece in stream_zip(entries))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == zip_size(entries) > 200 * 2**20 and peak < 4 * 2**20


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
    assert (comment.guest_name, comment.text, comment.at_ms) == ("Alice", "Lower the ridge", 700)
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
def test_names_that_point_elsewhere_are_refused(elsewhere, name):
    def slip(manifest):
        manifest["clips"][0]["file"] = name

    assert "it has no file" in refusal(changed(elsewhere, slip))


def test_bombs_are_refused(elsewhere, monkeypatch):
    name = "clips/0001-ridge-at-first-light-take-1.mp4"
    bomb = changed(elsewhere, files={name: bytes(60 * 2**20)}, compression=zipfile.ZIP_DEFLATED)
    assert "packed too tightly" in refusal(bomb)
    monkeypatch.setattr(manifests, "MOST_FILE_BYTES", 100)
    assert "1 to 100 are allowed" in refusal(io.BytesIO(elsewhere))
    monkeypatch.setattr(manifests, "MOST_FILE_BYTES", 2**40)
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
    ("clips", "prompt", 7, "clips[0].prompt is 7; it must be text of at most 20,000"),
    ("clips", "concepts", ["<b>"], "it must be a list of names"),
    ("clips", "duration_s", True, "clips[0].duration_s is True"),
    ("clips", "aspect_ratio", "wide", "clips[0].aspect_ratio is 'wide'"),
    ("clips", "created_at", "soon", "clips[0].created_at is 'soon'; it must be a time"),
    ("clips", "code", "x", "clips[0].code is 'x'; it must be a code"),
    ("clips", "provider", "../x", "clips[0].provider is '../x'"),
    ("chains", "segments", {}, None),
    ("stills", "sha256", "x" * 65, "stills[0].sha256"),
]


@pytest.mark.parametrize(("group", "key", "value", "words"), BROKEN)
def test_values_out_of_range_are_named(elsewhere, group, key, value, words):
    def spoil(manifest):
        manifest[group][0][key] = copy.copy(value)

    data = changed(elsewhere, spoil)
    if words is None:
        assert not import_archive(data, by=make_user("Bob")).problems
        return
    with pytest.raises(StudioError) as refused:
        import_archive(data, by=make_user("Bob"))
    assert words in refused.value.message


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
    assert capsys.readouterr().out.strip() == str(Project.objects.get().code)
    assert Generation.objects.count() == 4
