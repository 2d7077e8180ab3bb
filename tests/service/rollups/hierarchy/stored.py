"""What the tables of the hierarchy hold, which buckets are stale, and what must be true of both at every moment."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from tests.service.rollups.hierarchy.witness import (
    COLUMNS,
    DAYS,
    DIMENSIONS,
    EPOCH,
    SUMS,
    TOTALS,
    WIDTHS,
    Buckets,
    Span,
    bucket_of,
    expected,
    no_zero_usage,
    no_zeros,
)

STALE_BY: Mapping[str, tuple[str, ...]] = {
    "totals_1min": (),
    "totals_15min": ("15min",),
    "totals_1hour": ("15min", "1hour"),
    "totals_1day": ("15min", "1hour", "6hour", "1day"),
    "latency_1min": (),
    "latency_15min": ("15min",),
    "latency_1hour": ("15min", "1hour"),
    "latency_6hour": ("15min", "1hour", "6hour"),
    "latency_1day": ("15min", "1hour", "6hour", "1day"),
    "part": ("part",),
    "users_1hour": ("part", "users_1hour"),
    "users_6hour": ("part", "users_1hour", "users_6hour"),
}
"""The steps of rollup_stale whose rows name a bucket of the table, as entries of the log do."""
DETAILS = {"user_1day": "user_id", "team_1day": "team_id", "tag_1day": "tag"}
Versions = Mapping[tuple[str, datetime], int]

_OF_DIMENSIONS = ", ".join(f"d.{name}" for name in DIMENSIONS)
_JOIN = "LEFT JOIN rollup_dimension AS d ON d.org_id = r.org_id AND d.dim = r.dim"
_ELEMENT = ", ".join(f"p.{name}" for name in ("dims", "users", "teams", "tags", *SUMS))
_PARTS = f"""
SELECT p.org_id, p.bucket, {_OF_DIMENSIONS}, r.user_id, r.team_id, r.tags::text[] AS tags,
  {", ".join(f"r.{name}" for name in SUMS)}
