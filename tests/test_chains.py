from __future__ import annotations

import pytest
from django.db.models import F

from studio.models import Chain, Generation, Project, Segment
from studio.models.generation import State
from studio.services import cards, chains, shots
from studio.services.errors import StudioError
from studio.services.film import drift, timeline
from studio.services.shots import NewShot
from tests.factories import make_generation, make_previs, make_project, make_still

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return make_project()


def clips(project, count, **fields):
    return [make_generation(project, **fields) for _ in range(count)]


def grow(project, after=None, before=None, **fields):
    """Queue one previs shot that joins what it is told to, as the compose page does."""
    new = NewShot(
        prompt="Snow drifts over the ridge",
        account=make_previs(),
        model="previs-1",
        start_generation=after,
        end_generation=before,
        **fields,
    )
    (made,) = shots.create_shots(project=project, by=project.created_by, new=new)
    return made


def plays(chain):
    return [segment.generation for segment in chains.path_of(chain)]


def positions(chain):
    return list(chain.segments.order_by("position").values_list("position", flat=True))


def is_whole(project):
    """Every position is the place in its path, without a gap."""
    for chain in Chain.objects.filter(project=project):
        first = (chain.branched_position or 0) + 1
        assert positions(chain) == list(range(first, first + len(positions(chain))))


def chain_of(project, *made, title="The long night"):
    return chains.create(project=project, by=project.created_by, title=title, clips=made)


def tree_with_branch(project):
    """Main a, b, c and a branch x, y that leaves after a."""
    a, b, c = clips(project, 3)
    chain = chain_of(project, a, b, c)
    x = grow(project, after=a)
    branch = Chain.objects.get(branched_from=chain)
    y = grow(project, after=x)
    return chain, branch, (a, b, c), (x, y)


# ---- Growing ------------------------------------------------------------------------------


def test_the_first_extension_makes_a_chain_named_after_its_first_clip(project):
    clip = make_generation(project, title="Ridge at first light")
    made = grow(project, after=clip)
    chain = Chain.objects.get()
    assert chain.title == "Ridge at first light"
    assert plays(chain) == [clip, made]


def test_extending_the_last_segment_appends(project):
    first = make_generation(project)
    second = grow(project, after=first)
    third = grow(project, after=second)
    assert plays(Chain.objects.get()) == [first, second, third]


def test_extending_a_clip_that_goes_on_makes_a_branch(project):
    chain, branch, (a, _, _), (x, y) = tree_with_branch(project)
    assert (branch.branched_from, branch.branched_position) == (chain, 1)
    assert plays(branch) == [a, x, y]
    is_whole(project)


def test_a_branch_may_be_asked_for_at_the_end(project):
    first = make_generation(project)
    second = grow(project, after=first)
    chain = Chain.objects.get()
    other = grow(project, after=second, branch=True)
    assert plays(chain) == [first, second]
    assert plays(Chain.objects.get(branched_from=chain)) == [first, second, other]


def test_the_chain_named_in_the_request_grows(project):
    clip = make_generation(project)
    older, newer = chain_of(project, clip), chain_of(project, clip)
    made = grow(project, after=clip, chain=newer)
    assert plays(newer) == [clip, made]
    assert plays(older) == [clip]


def test_prepending_to_the_first_segment_moves_everything_on(project):
    chain, branch, (a, b, c), (x, y) = tree_with_branch(project)
    lead = grow(project, before=a)
    assert plays(chain) == [lead, a, b, c]
    branch.refresh_from_db()
    assert plays(branch) == [lead, a, x, y]
    is_whole(project)


def test_prepending_inside_makes_a_chain_of_its_own(project):
    chain, _, (a, b, c), _ = tree_with_branch(project)
    lead = grow(project, before=b)
    assert plays(chain) == [a, b, c]
    other = Chain.objects.exclude(pk=chain.pk).get(branched_from=None)
    assert plays(other) == [lead, b, c]


