"""Blind tests: make one, judge pair by pair, see who won."""

from __future__ import annotations

from itertools import combinations
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from studio.forms.gallery import whole_number
from studio.http import MAX_PK, StudioRequest, project_for, require_safe_or_post, signed_in
from studio.models import BlindTest
from studio.services.errors import StudioError
from studio.services.library import blind


@require_safe_or_post
@signed_in
def blind_list(request: StudioRequest, code: UUID) -> HttpResponse:
    """The project's tests, and the form for a new one."""
    project = project_for(request, code)
    error, chosen, title = None, set(request.POST.getlist("pair")), request.POST.get("title", "")
    if request.method == "POST":
        if not request.membership.can_create:
            raise PermissionDenied("Reviewers judge tests; making one takes an editor.")
        try:
            test = blind.make_test(
                project=project, by=request.user, title=title, pairs=_pairs(sorted(chosen))
            )
        except StudioError as refused:
            error = refused
        else:
            return HttpResponseRedirect(f"/blind/{test.code}/")
    pairs = []
    if request.membership.can_create:
        for takes in blind.shots_to_test(project):
            for one, other in combinations(takes, 2):
                value = f"{one.code}:{other.code}"
                names = (blind.contender_name(one), blind.contender_name(other))
                pairs.append((value, value in chosen, one, names))
    ctx = {
        "tests": blind.tests_of(project, request.user),
        "pairs": pairs[: blind.MOST_SHOTS_OFFERED],
        "title": title,
        "error": error,
        "can_create": request.membership.can_create,
        "here": "blind",
    }
    return render(request, "blind_list.html", ctx, status=422 if error else 200)


@never_cache
@require_safe
@signed_in
def blind_test(request: StudioRequest, code: UUID) -> HttpResponse:
    """The next pair to judge; when all are judged, or the test is closed, the result."""
    test = _test(request, code)
    pair = None
    if test.closed_at is None:
        after = whole_number(request.GET.get("after"), most=MAX_PK) or 0
        pair = blind.next_pair(test, request.user, after=after)
    ctx = {
        "test": test,
        "can_close": _may_close(request, test),
        "total": test.pairs.count(),
        "here": "blind",
    }
    if pair is not None:
        done = test.pairs.filter(votes__by=request.user).count()
        ctx |= {"pair": pair, "number": done + 1, "done": done}
        return render(request, "blind_vote.html", ctx)
    ctx |= {
        "contenders": blind.results_of(test),
        "people": test.pairs.values("votes__by").exclude(votes__by=None).distinct().count(),
        "judged": _judged(request, test),
    }
    return render(request, "blind_result.html", ctx)


@require_POST
@signed_in
def judge_pair(request: StudioRequest, code: UUID) -> HttpResponse:
    """Take one vote and go on to the next pair."""
    test = _test(request, code)
    number = whole_number(request.POST.get("pair"), most=MAX_PK) or 0
    pair = test.pairs.filter(pk=number).first()
    if pair is None:
        raise Http404("No such pair.")
    pair.test = test
    try:
        blind.vote(pair=pair, by=request.user, choice=request.POST.get("choice", ""))
    except StudioError as error:
        messages.error(request, error.message)
    return HttpResponseRedirect(f"/blind/{test.code}/?after={pair.pk}")


@require_POST
@signed_in
def close_test(request: StudioRequest, code: UUID) -> HttpResponse:
    """End the judging, or (`open`) open it again: whoever made the test, or an owner."""
    test = _test(request, code)
    if not _may_close(request, test):
        raise PermissionDenied("Whoever made the test, or an owner of the project, can close it.")
    blind.close_test(test=test, closed=request.POST.get("open") != "1")
    return HttpResponseRedirect(f"/blind/{test.code}/")


def _test(request: StudioRequest, code: UUID) -> BlindTest:
    test = BlindTest.objects.select_related("project").filter(code=code).first()
    if test is None:
        raise Http404("No such test.")
    test.project = project_for(request, test.project.code)
    return test


def _may_close(request: StudioRequest, test: BlindTest) -> bool:
    return request.membership.can_manage or test.created_by_id == request.user.pk


def _judged(request: StudioRequest, test: BlindTest) -> list[tuple[int, str, str, str]]:
    """Return (left clip's number, left name, right name, "left", "right", "tie" or "") a pair."""
    mine = {
        vote.pair_id: vote
        for pair in test.pairs.prefetch_related("votes")
        for vote in pair.votes.all()
        if vote.by_id == request.user.pk
    }
    rows = []
    for pair in test.pairs.select_related("left", "right"):
        said = ""
        if vote := mine.get(pair.pk):
            said = {pair.left_id: "left", pair.right_id: "right"}.get(vote.winner_id or 0, "tie")
        names = blind.contender_name(pair.left), blind.contender_name(pair.right)
        rows.append((pair.left.number, *names, said))
    return rows


def _pairs(values: list[str]) -> list[tuple[UUID, UUID]]:
    try:
        return [(UUID(one), UUID(other)) for one, _, other in (v.partition(":") for v in values)]
    except ValueError:
        raise StudioError(
            "A pair is not named by two clips. Choose it again.", field="pairs"
        ) from None
