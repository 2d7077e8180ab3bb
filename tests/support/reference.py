"""What metrics and costs should be, computed a second time: plainly, row by row, from what the test wrote."""

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg

from tests.support.rollups import refresh
from tests.support.service import a_row

Row = Mapping[str, Any]
SHARES = {"p50": Decimal("0.5"), "p90": Decimal("0.9"), "p95": Decimal("0.95"), "p99": Decimal("0.99")}
VALUES = {
    "duration": "duration_us",
    "time_to_first_token": "ttft_us",
    "total_cost": "total_cost_usd",
    "prompt_cost": "prompt_cost_usd",
    "completion_cost": "completion_cost_usd",
    "total_tokens": "total_tokens",
    "prompt_tokens": "prompt_tokens",
    "completion_tokens": "completion_tokens",
}


def random_requests(seed: int, start: datetime, end: datetime, count: int) -> list[dict[str, Any]]:
    """Of two organisations, some no requests, with unknown values, tiny and huge ones, at the edges of buckets too."""
    chance = random.Random(seed)
    minutes = int((end - start) / timedelta(minutes=1))

    def maybe(value: Any) -> Any:
        return None if chance.random() < 0.2 else value

    def money() -> Decimal:
        usual = Decimal(chance.randrange(10**9)).scaleb(-9)
        return chance.choice([usual, Decimal("0.000000000001"), Decimal(99999999)])

    def second() -> timedelta:
        inside = timedelta(microseconds=chance.randrange(60_000_000))
        return chance.choice([timedelta(0), inside, timedelta(seconds=59.999999)])

    def status(total: Decimal | None) -> str:
        return "none" if total is None else chance.choice(["given", "full", "partial"])

    rows = [
        a_row(
            number,
            org_id=chance.choice(["acme", "acme", "acme", "globex"]),
            project_id=chance.choice(["web", "batch"]),
            trace_id=f"t{chance.randrange(count // 3 + 1)}",
            span_id=f"s{seed}-{number}",
            ts=start + timedelta(minutes=chance.randrange(minutes)) + second(),
            provider=chance.choice(["openai", "anthropic"]),
            model=chance.choice(["a", "b", "c"]),
            environment=chance.choice(["", "production"]),
            status_code=chance.choice(["OK", "ERROR", "UNSET"]),
            is_request=chance.random() > 0.1,
            duration_us=maybe(chance.choice([0, chance.randrange(10**7), 2**33])),
            ttft_us=maybe(chance.randrange(10**6)),
            prompt_tokens=maybe(chance.randrange(10**4)),
            completion_tokens=maybe(chance.randrange(10**3)),
            total_tokens=maybe(chance.choice([chance.randrange(10**4), 2**40])),
            prompt_cost_usd=maybe(money()),
            completion_cost_usd=maybe(money()),
            total_cost_usd=maybe(money()),
            user_id=maybe(f"u{chance.randrange(5)}"),
            session_id=maybe(f"s{chance.randrange(20)}"),
        )
        for number in range(count)
    ]
    return [{**row, "price_status": status(row["total_cost_usd"]) if row["is_request"] else ""} for row in rows]


DIMENSIONS = {"user": "user_id", "team": "team_id", "project": "project_id"}
"""Columns of the dimensions of costs that have another name than theirs."""


def random_tagged_requests(seed: int, start: datetime, end: datetime, count: int) -> list[dict[str, Any]]:
    """As `random_requests`, with teams and tags: a tag several times, an empty list, none."""
    chance = random.Random(seed)
    return [
        row
        | {
            "team_id": chance.choice([None, "red", "blue"]),
            "tags": chance.choice([None, [], ["a"], ["a", "b"], ["b", "b", "c"]]),
        }
        for row in random_requests(seed, start, end, count)
    ]


def dimension_values(row: Row, dimension: str) -> set[str | None]:
    """What a request counts for in that dimension of costs: each of its tags once, or the one value of another."""
    if dimension == "tag":
        return set(row["tags"] or ()) or {None}
    return {row[DIMENSIONS.get(dimension, dimension)]}


