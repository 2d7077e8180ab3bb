"""The statement of metrics over time: sums and counts by bucket and group, of which averages are made afterwards."""

from collections.abc import Iterator

from analytics_service.auth.principal import Principal
from analytics_service.database import source
from analytics_service.database.arguments import Arguments
from analytics_service.database.query import Query
from analytics_service.http.filters import conditions
from analytics_service.metrics.names import MEASURED, PERCENTILES, UNIQUE, Aggregation, Metric
from analytics_service.metrics.parameters import MetricParameters

MOST_ROWS = 10_000
"""Points of an answer; more are cut off at the newest end, and the answer says so."""


def query(principal: Principal, params: MetricParameters) -> Query:
    """A row a bucket and group, oldest first; one without a bucket when there are none, for the watermark's sake."""
    arguments = Arguments(principal.organisation, principal.project_list, *params.range)
    bucket = f"width_bucket(r.bucket, {arguments.add(params.starts)}::timestamptz[])"
    groups = [f"r.{dimension}" for dimension in params.group_by]
    grouped = ", ".join(str(number) for number in range(1, len(groups) + 2))
    return Query(
        sql=f"""
{source.requests(params.level)}
SELECT w.*, q.*
FROM ({source.WATERMARK}) AS w
LEFT JOIN (
  SELECT {", ".join([f"{bucket} AS number", *groups, *_aggregates(params)])}
  FROM requests AS r
  WHERE {conditions(params, arguments, alias="r")}
  GROUP BY {grouped}
  ORDER BY {grouped}
  LIMIT {arguments.add(MOST_ROWS + 1)}
) AS q ON true
ORDER BY {", ".join(["q.number", *(f"q.{dimension}" for dimension in params.group_by)])}""",
        args=arguments.values,
    )


def _aggregates(params: MetricParameters) -> list[str]:
    wanted = [
        "sum(r.request_count) AS requests",
        "coalesce(sum(r.request_count) FILTER (WHERE r.status_code = 'ERROR'), 0) AS errors",
    ]
    for metric in params.metrics:
        if metric in MEASURED:
            wanted += [text for one in params.aggregations(metric) for text in _measured(metric, one)]
        elif metric in UNIQUE:
            wanted.append(f"count(DISTINCT r.{UNIQUE[metric]}) AS {metric}")
    return list(dict.fromkeys(wanted))


def _measured(metric: Metric, aggregation: Aggregation) -> Iterator[str]:
    """The columns that `rows` makes the aggregation of; their names are `column_name`'s."""
    column = f"r.{MEASURED[metric].column}"
    match aggregation:
        case Aggregation.AVG:
            yield from (*_measured(metric, Aggregation.SUM), *_measured(metric, Aggregation.COUNT))
        case Aggregation.SUM | Aggregation.COUNT:
            yield f"sum({column}_{aggregation}) AS {column_name(metric, aggregation)}"
        case Aggregation.MIN | Aggregation.MAX:
            yield f"{aggregation}({column}_{aggregation}) AS {column_name(metric, aggregation)}"
        case Aggregation.P50 | Aggregation.P90 | Aggregation.P95 | Aggregation.P99:
            share = PERCENTILES[aggregation]
            value = f"percentile_disc({share}) WITHIN GROUP (ORDER BY {column}_min)"  # of one request: its own value
            yield f"{value} AS {column_name(metric, aggregation)}"


def column_name(metric: Metric, aggregation: Aggregation) -> str:
    return f"{metric}_{aggregation}"
