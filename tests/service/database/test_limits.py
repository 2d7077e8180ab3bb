"""What connections share: two services on one server say so by equal digests, whatever their URLs are."""

import asyncpg
import pytest

from analytics_service.database.limits import StoreIdentity, store_identity

pytestmark = pytest.mark.postgres


async def identity(url: str) -> StoreIdentity:
    connection = await asyncpg.connect(url)
    try:
        found = await store_identity(connection)
    finally:
        await connection.close()
    assert found is not None
    return found