def test_a_bridge_joins_two_clips(project):
    first, last = clips(project, 2)
    bridge = grow(project, after=first, before=last)
    assert plays(Chain.objects.get()) == [first, bridge, last]


def test_a_bridge_into_another_chain_brings_what_follows(project):
    first = make_generation(project)
    a, b, c = clips(project, 3)
    chain_of(project, a, b, c)
    bridge = grow(project, after=first, before=b)
    grown = Segment.objects.get(generation=bridge).chain
    assert plays(grown) == [first, bridge, b, c]


def test_a_shot_from_a_fresh_still_can_follow_a_clip(project):
    clip = make_generation(project)
    new = NewShot(
        prompt="A new day",
        account=make_previs(),
        model="previs-1",
        start_keyframe=make_still(project),
        after=clip,
    )
    (made,) = shots.create_shots(project=project, by=project.created_by, new=new)
    assert plays(Chain.objects.get()) == [clip, made]
    assert made.start_generation is None


def test_another_shape_cannot_join_and_nothing_is_queued(project):
    clip = make_generation(project, aspect_ratio="9:16")
    with pytest.raises(StudioError, match="a chain has one shape and this one is 9:16") as refused:
        grow(project, after=clip)
    assert refused.value.field == "aspect_ratio"
    assert Generation.objects.count() == 1
    assert not Chain.objects.exists()


def test_two_takes_of_a_continuation_are_one_segment(project):
    clip = make_generation(project)
    new = NewShot(
        prompt="Snow", account=make_previs(), model="previs-1", start_generation=clip, takes=2
    )
    made = shots.create_shots(project=project, by=project.created_by, new=new)
    assert plays(Chain.objects.get()) == [clip, made[0]]


def test_a_take_for_a_segment_stands_in_its_place(project):
    a, b = clips(project, 2)
    chain = chain_of(project, a, b)
    segment = chain.segments.get(position=2)
    take = grow(project, after=a, shot=b.shot, segment=segment)
    assert plays(chain) == [a, take]
    assert take.take == 2


def test_a_retry_takes_the_place_of_what_failed(project):
    clip = make_generation(project)
    failed = grow(project, after=clip)
    Generation.objects.filter(pk=failed.pk).update(state=State.FAILED, finished_at=F("created_at"))
    failed.refresh_from_db()
    fresh = shots.retry(generation=failed, by=project.created_by, request_token=failed.shot)
    assert plays(Chain.objects.get()) == [clip, fresh]


def test_what_was_released_joins_the_retry(project):
    clip = make_generation(project)
    first = grow(project, after=clip)
    follower = grow(project, after=first)
    ended = {"state": State.FAILED, "finished_at": F("created_at")}
    Generation.objects.filter(pk=first.pk).update(**ended)
    Generation.objects.filter(pk=follower.pk).update(**ended, failure_code="neighbour")
    first.refresh_from_db()
    again = shots.retry(generation=first, by=project.created_by, request_token=first.shot)
    follower = Generation.objects.get(pk=follower.pk)
    assert follower.start_generation == again
    second = shots.retry(generation=follower, by=project.created_by, request_token=follower.shot)
    assert plays(Chain.objects.get()) == [clip, again, second]


# ---- Editing ------------------------------------------------------------------------------


def test_moving_a_segment_changes_the_order(project):
    a, b, c = clips(project, 3)
    chain = chain_of(project, a, b, c)
    chains.move_segment(segment=chain.segments.get(generation=c), to=0)
    assert plays(chain) == [c, a, b]
    is_whole(project)


def test_what_a_branch_leaves_from_keeps_its_place(project):
    chain, _, (a, b, c), _ = tree_with_branch(project)
    with pytest.raises(StudioError, match="leaves from here, so this order is fixed"):
        chains.move_segment(segment=chain.segments.get(generation=b), to=0)
    chains.move_segment(segment=chain.segments.get(generation=c), to=1)
    assert plays(chain) == [a, c, b]


