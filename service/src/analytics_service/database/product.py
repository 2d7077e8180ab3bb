"""The product behind a connection: servers that speak PostgreSQL's protocol and cannot hold the store.

They are recognised by what `version()` answers, before anything else is asked: some lack the functions by which a
pooler is recognised, others refuse triggers or advisory locks halfway through a migration.
"""

from typing import Final

import asyncpg

from analytics_service.errors import DatabaseUnsupported

_PRODUCTS: Final = {
    "CockroachDB": "CockroachDB",
    "-YB-": "YugabyteDB",
    "Redshift": "Amazon Redshift",
    "Greenplum": "Greenplum",
    "aterialize": "Materialize",
}
"""By a part of the answer that no other product has."""
_IS_ONE: Final = f"SELECT 1 WHERE version() ~ '{'|'.join(_PRODUCTS)}'"


async def check_product(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Raises DatabaseUnsupported, which names the product, for one that cannot hold the store."""
    if await connection.execute(_IS_ONE) != "SELECT 1":  # not prepared: see connect.is_shared
        return
    answer: str = await connection.fetchval("SELECT version()")
    product = next(name for sign, name in _PRODUCTS.items() if sign in answer)
    raise DatabaseUnsupported(f"{product} cannot hold the store: name a database of PostgreSQL 15 or newer")
