"""A quote carries its price: however a shot is bought, a dearer price than the shown one buys nothing."""

from __future__ import annotations

import html
import re
import threading
import uuid
from datetime import timedelta
from unittest.mock import patch

import pytest
from django.db import connection, connections
from django.utils import timezone

from studio import lifecycle
from studio.models import (
    Generation,
    LedgerEntry,
    Membership,
    Price,
    Project,
    ProviderAccount,
    SpendRequest,
    StudioSettings,
)
from studio.models.generation import State
from studio.services import drafts, shots
from studio.services.accounts import ensure_accounts
from studio.services.errors import StudioError
from studio.services.money.agreement import PriceChanged, accept_price_now, hold_if_dearer
from studio.services.money.budgets import month_budget, studio_budget
from studio.services.shots import NewShot, create_shots
from studio.services.work import failover, reconcile, recovery, submitting
from tests.factories import make_generation
from tests.paid import account_at, again, queue_shot, queue_shots
from tests.people import make_cast, make_person
from tests.test_compose import paid, shot

CENT = 10_000
DOLLAR = 1_000_000
HTMX = {"HX-Request": "true"}
FIELD = re.compile(r'<input type="hidden" name="([^"]+)"(?: id="[^"]+")? value="([^"]*)"')
CHANGED = "while you were looking. Nothing was sent."


@pytest.fixture
def cast(db):
    ensure_accounts()
    return make_cast()


def set_price(microusd, provider="luma", model="ray-2", seconds=5, size="720p"):
    Price.objects.update_or_create(
        provider=provider, model=model, duration_s=seconds, resolution=size,
        defaults={"microusd": microusd, "edited": True},
    )  # fmt: skip


def hidden(page, action=""):
    """Return the hidden fields of the page's form with this action."""
    text = page.content.decode()
    if action:
        text = text[text.index(f'action="{action}"') :]
        text = text[: text.index("</form>")]
    return {name: html.unescape(value) for name, value in FIELD.findall(text)}


def failed_clip(cast, **fields):
    account = ProviderAccount.objects.get(provider="luma")
    return make_generation(
        cast.project, state="failed", clip="", charged="no", account=account, provider="luma",
        model="ray-2", resolution="720p", failure_code="capacity", failure_text="No room.",
        **{"estimated_microusd": 24 * CENT, **fields},
    )  # fmt: skip


def queued(cast):
    return Generation.objects.filter(project=cast.project, state=State.QUEUED)


# ---- On the pages ---------------------------------------------------------------------------
@pytest.mark.parametrize(("takes", "was", "now"), [(1, "$0.24", "$29.99"), (2, "$0.48", "$59.98")])
def test_generate_refuses_a_dearer_price_and_loses_nothing(client, cast, takes, was, now):
    offer = paid("luma", "ray-2")
    set_price(24 * CENT)
    client.force_login(cast.bob)
    form = shot(
        prompt="A boat at dusk", concepts=["push_in"], offer=offer, takes=takes, title="Boat"
    )
    quoted = client.post(f"/p/{cast.project.code}/quote/", form, headers=HTMX)
    shown = hidden(quoted)
    assert shown[f"quoted-{offer}"] == "240000"
    set_price(2999 * CENT)
    answer = client.post(f"/p/{cast.project.code}/new/", form | shown)
    page = html.unescape(answer.content.decode())
    assert answer.status_code == 422
    assert f"The price changed from {was} to {now} {CHANGED}" in page
    assert "A boat at dusk" in page
    assert f'name="quoted-{offer}" value="29990000"' in page
    assert not queued(cast).exists()
    assert client.post(f"/p/{cast.project.code}/new/", form | hidden(answer)).status_code == 302
    assert queued(cast).count() == takes


def test_a_cheaper_price_goes_through(client, cast):
    offer = paid("luma", "ray-2")
    client.force_login(cast.bob)
    form = shot(prompt="A boat", concepts=[], offer=offer)
    set_price(10 * CENT)
    answer = client.post(f"/p/{cast.project.code}/new/", form | {f"quoted-{offer}": "240000"})
    assert answer.status_code == 302
    assert queued(cast).get().estimated_microusd == 10 * CENT


