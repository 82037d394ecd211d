from __future__ import annotations

import io
import re
import zipfile
from fractions import Fraction
from xml.etree import ElementTree

import opentimelineio as otio
import pytest
from django.test import Client

from studio.models import Chain, Generation, Segment
from studio.services.errors import StudioError
from studio.services.film.handover import (
    METADATA,
    make_timeline,
    shots_of,
    write_edl,
    write_fcpxml,
)
from tests.factories import make_comment, make_generation, make_project, make_still, make_user

pytestmark = pytest.mark.django_db

PROMPTS = [
    "Low cloud slides between the ridges.\nThe sun clears the far peak, “gold” & <blue>.",
    "Ærlig: 北光 over fjorden",
    "Plain",
]


@pytest.fixture
def chain():
    project = make_project(make_user("Maja Aasen"), name="Nordlys & co")
    chain = Chain.objects.create(
        project=project, title="The long night", created_by=project.created_by
    )
    for position, prompt in enumerate(PROMPTS, 1):
        clip = make_generation(
            project, files=True, title=f"Clip “{position}” & more", prompt=prompt,
            seconds=position, concepts=["push_in", "tilt_up"],
        )  # fmt: skip
        Segment.objects.create(chain=chain, position=position, generation=clip)
    make_comment(clip, project.created_by, "Lower the ridge\nby a third", at_ms=1500)
    return chain


def read_back(text: str, adapter: str):
    found = otio.adapters.read_from_string(text, adapter)
    return found if isinstance(found, otio.schema.Timeline) else found[0]


def test_otio_keeps_everything(chain):
    text = otio.adapters.write_to_string(make_timeline(chain, shots_of(chain)), "otio_json")
    timeline = read_back(text, "otio_json")
    assert timeline.name == "The long night"
    assert timeline.metadata[METADATA]["project"] == "Nordlys & co"
    clips = list(timeline.find_clips())
    assert [clip.metadata[METADATA]["prompt"] for clip in clips] == PROMPTS
    assert [clip.name for clip in clips] == [f"Clip “{n}” & more" for n in (1, 2, 3)]
    assert [clip.source_range.duration.to_frames() for clip in clips] == [24, 48, 72]
    assert clips[1].media_reference.target_url == "media/002-clip-2-more.mp4"
    assert clips[0].metadata[METADATA]["concepts"] == "Push in, Tilt up"
    assert [m.name for m in clips[2].markers] == ["Maja Aasen: Lower the ridge by a third"]
    assert clips[2].markers[0].marked_range.start_time.to_frames() == 36


def test_edl_keeps_names_prompts_paths_and_lengths(chain):
    timeline = read_back(write_edl(chain, shots_of(chain)), "cmx_3600")
    clips = list(timeline.find_clips())
    assert [clip.name for clip in clips] == [f"Clip “{n}” & more" for n in (1, 2, 3)]
    assert [clip.source_range.duration.to_frames() for clip in clips] == [24, 48, 72]
    assert clips[2].media_reference.target_url == "media/003-clip-3-more.mp4"
    comments = clips[0].metadata["cmx_3600"]["comments"]
    assert comments[0] == "PROMPT: " + PROMPTS[0].replace("\n", " ")
    assert comments[1] == "MADE WITH: Previs, previs-1"
    assert all(len(clip.metadata["cmx_3600"]["reel"]) == 8 for clip in clips)
    assert len({clip.metadata["cmx_3600"]["reel"] for clip in clips}) == 3


def test_fcpxml_is_read_by_another_library(chain):
    timeline = read_back(write_fcpxml(chain, shots_of(chain)), "fcpx_xml")
    clips = list(timeline.find_clips())
    assert [clip.name for clip in clips] == [f"Clip “{n}” & more" for n in (1, 2, 3)]
    assert [clip.source_range.duration.to_seconds() for clip in clips] == [1, 2, 3]
    assert clips[0].media_reference.target_url.endswith("media/001-clip-1-more.mp4")


