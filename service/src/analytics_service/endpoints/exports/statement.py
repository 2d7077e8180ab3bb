"""The statements that read the rows of an export, part by part. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from analytics_service.contract.endpoint import Row
from analytics_service.contract.filters import conditions
from analytics_service.database import tenancy
from analytics_service.database.export_jobs import ExportJob
from analytics_service.database.query import Query
from analytics_service.database.tenancy import Arguments
from analytics_service.endpoints.exports.parameters import ExportParameters
from analytics_service.endpoints.traces import sizes
from analytics_service.endpoints.traces.fields import column
from analytics_service.units.times import Range

Key = tuple[datetime, str, str]
"""Of a row: its time, trace and span, by which rows are ordered."""
PART_ROWS: Final = 1_000
_EQUAL: Final = ("trace_id", "session_id", "operation_type")
_ORDER: Final = "key_ts, key_trace, key_span"


def part(job: ExportJob, params: ExportParameters, span: Range, *, after: Key | None, limit: int) -> Query:
    """The first rows of `span` that come after a key, oldest first: at most `limit`, and no more bytes than a page.

    `params` are the job's, and `span` may be part of their range. `is_last_part` says whether these are all.
    """
    arguments = Arguments(job.organisation, list(job.projects) or None, *span)
    where = [tenancy.predicate_in_range("t"), conditions(params, arguments, alias="t")]
    equal = ((name, getattr(params, name)) for name in _EQUAL)
    where += [f"t.{name} = {arguments.add(value)}" for name, value in equal if value is not None]
    if params.status is not None:
        where.append(f"t.status_code = {arguments.add(params.status.value)}")
    if after is not None:
        ts, trace, span_ = map(arguments.add, after)
        # the first comparison alone is what the index on time is entered by
        where.append(f"t.ts >= {ts}::timestamptz")
        where.append(f"(t.ts, t.trace_id, t.span_id) > ({ts}::timestamptz, {trace}::text, {span_}::text)")
    columns = ", ".join(f"t.{column(name)}" for name in params.selected_fields)
    rows = f"""
SELECT {columns}, t.ts AS key_ts, t.trace_id AS key_trace, t.span_id AS key_span
FROM traces AS t
WHERE {" AND ".join(where)}
ORDER BY {_ORDER}
LIMIT {arguments.add(limit)}"""
    if sizes.may_be_long(params.selected_fields, limit):
        rows = f"{sizes.bounded(rows, params.selected_fields, order=_ORDER)} ORDER BY {_ORDER}"
    return Query(sql=rows, args=arguments.values)


def key(row: Row) -> Key:
    return row["key_ts"], row["key_trace"], row["key_span"]


def is_last_part(params: ExportParameters, rows: Sequence[Row], limit: int) -> bool:
    """Whether there is no row of the span after these."""
    if sizes.may_be_long(params.selected_fields, limit):
        return not rows or (sizes.are_all(rows) and len(rows) < limit)
    return len(rows) < limit
