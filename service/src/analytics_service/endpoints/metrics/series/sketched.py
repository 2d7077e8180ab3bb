"""Percentiles and numbers of users from sketches: statements with one row per bucket and group, as totals have."""

from collections.abc import Mapping, Sequence
from typing import Final

from analytics_service.endpoints.metrics.series.names import (
    LATENCIES,
    PERCENTILES,
    Aggregation,
    Metric,
    column_name,
)
from analytics_service.rollups import sketches
from analytics_service.rollups.hierarchy.latency import RANKS, TTFT_CODES

Measures = Mapping[Metric, tuple[Aggregation, ...]]
_FIRST_TTFT: Final = TTFT_CODES + sketches.ZERO_BIN
_OF_MEASURE: Final = {Metric.DURATION: f"code < {_FIRST_TTFT}", Metric.TIME_TO_FIRST_TOKEN: f"code >= {_FIRST_TTFT}"}
_OFFSETS: Final = {Metric.DURATION: 0, Metric.TIME_TO_FIRST_TOKEN: TTFT_CODES}


def percentiles(measures: Measures, rows: str, keys: Sequence[str]) -> str:
    """Returns SQL with the columns of percentiles from raw, in microseconds: the first bin that reaches the share."""
    keyed = ", ".join(keys)
    asked = percentile_columns(measures)
    columns = ", ".join(_percentile(metric, one) for metric, one in asked)
    codes = " OR ".join(dict.fromkeys(_OF_MEASURE[metric] for metric, _ in asked))
    return f"""
SELECT {keyed}, {columns}
FROM (
  SELECT *, sum(n) OVER (PARTITION BY {keyed}, code >= {_FIRST_TTFT} ORDER BY code) AS reached,
    sum(n) OVER (PARTITION BY {keyed}, code >= {_FIRST_TTFT}) AS whole
  FROM (
    SELECT {keyed}, code, sum(n) AS n
    FROM ({rows}) AS r CROSS JOIN LATERAL unnest(r.codes, r.counts) AS e (code, n)
    WHERE {codes} GROUP BY {keyed}, code
  ) AS bins
) AS shares
GROUP BY {keyed}"""


def percentile_columns(measures: Measures) -> list[tuple[Metric, Aggregation]]:
    return [
        (metric, one)
        for metric, taken in measures.items()
        if metric in LATENCIES
        for one in taken
        if one in PERCENTILES
    ]


def _percentile(metric: Metric, one: Aggregation) -> str:
    code = f"min(code) FILTER (WHERE {_OF_MEASURE[metric]} AND reached >= {PERCENTILES[one]} * whole)"
    return f"{sketches.value_of(f'({code} - {_OFFSETS[metric]})')} AS {column_name(metric, one)}"


def users(rows: str, keys: Sequence[str]) -> str:
    """Returns SQL of `ranks` and the number of `registers` with each rank, as sketches.users takes them."""
    keyed = ", ".join(keys)
    return f"""
SELECT {keyed}, array_agg(rank) AS ranks, array_agg(registers) AS registers
FROM (
  SELECT {keyed}, code % {RANKS} AS rank, count(*) AS registers
  FROM (
    SELECT {keyed}, max(code) AS code FROM ({rows}) AS r CROSS JOIN LATERAL unnest(r.codes) AS e (code)
    GROUP BY {keyed}, code / {RANKS}
  ) AS merged
  GROUP BY {keyed}, code % {RANKS}
) AS counted
GROUP BY {keyed}"""


def users_exactly(rows: str, keys: Sequence[str]) -> str:
    """Returns SQL of the number of users; users are put together first, for to sort their names would take longer."""
    keyed = ", ".join(keys)
    return f"""
SELECT {keyed}, count(*) AS {Metric.UNIQUE_USERS}
FROM (SELECT {keyed}, user_id FROM ({rows}) AS r WHERE user_id IS NOT NULL GROUP BY {keyed}, user_id) AS users
GROUP BY {keyed}"""