def test_a_removed_segment_can_be_put_back(project):
    chain, branch, (a, b, c), (x, y) = tree_with_branch(project)
    first = grow(project, before=a)
    segment = chain.segments.get(generation=first)
    chains.remove_segment(segment=segment)
    branch.refresh_from_db()
    assert plays(chain) == [a, b, c]
    assert plays(branch) == [a, x, y]
    is_whole(project)
    chains.insert_segment(chain=chain, generation=first, position=1)
    branch.refresh_from_db()
    assert plays(chain) == [first, a, b, c]
    assert plays(branch) == [first, a, x, y]
    is_whole(project)


def test_what_a_branch_leaves_from_cannot_be_removed(project):
    chain, _, (a, b, c), _ = tree_with_branch(project)
    with pytest.raises(StudioError, match="leaves after this segment"):
        chains.remove_segment(segment=chain.segments.get(generation=a))
    assert plays(chain) == [a, b, c]


def test_the_only_segment_cannot_be_removed(project):
    chain = chain_of(project, make_generation(project))
    with pytest.raises(StudioError, match="Delete the whole chain instead"):
        chains.remove_segment(segment=chain.segments.get())


def test_replacing_takes_only_clips_of_the_project_and_the_shape(project):
    chain = chain_of(project, *clips(project, 2))
    segment = chain.segments.get(position=2)
    with pytest.raises(StudioError, match="another project"):
        chains.replace_segment(segment=segment, generation=make_generation(make_project()))
    with pytest.raises(StudioError, match="one shape"):
        chains.replace_segment(
            segment=segment, generation=make_generation(project, aspect_ratio="1:1")
        )
    other = make_generation(project)
    chains.replace_segment(segment=segment, generation=other)
    assert plays(chain)[1] == other


def test_joining_puts_the_other_path_behind(project):
    chain, branch, (a, _b, _c), (x, y) = tree_with_branch(project)
    d = make_generation(project)
    other = chain_of(project, d)
    chains.join(chain=other, other=branch)
    assert plays(other) == [d, a, x, y]
    assert plays(branch) == [a, x, y]
    with pytest.raises(StudioError, match="to itself"):
        chains.join(chain=chain, other=chain)
    with pytest.raises(StudioError, match="one project"):
        elsewhere = make_project()
        chains.join(chain=chain, other=chain_of(elsewhere, make_generation(elsewhere)))


def test_duplicating_a_branch_makes_a_chain_of_its_whole_path(project):
    _, branch, (a, _, _), (x, y) = tree_with_branch(project)
    copy = chains.duplicate(chain=branch, by=project.created_by)
    assert plays(copy) == [a, x, y]
    assert copy.branched_from is None
    assert copy.title == f"{branch.title}, copy"


def test_make_main_swaps_what_follows_the_fork(project):
    chain, branch, (a, b, c), (x, y) = tree_with_branch(project)
    under = grow(project, after=b)  # leaves the old main cut, so it goes with it
    assert chains.make_main(chain=branch) == chain
    branch.refresh_from_db()
    assert plays(chain) == [a, x, y]
    assert plays(branch) == [a, b, c]
    assert branch.title == b.title
    assert plays(Segment.objects.get(generation=under).chain) == [a, b, under]
    is_whole(project)
    with pytest.raises(StudioError, match="main cut already"):
        chains.make_main(chain=chain)


def test_make_main_twice_is_where_it_began(project):
    chain, branch, (a, b, c), (x, y) = tree_with_branch(project)
    chains.make_main(chain=branch)
    chains.make_main(chain=Chain.objects.get(pk=branch.pk))
    assert plays(chain) == [a, b, c]
    assert plays(Chain.objects.get(pk=branch.pk)) == [a, x, y]


