"""Who may open which address: every address of the studio, with every role.

A new address without a rule here fails the first test.
"""

from __future__ import annotations

import re
import uuid

import pytest
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.urls import URLPattern, URLResolver, get_resolver

from studio.address_rules import Who, rule_at
from studio.models import (
    BlindPair,
    BlindTest,
    BulkRun,
    Chain,
    Collection,
    CollectionItem,
    Invite,
    Notification,
    Preset,
    SavedView,
    Segment,
    SpendRequest,
    Tag,
)
from studio.services.accounts import ensure_accounts
from studio.services.film.exports import create_export
from studio.services.news.activity import record, tell
from studio.services.news.deliveries import send_test
from studio.services.news.webhooks import create_webhook
from studio.services.sharing import making
from studio.services.sharing.making import Options, Source
from tests.factories import make_comment, make_generation, make_still
from tests.people import make_cast

pytestmark = pytest.mark.django_db

PUBLIC, SIGNED_IN, SEE, CREATE, MANAGE, OWN = (
    Who.PUBLIC, Who.SIGNED_IN, Who.SEE, Who.CREATE, Who.MANAGE, Who.OWN,
)  # fmt: skip
# Addresses that no role guards. What a role guards is asked of every role below; these are listed a second
# time, so that nobody opens one by a word in a table.
UNGUARDED: dict[Who, set[str]] = {
    # Open to the world, each with a key of its own: a token, a password, a signature.
    PUBLIC: {
        "login", "logout", "welcome", "join", "healthz", "readyz", "metrics", "robots",
        "favicon", "provider-hook", "picture-by-token", "digest-off", "share-home", "open-share", "share-changes", "name-guest", "shared-clip", "shared-clip-changes", "guest-comment", "guest-verdict", "shared-file", "sign-in-code", "sso", "sso-callback", "sso-link",
    },
    SIGNED_IN: {
        "project-list", "create-project", "new-project", "create-sample", "projects-menu",
        "import-project", "account", "confirm-email", "change-password", "notification-list",
        "notification-panel", "bell-changes", "read-notifications", "choose-news", "two-factor",
        "two-factor-off", "two-factor-codes", "end-other-sessions", "begin-upload",
    },
    # What belongs to one person alone, or to whoever made it and the owners; tested beside its feature.
    OWN: {
        "open-notification", "rename-view", "share-view", "open-view-first", "delete-view",
        "restore-view", "delete-comment", "bring-back", "change-preset", "close-blind-test",
        "decide-request", "leave-project", "undo-bulk", "end-session", "upload-progress",
        "upload-part", "finish-upload", "cancel-upload",
    },
}  # fmt: skip
# Reached, and then not found: the file is not made yet, or the address asks for more than it was given.
NOT_THERE = {"export-file", "judge-pair", "move-seen"}
ALLOWED = {
    "dave": set(),
    "carol": {SEE},
    "bob": {SEE, CREATE},
    "alice": {SEE, CREATE, MANAGE},
}


def patterns(resolver, before=""):
    """Every pattern of the table of addresses, the admin's own left out."""
    for one in resolver.url_patterns:
        route = before + str(one.pattern)
        if isinstance(one, URLResolver):
            if one.app_name != "admin":
                yield from patterns(one, route)
        elif isinstance(one, URLPattern):
            yield one.name, route


# The ones without a name send a guest on to the same address with its slash.
TABLE = {name: route for name, route in patterns(get_resolver()) if name}
RULES = {name: rule.who for name, route in TABLE.items() if (rule := rule_at(route))}


