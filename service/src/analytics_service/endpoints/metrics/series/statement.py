"""The statement of metrics over time: sums and counts by bucket and group; averages are computed afterwards."""

from collections.abc import Iterator, Sequence

from analytics_service.contract.filters import conditions
from analytics_service.contract.principal import Principal
from analytics_service.database.query import Query
from analytics_service.database.tenancy import Arguments
from analytics_service.endpoints.metrics.series import sketched
from analytics_service.endpoints.metrics.series.names import (
    COSTS,
    DISTINCT_COUNTS,
    PERCENTILES,
    VALUE_METRICS,
    Aggregation,
    Metric,
    column_name,
)
from analytics_service.endpoints.metrics.series.parameters import MetricParameters
from analytics_service.rollups.levels import Level
from analytics_service.rollups.query import COMPLETENESS, name_of, requests
from analytics_service.rollups.query.coverage import UNPRICED, UNPRICED_TOKENS


def query(principal: Principal, params: MetricParameters) -> Query:
    """One row per bucket and group, the newest `max_points` and one more, oldest first.

    One row without a bucket where there are none, for the watermark.
    """
    arguments = Arguments(principal.organisation, principal.project_list, *params.range)
    keys = ["number", *params.group_by]
    starts = arguments.add(params.starts)
    number = f"width_bucket(r.bucket, {starts}::timestamptz[]) AS number"
    rows = f"(SELECT {number}, r.* FROM {{}} AS r WHERE {conditions(params, arguments, alias='r')})"
    return Query(
        sql=f"""
{requests(params.selection.level, *params.selection.sketches, boundaries=starts)}
SELECT w.*, q.*
FROM ({COMPLETENESS}) AS w
LEFT JOIN (
  SELECT * FROM (
    SELECT {", ".join([*keys, *_aggregates(params)])}
    FROM {rows.format("requests")} AS r
    GROUP BY {", ".join(keys)}
  ) AS totals {" ".join(_sketched(params, rows, keys))}
  ORDER BY number DESC{"".join(f", {dimension}" for dimension in params.group_by)}
  LIMIT {arguments.add(params.max_points + 1)}
) AS q ON true
ORDER BY {", ".join(f"q.{key}" for key in keys)}""",
        args=arguments.values,
        searches=params.selection.level is Level.RAW,
    )


def _sketched(params: MetricParameters, rows: str, keys: Sequence[str]) -> Iterator[str]:
    for each in params.selection.sketches:
        name = name_of(each)
        some = rows.format(name)
        if each is params.selection.latency:
            table = sketched.percentiles(params, some, keys)
        elif params.selection.counts_users_exactly:
            table = sketched.users_exactly(some, keys)
        else:
            table = sketched.users(some, keys)
        yield f"LEFT JOIN ({table}) AS {name} USING ({', '.join(keys)})"


def _aggregates(params: MetricParameters) -> list[str]:
    columns = [
        "sum(r.request_count) AS requests",
        "coalesce(sum(r.request_count) FILTER (WHERE r.status_code = 'ERROR'), 0) AS errors",
    ]
    for metric in params.metrics:
        if metric in VALUE_METRICS:
            columns += [text for one in params.aggregations(metric) for text in _aggregate_columns(params, metric, one)]
        elif metric in DISTINCT_COUNTS and params.selection.users is None:
            columns.append(f"count(DISTINCT r.{DISTINCT_COUNTS[metric]}) AS {metric}")
    if not COSTS.isdisjoint(params.metrics):
        columns += [f"{UNPRICED} AS unpriced", f"{UNPRICED_TOKENS} AS unpriced_tokens"]
    return list(dict.fromkeys(columns))


def _aggregate_columns(params: MetricParameters, metric: Metric, aggregation: Aggregation) -> Iterator[str]:
    """Yields the columns that the answer computes the aggregation from, named by `column_name`."""
    column = f"r.{VALUE_METRICS[metric].column}"
    match aggregation:
        case Aggregation.AVG:
            yield from (
                *_aggregate_columns(params, metric, Aggregation.SUM),
                *_aggregate_columns(params, metric, Aggregation.COUNT),
            )
        case Aggregation.SUM | Aggregation.COUNT:
            yield f"sum({column}_{aggregation}) AS {column_name(metric, aggregation)}"
        case Aggregation.MIN | Aggregation.MAX:
            yield f"{aggregation}({column}_{aggregation}) AS {column_name(metric, aggregation)}"
        case Aggregation.P50 | Aggregation.P90 | Aggregation.P95 | Aggregation.P99 if (
            params.selection.latency is not None
        ):
            pass
        case Aggregation.P50 | Aggregation.P90 | Aggregation.P95 | Aggregation.P99:
            share = PERCENTILES[aggregation]
            value = f"percentile_disc({share}) WITHIN GROUP (ORDER BY {column}_min)"  # of one request: its own value
            yield f"{value} AS {column_name(metric, aggregation)}"
