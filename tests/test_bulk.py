from __future__ import annotations

import uuid

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from studio.models import (
    BulkRun,
    Chain,
    Collection,
    Comment,
    Generation,
    GivenVerdict,
    Segment,
    Tag,
)
from studio.services import review
from studio.services.bulk import words
from studio.services.errors import StudioError
from tests.bulk import again, make_clips, press, reasons, take_back

pytestmark = pytest.mark.django_db


@pytest.fixture
def project(cast):
    return cast.project


@pytest.fixture
def clips(project):
    return make_clips(project, 4)


def ratings(clips):
    return [again(clip).rating for clip in clips]


# ---- Each action, and its undoing ------------------------------------------------------------


def test_rating_is_undone_to_what_each_clip_had(cast, project, clips):
    Generation.objects.filter(pk=clips[0].pk).update(rating=2)
    run = press(cast.carol, project, "rate", clips, rating="4")
    assert ratings(clips) == [4, 4, 4, 4]
    assert words.told(run) == "Rated 4 clips 4 of 5."
    run = take_back(cast.carol, run)
    assert ratings(clips) == [2, 0, 0, 0]
    assert run.state == BulkRun.State.UNDONE
    assert words.told(run) == "Undone for 4 clips."


def test_undo_keeps_what_somebody_changed_since_and_says_so(cast, project, clips):
    run = press(cast.alice, project, "rate", clips, rating="4")
    review.rate(generation=clips[1], rating=1)
    run = take_back(cast.alice, run)
    assert ratings(clips) == [0, 1, 0, 0]
    assert reasons(run) == {clips[1].number: "It was rated anew since."}
    assert words.told(run).startswith("Undone for 3 clips. 1 clip was kept as it is")


def test_only_finished_clips_are_rated(cast, project, clips):
    failed = make_clips(project, 1, state="failed", clip="")
    run = press(cast.alice, project, "rate", clips + failed, rating="4")
    assert (run.done, run.skipped) == (4, 1)
    assert again(failed[0]).rating == 0
    assert "1 clip was left as it is: it is not a finished clip." in words.told(run)


def test_what_was_left_is_said_of_one_clip_and_of_many(cast, project, clips):
    failed = make_clips(project, 3, state="failed", clip="")
    run = press(cast.alice, project, "rate", [clips[0], *failed], rating="4")
    assert words.told(run) == (
        "Rated 1 clip 4 of 5. 3 clips were left as they are, each for the same reason: "
        "it is not a finished clip."
    )
    queued = make_clips(project, 1, state="queued", finished_at=None, clip="")
    gone = make_clips(project, 1, archived_at=timezone.now())
    run = press(cast.alice, project, "archive", [clips[0], *queued, *gone])
    assert words.told(run).endswith("2 clips were left as they are, each for a reason of its own.")
    run = press(cast.alice, project, "rate", clips, rating="5")
    for clip in clips[:2]:
        review.rate(generation=clip, rating=1)
    run = take_back(cast.alice, run)
    assert words.told(run) == (
        "Undone for 2 clips. 2 clips were kept as they are, each for the same reason: "
        "it was rated anew since."
    )


@pytest.mark.parametrize("rating", ["6", "-1", "", "x", "٣"])
def test_a_rating_that_cannot_be_is_refused_by_name(cast, project, clips, rating):
    with pytest.raises(StudioError, match="must be from 0 to 5"):
        press(cast.alice, project, "rate", clips, rating=rating)
    assert not BulkRun.objects.exists()


def test_a_verdict_counts_as_one_given_on_each_clip(cast, project, clips):
    review.decide(generation=clips[0], by=cast.bob, verdict="approved")
    run = press(cast.carol, project, "verdict", clips, verdict="approved")
    assert {again(c).verdict for c in clips} == {"approved"}
    assert GivenVerdict.objects.filter(by=cast.carol, current=True).count() == 4
    run = take_back(cast.carol, run)
    assert [again(c).verdict for c in clips] == ["approved", "", "", ""]
    assert again(clips[0]).verdict_by == cast.bob
    assert not GivenVerdict.objects.filter(by=cast.carol, current=True).exists()
    assert GivenVerdict.objects.filter(by=cast.carol).count() == 4, "the history stays"


