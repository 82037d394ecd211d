"""How much waits for a verdict, beside the Review tab of every page."""

from __future__ import annotations

from django.utils import timezone

from studio.services import review
from studio.services.gallery import counts
from studio.services.gallery.counts import for_shell
from studio.services.review.waiting import waiting_for
from tests.bulk import make_clips
from tests.factories import make_project

WAITING = '<span class="n">{}<span class="vh"> waiting</span></span>'


def test_the_tab_counts_what_the_page_lists(client, cast):
    clips = make_clips(cast.project, 4)
    make_clips(cast.project, 1, shot=clips[1].shot, take=2)
    make_clips(cast.project, 1, archived_at=timezone.now())
    make_clips(cast.project, 1, state="failed", clip="")
    make_clips(make_project(), 3)
    client.force_login(cast.carol)

    def counted():
        number = for_shell(cast.project.pk, cast.carol.pk)["waiting"]
        assert number == waiting_for(project=cast.project, user=cast.carol).count
        page = client.get(f"/p/{cast.project.code}/").content.decode()
        assert (WAITING.format(number) in page) == (number > 0)
        return number

    assert counted() == 5
    review.decide(generation=clips[0], by=cast.bob, verdict="needs_changes", note="Darker")
    assert counted() == 4
    review.decide(generation=clips[1], by=cast.bob, verdict="approved")
    assert counted() == 2, "a shot that has its take waits no more"
    for clip in clips[2:]:
        review.decide(generation=clip, by=cast.bob, verdict="approved")
    assert counted() == 0


def test_more_than_anybody_counts_is_said_so(client, cast):
    make_clips(cast.project, 105)
    client.force_login(cast.carol)
    assert WAITING.format("99+") in client.get(f"/p/{cast.project.code}/").content.decode()


def test_the_page_says_the_number_of_its_tab(client, cast):
    make_clips(cast.project, 30)
    client.force_login(cast.carol)
    for address in ("review/", "review/changes/?since=0"):
        html = client.get(f"/p/{cast.project.code}/{address}").content.decode()
        assert '<span role="status">30 waiting</span>' in html, address
    make_clips(cast.project, 75)
    html = client.get(f"/p/{cast.project.code}/review/").content.decode()
    assert '<span role="status">99+ waiting</span>' in html
    assert WAITING.format("99+") in html


def test_where_older_ones_may_wait_too_the_number_says_so(client, cast, monkeypatch):
    monkeypatch.setattr(counts, "MOST_UNJUDGED", 30)
    client.force_login(cast.carol)
    make_clips(cast.project, 26)
    make_clips(cast.project, 4, state="failed", clip="")
    page = f"/p/{cast.project.code}/review/"
    assert WAITING.format("26") in client.get(page).content.decode()
    make_clips(cast.project, 4, state="failed", clip="")
    html = client.get(page).content.decode()
    assert WAITING.format("22+") in html
    make_clips(cast.project, 30)
    html = client.get(page).content.decode()
    assert WAITING.format("30+") in html
    assert '<span role="status">30+ waiting</span>' in html
