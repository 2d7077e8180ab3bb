"""The number of connections that the database allows its user, and what it comes from."""

from dataclasses import dataclass
from typing import Final

from analytics_service.database.connect import Connection

_LIMITS: Final = """
SELECT r.rolsuper AS superuser, r.rolconnlimit AS role, d.datconnlimit AS database,
    current_setting('max_connections')::int AS server,
    current_setting('superuser_reserved_connections')::int
        + coalesce(current_setting('reserved_connections', true), '0')::int AS reserved
FROM pg_roles AS r CROSS JOIN pg_database AS d
WHERE r.rolname = session_user AND d.datname = current_database()
"""


@dataclass(frozen=True, kw_only=True)
class ConnectionLimit:
    number: int
    """Of all processes together, and of others that connect as this user, to this database or to this server."""
    source: str


async def connection_limit(connection: Connection) -> ConnectionLimit | None:
    """The lowest of the limits that hold; None where the server does not tell them."""
    row = await connection.fetchrow(_LIMITS)
    if row is None:
        return None
    if row["superuser"]:  # whom neither reserved connections nor the other limits hold back
        return ConnectionLimit(number=row["server"], source="max_connections")
    reserved = f"max_connections {row['server']} without {row['reserved']} reserved ones"
    limits = [
        ConnectionLimit(number=max(row["server"] - row["reserved"], 0), source=reserved),
        ConnectionLimit(number=row["role"], source="the limit of the role"),
        ConnectionLimit(number=row["database"], source="the limit of the database"),
    ]
    return min((limit for limit in limits if limit.number >= 0), key=lambda limit: limit.number)
