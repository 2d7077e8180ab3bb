"""The requests that the files of all systems are written of: the same for the same number, over four hours."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from bench.database.rows import START

_HOURS: Final = timedelta(hours=4)
_OF_A_TRACE: Final = 4
"""Spans, where a system records more than requests: one around three calls."""
OF_A_BATCH: Final = 100
"""Spans of a line of OpenTelemetry's Collector, and results of a bucket of a usage report."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the files of all systems say of a request."""

    number: int
    every: timedelta
    model: str = "gpt-4o"
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    duration: timedelta = field(default_factory=timedelta)

    @property
    def begin(self) -> datetime:
        return START + self.number * self.every

    @property
    def end(self) -> datetime:
        return self.begin + self.duration

    @property
    def user(self) -> str:
        return f"u{self.number % 5000}"

    @property
    def trace(self) -> str:
        return f"{self.number // _OF_A_TRACE + 1:032x}"

    @property
    def span(self) -> str:
        return f"{self.number + 1:016x}"

    @property
    def parent(self) -> str:
        """That of a trace's first span is none."""
        return "" if self.is_around else f"{self.number // _OF_A_TRACE * _OF_A_TRACE + 1:016x}"

    @property
    def is_around(self) -> bool:
        return self.number % _OF_A_TRACE == 0


def requests(count: int) -> Iterator[Request]:
    chance = random.Random(4)
    for number in range(count):
        prompt = 1 + chance.randrange(4000)
        yield Request(
            number=number,
            every=_HOURS / count,
            prompt=prompt,
            completion=chance.randrange(900),
            cached=prompt // 2 if number % 3 == 0 else 0,
            duration=timedelta(milliseconds=chance.randrange(9000)),
        )


def buckets(count: int) -> Iterator[list[Request]]:
    """In order, OF_A_BATCH of them each."""
    bucket: list[Request] = []
    for each in requests(count):
        bucket.append(each)
        if len(bucket) == OF_A_BATCH:
            yield bucket
            bucket = []
    if bucket:
        yield bucket