def test_fcpxml_carries_prompts_notes_and_comments(chain):
    root = ElementTree.fromstring(write_fcpxml(chain, shots_of(chain)))
    clips = root.findall(".//spine/asset-clip")
    assert [clip.findtext("note") for clip in clips] == PROMPTS
    assert [clip.get("offset") for clip in clips] == ["0s", "1s", "3s"]
    said = {md.get("key"): md.get("value") for md in clips[1].iter("md")}
    assert said["studio.ray.prompt"] == PROMPTS[1] and said["studio.ray.model"] == "previs-1"
    marker = clips[2].find("marker")
    assert (marker.get("start"), marker.get("value")) == (
        "3/2s",
        "Maja Aasen: Lower the ridge\nby a third",
    )
    assert root.find(".//sequence").get("duration") == "6s"
    assert root.find(".//format").get("frameDuration") == "1/24s"


def test_mixed_rates_are_counted_each_in_its_own(chain):
    Generation.objects.filter(prompt="Plain").update(fps=29.97, duration_ms=3003)
    shots = shots_of(chain)
    assert shots[2].rate == Fraction(30000, 1001) and shots[2].whole == 90
    clips = list(read_back(write_edl(chain, shots), "cmx_3600").find_clips())
    assert clips[2].source_range.duration.to_frames() == 72
    root = ElementTree.fromstring(write_fcpxml(chain, shots))
    assert root.findall(".//asset-clip")[2].get("duration") == "3003/1000s"


def test_a_rate_timecode_cannot_count_is_given_in_the_nearest(chain):
    Generation.objects.update(fps=16.0)
    clips = list(read_back(write_edl(chain, shots_of(chain)), "cmx_3600").find_clips())
    assert [clip.source_range.duration.to_frames() for clip in clips] == [24, 48, 72]


def test_a_clip_is_cut_where_the_next_takes_over(chain):
    first, second = (s.generation for s in chain.segments.filter(position__lte=2))
    still = make_still(chain.project)
    still.grabbed_from, still.grabbed_at_ms = first, 833
    still.save()
    Generation.objects.filter(pk=second.pk).update(start_keyframe=still, start_generation=first)
    shot = shots_of(chain)[0]
    assert (shot.used, shot.whole) == (21, 24)
    timeline = make_timeline(chain, shots_of(chain))
    assert next(iter(timeline.find_clips())).source_range.duration.to_frames() == 21


def test_an_unrendered_segment_is_refused(chain):
    waiting = make_generation(chain.project, state="running")
    Segment.objects.create(chain=chain, position=4, generation=waiting)
    with pytest.raises(StudioError, match="Not rendered yet: segment 4"):
        shots_of(chain)


def test_the_archive_holds_timelines_and_the_media_they_point_to(chain, tmp_path):
    client = Client()
    client.force_login(chain.created_by)
    response = client.get(f"/chains/{chain.code}/handover.zip")
    body = b"".join(response.streaming_content)
    assert response["Content-Disposition"] == 'attachment; filename="the-long-night.zip"'
    assert int(response["Content-Length"]) == len(body)
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    folder = tmp_path / "the-long-night"
    timeline = otio.adapters.read_from_file(str(folder / "the-long-night.otio"))
    for clip, segment in zip(timeline.find_clips(), chain.segments.all(), strict=True):
        with segment.generation.clip.open("rb") as stored:
            assert (folder / clip.media_reference.target_url).read_bytes() == stored.read()
    names = set(re.findall(r"media/[\w.-]+", (folder / "the-long-night.edl").read_text()))
    assert names == {f"media/{path.name}" for path in (folder / "media").iterdir()}
    assert (folder / "the-long-night.fcpxml").read_text().count("./media/") == 3


def test_outsiders_get_nothing(chain):
    client = Client()
    client.force_login(make_user("Dave"))
    assert client.get(f"/chains/{chain.code}/handover.zip").status_code == 404
