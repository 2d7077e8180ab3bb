"""A service that takes rows, and what its database has."""

from collections.abc import AsyncIterator, Callable

import pytest

from tests.support.postgres import Server
from tests.support.service import Client, a_service


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    async with a_service(database_url) as client:
        yield client


@pytest.fixture
def stored(database_url: str, postgres: Server) -> Callable[[str], str]:
    """The text of what a statement returns."""
    return lambda sql: postgres.sql(sql, database=database_url.rsplit("/", 1)[1]).strip()
