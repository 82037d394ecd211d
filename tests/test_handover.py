from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import opentimelineio as otio
import pytest
from django.test import Client

from studio.media.facts import SoundFacts
from studio.media.frames import can_drop, frame_number, middle_of
from studio.models import Chain, Generation, Segment
from studio.services.clip_facts import facts_of, measured_columns
from studio.services.errors import StudioError
from studio.services.film.edit_shots import shots_of
from studio.services.film.edl import write_edl
from studio.services.film.fcpxml import write_fcpxml
from studio.services.film.otio_writing import METADATA, make_timeline
from tests.factories import make_comment, make_generation, make_project, make_still, make_user

try:
    from lxml import etree
except ImportError:
    etree = None

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


def measured(chain, position, *, sound="", **fields):
    """Make a segment's clip one of another kind, as if its file had been measured so."""
    clip = chain.segments.get(position=position).generation
    facts = facts_of(clip)
    rate, frames = fields.get("rate", facts.rate), fields.get("frames", facts.frames)
    layouts = {"": 0, "mono": 1, "stereo": 2, "5.1": 6}
    heard = SoundFacts("aac", layouts[sound], sound, 48_000, Fraction(0), facts.duration)
    facts = replace(
        facts, **{"duration": frames / rate, "sound": heard if sound else None} | fields
    )
    Generation.objects.filter(pk=clip.pk).update(**measured_columns(facts))


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


@pytest.mark.parametrize(
    ("first", "second", "own", "start"),
    [
        (Fraction(24000, 1001), Fraction(30000, 1001), "00:59:59;20", "00:59:59:16"),
        (Fraction(24000, 1001), Fraction(60), "23:59:59:30", "23:59:59:12"),
        (Fraction(25), Fraction(24), "10:11:12:13", "10:11:12:13"),
        (Fraction(30000, 1001), Fraction(25), "10:11:12:13", "10:11:12:15"),
        (Fraction(30000, 1001), Fraction(30000, 1001), "00:59:59:20", "00:59:59:20"),
        (Fraction(60000, 1001), Fraction(30000, 1001), "00:59:59;20", "00:59:59;40"),
        (Fraction(30000, 1001), Fraction(24), "", "00:00:00;00"),
    ],
)
def test_edl_counts_each_source_from_its_own_timecode(chain, first, second, own, start):
    """In frames of the list's rate, drop-frame or not as the file itself is."""
    counted_from = "01:00:00;00" if can_drop(first) else "01:00:00:00"
    measured(chain, 1, rate=first, timecode=counted_from)
    measured(chain, 2, rate=second, timecode=own)
    edl = write_edl(chain, shots_of(chain))
    sources = re.findall(r"^\d{3}  \w{8} \S+\s+C\s+(\S+)", edl, re.M)
    assert sources[:2] == [counted_from, start]


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
    # It knows documents up to version 1.8, which name an asset's file at another place.
    timeline = read_back(write_fcpxml(chain, shots_of(chain)), "fcpx_xml")
    clips = list(timeline.find_clips())
    assert [clip.name for clip in clips] == [f"Clip “{n}” & more" for n in (1, 2, 3)]
    assert [clip.source_range.duration.to_seconds() for clip in clips] == [1, 2, 3]


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
    measured(chain, 3, rate=Fraction(30000, 1001), frames=90)
    shots = shots_of(chain)
    assert shots[2].rate == Fraction(30000, 1001) and shots[2].whole == 90
    clips = list(read_back(write_edl(chain, shots), "cmx_3600").find_clips())
    assert clips[2].source_range.duration.to_frames() == 72
    root = ElementTree.fromstring(write_fcpxml(chain, shots))
    assert root.findall(".//asset-clip")[2].get("duration") == "3s"


def test_a_rate_timecode_cannot_count_is_given_in_the_nearest(chain):
    for position in (1, 2, 3):
        measured(chain, position, rate=Fraction(16), frames=16 * position)
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


# ---- As their readers would --------------------------------------------------------------------

