"""A service, whose database the tests may also ask."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.support.service import Client, a_service


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    async with a_service(database_url) as client:
        yield client


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()