def test_undoing_a_verdict_brings_back_the_one_before(cast, project, clips):
    review.decide(generation=clips[0], by=cast.bob, verdict="approved")
    run = press(cast.bob, project, "verdict", clips, verdict="needs_changes", note="Too dark")
    assert again(clips[0]).verdict == "needs_changes"
    assert Comment.objects.filter(author=cast.bob, text="Too dark").count() == 4
    review.comment(
        generation=clips[3], by=cast.alice, text="Agreed", reply_to=clips[3].comments.get()
    )
    take_back(cast.bob, run)
    assert [again(c).verdict for c in clips] == ["approved", "", "", ""]
    assert [c.comments.count() for c in clips] == [0, 0, 0, 2], "what was answered stays"


def test_a_verdict_given_anew_is_kept_by_undo(cast, project, clips):
    run = press(cast.bob, project, "verdict", clips, verdict="approved")
    review.decide(generation=clips[2], by=cast.bob, verdict="needs_changes", note="The end")
    run = take_back(cast.bob, run)
    assert again(clips[2]).verdict == "needs_changes"
    assert list(reasons(run)) == [clips[2].number]


def test_a_verdict_from_before_verdicts_were_kept_counts_too(cast, project, clips):
    old = {"verdict": "needs_changes", "verdict_by": cast.bob, "verdict_at": timezone.now()}
    Generation.objects.filter(pk=clips[0].pk).update(**old)
    run = press(cast.carol, project, "verdict", clips[:1], verdict="approved")
    assert again(clips[0]).verdict == "needs_changes", "one objection outweighs an approval"
    take_back(cast.carol, run)
    assert again(clips[0]).verdict_by == cast.bob


def test_asking_for_changes_needs_words(cast, project, clips):
    with pytest.raises(StudioError, match="Say what should change") as refused:
        press(cast.bob, project, "verdict", clips, verdict="needs_changes", note="  ")
    assert refused.value.field == "note"


def test_a_tag_is_made_once_whatever_its_case(cast, project, clips):
    run = press(cast.bob, project, "tag", clips[:2], tag="#Night  shoot")
    press(cast.bob, project, "tag", clips, tag="night shoot")
    tag = Tag.objects.get(project=project)
    assert tag.name == "Night shoot"
    assert tag.generations.count() == 4
    take_back(cast.bob, run)
    assert set(tag.generations.all()) == set(clips[2:])


def test_a_tag_taken_off_comes_back_where_it_was(cast, project, clips):
    press(cast.bob, project, "tag", clips[:3], tag="night")
    run = press(cast.bob, project, "untag", clips, tag="NIGHT")
    assert not Tag.objects.get().generations.exists()
    take_back(cast.bob, run)
    assert set(Tag.objects.get().generations.all()) == set(clips[:3])


def test_undo_of_a_tag_that_is_gone_says_so(cast, project, clips):
    press(cast.bob, project, "tag", clips, tag="night")
    run = press(cast.bob, project, "untag", clips, tag="night")
    Tag.objects.all().delete()
    run = take_back(cast.bob, run)
    assert set(reasons(run).values()) == {"The tag “night” is gone."}


def test_clips_go_into_a_collection_once_and_in_the_order_chosen(cast, project, clips):
    order = [clips[2], clips[0], clips[3]]
    press(cast.bob, project, "collect", order, collection="", title="Shortlist")
    collection = Collection.objects.get()
    run = press(cast.bob, project, "collect", clips, collection=str(collection.code))
    held = [item.generation for item in collection.items.all()]
    assert held == [*order, clips[1]]
    take_back(cast.bob, run)
    assert [item.generation for item in collection.items.all()] == order


def test_clips_join_a_chain_of_their_shape(cast, project, clips):
    chain = Chain.objects.create(project=project, title="Night", created_by=cast.alice)
    Segment.objects.create(chain=chain, position=1, generation=clips[0])
    tall = make_clips(project, 1, aspect_ratio="9:16")
    run = press(cast.bob, project, "chain", [*clips, *tall], chain=str(chain.code))
    assert (run.done, run.skipped) == (3, 2)
    assert list(reasons(run).values()) == [
        "It is in this chain already.",
        "It is 9:16, and the chain is 16:9.",
    ]
    assert [s.generation_id for s in chain.segments.all()] == [c.pk for c in clips]
    take_back(cast.bob, run)
    assert [s.generation_id for s in chain.segments.all()] == [clips[0].pk]


def test_archiving_leaves_what_is_in_flight(cast, project, clips):
    moving = make_clips(project, 1, state="queued", finished_at=None, clip="")
    run = press(cast.bob, project, "archive", clips + moving)
    assert all(again(c).archived_at for c in clips)
    assert again(moving[0]).archived_at is None
    take_back(cast.bob, run)
    assert not any(again(c).archived_at for c in clips)


