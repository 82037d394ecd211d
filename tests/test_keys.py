from __future__ import annotations

from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.core.management import CommandError, call_command

from studio import vault
from studio.models import ProviderAccount, Webhook
from studio.services import keys
from tests.people import make_cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def kept(settings):
    """A provider's key, a webhook's secret and a person's, all locked with the key "old"."""
    settings.ENCRYPTION_KEYS = ["old"]
    cast = make_cast()
    account = ProviderAccount(provider="luma", label="Team")
    account.set_key("sk-luma")
    account.save()
    hook = Webhook(project=cast.project, created_by=cast.alice, url="https://hooks.example/x")
    hook.set_secret("whsec-1")
    hook.save()
    Authenticator.objects.create(
        user=cast.bob, type="totp", data={"secret": vault.lock("JBSWY3DP"), "last_counter": 7}
    )
    return account, hook


def test_every_locked_column_is_known():
    locked = {
        (model, field.name)
        for model in apps.get_app_config("studio").get_models()
        for field in model._meta.concrete_fields
        if field.name.endswith("_locked")
    }
    assert locked == {(model, column) for model, column, name in keys.SECRETS if not name}


def test_all_secrets_move_to_the_newest_key(kept, settings):
    account, hook = kept
    settings.ENCRYPTION_KEYS = ["new", "old"]
    assert keys.look().older == 3
    out = StringIO()
    call_command("encrypt_again", stdout=out)
    assert out.getvalue().startswith("3 encrypted again")
    settings.ENCRYPTION_KEYS = ["new"]
    account.refresh_from_db()
    hook.refresh_from_db()
    assert (account.reveal_key(), hook.reveal_secret()) == ("sk-luma", "whsec-1")
    data = Authenticator.objects.get().data
    assert (vault.unlock(data["secret"]), data["last_counter"]) == ("JBSWY3DP", 7)
    assert (keys.look().newest, keys.lock_again().older) == (3, 0)


def test_what_no_key_opens_stays_and_is_named(kept, settings):
    account, _ = kept
    settings.ENCRYPTION_KEYS = ["new"]
    with pytest.raises(CommandError, match=f"provider account {account.pk}"):
        call_command("encrypt_again", stdout=StringIO())
    settings.ENCRYPTION_KEYS = ["old"]
    account.refresh_from_db()
    assert vault.unlock(account.key_locked) == "sk-luma"