def test_drafts_carry_the_price_of_a_draft(client, cast):
    offer = paid("luma", "ray-2")
    account = offer.split(":")[0]
    set_price(5 * CENT, model="ray-flash-2", size="540p")
    client.force_login(cast.bob)
    form = shot(
        prompt="A boat", concepts=["push_in", "tilt_up"], offer=offer, drafts="1",
        draft_offer=f"{account}:ray-flash-2@540p",
    )  # fmt: skip
    shown = hidden(client.post(f"/p/{cast.project.code}/quote/", form, headers=HTMX))
    assert shown[f"quoted-{account}:ray-flash-2@540p"] == "50000"
    set_price(900 * CENT, model="ray-flash-2", size="540p")
    answer = client.post(f"/p/{cast.project.code}/new/", form | shown)
    assert answer.status_code == 422
    assert CHANGED in html.unescape(answer.content.decode())
    assert not queued(cast).exists()


def test_a_failed_cards_retry_shows_the_price_now_and_refuses_a_dearer_one(client, cast):
    paid("luma", "ray-2")
    set_price(24 * CENT)
    row = failed_clip(cast, estimated_microusd=11 * CENT)
    client.force_login(cast.bob)
    action = f"/clips/{row.code}/retry/"
    page = client.get(f"/p/{cast.project.code}/")
    assert "Retry, $0.24" in page.content.decode()
    shown = hidden(page, action)
    set_price(2999 * CENT)
    answer = client.post(action, shown, headers=HTMX)
    assert (answer.status_code, answer["HX-Retarget"]) == (422, "this")
    assert f"from $0.24 to $29.99 {CHANGED}" in answer["HX-Trigger"]
    assert "Retry, $29.99" in answer.content.decode()
    assert not queued(cast).exists()
    assert client.post(action, hidden(answer, action), headers=HTMX).status_code == 204
    assert queued(cast).count() == 1


def test_without_script_the_refused_retry_leads_to_the_page_with_the_new_price(client, cast):
    paid("luma", "ray-2")
    row = failed_clip(cast)
    client.force_login(cast.bob)
    set_price(2999 * CENT)
    answer = client.post(f"/clips/{row.code}/retry/", {"quoted": "240000"}, follow=True)
    assert f"from $0.24 to $29.99 {CHANGED}" in html.unescape(answer.content.decode())
    assert hidden(answer, f"/clips/{row.code}/retry/")["quoted"] == "29990000"
    assert not queued(cast).exists()


def test_a_master_and_another_provider_refuse_a_dearer_price(client, cast, emulator, asked):
    account = account_at(emulator, "apiframe")
    paid("luma", "ray-2")
    set_price(30 * CENT, "apiframe", "luma-ray-2")
    set_price(20 * CENT, "apiframe", "luma-ray-flash-2")
    draft = make_generation(
        cast.project, charged="no",
        master={"account": account.pk, "model": "luma-ray-2", "resolution": "720p", "duration_s": 5},
    )  # fmt: skip
    row = failed_clip(cast)
    client.force_login(cast.bob)
    for clip, way in ((draft, "master"), (row, "failover")):
        action = f"/clips/{clip.code}/{way}/"
        shown = hidden(client.get(f"/clips/{clip.code}/"), action)
        assert shown["quoted"] in ("300000", "200000")
        set_price(700 * CENT, "apiframe", "luma-ray-2")
        set_price(600 * CENT, "apiframe", "luma-ray-flash-2")
        answer = client.post(action, shown, headers=HTMX)
        assert answer.status_code == 422
        assert CHANGED in html.unescape(answer.content.decode())
        fresh = hidden(answer, action)
        assert fresh["quoted"] in ("7000000", "6000000")
        assert not queued(cast).exists()
        set_price(30 * CENT, "apiframe", "luma-ray-2")
        set_price(20 * CENT, "apiframe", "luma-ray-flash-2")


def test_an_approval_buys_at_the_price_the_owner_saw(client, cast):
    Project.objects.filter(pk=cast.project.pk).update(ask_above_microusd=10 * CENT)
    form = shot(prompt="A boat", concepts=[], offer=paid("luma", "ray-2"), do="ask")
    set_price(24 * CENT)
    client.force_login(cast.bob)
    client.post(f"/p/{cast.project.code}/new/", form)
    found = SpendRequest.objects.get()
    client.force_login(cast.alice)
    at = f"/requests/{found.code}/"
    shown = hidden(client.get(at), f"{at}decide/")
    set_price(2999 * CENT)
    answer = client.post(f"{at}decide/", shown | {"do": "approve", "note": ""})
    assert "$29.99" in html.unescape(answer.content.decode())
    assert not queued(cast).exists()


