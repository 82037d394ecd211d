"""What would go to a provider, as text for people."""

from __future__ import annotations

import json

from studio.models import Generation, ProviderAccount
from studio.providers.catalog import ModelSpec
from studio.services.doors import make_door
from studio.services.requests import describe_request


def shown_request(generation: Generation, spec: ModelSpec) -> str:
    """Return the JSON body that goes (or went) to the provider, indented. Sends nothing.

    The adapter gets no key, pictures are named, and the account's webhook token is left out.
    Empty for a model that renders on this machine. The generation may be unsaved.
    """
    if spec.local:
        return ""
    keyless = ProviderAccount(provider=generation.provider, base_url=generation.account.base_url)
    door = make_door(keyless, spec.dialect)
    body = json.dumps(
        door.payload(describe_request(generation, spec)), indent=2, ensure_ascii=False
    )
    return body.replace(str(generation.account.webhook_token), "…")
