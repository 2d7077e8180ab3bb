"""An API key as clients see it, which is never its secret; and what is common to the routes of keys."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from analytics_service.auth.api_keys import grants
from analytics_service.contract.limit import MAX_PER_MINUTE, Limit
from analytics_service.contract.parameters import STORABLE
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.database.api_keys import ApiKey
from analytics_service.database.content_policy import ContentMode, ContentPolicy
from analytics_service.units import times, zones

KeyId = Annotated[str, Field(min_length=1, max_length=64, examples=["key_5f0c3a9b7e21d4486a1c"]), *STORABLE]
Rate = Annotated[int, Field(ge=1, le=MAX_PER_MINUTE)]
Expiry = Annotated[str, Field(max_length=64, json_schema_extra={"pattern": times.SHAPE})]


class KeyStatus(StrEnum):
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class RateLimit(TypedDict):
    per_minute: int
    burst: int


class Content(TypedDict):
    mode: ContentMode
    characters: int | None
    redact: list[str]


class Key(TypedDict):
    """An API key."""

    id: str
    name: str
    prefix: str
    """The first characters of the secret."""
    status: KeyStatus
    organisation: str
    projects: list[str]
    """Empty: all of the organisation."""
    role: str
    permissions: list[str]
    """Those of the role, and the key's own."""
    rate_limit: RateLimit
    content: Content
    """What becomes of the prompts and completions that it sends."""
    created_at: datetime
    created_by: str
    """The subject of a token, or the id of a key."""
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    replaced_by: str | None
    """The id of the key that this one was rotated to."""
    last_used_at: datetime | None
    """To the minute."""


class NewKey(Key):
    """An API key, and its secret, which is shown once."""

    secret: str


def described(key: ApiKey, now: datetime) -> Key:
    return Key(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        status=status(key, now),
        organisation=key.organisation,
        projects=list(key.projects),
        role=key.role,
        permissions=sorted(grants.permissions(key)),
        rate_limit=described_limit(grants.limit(key)),
        content=_described_content(grants.content(key)),
        created_at=key.created_at,
        created_by=key.created_by,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        revoked_by=key.revoked_by,
        replaced_by=key.replaced_by,
        last_used_at=key.last_used_at,
    )


def described_limit(limit: Limit) -> RateLimit:
    return RateLimit(per_minute=limit.per_minute, burst=limit.burst)


def _described_content(policy: ContentPolicy) -> Content:
    return Content(mode=policy.mode, characters=policy.characters, redact=sorted(policy.redact))


def status(key: ApiKey, now: datetime) -> KeyStatus:
    if key.revoked_at is not None:
        return KeyStatus.REVOKED
    return KeyStatus.ACTIVE if key.expires_at is None or key.expires_at > now else KeyStatus.EXPIRED


def expiry(text: str | None, now: datetime) -> datetime | None:
    """Returns the time that `expires_at` names; RequestError where it is none of the future."""
    try:
        parsed = None if text is None else times.parse(text, now=now, zone=zones.zone("UTC"))
    except ValueError as error:
        raise _wrong_expiry(f"{error}, or now+90d") from None
    if parsed is not None and parsed <= now:
        raise _wrong_expiry("must be in the future, as now+90d")
    return parsed


def _wrong_expiry(why: str) -> RequestError:
    return RequestError(Problem.INVALID_PARAMETER, f"expires_at: {why}", field="expires_at")


def unknown_key() -> RequestError:
    return RequestError(
        Problem.KEY_NOT_FOUND,
        "there is no key of this id in the organisation and the projects of the caller; GET /api/v1/keys lists them",
        field="key_id",
    )