NTSC = Fraction(30000, 1001)
DOCUMENT_TYPE = Path(__file__).parents[2] / "shared/schemas/FCPXMLv1_9.dtd"
# What version 1.9 of the document type says of what is written: elements in this order, attributes.
CHILDREN = {
    "fcpxml": ["resources", "event"],
    "resources": ["asset", "format"],
    "format": [],
    "asset": ["media-rep"],
    "media-rep": [],
    "event": ["project"],
    "project": ["sequence"],
    "sequence": ["spine"],
    "spine": ["asset-clip"],
    "asset-clip": ["note", "conform-rate", "marker", "metadata"],
    "note": [],
    "conform-rate": [],
    "marker": [],
    "metadata": ["md"],
    "md": [],
}
ATTRIBUTES = {
    "fcpxml": "version",
    "format": "id frameDuration width height colorSpace",
    "asset": "id name start duration hasVideo format hasAudio videoSources audioSources "
    "audioChannels audioRate",
    "media-rep": "kind src",
    "event": "name",
    "project": "name",
    "sequence": "format duration tcStart tcFormat audioLayout audioRate",
    "asset-clip": "ref name offset start duration format tcFormat audioRole",
    "conform-rate": "scaleEnabled srcFrameRate",
    "marker": "start duration value note",
    "md": "key value",
}


@pytest.mark.skipif(
    not (etree and DOCUMENT_TYPE.exists()),
    reason="Apple's document type is not at hand; its rules, as written here, are checked.",
)
def test_fcpxml_is_valid_by_apples_document_type(chain):
    valid_fcpxml(chain)


def seconds(text):
    return Fraction(text.removesuffix("s"))


def valid_fcpxml(chain):
    """Return the chain's document, checked as an importer does."""
    text = write_fcpxml(chain, shots_of(chain))
    root = ElementTree.fromstring(text)
    for element in root.iter():
        allowed = CHILDREN[element.tag]
        order = [allowed.index(child.tag) for child in element]
        assert element.tag == "resources" or order == sorted(order)
        assert set(element.attrib) <= set(ATTRIBUTES.get(element.tag, "").split())
    for asset in root.iter("asset"):
        assert len(asset) == 1 and asset[0].get("src").startswith("./media/")
    ids = {element.get("id") for element in root.iter() if element.get("id")}
    for element in root.iter():
        assert {element.get("ref"), element.get("format")} - {None} <= ids
    if etree and DOCUMENT_TYPE.exists():
        schema = etree.DTD(str(DOCUMENT_TYPE))
        assert schema.validate(etree.fromstring(text.encode())), schema.error_log
    step = seconds(root.find(".//format[@id='f1']").get("frameDuration"))
    whole = Fraction(0)
    for clip in root.iter("asset-clip"):
        asset = root.find(f".//asset[@id='{clip.get('ref')}']")
        at, start, length = (seconds(clip.get(name)) for name in ("offset", "start", "duration"))
        assert at == whole and at % step == 0 and length % step == 0
        begins = seconds(asset.get("start"))
        assert begins == start and start + length <= begins + seconds(asset.get("duration"))
        for marker in clip.iter("marker"):
            place = seconds(marker.get("start")) - start
            assert place % step == 0 and 0 <= place < length
        whole += length
    assert seconds(root.find(".//sequence").get("duration")) == whole
    return root


@pytest.mark.once
@pytest.mark.parametrize(
    "rates", [(24, NTSC, 25), (NTSC, 24, 25), (25, 24, 60), (Fraction(24000, 1001), 16, NTSC)]
)
def test_mixed_rates_stay_on_the_frames_of_the_sequence(chain, rates):
    for position, rate in enumerate(map(Fraction, rates), 1):
        measured(chain, position, rate=rate, frames=int(position * rate) + 1)
    valid_fcpxml(chain)
    edl = list(read_back(write_edl(chain, shots_of(chain)), "cmx_3600").find_clips())
    timeline = make_timeline(chain, shots_of(chain))
    for clip, shot in zip(timeline.find_clips(), shots_of(chain), strict=True):
        assert clip.source_range.duration.to_frames() == shot.whole
        assert clip.media_reference.available_range == clip.source_range
    assert len(edl) == 3