@pytest.fixture
def things(settings, tmp_path):
    """One of each thing an address may name, in one project."""
    ensure_accounts()
    cast = make_cast()
    project = cast.project
    clip = make_generation(project, files=True)
    other = make_generation(project, files=True)
    still = make_still(project)
    comment = make_comment(clip, cast.carol)
    chain = Chain.objects.create(project=project, title="Night", created_by=cast.alice)
    segment = Segment.objects.create(chain=chain, position=0, generation=clip)
    Segment.objects.create(chain=chain, position=1, generation=other)
    export = create_export(chain=chain, by=cast.alice)
    collection = Collection.objects.create(project=project, title="Best", created_by=cast.alice)
    CollectionItem.objects.create(collection=collection, generation=clip, position=0)
    tag = Tag.objects.create(project=project, name="night")
    view = SavedView.objects.create(project=project, owner=cast.alice, name="Mine", query="")
    run = BulkRun.objects.create(project=project, by=cast.alice, action="archive", state="done")
    test = BlindTest.objects.create(project=project, title="Water", created_by=cast.alice)
    BlindPair.objects.create(test=test, left=clip, right=other)
    asked = SpendRequest.objects.create(
        project=project,
        by=cast.alice,
        estimated_microusd=1,
        rule="Over",
        shot={"prompt": ["A boat"]},
    )
    preset = Preset.objects.create(project=project, owner=cast.alice, name="Tall")
    invite = Invite.objects.create(
        project=project, role="editor", token_hash="x", created_by=cast.alice
    )
    hook = create_webhook(
        project=project, by=cast.alice, url="https://example.com/hook", kinds=["finished"]
    )
    delivery = send_test(webhook=hook)
    activity = record("comment", project_id=project.pk, actor=cast.bob, text="said")
    tell([(cast.alice.pk, activity, "comment")])
    share, _ = making.create_share(
        project=project, by=cast.alice, source=Source(clips=[clip]), options=Options()
    )
    member = cast.member("carol")
    signed_in = UserSession.objects.create(user=cast.alice, session_key="elsewhere", ip="::1")
    return {
        "cast": cast,
        "code": {
            "p": project.code, "clips": clip.code, "chains": chain.code, "stills": still.code,
            "exports": export.code, "views": view.code, "bulk": run.code, "blind": test.code,
            "collections": collection.code, "requests": asked.code, "comments": comment.code,
            "shares": share.code, "media/stills": still.code, "media/exports": export.code,
        },
        "pk": {
            "segments": segment.pk, "members": member.pk, "people": member.pk, "invites": invite.pk,
            "sessions": signed_in.pk, "tags": tag.pk, "notifications": Notification.objects.get().pk,
        },
        "clip": clip.code, "hook": hook.code, "delivery": delivery.code,
        "preset_code": preset.code, "kept": "x", "position": 0, "slug": "push_in", "kind": "state",
    }  # fmt: skip


def address(name, things):
    """Fill a pattern in with the things' own codes."""
    route = TABLE[name]
    if name == "clip-file":
        return f"/media/clips/{things['clip']}-poster.webp"
    place = "/".join(route.split("/")[:2]) if route.startswith("media/") else route.split("/")[0]
    filled = route.replace("<uuid:code>", str(things["code"].get(place, uuid.uuid4())))
    for kind, key in re.findall(r"<(\w+):(\w+)>", filled):
        if key == "pk":
            before = filled.split("<int:pk>")[0].rstrip("/").rsplit("/", 1)[-1]
            value = things["pk"][before]
        else:
            value = things[key]
        filled = filled.replace(f"<{kind}:{key}>", str(value))
    return f"/{filled}"


def answer_to(client, url):
    """Ask as the address wants to be asked: POST where GET is refused. A download is read to its end:
    an open one holds a place, and whoever has two open gets no third.
    """
    found = client.get(url)
    if found.status_code == 405:
        found = client.post(url)
    for _ in found if found.streaming else ():
        pass
    return found


def test_every_address_has_a_rule():
    without = [route for _, route in patterns(get_resolver()) if rule_at(route) is None]
    assert without == [], "write their rules beside them, with studio.address_rules.address"


@pytest.mark.parametrize("who", UNGUARDED)
def test_what_no_role_guards_is_listed_here_too(who):
    assert {name for name, rule in RULES.items() if rule is who} == UNGUARDED[who]


def test_strangers_are_sent_to_the_door(client, things):
    wrong = []
    for name, rule in RULES.items():
        if rule == PUBLIC:
            continue
        url = f"/{TABLE[name]}" if rule == SIGNED_IN else address(name, things)
        answer = answer_to(client, url)
        if answer.status_code == 302 and answer["Location"].startswith("/login/"):
            continue
        if answer.status_code != 404:
            wrong.append((name, url, answer.status_code))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("person", ALLOWED)
def test_each_role_reaches_what_it_may_and_nothing_else(client, things, person):
    client.force_login(getattr(things["cast"], person))
    wrong = []
    for name, rule in RULES.items():
        if rule not in {SEE, CREATE, MANAGE}:
            continue
        url = address(name, things)
        with transaction.atomic():
            answer = answer_to(client, url)
            transaction.set_rollback(True)
        status = answer.status_code
        if rule in ALLOWED[person]:
            right = status < 500 and status != 403 and (status != 404 or name in NOT_THERE)
        else:
            right = status == (404 if person == "dave" else 403)
        if not right:
            wrong.append((name, rule, url, status))
    assert not wrong, "\n".join(map(str, wrong))
