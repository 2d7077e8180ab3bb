"""What connections share: two services on one server say so by equal digests, whatever their URLs are."""

import asyncpg
import pytest

from analytics_service.database.limits import StoreIdentity, store_identity
from tests.support.postgres import PASSWORD, Server

pytestmark = pytest.mark.postgres


async def identity(url: str) -> StoreIdentity:
    connection = await asyncpg.connect(url)
    try:
        found = await store_identity(connection)
    finally:
        await connection.close()
    assert found is not None
    return found


async def test_a_server_is_known_by_every_url_of_it(postgres: Server, empty_url: str) -> None:
    one, other = await identity(empty_url), await identity(empty_url.replace("127.0.0.1", "localhost"))
    assert one == other
    neighbour = await identity(postgres.named("template1"))
    assert (neighbour.server, neighbour.role) == (one.server, one.role)
    assert neighbour.database != one.database


async def test_limits_are_told_apart_by_what_they_are_of(postgres: Server, empty_url: str) -> None:
    name = empty_url.rpartition("/")[2]
    role = f"sharing_{name}"
    postgres.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT 12")
    try:
        all_, limited = (
            await identity(empty_url),
            await identity(empty_url.replace(f"//postgres:{PASSWORD}", f"//{role}:{PASSWORD}")),
        )
    finally:
        postgres.sql(f"DROP ROLE {role}")
    assert (limited.server, limited.database) == (all_.server, all_.database)
    assert limited.role != all_.role
    assert (all_.role_connections, limited.role_connections, limited.database_connections) == (None, 12, None)
    assert limited.server_connections < all_.server_connections == 100, "some are reserved for superusers"


async def test_another_server_is_another(empty_url: str, primary: Server) -> None:
    assert (await identity(empty_url)).server != (await identity(primary.named("postgres"))).server
