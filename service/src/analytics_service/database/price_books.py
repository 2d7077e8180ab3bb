"""The price books in the store: set and removed by appending, so that every version stays readable."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from analytics_service.database.connect import Connection, Session
from analytics_service.errors import DatabaseError
from analytics_service.pricing.book import BadBook, PriceBook, read

_CURRENT: Final = """
SELECT name, version, text, set_at FROM (SELECT DISTINCT ON (name) * FROM price_book ORDER BY name, number DESC) AS last
WHERE text IS NOT NULL ORDER BY name COLLATE "C"
"""
_VERSION: Final = """
SELECT name, version, text, set_at FROM price_book WHERE name = $1 AND version = $2 ORDER BY number DESC LIMIT 1
"""
_APPEND: Final = "INSERT INTO price_book (name, version, text) VALUES ($1, $2, $3)"
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('analytics.price_book', 0))"
"""Held to the end of the transaction: who sets a book sees what it replaces."""


@dataclass(frozen=True, kw_only=True)
class StoredBook:
    """A book as it was set."""

    name: str
    version: str
    """12 hex digits of the digest of its content."""
    text: str
    set_at: datetime

    def read(self) -> PriceBook:
        """DatabaseError where this release refuses what an earlier one took."""
        try:
            return read(self.text)
        except BadBook as error:
            cure = f"correct it and give it to `prices set`, or use `prices remove {self.name}`"
            raise DatabaseError(f"price book {self.name} of the store: {error}: {cure}") from None


async def stored_books(connection: Connection) -> tuple[PriceBook, ...]:
    """Those in use, in order of their names; DatabaseError where one cannot be read."""
    return tuple(each.read() for each in await stored_texts(connection))


async def stored_texts(connection: Connection) -> tuple[StoredBook, ...]:
    """Those in use, in order of their names."""
    return tuple(map(_stored, await connection.fetch(_CURRENT)))


async def stored_version(connection: Connection, name: str, version: str) -> StoredBook | None:
    """A book as it was, also one that was replaced or removed since; None where it never was in the store."""
    row = await connection.fetchrow(_VERSION, name, version)
    return None if row is None else _stored(row)


async def store(connection: Session, books: dict[str, tuple[str, str]]) -> dict[str, StoredBook | None]:
    """Sets version and text by name, all or none; what was in use by these names before."""
    async with connection.transaction():
        await connection.execute(_LOCK)
        before = {each.name: each for each in await stored_texts(connection)}
        for name, (version, text) in books.items():
            if name not in before or before[name].text != text:
                await connection.execute(_APPEND, name, version, text)
    return {name: before.get(name) for name in books}


async def remove(connection: Session, name: str) -> StoredBook | None:
    """What was in use by that name, and is no more; None where there was none."""
    async with connection.transaction():
        await connection.execute(_LOCK)
        before = next((each for each in await stored_texts(connection) if each.name == name), None)
        if before is not None:
            await connection.execute(_APPEND, name, None, None)
    return before


def _stored(row: "asyncpg.Record") -> StoredBook:
    return StoredBook(name=row["name"], version=row["version"], text=row["text"], set_at=row["set_at"])
