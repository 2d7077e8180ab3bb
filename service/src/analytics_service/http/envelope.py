"""The shape of every answer: status, data, pagination where there is a list, meta."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any, Final

from analytics_service.contract.endpoint import MAX_ANSWER_BYTES, MAX_PAGE_BYTES, Answer, Page, Result
from analytics_service.contract.parameters import Keyset
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.rollups.incomplete import Incomplete, IncompleteReason
from analytics_service.rollups.repricing import Repricing
from analytics_service.units import decimals, json_parts
from analytics_service.units.times import LATEST, Range

_PAUSE_BYTES: Final = 64 * 1024
"""Encoded between two turns of the loop, and the part that exceeds them."""


async def body(
    answer: Result, *, sign: Callable[[Keyset], str], meta: Mapping[str, object], bulk_lock: asyncio.Lock
) -> bytes:
    """Returns the finished body; `sign` makes the cursor of the page after it.

    A list ends early where it would have more than MAX_PAGE_BYTES. RequestError where another answer would have more
    than MAX_ANSWER_BYTES.
    """
    encoded = partial(_encoded, bulk_lock=bulk_lock)
    data = await encoded(answer.data, MAX_ANSWER_BYTES if answer.page is None else MAX_PAGE_BYTES)
    members = [b'{"status":"success","data":']
    if answer.page is not None:
        items: Sequence[object] = answer.data  # type: ignore[assignment]  # a page is of a list
        shown = len(items)
        if data is None:
            data, shown = await _first_that_fit(items, encoded)
        members += [data, b',"pagination":', decimals.dumps(_pagination(answer.page, shown, len(items), sign))]
    elif data is not None:
        members.append(data)
    else:
        raise RequestError(
            Problem.RANGE_TOO_LARGE,
            f"the answer would have more than {MAX_ANSWER_BYTES} bytes: ask for a shorter range, or for fewer groups",
        )
    return b"".join([*members, b',"meta":', decimals.dumps(meta), b"}"])


def completeness(answer: Answer, span: Range, now: datetime) -> dict[str, object]:
    """`complete`, and in `incomplete` every stretch of the range that the answer lacks, the oldest first.

    A range without an end, which no client can ask for by name, asks for no future.
    """
    future = [Incomplete(span=Range(max(now, span.start), span.end), reason=IncompleteReason.FUTURE)]
    parts = [*answer.incomplete, *(future if now < span.end < LATEST else ())]
    return {
        "complete": not parts,
        "incomplete": [
            {"from": part.span.start, "to": part.span.end, "reason": part.reason}
            for part in sorted(parts, key=lambda part: part.span)
        ],
    }


def coverage(answer: Answer) -> dict[str, object]:
    """`coverage` of an answer about costs."""
    if answer.coverage is None:
        return {}
    return {"coverage": {**asdict(answer.coverage), "lower_bound": answer.coverage.lower_bound}}


def repricing(answer: Answer, active: Repricing | None) -> dict[str, object]:
    """`repricing` of an answer about costs, while a plan changes prices of its range."""
    has_costs = answer.has_costs or answer.coverage is not None
    return {"repricing": active._asdict()} if has_costs and active is not None else {}


def _pagination(page: Page, shown: int, found: int, sign: Callable[[Keyset], str]) -> dict[str, Any]:
    cut = shown < found
    pagination: dict[str, Any] = {"has_more": page.has_more or cut, "limit": page.limit}
    if pagination["has_more"]:
        pagination["cursor"] = sign(page.key(shown - 1))
    if page.total is not None:
        pagination["total"] = page.total
    if page.at_byte_limit or cut:
        pagination["byte_limit"] = MAX_PAGE_BYTES
    return pagination


async def _encoded(data: object, most: int | None, *, bulk_lock: asyncio.Lock) -> bytes | None:
    """Returns the JSON of `data`; None where it has more than `most` bytes.

    Beyond _PAUSE_BYTES it holds the lock: of all long answers, one is encoded between two turns of the loop.
    """
    parts, size, paused = list[bytes](), 0, 0
    try:
        for part in json_parts.parts(data):
            parts.append(part)
            size += len(part)
            if most is not None and size > most:
                return None
            if size - paused >= _PAUSE_BYTES:
                if paused == 0:
                    await bulk_lock.acquire()
                paused = size
                await asyncio.sleep(0)
    finally:
        if paused:
            bulk_lock.release()
    return b"".join(parts)


async def _first_that_fit(
    items: Sequence[object], encode: Callable[[object, int | None], Awaitable[bytes | None]]
) -> tuple[bytes, int]:
    """Returns a list of the first items, at least one, and how many they are."""
    encoded, room = list[bytes](), MAX_PAGE_BYTES
    for item in items:
        one = await encode(item, room if encoded else None)
        if one is None:
            break
        encoded.append(one)
        room -= len(one) + 1
    return b"[" + b",".join(encoded) + b"]", len(encoded)


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether the client has the body already; weak validators count, as RFC 9110 says of If-None-Match."""
    if if_none_match is None:
        return False
    given = [one.strip() for one in if_none_match.split(",")]
    return "*" in given or tag in given or f"W/{tag}" in given
