"""Webhooks going out: signed, tried again, given up, and in nobody's way."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from studio import ledger, lifecycle, signals, tasks
from studio.models import Activity, Generation, Notification, Project, Webhook, WebhookDelivery
from studio.models.generation import State
from studio.services.errors import StudioError
from studio.services.news import deliveries, posting, webhooks
from studio.services.news.payloads import TYPES
from tests.factories import make_comment, make_generation, make_project
from tests.people import make_person
from tests.receiving import receiving

DOCS = Path(__file__).resolve().parent.parent / "docs" / "webhooks.md"
ALL = list(TYPES)


@pytest.fixture
def receiver(settings):
    with receiving() as found:
        settings.WEBHOOK_HOSTS = frozenset({found.host})
        yield found


@pytest.fixture
def hook(cast, receiver):
    return webhooks.create_webhook(project=cast.project, by=cast.alice, url=receiver.url, kinds=ALL)


@pytest.fixture
def patience(monkeypatch):
    """A function that sets how long an answer is waited for."""

    def wait(seconds):
        monkeypatch.setattr(
            deliveries, "post_all", lambda *a, **k: posting.post_all(*a, timeout_s=seconds, **k)
        )

    return wait


def comment(cast, **fields):
    clip = make_generation(cast.project, by=cast.bob, title="Aurora", prompt="A secret prompt")
    made = make_comment(clip, cast.carol, "Lower the ridge", **fields)
    signals.comment_made.send_robust(None, generation=clip, comment=made, actor=cast.carol)
    return WebhookDelivery.objects.latest("pk")


def verify():
    """Return the function the documentation shows."""
    code = re.search(r"```python\n(.*?)```", DOCS.read_text(), re.S)[1]
    names: dict[str, object] = {}
    exec(code, names)
    return names["verify"]


def make_due():
    WebhookDelivery.objects.filter(state="waiting").update(next_at=timezone.now())


# ---- What is sent ---------------------------------------------------------------------------
def test_the_documented_example_accepts_a_message_and_no_other(cast, receiver, hook):
    comment(cast)
    assert tasks.send_webhooks() == "1 of 1 messages were taken"
    ((headers, body),) = receiver.got
    check = verify()
    check(hook.reveal_secret(), headers, body)
    with pytest.raises(ValueError, match="not signed"):
        check(hook.reveal_secret(), headers, body + b" ")
    with pytest.raises(ValueError, match="not signed"):
        check(hook.reveal_secret(), headers | {"webhook-id": "another"}, body)
    with pytest.raises(ValueError, match="too old"):
        check(hook.reveal_secret(), headers | {"webhook-timestamp": "1700000000"}, body)


def test_the_signature_is_that_of_the_specifications_own_example():
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    assert (
        posting.sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_a_message_says_what_happened_and_no_secret(cast, receiver, hook, settings):
    settings.PUBLIC_URL = "https://studio.example"
    comment(cast, at_ms=1500)
    tasks.send_webhooks()
    ((headers, body),) = receiver.got
    said = json.loads(body)
    assert said["type"] == "clip.comment"
    assert said["data"]["comment"]["text"] == "Lower the ridge"
    assert said["data"]["comment"]["at_ms"] == 1500
    assert said["data"]["comment"]["by"] == {"name": "Carol", "guest": False}
    assert said["data"]["clip"]["title"] == "Aurora"
    assert said["data"]["clip"]["url"].startswith("https://studio.example/clips/")
    assert headers["content-type"] == "application/json"
    text = body.decode()
    for word in ("secret prompt", "@example.com", "microusd", "whsec_", hook.reveal_secret()):
        assert word not in text


def test_each_kind_has_its_type_and_the_documentation_all_of_them(cast, receiver, hook):
    clip = make_generation(cast.project, state=State.STORING, by=cast.bob)
    done = {"clip": "a.mp4", "width": 64, "height": 36, "duration_ms": 1000}
    lifecycle.move(clip.pk, State.SUCCEEDED, **done)
    bad = make_generation(cast.project, state=State.RUNNING, by=cast.bob)
    lifecycle.mark_failed(bad.pk, code="refused", text="The model refused it.", charged="no")
    signals.verdict_given.send_robust(
        None, generation=clip, verdict="approved", actor=cast.alice, guest=None, comment=None
    )
    comment(cast)
    Project.objects.filter(pk=cast.project.pk).update(budget_microusd=10)
    cast.project.refresh_from_db()
    make_generation(cast.project, state=State.QUEUED, by=cast.bob, estimated_microusd=9)
    shot = Generation.objects.latest("pk")
    ledger.reserve([shot])
    signals.shots_queued.send_robust(None, generations=[shot], actor=cast.bob)
    tasks.send_webhooks()
    said = {json.loads(body)["type"]: json.loads(body)["data"] for _, body in receiver.got}
    assert set(said) == set(TYPES.values())
    assert said["clip.failed"]["failure"] == {"code": "refused", "text": "The model refused it."}
    assert said["clip.verdict"]["verdict"]["verdict"] == "approved"
    assert said["clip.finished"]["clip"]["duration_ms"] == 1000
    assert re.findall(r"^\| `(\w+\.\w+)`", DOCS.read_text(), re.M) == list(TYPES.values())


def test_what_it_cost_is_told_where_it_is_wanted(cast, receiver):
    webhooks.create_webhook(
        project=cast.project, by=cast.alice, url=receiver.url, kinds=["comment", "prices"]
    )
    comment(cast)
    tasks.send_webhooks()
    assert json.loads(receiver.got[0][1])["data"]["cost"] == {
        "charged": "no", "estimated_microusd": 0, "estimate": "exact", "actual_microusd": None,
    }  # fmt: skip


def test_only_what_was_chosen_is_told_and_only_of_its_project(cast, receiver):
    webhooks.create_webhook(
        project=cast.project, by=cast.alice, url=receiver.url, kinds=["verdict"]
    )
    other = make_cast_elsewhere()
    webhooks.create_webhook(project=other, by=other.created_by, url=receiver.url, kinds=ALL)
    clip = make_generation(cast.project, by=cast.bob)
    made = make_comment(clip, cast.carol)
    signals.comment_made.send_robust(None, generation=clip, comment=made, actor=cast.carol)
    assert WebhookDelivery.objects.count() == 0


def make_cast_elsewhere():
    return make_project(name="Elsewhere")


def test_an_ending_costs_one_query_where_nobody_listens(cast):
    clip = make_generation(cast.project, state=State.RUNNING)
    activity = Activity.objects.create(project=cast.project, kind="failed", generation=clip)
    with CaptureQueriesContext(connection) as queries:
        deliveries.announce([activity])
    assert len(queries) == 1


# ---- Trying again -----------------------------------------------------------------------------
def test_it_is_tried_again_later_with_the_same_id_and_bytes(cast, receiver, hook):
    receiver.answer = 500
    row = comment(cast)
    tasks.send_webhooks()
    row.refresh_from_db()
    assert (row.state, row.answer_status, row.error) == ("waiting", 500, "It answered 500.")
    wait = row.next_at - timezone.now()
    assert timedelta(seconds=50) < wait <= timedelta(minutes=1)
    assert tasks.send_webhooks() == "0 of 0 messages were taken"
    receiver.answer = 204
    make_due()
    tasks.send_webhooks()
    row.refresh_from_db()
    assert (row.state, row.answer_status, row.attempts) == ("delivered", 204, 2)
    (first, body), (second, again) = receiver.got
    assert first["webhook-id"] == second["webhook-id"] == str(row.code)
    assert body == again
    verify()(hook.reveal_secret(), second, again)


@pytest.mark.parametrize(
    ("title", "sent"),
    [
        ("", "Clip 9"),
        ("A secret", "Clip 9"),
        ("secret  PROMPT!", "Clip 9"),
        ("A secret pro", "Clip 9"),  # cut in a long word, or in a script that has no spaces
        ("Aurora", "Aurora"),
    ],
)
def test_a_title_that_tells_the_prompt_is_not_sent(cast, receiver, hook, title, sent):
    """What nobody titled is titled with the beginning of its prompt: the whole of a short one."""
    clip = make_generation(
        cast.project, by=cast.bob, title=title, prompt="A secret prompt", number=9
    )
    made = make_comment(clip, cast.carol, "Lower the ridge")
    signals.comment_made.send_robust(None, generation=clip, comment=made, actor=cast.carol)
    tasks.send_webhooks()
    ((_, body),) = receiver.got
    assert json.loads(body)["data"]["clip"]["title"] == sent
    assert b"secret" not in body


def test_nor_is_one_that_tells_the_prompt_of_another_take(cast, receiver, hook):
    """Further takes keep the title of the first, whatever their own prompts say."""
    first = make_generation(cast.project, by=cast.bob, title="A secret", prompt="A secret prompt")
    clip = make_generation(
        cast.project, by=cast.bob, title="A secret", prompt="Another one", shot=first.shot, take=2
    )
    made = make_comment(clip, cast.carol, "Lower the ridge")
    signals.comment_made.send_robust(None, generation=clip, comment=made, actor=cast.carol)
    tasks.send_webhooks()
    ((_, body),) = receiver.got
    assert json.loads(body)["data"]["clip"]["title"] == f"Clip {clip.number}"


def test_what_a_provider_says_of_a_prompt_is_not_sent(cast, receiver, hook):
    clip = make_generation(cast.project, state=State.RUNNING, by=cast.bob, prompt="A secret prompt")
    said = "The provider could not render this shot. It says “Nothing fits a Secret  prompt”."
    lifecycle.mark_failed(clip.pk, code="other", text=said, charged="no")
    tasks.send_webhooks()
    ((_, body),) = receiver.got
    failure = json.loads(body)["data"]["failure"]
    assert failure["text"] == "Its page says why."
    assert WebhookDelivery.objects.get().payload["data"]["failure"] == failure


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (302, "It redirects; redirects are not followed."),
        ("hang", "No answer within 0.5 s."),
        ("drip", "No answer within 0.5 s."),
        ("cut", "The connection broke before an answer came."),
    ],
)
def test_what_is_no_answer_is_said(cast, receiver, hook, patience, answer, said):
    patience(0.5 if answer in ("hang", "drip") else 10)
    receiver.answer = answer
    row = comment(cast)
    tasks.send_webhooks()
    row.refresh_from_db()
    assert (row.state, row.error) == ("waiting", said)
    assert len(receiver.got) == 1


def test_the_waits_grow_from_a_minute_to_a_day_and_then_it_is_given_up(cast, receiver, hook):
    receiver.answer = 503
    row = comment(cast)
    waits = []
    while row.state == "waiting":
        Webhook.objects.update(failing_since=None)
        make_due()
        began = timezone.now()
        tasks.send_webhooks()
        row.refresh_from_db()
        waits.append(round((row.next_at - began).total_seconds() / 60))
    assert waits == [1, 5, 30, 120, 300, 600, 1080, 1440, 1440, 0]
    assert (row.state, row.attempts) == ("failed", 10)


def test_a_receiver_in_trouble_gets_one_probe_at_a_time(cast, receiver, hook):
    receiver.answer = 500
    comment(cast)
    tasks.send_webhooks()
    for _ in range(30):
        comment(cast)
    assert tasks.send_webhooks() == "0 of 0 messages were taken"
    make_due()
    tasks.send_webhooks()
    assert len(receiver.got) == 2
    receiver.answer = 200
    make_due()
    while "0 of 0" not in tasks.send_webhooks():
        pass
    assert WebhookDelivery.objects.filter(state="delivered").count() == 31
    assert len(receiver.got) == 33
    hook.refresh_from_db()
    assert hook.failing_since is None


def test_a_slow_receiver_keeps_nobody_back(cast, receiver, hook, settings, patience):
    patience(2)
    receiver.answer = "hang"
    for _ in range(40):
        comment(cast)
    with receiving() as other:
        settings.WEBHOOK_HOSTS = frozenset({receiver.host, other.host})
        webhooks.create_webhook(project=cast.project, by=cast.alice, url=other.url, kinds=ALL)
        comment(cast)
        began = time.monotonic()
        tasks.send_webhooks()
        # One wait for all of them, not one for each.
        assert time.monotonic() - began < 2 * 5
        assert len(other.got) == 1
        assert len(receiver.got) == deliveries.BATCH_EACH


def test_names_that_are_looked_up_slowly_keep_nobody_back(monkeypatch):
    """More of them than threads that asyncio itself would ask with."""
    found = threading.Event()

    def look_up(host, port, *args, **kwargs):
        if host.startswith("slow"):
            found.wait(20)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    names = [*(f"slow{number}.example" for number in range(deliveries.BATCH - 1)), "hooks.example"]
    messages = [posting.Message(name, f"https://{name}/", secret, {}) for name in names]
    began = time.monotonic()
    try:
        *slow, other = posting.post_all(messages, timestamp=1, allow_hosts=frozenset(), timeout_s=1)
        assert time.monotonic() - began < 10
    finally:
        found.set()
    assert {answer.error for answer in slow} == {"No answer within 1 s."}
    assert other.error == "The host hooks.example is not on the public internet."


def test_a_worker_that_died_with_a_message_has_it_sent_again(cast, receiver, hook):
    row = comment(cast)
    (taken,) = deliveries.claim()
    assert taken.pk == row.pk
    assert deliveries.claim() == []
    WebhookDelivery.objects.update(next_at=timezone.now())
    tasks.send_webhooks()
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("delivered", 2)


def test_after_three_days_it_is_switched_off_and_its_owners_are_told(cast, receiver, hook):
    receiver.answer = 500
    row = comment(cast)
    long_ago = timezone.now() - timedelta(days=3, minutes=1)
    Webhook.objects.update(failing_since=long_ago)
    cast.alice.muted = list(Notification.Reason.values)
    cast.alice.save()
    tasks.send_webhooks()
    hook.refresh_from_db()
    row.refresh_from_db()
    assert (hook.enabled, row.state) == (False, "failed")
    (note,) = Notification.objects.filter(user=cast.alice)
    assert note.activity.text.startswith(f"The webhook to {receiver.host} was switched off")
    assert not Notification.objects.filter(user=cast.carol).exists()
    comment(cast)
    assert WebhookDelivery.objects.filter(state="waiting").count() == 0


def test_gone_is_gone_at_once(cast, receiver, hook):
    receiver.answer = 410
    comment(cast)
    tasks.send_webhooks()
    hook.refresh_from_db()
    assert hook.enabled is False


def test_on_again_it_begins_afresh(cast, receiver, hook):
    Webhook.objects.update(enabled=False, failing_since=timezone.now())
    hook.refresh_from_db()
    webhooks.change_webhook(
        webhook=hook, by=cast.alice, url=receiver.url, kinds=["comment"], enabled=True
    )
    comment(cast)
    assert tasks.send_webhooks() == "1 of 1 messages were taken"


def test_a_broken_webhook_fails_no_generation(cast, monkeypatch):
    Webhook.objects.create(
        project=cast.project, url="https://x.example", kinds=ALL, created_by=cast.alice,
        secret_locked="not a token",
    )  # fmt: skip
    clip = make_generation(cast.project, state=State.STORING)
    done = {"clip": "a.mp4", "width": 64, "height": 36, "duration_ms": 1000}
    assert lifecycle.move(clip.pk, State.SUCCEEDED, **done)
    tasks.send_webhooks()
    row = WebhookDelivery.objects.get()
    assert row.error.startswith("A provider key cannot be decrypted")
    assert row.state == "waiting"


# ---- Where it may go ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://hooks.example/x", "The address must begin with https://."),
        ("ftp://hooks.example/x", "This is not an address."),
        ("hooks.example", "This is not an address."),
        ("https://", "This is not an address."),
        ("https://hooks.example:no/x", "This is not an address."),
        ("https://user:pass@hooks.example/", "has a user name or password"),
        ("https://127.0.0.1/x", "is not on the public internet"),
        ("https://[::1]/x", "is not on the public internet"),
        ("https://10.0.0.4/x", "is not on the public internet"),
        ("https://169.254.169.254/latest", "is not on the public internet"),
        ("https://localhost/x", "is not on the public internet"),
        ("https://studio.internal/x", "is not on the public internet"),
        # Other spellings of the same: in one number, octal, hexadecimal, short, with a last dot, in
        # digits and full stops of other scripts.
        *(
            (f"https://{host}/x", "is not on the public internet")
            for host in (
                "2130706433", "2852039166", "0x7f000001", "0x7f.1", "017700000001", "127.1", "0",
                "127.0.0.1.", "localhost.", "studio.internal.", "printer.local.", "metadata",
                "localhost.localdomain", "router.home.arpa", "127\u30020\u30020\u30021",
                "[::]", "[fe80::1%25eth0]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]",
            )
        ),
        *(
            (f"https://{host}/x", "This is not an address")
            for host in (
                "0177.0.0.1", "\uff11\uff12\uff17.0.0.1", "%31%32%37.0.0.1", "a..b", "1.2.3.4.5",
                "127.0.0.1%00.example", f"{'x' * 64}.example", "hooks.example:99999",
            )
        ),
    ],
)  # fmt: skip
def test_an_address_that_may_not_be_used_is_refused(cast, url, said):
    with pytest.raises(StudioError, match=re.escape(said)) as refused:
        webhooks.create_webhook(project=cast.project, by=cast.alice, url=url, kinds=["failed"])
    assert refused.value.field == "url"


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "::1", "fe80::1", "::ffff:10.0.0.1"])
def test_a_name_that_leads_inside_is_not_followed(cast, monkeypatch, address):
    webhooks.create_webhook(
        project=cast.project, by=cast.alice, url="https://hooks.example/x", kinds=ALL
    )

    def lead_inside(host, port, *args, **kwargs):
        assert host == "hooks.example"
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", lead_inside)
    row = comment(cast)
    tasks.send_webhooks()
    row.refresh_from_db()
    assert row.error == "The host hooks.example is not on the public internet."


@pytest.mark.pure
@pytest.mark.parametrize("rest", ["/T0/KEY", "?token=KEY", "#KEY", "/?a=KEY", ":8443?KEY"])
def test_only_the_host_of_an_address_is_named(rest):
    """The rest of an address may be as secret as a password: logs, lists and news leave it out."""
    hook = Webhook(url=f"https://hooks.example{rest}")
    assert hook.host in {"hooks.example", "hooks.example:8443"}
    assert "KEY" not in str(hook)


def test_an_exempt_host_is_exempt_with_its_port_alone(settings):
    allowed = frozenset({"127.0.0.1:8080", "hooks.lan"})
    assert posting.refusal("http://127.0.0.1:8080/x", allowed) == ""
    assert posting.refusal("http://127.0.0.1:8081/x", allowed)
    assert posting.refusal("http://hooks.lan/x", allowed) == ""


# ---- The pages ----------------------------------------------------------------------------------
@pytest.fixture
def page(client, cast):
    client.force_login(cast.alice)
    return f"/p/{cast.project.code}/webhooks/"


def test_a_secret_is_shown_once(client, cast, page, receiver):
    answer = client.post(page, {"url": receiver.url, "kinds": ["finished", "failed"]})
    hook = Webhook.objects.get()
    assert answer.headers["Location"] == f"{page}{hook.code}/"
    assert hook.kinds == ["finished", "failed"]
    assert hook.reveal_secret() not in hook.secret_locked
    assert hook.reveal_secret() in client.get(f"{page}{hook.code}/").content.decode()
    assert hook.reveal_secret() not in client.get(f"{page}{hook.code}/").content.decode()
    old = hook.reveal_secret()
    client.post(f"{page}{hook.code}/secret/")
    hook.refresh_from_db()
    assert hook.reveal_secret() != old
    assert hook.reveal_secret() in client.get(f"{page}{hook.code}/").content.decode()


def test_a_wrong_form_keeps_what_was_typed(client, page):
    answer = client.post(page, {"url": "http://hooks.example/x", "kinds": ["failed"]})
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "The address must begin with https://." in html
    assert 'value="http://hooks.example/x"' in html
    answer = client.post(page, {"url": "https://hooks.example/x"})
    assert "Choose at least one thing to be told of." in answer.content.decode()
    answer = client.post(page, {"url": "https://hooks.example/x", "kinds": ["prices"]})
    assert "Choose at least one thing to be told of." in answer.content.decode()
    assert Webhook.objects.count() == 0


def test_there_are_ten_at_most(client, cast, page, receiver, hook, monkeypatch):
    monkeypatch.setattr(webhooks, "MOST_WEBHOOKS", 1)
    answer = client.post(page, {"url": receiver.url, "kinds": ["failed"]})
    assert "This project has the most webhooks there can be, 1." in answer.content.decode()


def test_a_test_is_sent_and_its_log_shown(client, page, receiver, hook):
    url = f"{page}{hook.code}/"
    answer = client.post(f"{url}test/", headers={"hx-request": "true"})
    html = answer.content.decode()
    assert "On its way" in html
    assert 'hx-trigger="every 2s"' in html
    tasks.send_webhooks()
    html = client.get(url, headers={"hx-request": "true"}).content.decode()
    assert "Taken, 200" in html
    assert "every 2s" not in html
    row = WebhookDelivery.objects.get()
    assert json.loads(client.get(f"{url}messages/{row.code}/").content)["type"] == "test"
    assert client.post(f"{url}messages/{row.code}/again/").status_code == 302
    tasks.send_webhooks()
    assert [h["webhook-id"] for h, _ in receiver.got] == [str(row.code)] * 2


def test_a_failed_test_says_nothing_about_its_health(client, page, receiver, hook):
    receiver.answer = 500
    client.post(f"{page}{hook.code}/test/")
    tasks.send_webhooks()
    hook.refresh_from_db()
    assert hook.failing_since is None
    assert WebhookDelivery.objects.get().state == "failed"


def test_it_is_changed_switched_off_and_deleted(client, cast, page, receiver, hook):
    url = f"{page}{hook.code}/"
    assert client.post(url, {"url": receiver.url, "kinds": ["verdict"]}).status_code == 302
    hook.refresh_from_db()
    assert (hook.kinds, hook.enabled) == (["verdict"], False)
    assert client.post(url, {"url": "", "kinds": ["verdict"]}).status_code == 422
    assert client.post(f"{url}delete/").headers["Location"] == page
    assert Webhook.objects.count() == 0
    texts = list(Activity.objects.order_by("pk").values_list("text", flat=True))
    assert texts == [f"{did} {receiver.host}" for did in (
        "added a webhook to", "changed the webhook to", "deleted the webhook to")]  # fmt: skip


def test_the_log_takes_the_same_queries_for_many(client, cast, page, hook):
    def ask():
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"{page}{hook.code}/").status_code == 200
        return len(queries)

    comment(cast)
    few = ask()
    for _ in range(40):
        comment(cast)
    assert ask() == few
    assert "?before=" in client.get(f"{page}{hook.code}/").content.decode()


def test_only_owners_come_near(client, cast, hook, receiver):
    row = comment(cast)
    base = f"/p/{cast.project.code}/webhooks/"
    own = f"{base}{hook.code}/"
    gets = [base, own, f"{own}messages/{row.code}/"]
    posts = [base, own, f"{own}test/", f"{own}secret/", f"{own}messages/{row.code}/again/", f"{own}delete/"]  # fmt: skip
    for name, wanted in {"dave": 404, "carol": 403, "bob": 403}.items():
        client.force_login(getattr(cast, name))
        assert {client.get(url).status_code for url in gets} == {wanted}
        assert {client.post(url).status_code for url in posts} == {wanted}
    client.logout()
    assert {client.get(url).status_code for url in gets} == {302}
    client.force_login(cast.alice)
    assert {client.get(url).status_code for url in gets} == {200}


def test_an_admin_switches_one_off_and_sees_no_secret(client, cast, hook, receiver):
    row = comment(cast)
    root = make_person("Root", is_staff=True, is_superuser=True)
    client.force_login(root)
    page = f"/admin/studio/webhook/{hook.pk}/"
    html = client.get(f"{page}change/").content.decode()
    assert hook.reveal_secret() not in html and hook.secret_locked not in html
    assert receiver.host in html
    actions = {"action": "switch_off", "_selected_action": [hook.pk]}
    client.post("/admin/studio/webhook/", actions)
    hook.refresh_from_db()
    row.refresh_from_db()
    assert (hook.enabled, row.state) == (False, "failed")


def test_anothers_webhook_is_not_found_under_ones_own_project(client, cast, hook):
    other = make_cast_elsewhere()
    client.force_login(other.created_by)
    assert client.get(f"/p/{other.code}/webhooks/{hook.code}/").status_code == 404
