"""The worker's job that reads the books of PRICE_BOOKS: a bad edit is seen before an import needs the book."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeAlias

import structlog

from analytics_service.database.connect import Connection
from analytics_service.errors import UsageError
from analytics_service.ingest.price_books import book_paths, configured_books

_log = structlog.get_logger(__name__)
MAX_MESSAGE: Final = 2000
"""Characters that are reported."""
_Stamp: TypeAlias = tuple[str, int, int, int]


class PricesReason(StrEnum):
    """Part of what the worker reports, so the values never change."""

    LOADED = "Loaded"
    INVALID = "BookInvalid"
    MISSING = "BooksMissing"
    """There is no file in the folders."""


@dataclass
class ReadBooks:
    """Reads the files again when one of them has changed."""

    paths: Sequence[str]
    _stamp: tuple[_Stamp, ...] | None = field(default=None, init=False)
    _outcome: dict[str, Any] = field(default_factory=dict, init=False)

    async def __call__(self, _: Connection) -> dict[str, Any]:
        """`prices`: the reason and a message, with the versions of the books, or file, line and field of a mistake."""
        stamp = await asyncio.to_thread(_stamps, self.paths)
        if stamp is None or stamp != self._stamp:
            reason, message = await asyncio.to_thread(_read, self.paths)  # a long book takes seconds
            outcome = {"reason": reason.value, "message": message[:MAX_MESSAGE]}
            if outcome != self._outcome:
                level = _log.info if reason is PricesReason.LOADED else _log.warning
                level("price books read", **outcome)
            self._stamp, self._outcome = stamp, outcome
        return {"prices": self._outcome}


def _read(paths: Sequence[str]) -> tuple[PricesReason, str]:
    try:
        books = configured_books(paths)
    except UsageError as error:
        return PricesReason.INVALID, str(error)
    if not books:
        return PricesReason.MISSING, f"PRICE_BOOKS: {', '.join(paths)}: there is no file"
    return PricesReason.LOADED, ", ".join(each.book.version for each in books)


def _stamps(paths: Sequence[str]) -> tuple[_Stamp, ...] | None:
    """Of each file, whatever a change of it changes; of a mounted ConfigMap every edit makes new files.

    None where one cannot be examined: whoever reads it says why.
    """
    with suppress(OSError, UsageError):
        files = {path: Path(path).stat() for path in book_paths(paths)}
        return tuple((path, each.st_ino, each.st_mtime_ns, each.st_size) for path, each in files.items())
    return None
