"""Which statements a connection keeps prepared, with their plans: those that are asked for again.

A connection keeps few, since a plan over the partitions of three months takes 3 MB of the server's memory. The text of
a search, and of a query of metrics, follows from whatever its caller filters by. Were each of them kept, the questions
of one person who tries filters would evict those of all dashboards, which would be planned again each time.
"""

import asyncio
from collections import OrderedDict
from typing import Final

import asyncpg

from analytics_service.database.query import Query
from analytics_service.database.sessions import Borrowed

_REMEMBERED: Final = 256
"""Texts of statements, the last ones."""


class PreparedStatements:
    """Runs statements: kept by the connection from the second time on, and unnamed before.

    A search is never kept: it is planned for its own values each time.
    """

    def __init__(self, *, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._recent: OrderedDict[int, None] = OrderedDict()
        """Hashes of texts: one that is taken for another is kept a question earlier."""

    async def fetch(self, connection: Borrowed, query: Query, timeout: float | None) -> list[asyncpg.Record]:  # noqa: ASYNC109 - the driver ends the statement on the server too
        """The rows; `timeout` is for preparing and running, in seconds."""
        if not query.searches and self._is_repeated(query.sql):
            return await connection.fetch(query.sql, *query.args, timeout=timeout)
        loop = asyncio.get_running_loop()
        until = None if timeout is None else loop.time() + timeout
        statement = await connection.prepare(query.sql, name="", timeout=timeout)
        return await statement.fetch(*query.args, timeout=None if until is None else max(until - loop.time(), 0))

    def _is_repeated(self, sql: str) -> bool:
        key = hash(sql)
        known = key in self._recent
        self._recent[key] = None
        self._recent.move_to_end(key)
        if len(self._recent) > self._remembered:
            self._recent.popitem(last=False)
        return known
