"""Native partitions of `traces`: tables made for plain PostgreSQL have them, hypertables make chunks by themselves."""

from datetime import datetime
from typing import Final

from analytics_service.database.connect import Connection

_HAS_NATIVE: Final = "SELECT to_regclass('public.traces_partitions') IS NOT NULL"
_END: Final = "SELECT max(upper_bound) FROM traces_partitions"


async def has_native_partitions(connection: Connection) -> bool:
    """Whether `traces` is partitioned by our own functions; the view of its partitions exists only then."""
    native: bool = await connection.fetchval(_HAS_NATIVE)
    return native


async def end_of_partitions(connection: Connection) -> datetime | None:
    """The moment from which on there is no native partition; None where there is none at all."""
    end: datetime | None = await connection.fetchval(_END)
    return end
