"""Sums and counts by bucket and group, as SQL: averages are computed afterwards."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from analytics_service.endpoints.metrics.series import sketched
from analytics_service.endpoints.metrics.series.bucketed import BucketedParameters
from analytics_service.endpoints.metrics.series.names import (
    COSTS,
    DISTINCT_COUNTS,
    PERCENTILES,
    VALUE_METRICS,
    Aggregation,
    Metric,
    column_name,
)
from analytics_service.rollups.query import name_of, requests
from analytics_service.rollups.query.coverage import UNPRICED, UNPRICED_TOKENS


class Groups(NamedTuple):
    expressions: str
    """`WITH ...`: stands before the statement, which has COMPLETENESS too."""
    rows: str
    """One row per bucket, which `number` counts from 1, and group."""


def groups(params: BucketedParameters, *, starts: str, condition: str) -> Groups:
    """`starts` is the argument of params.starts; `condition` narrows the rows `r` of `requests`."""
    keys = ["number", *params.group_by]
    number = f"width_bucket(r.bucket, {starts}::timestamptz[]) AS number"
    rows = f"(SELECT {number}, r.* FROM {{}} AS r WHERE {condition})"
    return Groups(
        expressions=requests(params.selection.level, *params.selection.sketches, boundaries=starts),
        rows=f"""SELECT * FROM (
    SELECT {", ".join([*keys, *_aggregates(params)])}
    FROM {rows.format("requests")} AS r
    GROUP BY {", ".join(keys)}
  ) AS totals {" ".join(_sketched(params, rows, keys))}""",
    )


def _sketched(params: BucketedParameters, rows: str, keys: Sequence[str]) -> Iterator[str]:
    for each in params.selection.sketches:
        name = name_of(each)
        some = rows.format(name)
        if each is params.selection.latency:
            table = sketched.percentiles(params.measures, some, keys)
        elif params.selection.counts_users_exactly:
            table = sketched.users_exactly(some, keys)
        else:
            table = sketched.users(some, keys)
        yield f"LEFT JOIN ({table}) AS {name} USING ({', '.join(keys)})"


def _aggregates(params: BucketedParameters) -> list[str]:
    columns = [
        "sum(r.request_count) AS requests",
        "coalesce(sum(r.request_count) FILTER (WHERE r.status_code = 'ERROR'), 0) AS errors",
    ]
    for metric, taken in params.measures.items():
        if metric in VALUE_METRICS:
            columns += [text for one in taken for text in _aggregate_columns(params, metric, one)]
        elif metric in DISTINCT_COUNTS and params.selection.users is None:
            columns.append(f"count(DISTINCT r.{DISTINCT_COUNTS[metric]}) AS {metric}")
    if not COSTS.isdisjoint(params.measures):
        columns += [f"{UNPRICED} AS unpriced", f"{UNPRICED_TOKENS} AS unpriced_tokens"]
    return list(dict.fromkeys(columns))


def _aggregate_columns(params: BucketedParameters, metric: Metric, aggregation: Aggregation) -> Iterator[str]:
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
