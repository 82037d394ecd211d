from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from studio import vault
from studio.models import Generation, Orphan, Price, ProviderAccount
from tests.control_room import make_staff
from tests.emulator import Emulator
from tests.factories import make_generation, make_previs, make_project

pytestmark = pytest.mark.django_db
SECRET = "afk_live_0123456789abcdef"


def make_account(**fields):
    account = ProviderAccount(**({"provider": "apiframe", "label": "Team"} | fields))
    account.set_key(SECRET)
    account.save()
    return account


def form(**changes):
    return {
        "label": "Team", "enabled": "on", "key": "", "base_url": "", "dialect": "",
        "concurrent_limit": "3", "monthly_limit_microusd": "",
    } | changes  # fmt: skip


def words(client, path):
    page = client.get(path).content.decode().partition('id="content"')[2]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))


def said(answer):
    return [str(message) for message in answer.context["messages"]]


def test_a_new_key_is_kept_encrypted_and_never_shown(client, root):
    answer = client.post(
        "/admin/studio/provideraccount/add/", form(provider="apiframe", key=SECRET)
    )
    assert answer.status_code == 302
    account = ProviderAccount.objects.get()
    assert account.reveal_key() == SECRET
    assert SECRET not in account.key_locked
    for path in ("", f"{account.pk}/change/", f"{account.pk}/history/"):
        page = client.get(f"/admin/studio/provideraccount/{path}").content.decode()
        assert SECRET not in page
        assert account.key_locked not in page


def test_an_empty_key_field_keeps_the_key(client, root):
    account = make_account()
    locked = account.key_locked
    address = f"/admin/studio/provideraccount/{account.pk}/change/"
    client.post(address, form(label="Studio", monthly_limit_microusd="50"))
    account.refresh_from_db()
    assert (account.label, account.monthly_limit_microusd) == ("Studio", 50_000_000)
    assert account.key_locked == locked
    client.post(address, form(key="another-key"))
    account.refresh_from_db()
    assert account.reveal_key() == "another-key"


def test_a_refused_form_does_not_give_the_key_back(client, root):
    answer = client.post(
        "/admin/studio/provideraccount/add/",
        form(provider="apiframe", key=SECRET, concurrent_limit="0"),
    )
    assert answer.status_code == 200
    assert SECRET not in answer.content.decode()
    assert not ProviderAccount.objects.exists()


def test_saving_leaves_what_workers_write(client, root):
    account = make_account()
    client.get(f"/admin/studio/provideraccount/{account.pk}/change/")
    ProviderAccount.objects.filter(pk=account.pk).update(sweep_token="held", trouble="Slow")
    client.post(f"/admin/studio/provideraccount/{account.pk}/change/", form(concurrent_limit="7"))
    account.refresh_from_db()
    assert (account.concurrent_limit, account.sweep_token, account.trouble) == (7, "held", "Slow")


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("key", "two words", "holds a space"),
        ("base_url", "ftp://host.example/", "must start with https://"),
        ("dialect", "legacy", "has one endpoint only"),
        ("concurrent_limit", "0", "it must be 1 or more"),
        ("monthly_limit_microusd", "-5", ""),
    ],
)
def test_wrong_values_are_refused_at_their_field(client, root, field, value, sentence):
    account = make_account()
    address = f"/admin/studio/provideraccount/{account.pk}/change/"
    errors = client.post(address, form(**{field: value})).context["adminform"].form.errors
    assert sentence in " ".join(errors[field])


def test_previs_has_no_key_and_cannot_be_deleted(client, root):
    account = make_previs()
    address = f"/admin/studio/provideraccount/{account.pk}"
    page = client.get(f"{address}/change/").content.decode()
    assert 'name="key"' not in page
    assert "Encrypt again" not in page
    assert client.post(f"{address}/delete/", {"post": "yes"}).status_code == 403


def test_an_account_from_the_environment_keeps_its_key_and_address(client, root):
    account = make_account(origin="environment", base_url="https://one.example/")
    address = f"/admin/studio/provideraccount/{account.pk}/change/"
    client.post(address, form(key="other", base_url="https://two.example/", concurrent_limit="5"))
    account.refresh_from_db()
    assert account.reveal_key() == SECRET
    assert account.base_url == "https://one.example/"
    assert account.concurrent_limit == 5


