"""Headers prove a principal by one scheme; what was checked is remembered, as long as it holds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analytics_service.auth.authenticate import MAX_CREDENTIAL_CHARACTERS, Authenticator
from analytics_service.auth.tokens import Signer, Verified
from analytics_service.contract.problems import Problem, RequestError
from tests.support.service import HOUR, SECRET, T0, a_row, a_service, a_token, insert

SIGNER = Signer(secret=SECRET)
NOW = datetime.now(UTC)


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"bearer {token}"}


async def refusal(authenticator: Authenticator, headers: dict[str, str]) -> RequestError:
    with pytest.raises(RequestError) as caught:
        await authenticator.authenticate(headers, NOW)
    assert caught.value.problem.value.status == 401
    return caught.value


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        pytest.param({}, "Bearer <token>", id="nothing"),
        pytest.param({"Authorization": "Digest YTpi"}, "Bearer <token>", id="another scheme"),
        pytest.param({"Authorization": "Bearer "}, "Bearer <token>", id="no token"),
        pytest.param({"X-API-Key": " "}, "Bearer <token>", id="no key"),
        pytest.param({"X-API-Key": "llmo_sk_1"}, "no API keys are accepted here", id="an API key"),
    ],
)
async def test_headers_without_a_token_are_refused(headers: dict[str, str], said: str) -> None:
    refused = await refusal(Authenticator(SIGNER), headers)
    assert said in refused.detail
    assert refused.problem is Problem.AUTHENTICATION_REQUIRED


async def test_a_long_token_is_refused_unread() -> None:
    refused = await refusal(Authenticator(SIGNER), bearing(a_token(projects=["x" * 200] * 60)))
    assert str(MAX_CREDENTIAL_CHARACTERS) in refused.detail


async def test_a_remembered_token_expires_too() -> None:
    authenticator = Authenticator(SIGNER)
    headers = bearing(a_token(exp=NOW + timedelta(hours=1)))
    assert await authenticator.authenticate(headers, NOW) is await authenticator.authenticate(headers, NOW)
    later = NOW + timedelta(hours=2)  # PyJWT, asked again, goes by the real clock and accepts it
    assert await authenticator.authenticate(headers, later) is not await authenticator.authenticate(headers, later)


async def test_remembered_tokens_are_bounded() -> None:
    authenticator = Authenticator(SIGNER, capacity=3)
    for number in range(10):
        await authenticator.authenticate(bearing(a_token(sub=str(number))), NOW)
    assert len(authenticator._verified) == 3


async def test_a_revoked_token_is_refused_at_its_next_request() -> None:
    revoked = set[str]()
    authenticator = Authenticator(SIGNER, is_revoked=revoked.__contains__)
    kept, lost = bearing(a_token(jti="1")), bearing(a_token(jti="2"))
    await authenticator.authenticate(lost, NOW)
    revoked.add("2")
    assert (await refusal(authenticator, lost)).problem is Problem.INVALID_TOKEN
    assert (await authenticator.authenticate(kept, NOW)).identity == "1"


async def test_a_scheme_is_checked_by_its_own_verifier_alone() -> None:
    class Keys:
        async def identify(self, credential: str) -> Verified:
            return SIGNER.verify(a_token(sub=credential))

    authenticator = Authenticator(SIGNER, api_keys=Keys())
    by_key = await authenticator.authenticate({"X-API-Key": "llmo_sk_1"}, NOW)
    assert by_key.principal.subject == "llmo_sk_1"
    assert (await authenticator.authenticate(bearing("llmo_sk_1"), NOW)).principal.subject == "llmo_sk_1"
    await refusal(authenticator, bearing("sk_1"))
    both = {"X-API-Key": "llmo_sk_1", **bearing(a_token())}
    assert (await authenticator.authenticate(both, NOW)).principal.subject == "ann"


async def test_tokens_and_cursors_outlive_a_change_of_the_secret(database_url: str) -> None:
    await insert(database_url, [a_row(1), a_row(2)])
    asked: dict[str, Any] = {"from_": T0, "to": T0 + HOUR, "limit": 1, "fields": "ts"}
    async with a_service(database_url) as before:
        first = await before.get("/api/v1/traces", **asked)
    changed = "the secret of after, longer than 32 characters"
    async with a_service(database_url, JWT_SECRET=changed, JWT_PREVIOUS_SECRET=SECRET) as after:
        second = await after.get("/api/v1/traces", **asked, cursor=first.json["pagination"]["cursor"])
    assert [len(page.data) for page in (first, second)] == [1, 1]
    assert first.data != second.data
