"""DELETE /api/v1/keys/{key_id}: the key is refused from then on, within seconds by every process."""

from typing import Final

from analytics_service.contract.endpoint import Call, Command, Method, Result
from analytics_service.contract.parameters import Parameters
from analytics_service.contract.principal import Permission
from analytics_service.database import api_keys
from analytics_service.endpoints.keys.key import Key, KeyId, described, unknown_key


class RevokeParameters(Parameters):
    key_id: KeyId


async def run(call: Call[RevokeParameters]) -> Result:
    """A key that was revoked before stays so, by whom and when it was."""
    caller = call.principal
    rows = await call.transaction.fetch(
        api_keys.revoke(caller.organisation, caller.project_list, call.params.key_id, by=caller.subject)
    )
    if not rows:
        raise unknown_key()
    key = api_keys.of_row(rows[0])
    return Result(data=described(key, call.now), log={"event": "an API key was revoked", "key": key.id})


ENDPOINT: Final = Command(
    path="/api/v1/keys/{key_id}",
    name="revoke_key",
    summary="Revoke an API key",
    permission=Permission.KEYS_WRITE,
    method=Method.DELETE,
    params=RevokeParameters,
    run=run,
    data=Key,
)
