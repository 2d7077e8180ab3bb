"""GET /api/v1/keys: the API keys of the caller's organisation, without their secrets, the newest first."""

from typing import Final

from analytics_service.contract.endpoint import Call, Result, Uncached
from analytics_service.contract.newest_first import CreationParameters, page
from analytics_service.contract.principal import Permission
from analytics_service.database import api_keys
from analytics_service.endpoints.keys.key import Key, described


class ListParameters(CreationParameters):
    include_inactive: bool = False
    """Those that were revoked or have expired, too."""


async def run(call: Call[ListParameters]) -> Result:
    params = call.params
    rows = await call.transaction.fetch(
        api_keys.page(
            call.principal.organisation,
            call.principal.project_list,
            start=params.range.start,
            end=params.range.end,
            active_at=None if params.include_inactive else call.now,
            after=params.last_created,
            limit=params.rows,
        )
    )
    return page([api_keys.of_row(row) for row in rows], params, lambda key: described(key, call.now))


ENDPOINT: Final = Uncached(
    path="/api/v1/keys",
    name="list_keys",
    summary="API keys, page by page, without their secrets",
    permission=Permission.KEYS_WRITE,
    params=ListParameters,
    run=run,
    data=list[Key],
)
