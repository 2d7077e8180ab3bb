"""The statement of the list: filters, and a total order, so that pages never overlap.

Rows without a value come last in both directions; equal values are ordered by time, trace and span, which are unique
in an organisation.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from functools import partial

from analytics_service.contract.endpoint import Row
from analytics_service.contract.parameters import Keyset
from analytics_service.contract.principal import Principal
from analytics_service.database import tenancy
from analytics_service.database.query import Query
from analytics_service.database.tenancy import Arguments
from analytics_service.endpoints.traces import sizes
from analytics_service.endpoints.traces.fields import SORT_TYPES, Sort, column
from analytics_service.endpoints.traces.list.children import CHILDREN_BELOW, COUNTS, with_children
from analytics_service.endpoints.traces.list.parameters import Include, Order, PageParameters, TraceParameters
from analytics_service.rollups.query import RAW_COMPLETENESS

_DIRECTIONS = {Order.ASC: ("ASC", ">"), Order.DESC: ("DESC", "<")}
_ORDERED = ("key_value", "key_ts", "key_trace", "key_span")
_EQUAL = (
    "trace_id",
    "project_id",
    "session_id",
    "user_id",
    "provider",
    "model",
    "operation_type",
    "environment",
)


def query(principal: Principal, params: TraceParameters) -> Query:
    return page(principal, params, partial(_filters, params), searches=params.search is not None)


def page(
    principal: Principal, params: PageParameters, conditions: Callable[[Arguments], Iterable[str]], *, searches: bool
) -> Query:
    """The spans `t` in the range that meet the conditions. `searches`: these read what no index has.

    One row more than the page holds tells whether there are more; one row without a span where there are none. Each
    says what is lost `below_retention`. Where texts may be long, there are fewer than `found`.
    """
    arguments = Arguments(principal.organisation, principal.project_list, *params.range)
    filters = " AND ".join([tenancy.predicate_in_range("t"), *conditions(arguments)])
    columns = [column(name) for name in params.selected_fields]
    keys = _keys(params.sort_by)
    if Include.TOTAL in params.include:
        keys["total"] = f"(SELECT count(*) FROM traces AS t WHERE {filters})"
    order = _order(params, *(keys[name] for name in _ORDERED if name in keys))
    if Include.CHILDREN in params.include:
        keys["place"] = f"row_number() OVER (ORDER BY {order})"
    sort_keys = (f"{expression} AS {name}" for name, expression in keys.items())
    rows = f"""
SELECT {", ".join([*(f"t.{name}" for name in columns), *sort_keys])}
FROM traces AS t
WHERE {filters}{_after_cursor(params, arguments)}
ORDER BY {order}
LIMIT {arguments.add(params.limit + 1)}"""
    ordered = _order(params, *(name for name in _ORDERED if name in keys))
    if Include.CHILDREN in params.include:
        rows, ordered = with_children(rows, columns, [name for name in keys if name != "place"]), CHILDREN_BELOW
    if params.may_be_long:
        counts = COUNTS if Include.CHILDREN in params.include else ""
        rows = sizes.bounded(rows, params.selected_fields, order=ordered, counts=counts)
    sql = f"SELECT k.*, p.* FROM ({RAW_COMPLETENESS}) AS k LEFT JOIN ({rows}) AS p ON true ORDER BY {ordered}"
    return Query(sql=sql, args=arguments.values, searches=searches or _scans_range(params))


def key(row: Row, sort: Sort) -> Keyset:
    """Returns the key that the next page continues after, as text for the cursor."""
    value = row["key_value"] if sort is not Sort.TS else None
    place = (row["key_ts"].isoformat(), row["key_trace"], row["key_span"])
    return (None if value is None else str(value), *place)


def _scans_range(params: PageParameters) -> bool:
    return params.sort_by is not Sort.TS or Include.TOTAL in params.include


def _keys(sort: Sort) -> dict[str, str]:
    """Returns the expressions that are read beside the fields, by name."""
    value = {} if sort is Sort.TS else {"key_value": f"t.{column(sort)}"}
    return {**value, "key_ts": "t.ts", "key_trace": "t.trace_id", "key_span": "t.span_id"}


def _filters(params: TraceParameters, arguments: Arguments) -> list[str]:
    equal = ((name, getattr(params, name)) for name in _EQUAL)
    conditions = [f"t.{name} = {arguments.add(value)}" for name, value in equal if value is not None]
    if params.status is not None:
        conditions.append(f"t.status_code = {arguments.add(params.status.value)}")
    for name, least, most in _bounds(params):
        if least is not None:
            conditions.append(f"t.{name} >= {arguments.add(least)}::numeric")
        if most is not None:
            conditions.append(f"t.{name} <= {arguments.add(most)}::numeric")
    if params.tags:
        conditions.append(f"t.tags @> {arguments.add(list(params.tags))}::text[]")
    if params.search is not None:
        pattern = arguments.add(f"%{like_literal(params.search)}%")
        conditions.append(f"(t.input_text ILIKE {pattern} OR t.output_text ILIKE {pattern})")
    return conditions


def _bounds(params: TraceParameters) -> tuple[tuple[str, Decimal | None, Decimal | None], ...]:
    def microseconds(duration: Decimal | None) -> Decimal | None:
        return None if duration is None else duration * 1000

    def as_decimal(tokens: int | None) -> Decimal | None:
        return None if tokens is None else Decimal(tokens)

    return (
        ("duration_us", microseconds(params.min_duration), microseconds(params.max_duration)),
        ("total_cost_usd", params.min_cost, params.max_cost),
        ("total_tokens", as_decimal(params.min_tokens), as_decimal(params.max_tokens)),
    )


def like_literal(text: str) -> str:
    """Escapes text for LIKE."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _order(params: PageParameters, *keys: str) -> str:
    """Returns ORDER BY terms of `keys`, which are those of _ORDERED."""
    direction, _ = _DIRECTIONS[params.order]
    order = ", ".join(f"{key} {direction}" for key in keys)
    return order if params.sort_by is Sort.TS else f"({keys[0]} IS NULL), {order}"


def _after_cursor(params: PageParameters, arguments: Arguments) -> str:
    """Returns the condition that keeps the rows after the cursor's, in the order of `_order`."""
    if params.after is None:
        return ""
    value, ts, trace, span = params.after
    _, beyond = _DIRECTIONS[params.order]
    moment = arguments.add(datetime.fromisoformat(str(ts)))
    place = f"{moment}::timestamptz, {arguments.add(trace)}::text, {arguments.add(span)}::text"
    if params.sort_by is Sort.TS:
        # the first comparison alone is what the index on time is entered by
        return f" AND t.ts {beyond}= {moment}::timestamptz AND (t.ts, t.trace_id, t.span_id) {beyond} ({place})"
    name = column(params.sort_by)
    if value is None:
        return f" AND t.{name} IS NULL AND (t.ts, t.trace_id, t.span_id) {beyond} ({place})"
    given = arguments.add(SORT_TYPES[params.sort_by](value) if params.sort_by in SORT_TYPES else value)
    return (
        f" AND (t.{name} IS NULL OR "
        f"(t.{name}, t.ts, t.trace_id, t.span_id) {beyond} ({given}::{_sql_type(params.sort_by)}, {place}))"
    )


def _sql_type(sort: Sort) -> str:
    kind = SORT_TYPES.get(sort)
    return "text" if kind is None else {int: "bigint", Decimal: "numeric"}[kind]
