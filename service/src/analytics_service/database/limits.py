"""The numbers of connections that a database allows, and what server, role and database share them.

Two services may reach one server by different URLs, so that a server is known by what it answers itself: the
microsecond in which it started, which any role may read, and which no copy of its files has.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from analytics_service.database.connect import Connection

_LIMITS: Final = """
SELECT r.rolsuper AS superuser, r.rolconnlimit AS role, d.datconnlimit AS database,
    current_setting('max_connections')::int AS server,
    current_setting('superuser_reserved_connections')::int
        + coalesce(current_setting('reserved_connections', true), '0')::int AS reserved,
    pg_postmaster_start_time()::text AS started, r.oid::text AS role_oid, d.oid::text AS database_oid
FROM pg_roles AS r CROSS JOIN pg_database AS d
WHERE r.rolname = session_user AND d.datname = current_database()
"""


@dataclass(frozen=True, kw_only=True)
class ConnectionLimit:
    number: int
    """Of all processes together, and of others that connect as this user, to this database or to this server."""
    source: str


@dataclass(frozen=True, kw_only=True)
class StoreIdentity:
    """Digests, equal for one server, for one database of it, for one role of it. Limits: None where none holds."""

    server: str
    database: str
    role: str
    server_connections: int
    database_connections: int | None
    role_connections: int | None


async def store_identity(connection: Connection) -> StoreIdentity | None:
    """None where the server does not tell it."""
    row = await connection.fetchrow(_LIMITS)
    if row is None:
        return None
    superuser, started = row["superuser"], row["started"]  # a superuser is held back by max_connections alone
    return StoreIdentity(
        server=_digest(started),
        database=_digest(started, "database", row["database_oid"]),
        role=_digest(started, "role", row["role_oid"]),
        server_connections=row["server"] if superuser else max(row["server"] - row["reserved"], 0),
        database_connections=None if superuser or row["database"] < 0 else row["database"],
        role_connections=None if superuser or row["role"] < 0 else row["role"],
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:16]


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
