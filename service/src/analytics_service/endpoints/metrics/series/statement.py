"""The statement of metrics over time: sums and counts by bucket and group, of which averages are made afterwards."""

from collections.abc import Iterator, Sequence

from analytics_service.contract.filters import conditions
from analytics_service.contract.principal import Principal
from analytics_service.database.query import Query
from analytics_service.database.tenancy import Arguments
from analytics_service.endpoints.metrics.series import sketched
from analytics_service.endpoints.metrics.series.names import (
    MEASURED,
    PERCENTILES,
    UNIQUE,
    Aggregation,
    Metric,
    column_name,
)
from analytics_service.endpoints.metrics.series.parameters import MetricParameters
from analytics_service.rollups.levels import Level
from analytics_service.rollups.query import WATERMARK, name_of, requests

MOST_ROWS = 10_000
"""Points of an answer; more are cut off at the newest end, and the answer says so."""


def query(principal: Principal, params: MetricParameters) -> Query:
    """A row a bucket and group, oldest first; one without a bucket when there are none, for the watermark's sake."""
    arguments = Arguments(principal.organisation, principal.project_list, *params.range)
    keys = ["number", *params.group_by]
    number = f"width_bucket(r.bucket, {arguments.add(params.starts)}::timestamptz[]) AS number"
    rows = f"(SELECT {number}, r.* FROM {{}} AS r WHERE {conditions(params, arguments, alias='r')})"
    return Query(
        sql=f"""
{requests(params.route.level, *params.route.sketches)}
SELECT w.*, q.*
FROM ({WATERMARK}) AS w
LEFT JOIN (
  SELECT * FROM (
    SELECT {", ".join([*keys, *_aggregates(params)])}
    FROM {rows.format("requests")} AS r
    GROUP BY {", ".join(keys)}
  ) AS totals {" ".join(_sketched(params, rows, keys))}
  ORDER BY {", ".join(keys)}
  LIMIT {arguments.add(MOST_ROWS + 1)}
) AS q ON true
ORDER BY {", ".join(f"q.{key}" for key in keys)}""",
        args=arguments.values,
        searches=params.route.level is Level.RAW,
    )


def _sketched(params: MetricParameters, rows: str, keys: Sequence[str]) -> Iterator[str]:
    for each in params.route.sketches:
        name = name_of(each)
        some = rows.format(name)
        table = sketched.users(some, keys) if each is params.route.users else sketched.percentiles(params, some, keys)
        yield f"LEFT JOIN ({table}) AS {name} USING ({', '.join(keys)})"


def _aggregates(params: MetricParameters) -> list[str]:
    wanted = [
        "sum(r.request_count) AS requests",
        "coalesce(sum(r.request_count) FILTER (WHERE r.status_code = 'ERROR'), 0) AS errors",
    ]
    for metric in params.metrics:
        if metric in MEASURED:
            wanted += [text for one in params.aggregations(metric) for text in _measured(params, metric, one)]
        elif metric in UNIQUE and params.route.users is None:
            wanted.append(f"count(DISTINCT r.{UNIQUE[metric]}) AS {metric}")
    return list(dict.fromkeys(wanted))


def _measured(params: MetricParameters, metric: Metric, aggregation: Aggregation) -> Iterator[str]:
    """The columns that `rows` makes the aggregation of; their names are `column_name`'s."""
    column = f"r.{MEASURED[metric].column}"
    match aggregation:
        case Aggregation.AVG:
            yield from (*_measured(params, metric, Aggregation.SUM), *_measured(params, metric, Aggregation.COUNT))
        case Aggregation.SUM | Aggregation.COUNT:
            yield f"sum({column}_{aggregation}) AS {column_name(metric, aggregation)}"
        case Aggregation.MIN | Aggregation.MAX:
            yield f"{aggregation}({column}_{aggregation}) AS {column_name(metric, aggregation)}"
        case Aggregation.P50 | Aggregation.P90 | Aggregation.P95 | Aggregation.P99 if params.route.latency is not None:
            pass
        case Aggregation.P50 | Aggregation.P90 | Aggregation.P95 | Aggregation.P99:
            share = PERCENTILES[aggregation]
            value = f"percentile_disc({share}) WITHIN GROUP (ORDER BY {column}_min)"  # of one request: its own value
            yield f"{value} AS {column_name(metric, aggregation)}"