def test_the_control_rooms_retry_carries_its_price(client, cast):
    paid("luma", "ray-2")
    set_price(24 * CENT)
    row = failed_clip(cast)
    client.force_login(make_person("Root", is_staff=True, is_superuser=True))
    at = f"/admin/studio/generation/{row.pk}/do/retry/"
    page = client.post(at)
    shown = hidden(page)
    assert shown[f"quoted-{row.pk}"] == "240000"
    set_price(2999 * CENT)
    said = client.post(at, shown, follow=True).content.decode()
    assert CHANGED in html.unescape(said)
    assert not queued(cast).exists()


# ---- Between the queue and the sending -----------------------------------------------------------
def test_a_queued_shot_that_costs_more_now_is_held_and_released_at_the_new_price(
    client, cast, emulator, asked
):
    account = account_at(emulator, "luma")
    set_price(24 * CENT)
    (made,) = create_shots(
        project=cast.project,
        by=cast.bob,
        new=NewShot(prompt="A boat", account=account, model="ray-2"),
    )
    set_price(2999 * CENT)
    assert submitting.submit_next(account.pk).startswith("skipped")
    made = again(made)
    assert (made.state, made.held) == (State.QUEUED, True)
    assert made.waiting_text.startswith(
        "It costs more now: $29.99 instead of $0.24. Nothing was sent."
    )
    client.force_login(cast.bob)
    line = client.get(f"/p/{cast.project.code}/line/")
    action = f"/clips/{made.code}/hold/"
    assert "now $29.99" in line.content.decode()
    shown = hidden(line, action) | {"held": "0"}
    Project.objects.filter(pk=cast.project.pk).update(budget_microusd=10 * DOLLAR)
    client.post(action, shown)
    assert again(made).held
    Project.objects.filter(pk=cast.project.pk).update(budget_microusd=100 * DOLLAR)
    client.post(action, shown)
    made = again(made)
    assert (made.held, made.estimated_microusd, made.waiting_text) == (False, 2999 * CENT, "")
    assert month_budget(cast.project).spent == 2999 * CENT
    assert not hold_if_dearer(made.pk)


@pytest.mark.parametrize("purse", ["project", "person", "account", "studio"])
def test_a_shot_of_last_month_is_released_within_the_month_it_counts_in(
    cast, emulator, asked, purse
):
    """What a new month has left does not pay for a shot that is booked in the old one."""
    account = account_at(emulator, "luma")
    now = timezone.now()
    last_month = now.replace(day=1) - timedelta(days=1)
    with patch("django.utils.timezone.now", return_value=last_month):
        queue_shot(cast.project, account, by=cast.bob, estimated_microusd=20 * DOLLAR)
        shot = queue_shot(
            cast.project, account, by=cast.bob, estimated_microusd=24 * CENT, held=True
        )
    set_price(2999 * CENT)
    limit = {"budget_microusd": 40 * DOLLAR}
    if purse == "project":
        Project.objects.filter(pk=cast.project.pk).update(**limit)
    elif purse == "person":
        Membership.objects.filter(project=cast.project, user=cast.bob).update(**limit)
    else:
        rows = ProviderAccount.objects.filter(pk=account.pk)
        if purse == "studio":
            StudioSettings.current().save()
            rows = StudioSettings.objects.all()
        rows.update(monthly_limit_microusd=40 * DOLLAR)
    with pytest.raises(StudioError, match="This would go over"):
        accept_price_now(shot, shown=2999 * CENT)
    shot = again(shot)
    assert (shot.held, shot.estimated_microusd) == (True, 24 * CENT)


def test_a_hair_more_is_sent_and_one_that_may_have_left_is_not_judged_anew(cast, emulator, asked):
    account = account_at(emulator, "luma")
    set_price(100 * CENT)
    made = queue_shot(cast.project, account, estimated_microusd=99 * CENT)
    assert not hold_if_dearer(made.pk)
    set_price(500 * CENT)
    Generation.objects.filter(pk=made.pk).update(raw_status=lifecycle.SENDING)
    assert not hold_if_dearer(made.pk)
    Generation.objects.filter(pk=made.pk).update(raw_status="")
    assert hold_if_dearer(made.pk)


