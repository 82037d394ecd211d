from __future__ import annotations

import io
import os
import re
import subprocess
from datetime import UTC, datetime
from shutil import which
from xml.etree import ElementTree

import av
import pytest
from django.test import Client

from studio.media.tags import (
    CannotTag,
    Ingredient,
    Provenance,
    tag_values,
    tagged_file,
    tagged_size,
    xmp_packet,
)
from tests.factories import drawn_clip, make_generation, make_project, make_still, make_user

MADE = Provenance(
    code="0f5cbe1e-9f0b-4bb2-8f9e-3f3a9c2b5f6d",
    title="Aurora “over” the fjord & sea",
    prompt="Aurora curtains <ripple>.\nÆrlig talt: 北光, 35 mm & more\x0b.",
    model="ray-2",
    provider="Luma",
    creator="Maja Aasen",
    made_at=datetime(2026, 11, 20, 12, 30, tzinfo=UTC),
    ingredients=[Ingredient("11111111-2222-3333-4444-555555555555", "First snow", "start clip")],
    facts={"concepts": "Push in, Tilt up"},
)


def save(tmp_path, source, provenance=MADE):
    out = tmp_path / "tagged.mp4"
    with tagged_file(source, provenance) as file:
        out.write_bytes(file.read())
    return out


def test_players_read_prompt_model_provider_and_lineage(tmp_path):
    out = save(tmp_path, drawn_clip("16:9", 1)[0])
    with av.open(str(out)) as container:
        tags = container.metadata
    assert tags["title"] == MADE.title and tags["artist"] == "Maja Aasen"
    assert tags["prompt"] == MADE.prompt
    assert (tags["model"], tags["provider"]) == ("ray-2", "Luma")
    assert tags["lineage"] == "start clip: First snow (11111111-2222-3333-4444-555555555555)"
    assert "Made with ray-2 at Luma." in tags["comment"]
    assert tags["concepts"] == "Push in, Tilt up"


def test_media_is_the_same_to_the_bit(tmp_path):
    source = drawn_clip("16:9", 1)[0]
    out = save(tmp_path, source)

    def packets(path):
        with av.open(str(path)) as container:
            return [(p.pts, p.dts, bytes(p)) for p in container.demux() if p.size]

    assert packets(out) == packets(source)
    with av.open(str(out)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 24


def test_index_at_the_end_needs_no_shifting(tmp_path):
    source = tmp_path / "late.mp4"
    drawn = str(drawn_clip("16:9", 1)[0])
    with av.open(str(source), "w", format="mp4") as output, av.open(drawn) as clip:
        stream = output.add_stream_from_template(clip.streams.video[0])
        for packet in clip.demux(video=0):
            if packet.size:
                packet.stream = stream
                output.mux(packet)
    data = source.read_bytes()
    assert data.index(b"moov") > data.index(b"mdat")
    with av.open(str(save(tmp_path, source))) as container:
        assert container.metadata["model"] == "ray-2"
        assert sum(1 for _ in container.decode(video=0)) == 24


def test_xmp_packet_is_well_formed_and_complete(tmp_path):
    out = save(tmp_path, drawn_clip("16:9", 1)[0]).read_bytes()
    packet = re.search(rb"<x:xmpmeta.*</x:xmpmeta>", out, re.S)
    assert packet and out.count(b"<x:xmpmeta") == 1
    assert out[packet.start() - 200 : packet.start()].count(bytes.fromhex("be7acfcb97a942e8")) == 1
    names = {
        "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "dc": "http://purl.org/dc/elements/1.1/",
        "ext": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
        "ref": "http://ns.adobe.com/xap/1.0/sType/ResourceRef#",
    }
    about = ElementTree.fromstring(packet.group()).find(".//rdf:Description", names)
    assert about.find("dc:title//rdf:li", names).text == MADE.title
    assert about.get(f"{{{names['ext']}}}AIPromptInformation").startswith(
        "Aurora curtains <ripple>"
    )
    assert about.get(f"{{{names['ext']}}}DigitalSourceType").endswith("/trainedAlgorithmicMedia")
    parent = about.find(".//ref:documentID", names)
    assert parent.text == "urn:uuid:11111111-2222-3333-4444-555555555555"
    assert "\x0b" not in xmp_packet(MADE)


def test_any_part_reads_as_the_whole_does(tmp_path):
    whole = save(tmp_path, drawn_clip("16:9", 1)[0]).read_bytes()
    with tagged_file(drawn_clip("16:9", 1)[0], MADE) as file:
        assert tagged_size(file) == len(whole)
        for start in (0, 3, 31, 500, 2000, len(whole) - 900, len(whole) - 1, len(whole) + 5):
            file.seek(start)
            assert file.read(1500) == whole[start : start + 1500]


def test_tags_of_a_tagged_file_are_replaced(tmp_path):
    once = save(tmp_path, drawn_clip("16:9", 1)[0])
    moved = once.rename(tmp_path / "once.mp4")
    with tagged_file(moved, MADE) as file, av.open(io.BytesIO(file.read())) as container:
        assert container.metadata["title"] == MADE.title


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a" + bytes(100), (0).to_bytes(4) + b"mdat" + bytes(50), b"\0\0\0\x63moov"]
)
def test_other_files_are_refused(tmp_path, data):
    path = tmp_path / "other.mp4"
    path.write_bytes(data)
    with pytest.raises(CannotTag):
        tagged_file(path, MADE)


