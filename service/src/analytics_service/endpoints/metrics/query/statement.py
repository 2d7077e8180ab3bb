"""The statement of a query of metrics: that of metrics over time, with conditions on groups, an order and a limit.

What is compared are exact quotients: a condition on one is one on its dividend.
"""

from typing import Final, NamedTuple

from analytics_service.contract.principal import Principal
from analytics_service.database.query import Query
from analytics_service.database.tenancy import Arguments
from analytics_service.endpoints.metrics.query.parameters import TIMESTAMP, QueryParameters
from analytics_service.endpoints.metrics.query.parts import Comparison, DimensionFilter, Having, Measure
from analytics_service.endpoints.metrics.series.groups import groups
from analytics_service.endpoints.metrics.series.names import VALUE_METRICS, Aggregation, Metric, column_name
from analytics_service.rollups.levels import Level
from analytics_service.rollups.query import COMPLETENESS
from analytics_service.units import decimals

_COMPARISONS: Final = {
    Comparison.GT: ">",
    Comparison.GTE: ">=",
    Comparison.LT: "<",
    Comparison.LTE: "<=",
    Comparison.EQ: "=",
}


def query(principal: Principal, params: QueryParameters) -> Query:
    """One row per bucket and group that is shown, in order; each says how many there are `in_all`.

    One row without a bucket where there are none, for the watermark.
    """
    arguments = Arguments(principal.organisation, principal.project_list, *params.range)
    starts = arguments.add(params.starts)
    narrowed = " AND ".join(["true", *(_narrowed(one, arguments) for one in params.filters)])
    found = groups(params, starts=starts, condition=narrowed)
    met = " AND ".join(["true", *(_met(one, arguments) for one in params.having)])
    return Query(
        sql=f"""
{found.expressions}
SELECT w.*, q.*
FROM ({COMPLETENESS}) AS w
LEFT JOIN (
  SELECT g.*, count(*) OVER () AS in_all, row_number() OVER (ORDER BY {_order(params)}) AS position
  FROM ({found.rows}) AS g{_lengths(starts) if params.compares(Metric.THROUGHPUT) else ""}
  WHERE {met}
  ORDER BY position
  LIMIT {arguments.add(params.limit)}
) AS q ON true
ORDER BY q.position""",
        args=arguments.values,
        searches=params.selection.level is Level.RAW,
    )


def _narrowed(given: DimensionFilter, arguments: Arguments) -> str:
    name = f"r.{given.dimension}"
    if "" in given.values:
        name = f"coalesce({name}, '')"
    condition = f"{name} = ANY({arguments.add(list(given.values))}::text[])"
    return f"({condition}) IS NOT TRUE" if given.is_negated else condition


class _Quotient(NamedTuple):
    """SQL of a measure, in the units of columns."""

    dividend: str
    divisor: str = "1"


def _quotient(measure: Measure) -> _Quotient:
    metric, aggregation = measure
    if aggregation is Aggregation.AVG:
        return _Quotient(*(f"g.{column_name(metric, one)}" for one in (Aggregation.SUM, Aggregation.COUNT)))
    if aggregation is not None:
        return _Quotient(f"g.{column_name(metric, aggregation)}")
    match metric:
        case Metric.ERROR_COUNT:
            return _Quotient("g.errors")
        case Metric.SUCCESS_COUNT:
            return _Quotient("(g.requests - g.errors)")
        case Metric.ERROR_RATE:
            return _Quotient("g.errors", "g.requests")
        case Metric.SUCCESS_RATE:
            return _Quotient("(g.requests - g.errors)", "g.requests")
        case Metric.THROUGHPUT:
            return _Quotient("g.requests", "l.seconds")
        case Metric.UNIQUE_USERS | Metric.UNIQUE_SESSIONS:
            return _Quotient(f"coalesce(g.{metric}, 0)")
        case _:
            return _Quotient("g.requests")


def _met(condition: Having, arguments: Arguments) -> str:
    measure = condition.measure
    found = _quotient(measure)
    is_time = measure.metric in VALUE_METRICS and VALUE_METRICS[measure.metric].milliseconds
    in_columns = is_time and measure.aggregation is not Aggregation.COUNT
    value = arguments.add(decimals.product(condition.value, 1000) if in_columns else condition.value)
    compared = f"{found.dividend} {_COMPARISONS[condition.operator]} {value}::numeric * {found.divisor}"
    return f"({found.divisor} > 0 AND {compared})"


def _order(params: QueryParameters) -> str:
    ties = ["g.number", *(f"g.{dimension}" for dimension in params.group_by)]
    if params.sort_by is None:
        return ", ".join(ties)
    direction = "DESC" if params.sort_by.descending else "ASC"
    if params.sorted_measure is not None:
        found = _quotient(params.sorted_measure)
        first = f"{found.dividend}::numeric / nullif({found.divisor}, 0)"
    else:
        first = "g.number" if params.sort_by.field == TIMESTAMP else f"g.{params.sort_by.field}"
    return ", ".join([f"{first} {direction} NULLS LAST", *ties])


def _lengths(starts: str) -> str:
    """The seconds of each bucket that are in the range, and retained."""
    return f"""
  CROSS JOIN ({COMPLETENESS}) AS c
  CROSS JOIN LATERAL (
    SELECT sum(extract(epoch FROM upper(part) - lower(part))) AS seconds
    FROM unnest(
      tstzmultirange(tstzrange(
        greatest(({starts}::timestamptz[])[g.number], $3::timestamptz),
        least(({starts}::timestamptz[])[g.number + 1], $4::timestamptz)
      )) - c.below_retention - c.edge_below_retention
    ) AS part
  ) AS l"""