def test_make_main_of_a_branch_at_the_end_leaves_no_branch(project):
    first = make_generation(project)
    second = grow(project, after=first)
    other = grow(project, after=second, branch=True)
    chain = Chain.objects.get(branched_from=None)
    chains.make_main(chain=Chain.objects.get(branched_from=chain))
    assert plays(chain) == [first, second, other]
    assert not Chain.objects.filter(branched_from=chain, archived_at=None).exists()


def test_deleting_takes_the_branches_along_and_undo_brings_just_them_back(project):
    chain, branch, (a, _, _), (_, _) = tree_with_branch(project)
    grow(project, after=a)
    third = Chain.objects.order_by("pk").last()
    chains.archive(chain=third)
    chains.archive(chain=chain)
    assert not Chain.objects.filter(archived_at=None).exists()
    chain.refresh_from_db()
    chains.restore(chain=chain)
    assert set(Chain.objects.filter(archived_at=None)) == {chain, branch}


def test_a_deleted_chain_is_not_grown(project):
    clip = make_generation(project)
    chains.archive(chain=chain_of(project, clip))
    made = grow(project, after=clip)
    assert plays(Chain.objects.get(archived_at=None)) == [clip, made]


@pytest.mark.parametrize("title", ["", "   ", "x" * 121])
def test_a_title_has_1_to_120_characters(project, title):
    chain = chain_of(project, make_generation(project))
    with pytest.raises(StudioError, match="1 to 120 are allowed"):
        chains.rename(chain=chain, title=title)


def test_every_change_is_seen_by_polls(project):
    chain, branch, (a, _b, _), (_x, _) = tree_with_branch(project)
    for change in (
        lambda: chains.rename(chain=chain, title="Another"),
        lambda: chains.make_main(chain=Chain.objects.get(pk=branch.pk)),
        lambda: chains.join(chain=chain, other=Chain.objects.get(pk=branch.pk)),
        lambda: chains.archive(chain=branch),
    ):
        before = Project.objects.get(pk=project.pk).version
        change()
        assert Project.objects.get(pk=project.pk).version > before
        assert Generation.objects.get(pk=a.pk).version > before


# ---- The timeline -------------------------------------------------------------------------


def test_the_timeline_is_in_real_seconds(project):
    a, b = make_generation(project, duration_ms=5042), make_generation(project, duration_ms=9000)
    tree = timeline.tree_of(chain_of(project, a, b))
    assert [(p.start_s, p.length_s) for p in tree.places] == [(0.0, 5.042), (5.042, 9.0)]
    assert timeline.seconds_of(tree) == pytest.approx(14.042)


def test_what_is_not_rendered_yet_counts_with_what_was_asked_for(project):
    clip = make_generation(project, duration_ms=4000)
    grow(project, after=clip, duration_s=9)
    tree = timeline.tree_of(Chain.objects.get())
    assert timeline.seconds_of(tree) == 13.0
    assert timeline.moving(tree) == 1


def test_labels_number_the_path_and_letter_the_branches(project):
    _chain, branch, _, (x, _) = tree_with_branch(project)
    grow(project, after=x)
    tree = timeline.tree_of(branch)
    assert [p.label for p in tree.places] == ["1", "2", "3"]
    assert [p.label for p in tree.branches[0].places] == ["2a", "3a"]
    assert [p.label for p in tree.branches[0].branches[0].places] == ["3aa"]


def test_branches_share_a_lane_only_where_they_do_not_meet(project):
    made = clips(project, 4, duration_ms=9000)
    chain_of(project, *made)
    early, late = grow(project, after=made[0]), grow(project, after=made[2])
    tree = timeline.tree_of(Chain.objects.get(branched_from=None))
    assert [b.row for b in tree.branches] == [1, 1]
    grow(project, after=early, duration_s=9)
    grow(project, after=Generation.objects.order_by("pk").last(), duration_s=9)
    tree = timeline.tree_of(Chain.objects.get(branched_from=None))
    rows = {b.places[0].generation.pk: b.row for b in tree.branches}
    assert rows == {late.pk: 1, early.pk: 2}  # the one that leaves later is above
    assert timeline.rows_of(tree) == 2