@pytest.mark.parametrize("address", ["/p/{p}/", "/clips/{c}/"])
def test_a_shot_held_for_its_price_is_released_where_it_is_read(
    client, cast, emulator, asked, address
):
    account = account_at(emulator, "luma")
    set_price(2999 * CENT)
    made = queue_shot(cast.project, account, estimated_microusd=24 * CENT)
    assert hold_if_dearer(made.pk)
    url = address.format(p=cast.project.code, c=made.code)
    action = f"/clips/{made.code}/hold/"
    client.force_login(cast.carol)
    assert action not in client.get(url).content.decode(), "a reviewer buys nothing"
    client.force_login(cast.bob)
    page = client.get(url)
    assert "Release for $29.99" in html.unescape(page.content.decode())
    shown = hidden(page, action)
    assert (shown["held"], shown["quoted"]) == ("0", str(2999 * CENT))
    client.post(action, shown, headers=HTMX)
    made = again(made)
    assert (made.held, made.estimated_microusd) == (False, 2999 * CENT)
    assert action not in client.get(url).content.decode()


@pytest.mark.parametrize(
    ("now", "goes_on"), [(24 * CENT, True), (10 * CENT, True), (25 * CENT, False)]
)
def test_a_shot_held_for_its_price_goes_on_once_the_price_is_what_was_agreed(
    cast, emulator, asked, now, goes_on
):
    account = account_at(emulator, "luma")
    set_price(2999 * CENT)
    made, by_hand = queue_shots(cast.project, account, 2, estimated_microusd=24 * CENT)
    assert hold_if_dearer(made.pk)
    lifecycle.touch(by_hand.pk, held=True)
    recovery.revive()
    assert again(made).held, "it costs as much as when it was held"
    set_price(now)
    recovery.revive()
    assert again(made).held is not goes_on
    assert again(made).waiting_text.startswith("It costs more now") is not goes_on
    assert again(by_hand).held, "a person held it"
    assert again(made).estimated_microusd == 24 * CENT
    assert (("submit_next", (account.pk,)) in asked) is goes_on


def test_a_ceiling_that_is_dearer_is_called_one(cast, emulator, asked):
    account = account_at(emulator, "aimlapi")
    made = queue_shot(cast.project, account, estimated_microusd=24 * CENT)
    assert hold_if_dearer(made.pk)
    assert again(made).waiting_text.startswith("It costs more now: at most $")


# ---- Every way of buying against a budget ------------------------------------------------------
def _extend(cast, account):
    clip = make_generation(
        cast.project, account=account, provider="luma", model="ray-2", charged="no"
    )
    create_shots(
        project=cast.project,
        by=cast.bob,
        new=NewShot(prompt="On it sails", account=account, model="ray-2", start_generation=clip),
    )


def _master(cast, account):
    draft = make_generation(
        cast.project, charged="no",
        master={"account": account.pk, "model": "ray-2", "resolution": "720p", "duration_s": 5},
    )  # fmt: skip
    drafts.render_master(draft=draft, by=cast.bob, request_token=uuid.uuid4())


def _failover(cast, account):
    row = failed_clip(cast)
    offer = failover.next_offer(row)
    failover.fail_over(
        generation=row, by=cast.bob, offer_value=offer.value, request_token=uuid.uuid4()
    )


def _failover_by_itself(cast, account):
    Project.objects.filter(pk=cast.project.pk).update(failover_microusd=100 * DOLLAR)
    said = failover.fail_over_by_itself(failed_clip(cast).pk)
    if "skipped" in said:
        raise StudioError(said)


def _send_again(cast, account):
    row = make_generation(
        cast.project, state="uncertain", clip="", account=account, provider="luma", model="ray-2",
        estimated_microusd=71 * CENT, charged="", finished_at=None, submitted_at=timezone.now(),
    )  # fmt: skip
    LedgerEntry.objects.create(
        kind="reserved", generation=row, project=cast.project, user=row.by, account=account,
        month=row.created_at.date().replace(day=1), microusd=71 * CENT,
    )  # fmt: skip
    reconcile.send_again(generation=row, by=cast.bob)


