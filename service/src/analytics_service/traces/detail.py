"""One trace: its parameters, the statement that reads its spans, and what they add up to."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from analytics_service.auth.principal import Principal
from analytics_service.database.arguments import Arguments
from analytics_service.database.levels import Level
from analytics_service.database.query import Query
from analytics_service.http import numbers
from analytics_service.http.endpoint import Answer, Row
from analytics_service.http.parameters import CSV, Parameters, Text
from analytics_service.problems import Problem, RequestError
from analytics_service.traces import tree
from analytics_service.traces.fields import Status, column, shown
from analytics_service.traces.rows import trace

MOST_SPANS: Final = 5_000
MOST_WITH_TEXT: Final = 200
"""Inputs and outputs may be megabytes each."""
_NEEDED: Final = ("ts", "span_id", "parent_span_id", "model", "status_code", "duration_us", "is_request")
_ADDED: Final = (
    *("prompt_tokens", "completion_tokens", "total_tokens"),
    *("prompt_cost_usd", "completion_cost_usd", "total_cost_usd"),
)


class DetailInclude(StrEnum):
    ATTRIBUTES = "attributes"
    IO = "io"


class DetailParameters(Parameters):
    """A trace is found whenever it was; a range makes that cheaper in a store of many years."""

    usual_range: ClassVar[timedelta] = timedelta(days=365 * 50)
    longest_range: ClassVar[timedelta] = timedelta(days=365 * 231)
    ahead: ClassVar[timedelta] = timedelta(days=1)  # clocks of clients run ahead

    trace_id: Text
    include: Annotated[tuple[DetailInclude, ...], *CSV] = ()
    """Adds long fields: `attributes`; `io`: input_text and output_text."""

    @property
    def most(self) -> int:
        return MOST_WITH_TEXT if DetailInclude.IO in self.include else MOST_SPANS


def query(principal: Principal, params: DetailParameters) -> Query:
    """One row more than an answer holds; by the primary key, so that a trace that is not there costs the same."""
    arguments = Arguments(principal.organisation, principal.project_list, *params.range)
    columns = dict.fromkeys((*map(column, shown(None, params.include)), *_NEEDED, *_ADDED))
    return Query(
        sql=f"""
SELECT {", ".join(f"t.{name}" for name in columns)}
FROM traces AS t
WHERE t.org_id = $1 AND ($2::text[] IS NULL OR t.project_id = ANY($2::text[]))
    AND t.ts >= $3::timestamptz AND t.ts < $4::timestamptz AND t.trace_id = {arguments.add(params.trace_id)}
ORDER BY t.ts, t.span_id
LIMIT {arguments.add(params.most + 1)}""",
        args=arguments.values,
    )


def answer(params: DetailParameters, rows: Sequence[Row]) -> Answer:
    """RequestError where there is no such trace, or one of more spans than an answer holds."""
    if not rows:
        raise RequestError(
            Problem.TRACE_NOT_FOUND,
            "no span of this trace is in the range and in the projects of the token",
            field="trace_id",
        )
    if len(rows) > params.most:
        raise RequestError(
            Problem.RANGE_TOO_LARGE,
            f"the trace has more than {params.most} spans; ask for a part of it with from and to, "
            "or page through GET /api/v1/traces?trace_id=",
            field="trace_id",
        )
    fields = shown(None, params.include)
    spans = [tree.Node(row["span_id"], row["parent_span_id"], trace(row, fields)) for row in rows]
    return Answer(
        data={
            "trace_id": params.trace_id,
            "start": rows[0]["ts"],
            "duration_ms": _duration(rows),
            "totals": _totals(rows),
            "spans": tree.grown(spans),
        },
        source=Level.RAW,
    )


def _duration(rows: Sequence[Row]) -> Any:
    """Milliseconds from the first start to the last end."""
    first, step = rows[0]["ts"], timedelta(microseconds=1)
    return numbers.milliseconds(max((row["ts"] - first) // step + (row["duration_us"] or 0) for row in rows))


def _totals(rows: Sequence[Row]) -> dict[str, Any]:
    """Tokens and money of requests alone, as in metrics and costs: spans around them may repeat what they hold."""
    requests = [row for row in rows if row["is_request"]]
    added = {name: numbers.total(Decimal(row[name] or 0) for row in requests) for name in _ADDED}
    return {
        "span_count": len(rows),
        "request_count": len(requests),
        "error_count": sum(row["status_code"] == Status.ERROR for row in rows),
        **added,
        "models": sorted({row["model"] for row in requests if row["model"]}),
    }