@pytest.mark.skipif(
    which("ffprobe") is None and os.environ.get("STUDIO_TEST_REQUIRE_ALL") != "1",
    reason="there is no ffprobe",
)
def test_ffprobe_reads_the_tags_too(tmp_path):
    out = save(tmp_path, drawn_clip("16:9", 1)[0])
    command = ["ffprobe", "-v", "error", "-show_entries", "format_tags", "-of", "flat", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 'format.tags.prompt="Aurora curtains' in done.stdout and not done.stderr


def test_empty_values_are_left_out():
    values = tag_values(
        Provenance("c", "", "", "previs-1", "Previs", "", MADE.made_at, ingredients=[])
    )
    assert values["comment"] == "Made with previs-1 at Previs." and values["lineage"] == ""


@pytest.fixture
def clip(db):
    alice = make_user("Alice")
    project = make_project(alice)
    still = make_still(project)
    return make_generation(
        project, by=alice, files=True, start_keyframe=still, concepts=["push_in"]
    )


def signed_in(clip) -> Client:
    client = Client()
    client.force_login(clip.by)
    return client


def test_download_carries_how_the_clip_was_made(clip):
    response = signed_in(clip).get(f"/media/clips/{clip.code}.mp4?download")
    body = b"".join(response.streaming_content)
    assert response["Content-Length"] == str(len(body))
    assert "attachment" in response["Content-Disposition"]
    with av.open(io.BytesIO(body)) as container:
        tags = container.metadata
        assert tags["prompt"] == clip.prompt and tags["provider"] == "Previs"
        assert str(clip.start_keyframe.code) in tags["lineage"]
        assert tags["concepts"] == "Push in"
        assert sum(1 for _ in container.decode(video=0)) == 24


def test_download_can_be_taken_up_again_in_the_middle(clip):
    client = signed_in(clip)
    whole = client.get(f"/media/clips/{clip.code}.mp4?download")
    body = b"".join(whole.streaming_content)
    rest = client.get(
        f"/media/clips/{clip.code}.mp4?download",
        headers={"range": "bytes=1000-", "if-range": whole["ETag"]},
    )
    assert rest.status_code == 206 and b"".join(rest.streaming_content) == body[1000:]


def test_a_renamed_clip_is_another_download(clip):
    client = signed_in(clip)
    url = f"/media/clips/{clip.code}.mp4?download"
    before = client.get(url)["ETag"]
    type(clip).objects.filter(pk=clip.pk).update(title="Another name")
    assert client.get(url)["ETag"] != before
    assert client.get(url)["Cache-Control"] == "private, no-cache"


def test_a_project_may_leave_it_out(clip):
    type(clip.project).objects.filter(pk=clip.project_id).update(embed_provenance=False)
    body = b"".join(signed_in(clip).get(f"/media/clips/{clip.code}.mp4?download").streaming_content)
    with clip.clip.open("rb") as file:
        assert body == file.read()


def test_playing_is_untouched(clip):
    body = b"".join(signed_in(clip).get(f"/media/clips/{clip.code}.mp4").streaming_content)
    with clip.clip.open("rb") as file:
        assert body == file.read()


def test_owners_switch_it_in_the_settings(clip):
    client = signed_in(clip)
    page = f"/p/{clip.project.code}/settings/"
    assert 'name="embed_provenance"' in client.get(page).content.decode()
    fields = {
        "name": "Nordlys", "description": "", "aspect_ratio": "16:9", "duration_s": "5",
        "resolution": "720p", "budget": "",
    }  # fmt: skip
    for sent, kept in ((fields, False), (fields | {"embed_provenance": "on"}, True)):
        assert client.post(page, sent).status_code == 302
        clip.project.refresh_from_db()
        assert clip.project.embed_provenance is kept
