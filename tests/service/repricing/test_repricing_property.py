"""Whatever the rows and the books: a plan that is applied leaves what an import with the same books would store."""

import asyncio
import itertools
from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics_service.repricing.books import Books
from analytics_service.repricing.scope import Scope
from tests.service.repricing.stored import (
    a_request,
    applied,
    book,
    content,
    imported,
    planned,
    prices,
    undone,
)

pytestmark = pytest.mark.postgres

TOKENS = st.none() | st.integers(0, 10) | st.integers(0, 10**7)
PRICE = st.decimals(0, 100, places=7).map(str)
MODELS = ("m", "n", "gpt-4o", "")
REQUEST = st.fixed_dictionaries(
    {
        "model": st.sampled_from(MODELS),
        "provider": st.sampled_from(["openai", ""]),
        "prompt_tokens": TOKENS,
        "completion_tokens": TOKENS,
        "cached_tokens": st.none() | st.integers(0, 12),
        "reasoning_tokens": st.none() | st.integers(0, 12),
        "images": st.none() | st.integers(0, 3),
        "audio_seconds": st.none() | st.sampled_from(["1.5", "0.000001"]),
        "service_tier": st.sampled_from([None, None, "batch"]),
        "total_cost_usd": st.sampled_from([None, None, None, "0.125"]),
        "operation_type": st.sampled_from(["chat", "chat", "agent"]),
    }
)
ENTRY = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["m", "n", "gpt-4o"]),
        "per_million": st.dictionaries(
            st.sampled_from(["input", "output", "cache_read", "reasoning"]), PRICE, min_size=1
        ),
    },
    optional={"per_unit": st.fixed_dictionaries({"images": PRICE}), "per_second": PRICE, "per_request": PRICE},
)
BOOKS = st.lists(ENTRY, max_size=3, unique_by=lambda entry: str(entry["model"])).map(
    lambda entries: book("own", *entries) if entries else Books()
)
numbers = itertools.count()


async def check(url: str, requests: list[dict[str, Any]], old: Books, new: Books) -> None:
    number = next(numbers)
    stored, expected = f"stored-{number}", f"expected-{number}"
    connection = await asyncpg.connect(url)
    try:
        for organisation, books in ((stored, old), (expected, new)):
            rows = [a_request(n, **{**request, "organisation": organisation}) for n, request in enumerate(requests)]
            await imported(connection, rows, books)
        before = await content(connection, organisation=stored)
        made = await planned(connection, new, Scope(organisations=(stored,)))
        await applied(connection, made.hash)
        after = await prices(connection, organisation=stored)
        imported_anew = await prices(connection, organisation=expected)
        assert [costs(row) for row in after] == [costs(row) for row in imported_anew]
        await undone(connection, made.hash)
        assert await content(connection, organisation=stored) == before
    finally:
        await connection.close()


def costs(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """But for the version, which stays where the cost does."""
    return (*row[:5], row[6])


def test_applying_is_importing(database_url: str) -> None:
    with asyncio.Runner() as runner:

        @settings(max_examples=40)
        @given(requests=st.lists(REQUEST, min_size=1, max_size=8), old=BOOKS, new=BOOKS)
        def matches(requests: list[dict[str, Any]], old: Books, new: Books) -> None:
            runner.run(check(database_url, requests, old, new))

        matches()
