from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.emulator import Config, Emulator
from tests.providers.accounts import ACCOUNTS, Account


@pytest.fixture(scope="session")
def shared_emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(shared_emulator: Emulator) -> Emulator:
    fresh = Config(finish_after_s=0.0, retry_after_s=7, hang_s=0.1, slow_s=0.2)
    shared_emulator.configure(**{name: getattr(fresh, name) for name in Config.__slots__})
    shared_emulator.reset()
    return shared_emulator


@pytest.fixture(params=ACCOUNTS, ids=lambda account: account.name)
def account(request: pytest.FixtureRequest) -> Account:
    found: Account = request.param
    return found
