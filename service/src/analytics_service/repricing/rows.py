"""The rows that are priced again, and the price that one has by other books.

These are requests whose cost was computed, or that have none: a cost that came with its request stays. So are calls
that another one of their trace counts for: which of them is a request may be decided otherwise at any time. A row that
a release before 0.4 stored has no status: its cost was computed if its `price_version` is one of ours. A request whose
usage is unclear stays as it is, without a price.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias

import asyncpg

from analytics_service.database.connect import Connection
from analytics_service.database.tenancy import RAW_HORIZON, in_organisation
from analytics_service.ingest.fields import USAGE
from analytics_service.ingest.pricing import Prices
from analytics_service.ingest.rows import BadRow, SpanRow
from analytics_service.pricing.columns import COMPUTED, PriceStatus
from analytics_service.pricing.rates import COMPLETION, PROMPT
from analytics_service.repricing.scope import Scope

BATCH_ROWS: Final = 5_000

StoredRow: TypeAlias = "Mapping[str, Any] | asyncpg.Record"


class Price(NamedTuple):
    """The columns of `traces` that pricing fills."""

    prompt_cost_usd: Decimal | None
    completion_cost_usd: Decimal | None
    total_cost_usd: Decimal | None
    price_version: str | None
    price_status: str

    @property
    def is_unpriced(self) -> bool:
        """Whether it has no cost, or one that is a lower bound."""
        return self.total_cost_usd is None or self.price_status == PriceStatus.PARTIAL


PRICE: Final = Price._fields
KEY: Final = ("ts", "trace_id", "span_id")
"""Of a row, beside its organisation."""
_MODEL: Final = ("provider", "model", "service_tier")
_SIDES: Final = (("prompt_tokens", tuple(PROMPT)), ("completion_tokens", tuple(COMPLETION)))
_COMPUTED: Final = COMPUTED.format("t")
_ABSENT: Final = "(t.total_cost_usd IS NULL AND t.prompt_cost_usd IS NULL AND t.completion_cost_usd IS NULL)"


def _columns(*names: str) -> str:
    return ", ".join(f"t.{name}" for name in names)


FINGERPRINT: Final = f"hash_record_extended(ROW({_columns('is_request', *_MODEL, *USAGE, *PRICE)}), 0)"
"""SQL: of the price of row `t` and of all that decides it, so that a writer knows whether somebody changed the row."""
_CANDIDATES: Final = f"""
SELECT t.org_id, t.is_request, {_columns(*KEY, *_MODEL, *USAGE, *PRICE)}, {FINGERPRINT} AS fingerprint,
  t.price_status = 'none' AND coalesce(t.attributes ? 'usage_unclear', false) AS unclear
FROM traces AS t
WHERE {in_organisation("t")} AND t.ts >= $2 AND t.ts < $3 AND t.ts >= {RAW_HORIZON}
  AND (t.is_request OR t.is_nested) AND t.price_status <> 'given' AND ({_COMPUTED} OR {_ABSENT})
  AND (cardinality($4::text[]) = 0 OR t.model = ANY($4::text[]))
  AND (NOT $5::boolean OR t.total_cost_usd IS NULL OR t.price_status = 'partial')
"""


async def candidates(
    connection: Connection, scope: Scope, organisation: str, start: datetime, end: datetime
) -> AsyncGenerator[Sequence[asyncpg.Record], None]:
    """Batches of the rows of the scope in a range of one organisation, of one snapshot; inside a transaction."""
    span = max(start, scope.start), min(end, scope.end)
    cursor = await connection.cursor(_CANDIDATES, organisation, *span, list(scope.models), scope.only_unpriced)
    while batch := await cursor.fetch(BATCH_ROWS):
        yield batch


def stored_price(row: StoredRow) -> Price:
    return Price._make(row[name] for name in PRICE)


def changed_price(row: StoredRow, prices: Prices) -> Price | None:
    """The price of a stored row as an import would compute it; None where that changes neither cost nor status.

    The same cost by another version is no change: the row's own version goes on to prove it. None, too, where nothing
    can be computed: the usage is unclear, or the price more than can be stored.
    """
    span: SpanRow = {name: row[name] for name in (*_MODEL, *USAGE) if row[name] is not None}
    if row["unclear"] or _contradicts_itself(span):
        return None
    span |= {"org_id": row["org_id"], "ts": row["ts"], "is_request": True, "price_status": ""}
    try:
        prices.price(span)
    except BadRow:
        return None
    after = Price._make(span.get(name) for name in PRICE)
    before = stored_price(row)
    same = before[:3] == after[:3] and _status(before) == after.price_status
    return None if same else after


def _status(price: Price) -> str:
    """Of rows of releases before 0.4, which have none: that of their cost."""
    if price.price_status:
        return price.price_status
    return (PriceStatus.NONE if price.total_cost_usd is None else PriceStatus.FULL).value


def _contradicts_itself(span: SpanRow) -> bool:
    """Whether a part of the tokens of one side is more than all: releases before 0.4 did not look."""
    return any(
        side in span and span[side] < sum([span.get(part, 0) for part in parts])
        for side, parts in _SIDES
        if not span.keys().isdisjoint(parts)
    )
