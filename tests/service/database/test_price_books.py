"""Books in the store: whoever sets one sees what it replaces, and no row of them is ever changed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
import pytest

from analytics_service.database.connect import Session, session
from analytics_service.database.price_books import remove, store, stored_books, stored_texts, stored_version

pytestmark = pytest.mark.postgres

BOOK = "name: {}\nprices:\n  - {{model: m, per_million: {{input: {}}}}}\n"


@pytest.fixture
async def sessions(database_url: str) -> AsyncIterator[list[Session]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(session(database_url, command="prices")) for _ in range(4)]


async def test_of_books_that_are_set_at_once_each_replaces_the_one_before(sessions: list[Session]) -> None:
    texts = {f"{number:012x}": BOOK.format("acme", number) for number in range(4)}
    calls = [store(each, {"acme": book}) for each, book in zip(sessions, texts.items(), strict=True)]
    replaced = [result["acme"] for result in await asyncio.gather(*calls)]
    (last,) = await stored_texts(sessions[0])
    assert replaced.count(None) == 1
    assert sorted([last.version, *(each.version for each in replaced if each)]) == sorted(texts)
    for version, text in texts.items():
        found = await stored_version(sessions[0], "acme", version)
        assert found is not None
        assert found.text == text


async def test_books_are_in_order_of_their_names_whatever_the_collation_and_not_of_when_they_were_set(
    sessions: list[Session],
) -> None:
    for name in ("b", "a", "B", "a-2"):
        await store(sessions[0], {name: ("0" * 12, BOOK.format(name, 1))})
    await remove(sessions[0], "a")
    await store(sessions[0], {"a": ("1" * 12, BOOK.format("a", 2))})
    assert [each.name for each in await stored_books(sessions[1])] == ["B", "a", "a-2", "b"]


async def test_a_failure_stores_none_of_several_books(sessions: list[Session]) -> None:
    with pytest.raises(asyncpg.PostgresError):
        await store(sessions[0], {"a": ("0" * 12, BOOK.format("a", 1)), "b": ("1" * 12, "\0")})
    assert await stored_texts(sessions[0]) == ()
