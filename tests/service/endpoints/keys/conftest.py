"""A service, to whose database each test has its own keys."""

from collections.abc import AsyncIterator

import pytest

from tests.support.service import Client, a_service


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    async with a_service(database_url) as client:
        yield client