@pytest.mark.once
@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("bell\x08and\x02more\ufffe", "bell and more"),
        ("two\r\nlines\u2028three", "two lines three"),
        ("]]> <!-- & \"x\" 'y'", "]]> <!-- & \"x\" 'y'"),
        ("l\u2019heure\u202fbleue", "l\u2019heure bleue"),
        ("東京\u3000夜景", "東京 夜景"),
        ("\U0001f469\u200d\U0001f3a4 می\u200cخواهم", "\U0001f469\u200d\U0001f3a4 می\u200cخواهم"),
        ("\u202eevil\u202c", "evil"),
    ],
)
def test_words_of_every_kind_are_written_whole_and_well_formed(chain, title, name):
    clip = chain.segments.get(position=1).generation
    Generation.objects.filter(pk=clip.pk).update(title=title.replace("\x00", ""), prompt=title)
    Chain.objects.filter(pk=chain.pk).update(title=title)
    make_comment(clip, chain.created_by, title, at_ms=500)
    chain.refresh_from_db()
    root = valid_fcpxml(chain)
    assert root.find(".//asset-clip").get("name") == name
    assert root.find(".//project").get("name") == name
    for text, adapter in (
        (write_edl(chain, shots_of(chain)), "cmx_3600"),
        (otio.adapters.write_to_string(make_timeline(chain, shots_of(chain)), "otio_json"), "otio_json"),
    ):  # fmt: skip
        timeline = read_back(text, adapter)
        assert next(iter(timeline.find_clips())).name == name and timeline.name == name


def test_sound_is_handed_over_where_there_is_sound(chain):
    measured(chain, 1, sound="stereo")
    measured(chain, 3, sound="mono")
    root = valid_fcpxml(chain)
    said = [
        (one.get("hasAudio"), one.get("audioChannels"), one.get("audioRate"))
        for one in root.iter("asset")
    ]
    assert said == [("1", "2", "48000"), (None, None, None), ("1", "1", "48000")]
    assert root.find(".//sequence").get("audioRate") == "48k"
    shots = shots_of(chain)
    picture, sound = make_timeline(chain, shots).tracks
    assert (picture.kind, sound.kind) == ("Video", "Audio")
    assert [type(one).__name__ for one in sound] == ["Clip", "Gap", "Clip"]
    assert sound.duration() == picture.duration()
    edl = write_edl(chain, shots)
    assert re.findall(r"^\d{3}  \w{8} (\S+)", edl, re.M) == ["AA/V", "V", "B"]
    timeline = read_back(edl, "cmx_3600")
    assert {track.name: len(list(track.find_clips())) for track in timeline.tracks} == {
        "V": 3,
        "A1": 2,
        "A2": 1,
    }


@pytest.mark.parametrize(
    ("timecode", "rate", "start", "fcm"),
    [
        ("01:00:00:00", Fraction(24), 86_400, "NON-DROP FRAME"),
        ("01:00:00;02", NTSC, 107_894, "DROP FRAME"),
        ("01:00:00:00", NTSC, 108_000, "NON-DROP FRAME"),
        ("99:99:99:99", Fraction(24), 0, "NON-DROP FRAME"),
    ],
)
def test_a_file_with_its_own_timecode_is_cut_by_it(chain, timecode, rate, start, fcm):
    for position in (1, 2, 3):
        measured(chain, position, rate=rate, frames=60, timecode=timecode)
    root = valid_fcpxml(chain)
    assert seconds(root.find(".//asset").get("start")) == start / rate
    clip = list(make_timeline(chain, shots_of(chain)).find_clips())[2]
    assert clip.source_range.start_time.to_frames() == start
    assert clip.media_reference.available_range.start_time.to_frames() == start
    place = clip.markers[0].marked_range.start_time.to_frames() - start
    assert place == (36 if rate == 24 else 44)
    edl = write_edl(chain, shots_of(chain))
    assert f"\nFCM: {fcm}\n" in edl
    timeline = otio.adapters.read_from_string(edl, "cmx_3600", rate=float(rate))
    assert next(iter(timeline.find_clips())).source_range.start_time.to_frames() == start


@pytest.mark.parametrize(
    ("ms", "rate", "number"),
    [
        (0, 24, 0), (41, 24, 1), (42, 24, 1), (40, 24, 0), (999, 24, 23), (1000, 24, 24),
        (39, 25, 0), (40, 25, 1), (32, NTSC, 0), (33, NTSC, 1), (1001, NTSC, 30), (1000, NTSC, 29),
    ],
)  # fmt: skip
def test_a_moment_means_the_frame_on_screen(ms, rate, number):
    assert frame_number(ms, Fraction(rate)) == number
    assert frame_number(middle_of(number, Fraction(rate)), Fraction(rate)) == number
