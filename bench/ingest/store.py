"""What a run asks of the database itself: what is stored, whether it is refreshed, and what COPY alone takes."""

import asyncio
import time
from pathlib import Path
from typing import Any

import asyncpg

_ROWS = 20_000
_BATCH = 512
_MAX_REFRESH_SECONDS = 300
_STORED = "SELECT * FROM traces WHERE org_id = $1 AND coalesce(input_text, '') {} '' LIMIT $2"


async def stored(url: str) -> dict[str, int]:
    """Rows by organisation."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT org_id, count(*) AS count FROM traces GROUP BY 1")
        return {row["org_id"]: row["count"] for row in rows}
    finally:
        await connection.close()


async def until_refreshed(url: str) -> None:
    """Returns once the worker has taken every minute out of the log, which it does ten seconds after the last write."""
    connection = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(_MAX_REFRESH_SECONDS):
            while await connection.fetchval("SELECT EXISTS (SELECT FROM rollup_log)"):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.5)
    finally:
        await connection.close()


async def copied(url: str, organisation: str) -> dict[str, tuple[float, float]]:
    """By name: rows a second, and microseconds of the server's CPU a row.

    The same rows into the same table, under other ids: no server before it could be faster.
    """
    connection = await asyncpg.connect(url)
    try:
        made = {}
        for text, condition in (("short texts", "="), ("2,560 bytes of text", "<>")):
            rows = await _rows(connection, _STORED.format(condition), organisation)
            if not rows:
                continue
            columns = list(rows[0].keys())
            place = columns.index("trace_id")
            for size in (_BATCH, len(rows)):
                mark = f"copy-{text[:5]}-{size}-"
                records = [tuple(mark + value if n == place else value for n, value in enumerate(row)) for row in rows]
                name = f"COPY, {text}, {size:,} rows a transaction"
                made[name] = await _copy(connection, columns, records, size)
        return made
    finally:
        await connection.close()


async def _rows(connection: Any, sql: str, organisation: str) -> list[Any]:
    rows: list[Any] = await connection.fetch(sql, organisation, _ROWS)
    return rows


async def _copy(connection: Any, columns: list[str], records: list[Any], size: int) -> tuple[float, float]:
    backend = Path(f"/proc/{connection.get_server_pid()}/stat")
    cpu, started = _cpu(backend), time.perf_counter()
    for start in range(0, len(records), size):
        await connection.copy_records_to_table("traces", records=records[start : start + size], columns=columns)
    seconds = time.perf_counter() - started
    return len(records) / seconds, 1e6 * (_cpu(backend) - cpu) / len(records)


def _cpu(stat: Path) -> float:
    user, system = stat.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / 100