async def refreshed(database_url: str) -> None:
    """All rollups know all rows."""
    connection = await asyncpg.connect(database_url)
    try:
        await refresh(connection)
    finally:
        await connection.close()


def requests(
    rows: Iterable[Row],
    start: datetime,
    end: datetime,
    *,
    organisation: str = "acme",
    projects: Sequence[str] = (),
    **equal: str,
) -> list[Row]:
    """Those of the organisation, and of its projects where some are given, that the question is about."""
    return [
        row
        for row in rows
        if row["org_id"] == organisation
        and (not projects or row["project_id"] in projects)
        and row["is_request"]
        and start <= row["ts"] < end
        and all(row[name] == value for name, value in equal.items())
    ]


def priced(rows: Iterable[Row]) -> list[Row]:
    """Those with a cost: what averages are over."""
    return [row for row in rows if row["total_cost_usd"] is not None]


def is_unpriced(row: Row) -> bool:
    return row["total_cost_usd"] is None or row["price_status"] == "partial"


def coverage(rows: Iterable[Row]) -> dict[str, Any]:
    unpriced = [row for row in rows if is_unpriced(row)]
    return {
        "unpriced_requests": len(unpriced),
        "unpriced_tokens": sum(row["total_tokens"] or 0 for row in unpriced),
        "lower_bound": bool(unpriced),
    }


def bucket(moment: datetime, interval: str, zone: ZoneInfo) -> datetime:
    """Found by walking back second by second's worth of calendar: no arithmetic of the service is used."""
    local = moment.astimezone(zone)
    if interval == "1day":
        start = moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)
        while (start - timedelta(minutes=15)).astimezone(zone).date() == local.date():
            start -= timedelta(minutes=15)
        return start
    minutes = {"1hour": local.minute, "5min": moment.minute % 5, "1min": 0}[interval]
    start = moment.replace(second=0, microsecond=0)
    for _ in range(minutes):  # an hour ends where the clock is put forward or back inside it
        if (start - timedelta(minutes=1)).astimezone(zone).utcoffset() != local.utcoffset():
            break
        start -= timedelta(minutes=1)
    return start


def grouped(rows: Iterable[Row], interval: str, zone: ZoneInfo, by: Sequence[str]) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[(bucket(row["ts"], interval, zone).astimezone(UTC), *(row[name] for name in by))].append(row)
    return groups


def aggregate(metric: str, aggregation: str, rows: Sequence[Row]) -> Fraction | None:
    values = sorted(Fraction(row[VALUES[metric]]) for row in rows if row[VALUES[metric]] is not None)
    unit = 1000 if metric in {"duration", "time_to_first_token"} else 1
    if aggregation == "count":
        return Fraction(len(values))
    if not values:
        return None
    match aggregation:
        case "sum":
            return sum(values, Fraction(0)) / unit
        case "avg":
            return rounded(sum(values, Fraction(0)) / unit / len(values))
        case "min":
            return values[0] / unit
        case "max":
            return values[-1] / unit
        case _:  # the first value that at least this share of all does not exceed
            return values[max(math.ceil(SHARES[aggregation] * len(values)), 1) - 1] / unit


def is_near(metric: str, value: Any, exact: Fraction | None, method: str) -> bool:
    """Whether `value` is the percentile: that of the values, or one that lies in the same bin of a histogram."""
    if value is None or exact is None:
        return value is exact
    bound = exact * 2 / 100 + Fraction(1, 2000)
    is_sketched = method == "log_histogram" and metric in {"duration", "time_to_first_token"}
    return abs(Fraction(value) - exact) <= (bound if is_sketched else 0)


def rounded(value: Fraction) -> Fraction:
    return Fraction(round(value * 10**12), 10**12)  # half to even


def money(rows: Iterable[Row], column: str = "total_cost_usd") -> Decimal:
    total = sum((Fraction(row[column]) for row in rows if row[column] is not None), Fraction(0))
    return Decimal(int(total * 10**12)).scaleb(-12)