def test_undo_of_archiving_leaves_what_was_archived_anew(cast, project, clips):
    run = press(cast.bob, project, "archive", clips)
    Generation.objects.filter(pk=clips[0].pk).update(archived_at=timezone.now())
    run = take_back(cast.bob, run)
    assert again(clips[0]).archived_at is not None
    assert list(reasons(run)) == [clips[0].number]


def test_restoring_and_its_undo(cast, project, clips):
    press(cast.bob, project, "archive", clips[:1])
    press(cast.alice, project, "delete", clips[1:2])
    before = [(again(c).archived_at, again(c).deleted_at) for c in clips[:2]]
    run = press(cast.alice, project, "restore", clips[:3])
    assert (run.done, run.skipped) == (2, 1)
    assert not any(again(c).archived_at or again(c).deleted_at for c in clips)
    take_back(cast.alice, run)
    assert [(again(c).archived_at, again(c).deleted_at) for c in clips[:2]] == before
    assert again(clips[1]).deleted_by == cast.alice


# ---- Which clips -----------------------------------------------------------------------------


def test_all_that_match_are_those_that_matched_when_it_was_pressed(cast, project, clips):
    version = project.version
    late = make_clips(project, 2)
    review.rate(generation=clips[0], rating=1)
    run = press(cast.alice, project, "rate", query="state=ready", version=version, rating="5")
    assert ratings(clips) == [1, 5, 5, 5]
    assert ratings(late) == [0, 0]
    assert run.total == 3
    assert "3 came or changed after you chose, and were left out." in words.told(run)


def test_single_clips_can_be_taken_out_of_all_that_match(cast, project, clips):
    press(cast.alice, project, "rate", query="", but=clips[:1], rating="5")
    assert ratings(clips) == [0, 5, 5, 5]


def test_the_filter_is_the_gallerys(cast, project, clips):
    make_clips(project, 2, rating=3)
    run = press(cast.alice, project, "verdict", query="rating=3", verdict="approved")
    assert run.total == 2


def test_other_projects_clips_are_not_touched(cast, project, clips):
    foreign = make_clips(make_cast_elsewhere(), 1)
    run = press(cast.alice, project, "rate", clips + foreign, rating="5")
    assert run.total == 4
    assert again(foreign[0]).rating == 0


def make_cast_elsewhere():
    from studio.models import Project
    from tests.people import make_person

    return Project.objects.create(name="Other", created_by=make_person("Eve"))


def test_nothing_chosen_is_said(cast, project):
    with pytest.raises(StudioError, match="Choose at least one clip"):
        press(cast.alice, project, "rate", [], rating="5")


def test_the_same_form_twice_is_one_run(cast, project, clips):
    token = uuid.uuid4()
    first = press(cast.alice, project, "rate", clips, rating="5", token=token)
    review.rate(generation=clips[0], rating=1)
    assert press(cast.alice, project, "rate", clips, rating="5", token=token) == first
    assert again(clips[0]).rating == 1


def test_each_change_reaches_the_gallerys_cursor(cast, project, clips):
    before = project.version
    press(cast.alice, project, "rate", clips, rating="5")
    project.refresh_from_db()
    assert {again(c).version for c in clips} == {project.version}
    assert project.version > before


# ---- Who may -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "action", ["tag", "untag", "collect", "archive", "delete", "retry", "chain"]
)
def test_a_reviewer_rates_and_judges_only(cast, project, clips, action):
    with pytest.raises(PermissionDenied):
        press(cast.carol, project, action, clips, tag="x", title="x")
    assert not BulkRun.objects.exists()


def test_only_who_did_it_or_an_owner_undoes_it(cast, project, clips):
    run = press(cast.carol, project, "rate", clips, rating="5")
    with pytest.raises(PermissionDenied):
        take_back(cast.bob, run)
    assert take_back(cast.alice, run).state == BulkRun.State.UNDONE


def test_undo_pressed_twice_undoes_once(cast, project, clips):
    run = press(cast.alice, project, "rate", clips, rating="5")
    take_back(cast.alice, run)
    review.rate(generation=clips[0], rating=5)
    assert take_back(cast.alice, run).state == BulkRun.State.UNDONE
    assert again(clips[0]).rating == 5


def test_what_is_forgotten_cannot_be_undone(cast, project, clips, settings):
    from studio.services.retention.routine import clear_up

    run = press(cast.alice, project, "rate", clips, rating="5")
    settings.BIN_DAYS = 0
    assert "4 × row" in clear_up().sentence
    with pytest.raises(StudioError, match="nothing of this left"):
        take_back(cast.alice, run)