@pytest.mark.parametrize("provider", ["apiframe", "aimlapi", "luma"])
def test_the_test_button_keeps_the_balance(client, root, provider):
    with Emulator() as emulator:
        account = make_account(provider=provider, base_url=emulator.base_url(provider))
        account.set_key(emulator.key(provider))
        account.trouble, account.paused_until = "No answer", timezone.now()
        account.save()
        address = f"/admin/studio/provideraccount/{account.pk}/do/test/"
        answer = client.post(address, follow=True)
    account.refresh_from_db()
    (sentence,) = said(answer)
    assert "the key works. Balance: " in sentence
    assert account.balance_at is not None
    assert account.balance_credits or account.balance_microusd
    assert account.trouble == ""


def test_the_test_button_says_so_where_no_balance_is_told(client, root):
    with Emulator() as emulator:
        account = make_account(provider="gmicloud", base_url=emulator.base_url("gmicloud"))
        account.set_key(emulator.key("gmicloud"))
        account.save()
        address = f"/admin/studio/provideraccount/{account.pk}/do/test/"
        answer = client.post(address, follow=True)
    assert said(answer) == [
        "GMI Cloud (Team): the key works. GMI Cloud does not tell what is left."
    ]


def test_the_test_button_says_what_is_wrong_and_keeps_the_old_balance(client, root):
    with Emulator() as emulator:
        account = make_account(base_url=emulator.base_url("apiframe"), balance_credits=12)
        address = f"/admin/studio/provideraccount/{account.pk}/do/test/"
        answer = client.post(address, follow=True)
    assert said(answer) == ["Apiframe (Team): Apiframe does not accept the key."]
    assert SECRET not in answer.content.decode()
    account.refresh_from_db()
    assert (account.balance_credits, account.balance_at) == (12, None)


def test_the_test_button_without_a_key_asks_for_one(client, root):
    account = ProviderAccount.objects.create(provider="luma", label="Spare")
    address = f"/admin/studio/provideraccount/{account.pk}/do/test/"
    assert "there is no key yet" in said(client.post(address, follow=True))[0]


def test_accounts_are_switched_on_and_off(client, root):
    account = make_account()
    chosen = {"action": "disable", "_selected_action": [account.pk]}
    client.post("/admin/studio/provideraccount/", chosen)
    account.refresh_from_db()
    assert account.enabled is False
    client.post(f"/admin/studio/provideraccount/{account.pk}/do/enable/")
    account.refresh_from_db()
    assert account.enabled is True


def test_a_key_is_encrypted_again_with_the_newest_key(client, root, settings):
    settings.ENCRYPTION_KEYS = ["old"]
    account = make_account()
    settings.ENCRYPTION_KEYS = ["new", "old"]
    client.post(f"/admin/studio/provideraccount/{account.pk}/do/encrypt_again/")
    account.refresh_from_db()
    settings.ENCRYPTION_KEYS = ["new"]
    assert vault.unlock(account.key_locked) == SECRET


def test_a_key_nobody_can_read_is_left_as_it_is(client, root, settings):
    account = make_account()
    locked = account.key_locked
    settings.ENCRYPTION_KEYS = ["unrelated"]
    address = f"/admin/studio/provideraccount/{account.pk}/do/encrypt_again/"
    answer = client.post(address, follow=True)
    account.refresh_from_db()
    assert account.key_locked == locked
    assert "STUDIO_ENCRYPTION_KEY has changed" in said(answer)[0]


def test_seeing_accounts_does_not_let_anybody_test_or_change_them(client):
    account = make_account()
    person = make_staff("view_provideraccount")
    client.force_login(person)
    address = f"/admin/studio/provideraccount/{account.pk}"
    assert client.get(f"{address}/change/").status_code == 200
    for name in ("test", "disable", "encrypt_again"):
        assert client.post(f"{address}/do/{name}/").status_code == 403
    assert client.post(f"{address}/change/", form(label="Mine")).status_code == 403


# ---- The result of a test is kept ------------------------------------------------------
def test_a_test_is_kept_with_its_time_and_shown_on_the_list(client, root):
    address = "/admin/studio/provideraccount/"
    with Emulator() as emulator:
        account = make_account(base_url=emulator.base_url("apiframe"))
        assert "not tested yet" in client.get(address).content.decode()
        client.post(f"{address}{account.pk}/do/test/")
        page = client.get(address).content.decode()
        assert "Failed" in page and "Apiframe does not accept the key." in page
        account.set_key(emulator.key("apiframe"))
        account.save()
        client.post(f"{address}{account.pk}/do/test/")
    page = client.get(f"{address}{account.pk}/change/").content.decode()
    assert "Works" in page and "the key works. Balance: " in page
    assert '<time class="when"' in page
    assert SECRET not in client.get(f"{address}{account.pk}/history/").content.decode()