FROM rollup_part AS p
CROSS JOIN LATERAL unnest({_ELEMENT}) AS r (dim, user_id, team_id, tags, {", ".join(SUMS)})
LEFT JOIN rollup_dimension AS d ON d.org_id = p.org_id AND d.dim = r.dim
"""


_COME_BACK = " UNION ALL ".join(
    f"""SELECT h.name, r.org_id, r.bucket FROM rollup_horizon AS h, rollup_{table} AS r
    WHERE h.name = '{table}' AND r.bucket < greatest(h.deleted_until, $1)"""
    for table in WIDTHS
)


async def connect(url: str, **options: Any) -> Any:
    return await asyncpg.connect(url, server_settings={"search_path": "public", "jit": "off"}, **options)


async def insert(connection: Any, spans: Sequence[Span]) -> None:
    """By one COPY, as import does it."""
    if spans:
        moments = [span.ts for span in spans]
        await connection.fetchval("SELECT ensure_partitions($1, $2)", min(moments), max(moments))
        rows = [tuple(getattr(span, column) for column in COLUMNS) for span in spans]
        await connection.copy_records_to_table("traces", records=rows, columns=COLUMNS)


async def stored(connection: Any, table: str) -> Buckets:
    """In the shape of `witness.expected`."""
    buckets: Buckets = defaultdict(dict)
    if table == "part":
        for row in await connection.fetch(_PARTS):
            tags = None if row["tags"] is None else tuple(row["tags"])
            key = (_dimensions(row), row["user_id"], row["team_id"], tags)
            _put(buckets, row, key, no_zeros((name, row[name]) for name in SUMS))
    else:
        for row in await connection.fetch(f"SELECT r.*, {_OF_DIMENSIONS} FROM rollup_{table} AS r {_JOIN}"):
            _put(buckets, row, *_item(table, row))
    return dict(buckets)


def _item(table: str, row: Any) -> tuple[Any, Any]:
    match table.partition("_")[0]:
        case "totals":
            return _dimensions(row), no_zero_usage((name, row[name]) for name in TOTALS)
        case "latency":
            assert list(row["codes"]) == sorted(set(row["codes"]))
            return _dimensions(row), dict(zip(row["codes"], row["counts"], strict=True))
        case "users":
            registers = [divmod(code, 128) for code in row["codes"]]
            assert registers == sorted(dict(registers).items())
            return _dimensions(row), dict(registers)
        case _:
            return (row[DETAILS[table]], _dimensions(row)), no_zeros((name, row[name]) for name in SUMS)


def _dimensions(row: Any) -> tuple[str, ...]:
    values = tuple(row[name] for name in DIMENSIONS)
    assert None not in values, "a number that names no combination"
    return values


def _put(buckets: Buckets, row: Any, key: Any, value: Any) -> None:
    group = buckets[row["org_id"], row["bucket"]]
    assert key not in group, f"two rows of {key}"
    group[key] = value


def days_of_parts(parts: Buckets, table: str) -> Buckets:
    """The sums over all parts of a day, as the table of days should have them."""
    sums: defaultdict[tuple[str, datetime], defaultdict[Any, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for (organisation, quarter), elements in parts.items():
        for (dimensions, user, team, tags), values in elements.items():
            keys: Iterable[str | None] = {"user_1day": (user,), "team_1day": (team,)}.get(table) or set(tags or (None,))
            for key in keys:
                sums[organisation, bucket_of(quarter, DAYS)][key, dimensions].append(values)
    return {
        day: {
            key: no_zeros(
                zip(SUMS, (sum(value or 0 for value in column) for column in zip(*rows, strict=True)), strict=True)
            )
            for key, rows in groups.items()
        }
        for day, groups in sums.items()
    }


async def horizons(connection: Any) -> dict[str, datetime]:
    """Of `raw` too."""
    rows = await connection.fetch(
        "SELECT 'raw' AS name, greatest(floor, $1) AS floor FROM rollup_floor "
        "UNION ALL SELECT name, greatest(floor, $1) FROM rollup_horizon",
        EPOCH,
    )
    return dict(rows)


async def stale(connection: Any) -> dict[str, set[tuple[str, datetime]]]:
    """The stale buckets of each table but the days; minutes that lack nothing but the rows of `pending` are not."""
    logged = await connection.fetch(
        "SELECT org_id, minute, bool_and(transaction_id IS NOT NULL) FROM rollup_log WHERE requests GROUP BY 1, 2"
    )
    rows = await connection.fetch("SELECT org_id, step, bucket FROM rollup_stale")
    buckets = {}
    for table, steps in STALE_BY.items():
        moments = [(row[0], row[1]) for row in logged if steps or not row[2]]
        moments += [(row[0], row[2]) for row in rows if row[1] in steps]
        buckets[table] = {(organisation, bucket_of(moment, WIDTHS[table])) for organisation, moment in moments}
    return buckets


async def pending(connection: Any) -> set[str]:
    """The traces of rows that are added to their minute when an entry leaves the log."""
    rows = await connection.fetch(
        "SELECT t.trace_id FROM traces AS t JOIN rollup_log AS l ON l.org_id = t.org_id "
        "AND l.minute = date_bin('1 minute', t.ts, $1) AND l.transaction_id = t.transaction_id",
        EPOCH,
    )
    return {row["trace_id"] for row in rows}


async def versions(connection: Any) -> Versions:
    """The keys of the days: what refreshes took out of the log, and what is in it."""
    keys: Counter[tuple[str, datetime]] = Counter()
    for organisation, minute in await connection.fetch("SELECT org_id, minute FROM rollup_log"):
        keys[organisation, bucket_of(minute, DAYS)] += 1
    for organisation, day, version in await connection.fetch(
        "SELECT org_id, day, version - legacy FROM rollup_version"
    ):
        keys[organisation, day] += version
    return keys


async def check(connection: Any, spans: Sequence[Span], keys: Versions | None = None) -> None:
    """Nothing that is not stale differs from the rows, days are the sums of their parts, and keys count writes."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        buckets_that_are_stale, since = await stale(connection), await horizons(connection)
        names = await pending(connection)
        in_minutes = [span for span in spans if span.trace_id not in names]
        for table, steps in STALE_BY.items():
            there, right = await stored(connection, table), expected(table, spans if steps else in_minutes)
            for where in there.keys() | right.keys():
                if where[1] >= since[table] and where not in buckets_that_are_stale[table]:
                    assert there.get(where) == right.get(where), f"{table} {where}"
        parts = await stored(connection, "part")
        for table in DETAILS:
            there, right, lost = await stored(connection, table), days_of_parts(parts, table), expected(table, spans)
            for where in there.keys() | right.keys() | lost.keys():
                if where[1] >= since[table]:
                    days = right if where[1] >= since["part"] else lost
                    assert there.get(where) == days.get(where), f"{table} {where}"
        await _nothing_comes_back(connection)
        if keys is not None:
            assert await versions(connection) == keys


async def check_refreshed(connection: Any, spans: Sequence[Span], keys: Versions | None = None) -> None:
    """As `check`, of a database in which nothing is stale."""
    assert await connection.fetchval("SELECT count(*) FROM rollup_log") == 0
    assert await connection.fetch("SELECT * FROM rollup_stale") == []
    await check(connection, spans, keys)


async def _nothing_comes_back(connection: Any) -> None:
    """Rows below a horizon whose deletion is done would stay for ever."""
    assert await connection.fetch(_COME_BACK, EPOCH) == []


def entries(spans: Iterable[Span]) -> Counter[tuple[str, datetime]]:
    """The entries that one statement over these rows appends, by organisation and day."""
    minutes = {(span.org_id, span.minute) for span in spans}
    return Counter((organisation, bucket_of(minute, DAYS)) for organisation, minute in minutes)