def test_a_deep_tree_needs_two_queries(project, django_assert_num_queries):
    chain, _branch, (a, b, _), (x, _) = tree_with_branch(project)
    for clip in (a, b, x):
        grow(project, after=clip)
    with django_assert_num_queries(2):
        tree = timeline.tree_of(chain)
        assert sum(len(one.places) for one in tree.walk()) == 8


def test_the_path_to_a_branch_shares_the_beginning(project):
    chain, branch, (a, b, c), (x, y) = tree_with_branch(project)
    tree = timeline.tree_of(chain)
    assert [p.generation for p in tree.path_to(branch)] == [a, x, y]
    assert [p.generation for p in tree.path_to(chain)] == [a, b, c]
    assert tree.path_to(chain_of(project, a)) is None


def test_the_timeline_knows_what_was_made_to_follow(project):
    a, b = clips(project, 2)
    chain = chain_of(project, a, b)
    grow(project, after=b)
    assert [p.joined for p in timeline.tree_of(chain).places] == [False, False, True]


def test_a_start_before_the_last_frame_takes_over_there(project):
    clip = make_generation(project, duration_ms=5000, fps=24.0)
    still = make_still(project)
    still.grabbed_from, still.grabbed_at_ms = clip, 4813
    still.save()
    grow(project, after=clip, start_keyframe=still)
    tree = timeline.tree_of(Chain.objects.get())
    assert [p.joins_ms for p in tree.places] == [None, 4813]


# ---- Cards ---------------------------------------------------------------------------------


def test_cards_say_which_part_a_clip_is(project, django_assert_num_queries):
    a, b, c = clips(project, 3)
    loose = make_generation(project)
    chain = chain_of(project, a, b, c)
    with django_assert_num_queries(1):
        made = cards.make_cards([a, b, c, loose])
    assert [(card.part.number, card.part.of) for card in made[:3]] == [(1, 3), (2, 3), (3, 3)]
    assert made[0].part.title == chain.title
    assert made[3].part is None
    chains.archive(chain=chain)
    assert cards.make_cards([a])[0].part is None


def test_a_card_says_what_a_queued_extension_waits_for(project):
    first = make_generation(project, state=State.RUNNING)
    follower = grow(project, after=first)
    assert cards.make_cards([follower])[0].note == f"starts when clip {first.number} is done"


# ---- Drift ---------------------------------------------------------------------------------


def test_the_fourth_step_by_frame_is_warned_about(project):
    clip = first = make_generation(project, files=True)
    steps = []
    for _ in range(4):
        found = drift.drift_after(clip)
        steps.append((found.step, found.warns))
        assert found.first == first
        clip = make_generation(project, start_generation=clip)
    assert steps == [(1, False), (2, False), (3, False), (4, True)]


def test_a_clip_that_starts_afresh_ends_the_row(project):
    clip = make_generation(project)
    for _ in range(3):
        clip = make_generation(project, start_generation=clip)
    fresh = make_generation(project, start_keyframe=make_still(project))
    assert drift.drift_after(clip).warns
    assert drift.drift_after(fresh).step == 1


def test_an_earlier_frame_is_cut_from_the_clip(project, monkeypatch):
    monkeypatch.setattr("studio.media.images.MIN_SIDE", 16)  # the drawn clips are small
    clip = make_generation(project, files=True, duration_ms=1000, fps=24.0)
    still = drift.earlier_frame(clip=clip, frames=4, by=project.created_by)
    assert still.grabbed_from == clip
    assert still.grabbed_at_ms == round(1000 - 4.5 * 1000 / 24)
    with pytest.raises(StudioError, match="must be 3, 4 or 5"):
        drift.earlier_frame(clip=clip, frames=9, by=project.created_by)
