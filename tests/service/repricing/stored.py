"""What the tests of repricing share: rows as `import` stores them, and prices as the table has them."""

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from analytics_service.ingest.batches import Options
from analytics_service.ingest.load import load
from analytics_service.ingest.mapping import columns
from analytics_service.ingest.reading import Source
from analytics_service.ingest.tally import Tally
from analytics_service.repricing import apply, plan, store
from analytics_service.repricing.books import Books
from analytics_service.repricing.plan import Plan
from analytics_service.repricing.scope import Scope

T0 = datetime(2024, 3, 4, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
PRICED = "prompt_cost_usd, completion_cost_usd, total_cost_usd, price_version, price_status"


def book(name: str, *prices: Mapping[str, Any]) -> Books:
    """Of one book with these entries."""
    return Books(levels=((json.dumps({"name": name, "prices": prices}),),))


CHEAP = book("cheap", {"model": "m", "per_million": {"input": 1, "output": 2}})
DEAR = book("dear", {"model": "m", "per_million": {"input": 2, "output": 4}})


def a_request(number: int = 0, **fields: Any) -> dict[str, Any]:
    """Of model m, a quarter of an hour after the one before."""
    ts = T0 + number * HOUR / 4
    made: dict[str, Any] = {"organisation": "acme", "span_id": f"span-{number:04}", "ts": ts.isoformat(), "model": "m"}
    made |= {"prompt_tokens": 1_000_000, "completion_tokens": 500_000, **fields}
    return {name: value for name, value in made.items() if value is not None}


async def imported(connection: Any, rows: Iterable[Mapping[str, Any]], books: Books) -> Tally:
    """As `import` does it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        tally = Tally(prices=books.prices())
        options = Options(columns=columns([], [], []), preset="none")
        await load(connection, [Source(path=str(file), name="rows")], options, tally, lambda *_: None)
    return tally


async def planned(connection: Any, books: Books, scope: Scope | None = None) -> Plan:
    """Made and saved."""
    made = await plan.make(connection, scope or Scope(), books, lambda *_: None)
    await store.save(connection, made)
    return made


async def applied(connection: Any, digest: str) -> list[apply.Step]:
    return [step async for step in apply.apply(connection, digest, settle_seconds=0)]


async def undone(connection: Any, digest: str) -> list[apply.Step]:
    return [step async for step in apply.undo(connection, digest, settle_seconds=0)]


async def content(connection: Any, *, organisation: str = "acme") -> Sequence[str]:
    """All of the rows of an organisation, each to its last digit."""
    rows = await connection.fetch(
        "SELECT (to_jsonb(t) - 'transaction_id')::text AS row FROM traces AS t "
        "WHERE org_id = $1 ORDER BY ts, trace_id, span_id",
        organisation,
    )
    return [row["row"] for row in rows]


async def prices(connection: Any, *, organisation: str = "acme") -> list[tuple[Any, ...]]:
    """By `ts` and id: the prices of rows."""
    rows = await connection.fetch(
        f"SELECT ts, span_id, {PRICED} FROM traces WHERE org_id = $1 ORDER BY ts, span_id", organisation
    )
    return [tuple(row) for row in rows]