def test_a_new_key_ends_what_was_said_of_the_old_one(client, root):
    account = make_account(trouble="The key was refused.", paused_until=timezone.now())
    answer = client.post(
        f"/admin/studio/provideraccount/{account.pk}/change/", form(key="fresh-key"), follow=True
    )
    account.refresh_from_db()
    assert (account.trouble, account.paused_until) == ("", None)
    assert "The new key is kept. Press Test to see whether it works." in said(answer)


def test_a_failed_test_is_the_accounts_standing_until_it_answers_again(client, root):
    address = "/admin/studio/provideraccount/"
    account = make_account(base_url="http://127.0.0.1:9/", balance_at=timezone.now())
    assert "Ready" in client.get(address).content.decode()
    client.post(f"{address}{account.pk}/do/test/")
    for path in (address, f"{address}{account.pk}/change/", "/admin/"):
        page = words(client, path)
        assert "Failed its last test" in page
        assert "Ready" not in page
        assert re.search(r"Failed now: Apiframe .*?\.", page)
    assert "accounts failed their last test" in words(client, "/admin/")
    # Claimed for sending, or sent before, is no answer; a shot the provider took is.
    project = make_project()
    sent = {"account": account, "provider": "apiframe", "model": "luma-ray-2"}
    now = timezone.now()
    make_generation(project, state="submitting", submitted_at=now, provider_job_id="", **sent)
    old = make_generation(
        project, provider_job_id="old", submitted_at=now - timedelta(hours=1), **sent
    )
    assert "Failed its last test" in words(client, address)
    Generation.objects.filter(pk=old.pk).update(submitted_at=timezone.now())
    for path in (address, "/admin/"):
        page = words(client, path)
        assert "Ready" in page
        assert "Failed now" in page and "It has answered since: now." in page
    assert "failed their last test" not in words(client, "/admin/")


def test_a_balance_told_since_ends_a_failed_test(client, root):
    account = make_account(base_url="http://127.0.0.1:9/")
    client.post(f"/admin/studio/provideraccount/{account.pk}/do/test/")
    ProviderAccount.objects.update(balance_at=timezone.now(), balance_credits=3)
    page = words(client, "/admin/studio/provideraccount/")
    assert "Ready" in page and "It has answered since: now." in page


def test_a_new_key_ends_a_failed_test_too(client, root):
    address = "/admin/studio/provideraccount/"
    account = make_account(base_url="http://127.0.0.1:9/")
    client.post(f"{address}{account.pk}/do/test/")
    client.post(f"{address}{account.pk}/change/", form(key="fresh-key", base_url=account.base_url))
    page = words(client, address)
    assert "Ready" in page and "not tested since its key was changed" in page
    assert "failed their last test" not in words(client, "/admin/")


def test_filters_name_accounts_and_providers(client, root):
    account = make_account(provider="aimlapi")
    project = make_project(provider="aimlapi")
    shot = make_generation(project, account=account, provider="aimlapi", model="luma/ray-2")
    Orphan.objects.create(account=account, job_id="lost", status="succeeded")
    make_account(provider="gmicloud", label="Spare")
    make_project(name="Other")
    Price.objects.create(provider="aimlapi", model="luma/ray-2", duration_s=5, resolution="720p")
    Price.objects.create(provider="gmicloud", model="Luma-Ray2", duration_s=5, resolution="720p")
    assert shot.account == account
    for path, expected in (
        ("provideraccount", "AI/ML API"), ("project", "AI/ML API"), ("price", "AI/ML API"),
        ("generation", "AI/ML API (Team)"), ("orphan", "AI/ML API (Team)"),
        ("ledgerentry", "AI/ML API (Team)"),
    ):  # fmt: skip
        page = client.get(f"/admin/studio/{path}/").content.decode()
        listed = page.partition('id="changelist-filter"')[2]
        assert re.search(rf">\s*{re.escape(expected)}\s*</a>", listed), path
        assert not re.search(r">\s*aimlapi\b", listed), path
    page = words(client, "/admin/studio/provideraccount/?provider=aimlapi")
    assert "Provider: AI/ML API" in page
    assert "1 provider account" in page


def test_an_account_with_shots_in_line_asks_before_it_is_switched_off(client, root):
    account = make_account()
    project = make_project()
    make_generation(project, state="running", account=account, model="luma-ray-2")
    make_generation(project, state="queued", account=account, model="luma-ray-2")
    address = f"/admin/studio/provideraccount/{account.pk}/do/disable/"
    page = client.post(address).content.decode()
    assert "1 in line here wait until it is enabled; 1 at the provider go on" in page
    account.refresh_from_db()
    assert account.enabled
    client.post(address, {"confirmed": "1"})
    account.refresh_from_db()
    assert not account.enabled
