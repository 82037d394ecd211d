"""What the gallery costs: queries in the worst case, a member with everything on, and bytes."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from studio.models import (
    Chain,
    Collection,
    CollectionItem,
    Membership,
    Notification,
    Project,
    ProviderAccount,
    Segment,
    Tag,
)
from studio.models.generation import State
from studio.models.news import Activity
from studio.services.gallery import search
from studio.services.money import estimates
from tests.factories import (
    make_comment,
    make_generation,
    make_member,
    make_project,
    make_still,
    make_user,
)

pytestmark = pytest.mark.django_db
MOST_QUERIES = 12
PROVIDERS, MODELS = ("luma", "apiframe", "gmicloud"), ("ray-2", "luma-ray-2", "Luma-Ray2")
STATES = [
    State.SUCCEEDED,
    State.QUEUED,
    State.RUNNING,
    State.FAILED,
    State.SUCCEEDED,
    State.STALLED,
    State.SUCCEEDED,
]


class Busy:
    """A project whose every card has something to say, and a member who has read none of it."""

    def __init__(self) -> None:
        self.project = make_project(budget_microusd=50_000_000)
        self.maker, self.member = make_user(), make_user()
        for person in (self.maker, self.member):
            make_member(self.project, person, Membership.Role.EDITOR)
        self.stills = [make_still(self.project, shade=shade) for shade in (40, 200)]
        self.tag = Tag.objects.create(project=self.project, name="hero")
        self.chain = Chain.objects.create(project=self.project, title="Film", created_by=self.maker)
        self.kept = Collection.objects.create(
            project=self.project, title="Shortlist", created_by=self.maker
        )
        self.accounts = [
            ProviderAccount.objects.create(provider=provider, label="paid")
            for provider in PROVIDERS
        ]
        self.made = 0

    def add(self, count: int) -> None:
        for _ in range(count):
            self._add(self.made)
            self.made += 1

    def _add(self, index: int) -> None:
        state = STATES[index % len(STATES)]
        clip = make_generation(
            self.project,
            by=self.maker if index % 2 else self.member,
            state=state,
            title=f"Clip {index}" if index % 3 else "Canyon",
            prompt="A ridge at dawn",
            concepts=["push_in"],
            rating=3 if state == State.SUCCEEDED else 0,
            account=self.accounts[index // len(STATES) % 3],
            model=MODELS[index // len(STATES) % 3],
            start_keyframe=self.stills[0],
            end_keyframe=self.stills[1],
            estimated_microusd=1_000_000,
        )
        if state == State.QUEUED:
            clip.start_keyframe = None
            clip.start_generation = make_generation(self.project, state=State.RUNNING)
            clip.save()
        self.tag.generations.add(clip)
        Segment.objects.create(chain=self.chain, position=index + 1, generation=clip)
        CollectionItem.objects.create(collection=self.kept, position=index + 1, generation=clip)
        make_comment(clip, self.maker, "The cloud is too heavy")
        told = Activity.objects.create(
            project=self.project, actor=self.maker, generation=clip, kind="comment"
        )
        Notification.objects.create(user=self.member, activity=told, reason="mention")


@pytest.fixture
def busy(client):
    made = Busy()
    client.force_login(made.member)
    return made


def queries(client, url):
    cache.clear()  # how many match is kept until something changes
    estimates.paces()  # measured once a minute for everybody, not for a page
    with CaptureQueriesContext(connection) as asked:
        assert client.get(url).status_code == 200
    return len(asked)


ADDRESSES = {
    "the first page": "",
    "a later page": "?after={newest}",
    "the fixed filters": "?state=ready&provider=luma&rating=1&shape=16:9&length=5&concept=push_in",
    "its own filters": "?by={maker}&chain={chain}&tag=hero&collection={kept}",
    "sorted": "?sort=cost",
    "a search": "?q=canyon",
    "a search of comments": "?q=cloud",
    "a sorted search": "?q=cloud&sort=rating",
    "a filtered search": "?q=cloud&tag=hero&verdict=none&archived=with",
    "everything at once": "?q=cloud&by={maker}&chain={chain}&tag=hero&collection={kept}&sort=cost",
    "words that occur nowhere": "?q=zeppelinn+canyonn",
    "the poll with much news": "changes/?since=0",
}


@pytest.mark.parametrize("most", [300, 5], ids=["a usual word", "a common word"])
def test_no_page_asks_more_than_twelve_times_nor_more_for_many_clips(
    client, busy, monkeypatch, most
):
    monkeypatch.setattr(search, "MOST", most)
    monkeypatch.setattr(search, "MOST_GATHERED", most + 1)
    busy.add(21)  # every state with every third title

    def asked():
        values = {
            "newest": Project.objects.get().next_number,
            "maker": busy.maker.pk,
            "chain": busy.chain.code,
            "kept": busy.kept.code,
        }
        return {
            name: queries(client, f"/p/{busy.project.code}/{address.format(**values)}")
            for name, address in ADDRESSES.items()
        }

    asked()
    few = asked()
    busy.add(21)
    assert asked() == few
    assert {name: count for name, count in few.items() if count > MOST_QUERIES} == {}


def test_what_many_clips_show_is_looked_up_once(client, busy):
    busy.add(14)
    html = client.get(f"/p/{busy.project.code}/").content.decode()
    assert '<span class="vh">14 unread</span>' in html
    assert html.count('aria-label="1 unread comment"') == 14
    assert html.count(f"/media/stills/{busy.stills[0].code}/thumbnail") == 2
    assert html.count('title="hero"') == 14
    assert html.count("starts when clip") == 2


def test_a_line_says_how_many_are_ahead_at_each_account(client, busy):
    first, second = busy.accounts[:2]
    for account, model in ((first, "ray-2"), (first, "ray-2"), (second, "luma-ray-2")):
        make_generation(busy.project, state=State.QUEUED, account=account, model=model)
    with CaptureQueriesContext(connection) as asked:
        html = client.get(f"/p/{busy.project.code}/").content.decode()
    assert html.count("next in line") == 2
    assert html.count("1 ahead of it") == 1
    assert sum("queue_rank" in query["sql"] for query in asked) == 1


def test_the_tag_of_very_many_finds_the_same_clips_in_the_same_order(client, busy, monkeypatch):
    from studio.services.gallery import counts

    busy.add(21)
    Segment.objects.all().delete()
    url = f"/p/{busy.project.code}/?tag=hero&collection={busy.kept.code}"
    for sort in ("newest", "rating", "cost"):
        few = client.get(f"{url}&sort={sort}").context["cards"]
        monkeypatch.setattr(counts, "MOST_COUNTED", 3)
        many = client.get(f"{url}&sort={sort}").context["cards"]
        monkeypatch.undo()
        assert [card.generation.pk for card in few] == [card.generation.pk for card in many]
        assert len(few) == 21


# ---- Bytes -------------------------------------------------------------------------------


def with_imports(path, found):
    """Add a script's or sheet's own file to `found`, and what it imports."""
    if path not in found:
        found[path] = gzip.compress(path.read_bytes(), 9)
        for name in re.findall(
            r'(?:from|@import url\() ?"(?:\./)?([\w-]+\.\w+)"', path.read_text()
        ):
            with_imports(path.parent / name, found)
    return found


def test_script_and_style_of_the_first_load_stay_under_eighty_kilobytes(client, busy):
    html = client.get(f"/p/{busy.project.code}/").content.decode()
    linked = re.findall(r'<(?:script|link)[^>]*(?:src|href)="/static/([^"]+\.(?:js|css))"', html)
    found = {}
    for name in linked:
        with_imports(Path(finders.find(name)), found)
    assert {path.name for path in found} > {"gallery.js", "live.js", "tokens.css", "screens.css"}
    assert sum(map(len, found.values())) <= 80_000


def test_pictures_of_cards_come_when_they_are_near(client, busy):
    busy.add(14)
    html = client.get(f"/p/{busy.project.code}/").content.decode()
    assert all('loading="lazy"' in picture for picture in re.findall(r"<img [^>]*>", html))
    # Those to scrub through lie over another.
    sized = re.findall(r"<img [^>]*>", re.sub(r'<a class="scrub".*?</a>', "", html, flags=re.S))
    assert len(sized) == 10
    assert all(re.search(r' width="\d+" height="\d+"', picture) for picture in sized)


def test_the_page_is_sent_pressed(client, busy):
    asked = client.get(f"/p/{busy.project.code}/", headers={"Accept-Encoding": "gzip"})
    assert asked["Content-Encoding"] == "gzip"
    assert b"</html>" in gzip.decompress(asked.content)
    assert "Accept-Encoding" in asked["Vary"]
    plain = client.get(f"/p/{busy.project.code}/")
    assert "Content-Encoding" not in plain
