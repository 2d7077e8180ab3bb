"""POST /api/v1/keys/{key_id}/rotate: another key that may do the same; the old one ends after an overlap."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from analytics_service.auth.api_keys import grants, secret
from analytics_service.contract.endpoint import Call, Command, Result
from analytics_service.contract.parameters import Parameters
from analytics_service.contract.principal import Permission
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.database import api_keys
from analytics_service.database.api_keys import ApiKey
from analytics_service.endpoints.keys.create import ID_BYTES, MAX_ACTIVE_KEYS, stored
from analytics_service.endpoints.keys.key import Expiry, KeyId, KeyStatus, NewKey, expiry, status, unknown_key

_DAY_SECONDS: Final = 86_400
MAX_OVERLAP_SECONDS: Final = 90 * _DAY_SECONDS
EXAMPLE: Final[JsonDict] = {"overlap_seconds": 3600}


class RotateParameters(Parameters):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    key_id: KeyId
    overlap_seconds: Annotated[int, Field(ge=0, le=MAX_OVERLAP_SECONDS)] = _DAY_SECONDS
    """For which the old key is accepted too."""
    expires_at: Expiry | None = None
    """Of the new key: RFC 3339, or relative as now+90d. Where it is left out, it lives as long as the old one would."""


async def run(call: Call[RotateParameters]) -> Result:
    """A key is rotated once: who rotates it at the same moment, or again, gets the id of its successor in a problem."""
    caller, now = call.principal, call.now
    rows = await call.transaction.fetch(api_keys.lock(caller.organisation, caller.project_list, call.params.key_id))
    if not rows:
        raise unknown_key()
    old = api_keys.of_row(rows[0])
    if old.replaced_by is not None:
        raise _conflict(f"the key was rotated already: rotate its successor, {old.replaced_by}")
    if (state := status(old, now)) is not KeyStatus.ACTIVE:
        raise _conflict(f"the key is {state}: create another one")
    grants.confine(caller, old)
    new = replace(
        old,
        id=secret.identifier(call.random_bytes(ID_BYTES)),
        created_at=now,
        created_by=caller.subject,
        expires_at=expiry(call.params.expires_at, now) or _same_lifetime(old, now),
        last_used_at=None,
    )
    data = await stored(call, new, max_active=2 * MAX_ACTIVE_KEYS)
    end = now + timedelta(seconds=call.params.overlap_seconds)
    await call.transaction.fetch(api_keys.replace(old.id, new.id, expires_at=end))
    return Result(data=data, log={"event": "an API key was rotated", "key": old.id, "replaced_by": new.id})


def _same_lifetime(old: ApiKey, now: datetime) -> datetime | None:
    return None if old.expires_at is None else now + (old.expires_at - old.created_at)


def _conflict(detail: str) -> RequestError:
    return RequestError(Problem.KEY_NOT_ACTIVE, detail, field="key_id")


ENDPOINT: Final = Command(
    path="/api/v1/keys/{key_id}/rotate",
    name="rotate_key",
    summary="Replace an API key by another one that may do the same; the old one is accepted for a while",
    permission=Permission.KEYS_WRITE,
    params=RotateParameters,
    run=run,
    data=NewKey,
    status=201,
    may_conflict=True,
)