WAYS = {
    "generate": lambda cast, account: create_shots(
        project=cast.project, by=cast.bob, new=NewShot(prompt="A boat", account=account, model="ray-2")
    ),
    "extend": _extend,
    "takes": lambda cast, account: create_shots(
        project=cast.project, by=cast.bob, new=NewShot(prompt="A boat", account=account, model="ray-2", takes=4)
    ),
    "drafts": lambda cast, account: drafts.create_drafts(
        project=cast.project, by=cast.bob, draft_account=account, draft_model="ray-flash-2", draft_resolution="540p",
        master=NewShot(prompt="A boat", account=account, model="ray-2", concepts=("push_in", "tilt_up")),
    ),
    "retry": lambda cast, account: shots.retry(
        generation=failed_clip(cast), by=cast.bob, request_token=uuid.uuid4()
    ),
    "master": _master,
    "failover": _failover,
    "failover by itself": _failover_by_itself,
    "send again": _send_again,
}  # fmt: skip
PURSES = {
    "project": lambda cast, account: Project.objects.filter(pk=cast.project.pk).update(budget_microusd=CENT),
    "person": lambda cast, account: cast.project.memberships.update(budget_microusd=CENT),
    "account": lambda cast, account: ProviderAccount.objects.update(monthly_limit_microusd=CENT),
    "studio": lambda cast, account: StudioSettings.objects.update_or_create(
        pk=1, defaults={"monthly_limit_microusd": CENT}
    ),
}  # fmt: skip


@pytest.mark.parametrize("purse", PURSES)
@pytest.mark.parametrize("way", WAYS)
def test_every_budget_holds_against_every_way_of_buying(cast, emulator, asked, way, purse):
    account_at(emulator, "apiframe")
    paid("luma", "ray-2")
    account = ProviderAccount.objects.get(provider="luma")
    PURSES[purse](cast, account)
    account.refresh_from_db()
    with pytest.raises(StudioError, match="This would go over"):
        WAYS[way](cast, account)
    assert not queued(cast).exists()


# ---- The studio's own limit ----------------------------------------------------------------------
def test_staff_set_the_studios_limit_and_it_is_shown_to_them_alone(client, cast):
    root = make_person("Root", is_staff=True, is_superuser=True)
    cast.project.memberships.create(user=root, role="editor")
    client.force_login(root)
    assert client.get("/admin/studio/studiosettings/").status_code == 200
    page = "/admin/studio/studiosettings/1/change/"
    form = client.get(page).context["adminform"].form
    posted = {name: value for name, value in form.initial.items() if value not in (None, [])}
    posted |= {"monthly_limit_microusd": "250"}
    assert client.post(page, posted).status_code == 302
    assert studio_budget().limit == 250 * DOLLAR
    shown = "The whole studio: $0.00 of $250.00 this month."
    assert shown in client.get(f"/p/{cast.project.code}/spend/").content.decode()
    client.force_login(cast.bob)
    assert shown not in client.get(f"/p/{cast.project.code}/spend/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_two_projects_cannot_both_spend_the_studios_last_dollar():
    ensure_accounts()
    offer = paid("luma", "ray-2")
    account = ProviderAccount.objects.get(pk=offer.split(":")[0])
    casts = [make_cast("One")]
    projects = [casts[0].project] + [
        Project.objects.create(name=f"P{n}", created_by=casts[0].bob) for n in range(3)
    ]
    for project in projects[1:]:
        project.memberships.create(user=casts[0].bob, role="owner")
    set_price(DOLLAR)
    StudioSettings.objects.update_or_create(pk=1, defaults={"monthly_limit_microusd": DOLLAR})
    start = threading.Barrier(4)
    results: list[str] = []

    def press(project):
        try:
            start.wait(10)
            create_shots(
                project=project,
                by=casts[0].bob,
                new=NewShot(prompt="A boat", account=account, model="ray-2"),
            )
            results.append("queued")
        except StudioError as error:
            results.append(
                "limit of this studio" if "limit of this studio" in error.message else error.message
            )
        finally:
            connections.close_all()

    threads = [threading.Thread(target=press, args=(project,)) for project in projects]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results) == ["limit of this studio"] * 3 + ["queued"]
    assert studio_budget().spent == DOLLAR
    connection.close()


def test_the_service_is_the_one_place_that_compares(cast):
    offer = paid("luma", "ray-2")
    account = ProviderAccount.objects.get(pk=offer.split(":")[0])
    set_price(24 * CENT)
    new = NewShot(prompt="A boat", account=account, model="ray-2", quoted_microusd=24 * CENT - 1)
    with pytest.raises(PriceChanged, match="Nothing was sent"):
        create_shots(project=cast.project, by=cast.bob, new=new)
    assert not queued(cast).exists()
