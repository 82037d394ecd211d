"""A 4xx that does not prove that nothing was bought."""

from __future__ import annotations

import pytest

from studio.providers.base import ProviderError, Refused, SubmitUncertain
from tests.providers.accounts import AIMLAPI, GMI, LUMA, Account


@pytest.mark.parametrize("account", [LUMA, GMI, AIMLAPI])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (409, {"detail": "duplicate request, job already created"}),
        (409, "Conflict"),
        (423, {"detail": "locked"}),
        (424, {"detail": "failed dependency: upstream timed out"}),
        (425, {"detail": "too early"}),
        (499, ""),
        (400, {"detail": "upstream request timed out"}),
        (422, {"detail": "Internal error, please retry"}),
    ],
)
def test_it_is_no_proven_refusal(account: Account, status: int, body: object) -> None:
    with pytest.raises(ProviderError) as caught:
        account.answering(status, body).submit(account.shot())
    error = caught.value
    assert isinstance(error, SubmitUncertain) or (isinstance(error, Refused) and error.unproven)
