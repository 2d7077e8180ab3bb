"""Stores of an earlier release, made once for all tests that convert them."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.service.rollups.old_stores import a_copy, an_old_store
from tests.support.postgres import Server


@pytest.fixture(scope="session")
def old_stores(postgres: Server) -> Iterator[dict[int, str]]:
    """Stores of the first release by their number of rows, for tests to copy."""
    stores = {}
    for rows in (300, 2_400):
        name = f"old_store_{rows}"
        postgres.sql(f"CREATE DATABASE {name}")
        with asyncio.Runner() as runner:
            runner.run(an_old_store(postgres.named(name), rows))
        stores[rows] = name
    yield stores
    for name in stores.values():
        postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def old_store(postgres: Server, old_stores: dict[int, str]) -> Iterator[str]:
    with a_copy(postgres, postgres.named(old_stores[2_400])) as url:
        yield url
