"""GET /api/v1/keys: the API keys of the caller's organisation, without their secrets, the newest first."""

from datetime import datetime, timedelta
from typing import ClassVar, Final

from analytics_service.contract.endpoint import Call, Page, Result, Uncached
from analytics_service.contract.parameters import PagedParameters
from analytics_service.contract.principal import Permission
from analytics_service.database import api_keys
from analytics_service.endpoints.keys.key import Key, described


class ListParameters(PagedParameters):
    """`from` and `to` are of the creation."""

    default_range: ClassVar[timedelta | None] = None
    max_range: ClassVar[timedelta | None] = None

    include_inactive: bool = False
    """Those that were revoked or have expired, too."""


async def run(call: Call[ListParameters]) -> Result:
    """Reads one row more than the page holds, which tells whether there are more."""
    params, after = call.params, None
    if params.after is not None:
        created_at, id_ = params.after
        after = datetime.fromisoformat(str(created_at)), str(id_)
    rows = await call.transaction.fetch(
        api_keys.page(
            call.principal.organisation,
            call.principal.project_list,
            start=params.range.start,
            end=params.range.end,
            active_at=None if params.include_inactive else call.now,
            after=after,
            limit=params.limit + 1,
        )
    )
    keys = [api_keys.of_row(row) for row in rows[: params.limit]]
    return Result(
        data=[described(key, call.now) for key in keys],
        page=Page(
            limit=params.limit,
            key=lambda number: (keys[number].created_at.isoformat(), keys[number].id),
            has_more=len(rows) > params.limit,
        ),
    )


ENDPOINT: Final = Uncached(
    path="/api/v1/keys",
    name="list_keys",
    summary="API keys, page by page, without their secrets",
    permission=Permission.KEYS_WRITE,
    params=ListParameters,
    run=run,
    data=list[Key],
)
