"""The rows of one request, on their way into the store."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from analytics_service.ingest.received import Caller
from analytics_service.ingest.rows import SpanRow


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the rows of a request; those that were not refused are committed."""

    known: int = 0
    """Rows of spans that were there before; counted only where `Submission.counts`."""
    refused: Mapping[int, str] = field(default_factory=dict)
    """By position, why a row could not be stored."""
    answer: bytes | None = None
    """What an earlier request with the same key was answered; then nothing was written."""


class RequestKey(NamedTuple):
    """An Idempotency-Key, and the answer that is stored with it."""

    key: str
    digest: bytes
    """Of all that the answer follows from."""
    answer: Callable[[Outcome], bytes]


@dataclass(frozen=True, kw_only=True, eq=False)
class Submission:
    """Answered by `done` once its rows are committed."""

    caller: Caller
    rows: Sequence[SpanRow]
    size: int
    """Bytes, about."""
    request_key: RequestKey | None = None
    counts: bool = False
    """Whether the answer counts the rows that were there before."""
    done: asyncio.Future[Outcome] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
