"""GET /api/v1/auth/me: who the caller is, and what it may do."""

from datetime import datetime
from typing import Final

from typing_extensions import TypedDict

from analytics_service.auth.api_keys import grants
from analytics_service.contract.endpoint import Call, Result, Uncached
from analytics_service.contract.parameters import Parameters
from analytics_service.endpoints.keys.key import RateLimit, described_limit


class CallerKey(TypedDict):
    """The API key that was sent."""

    id: str
    name: str


class Caller(TypedDict):
    """The caller."""

    subject: str
    """Of a token; of an API key it is the id."""
    organisation: str
    projects: list[str]
    """Empty: all of the organisation."""
    role: str
    permissions: list[str]
    rate_limit: RateLimit
    expires_at: datetime | None
    key: CallerKey | None
    """None where a token was sent."""


async def run(call: Call[Parameters]) -> Result:
    caller = call.principal
    return Result(
        data=Caller(
            subject=caller.subject,
            organisation=caller.organisation,
            projects=sorted(caller.projects),
            role=caller.role.value,
            permissions=sorted(caller.permissions),
            rate_limit=described_limit(grants.limit_of(caller)),
            expires_at=caller.expires_at,
            key=None if caller.key is None else CallerKey(id=caller.key.id, name=caller.key.name),
        )
    )


ENDPOINT: Final = Uncached(
    path="/api/v1/auth/me",
    name="get_caller",
    summary="Who the credential is of, and what it may do",
    permission=None,
    params=Parameters,
    run=run,
    data=Caller,
)
