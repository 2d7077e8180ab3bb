"""Percentiles from histograms: SQL over rows of `latency`, which have `codes` and `counts`. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from analytics_service.rollups import sketches
from analytics_service.rollups.hierarchy.latency import TTFT_CODES

_FIRST_TTFT: Final = TTFT_CODES + sketches.ZERO_BIN
_OF_MEASURE: Final = {"duration_us": f"code < {_FIRST_TTFT}", "ttft_us": f"code >= {_FIRST_TTFT}"}
_OFFSETS: Final = {"duration_us": 0, "ttft_us": TTFT_CODES}


@dataclass(frozen=True, kw_only=True)
class Percentile:
    name: str
    """Of the column that has it, in microseconds."""
    measure: str
    """`duration_us` or `ttft_us`."""
    share: str
    """As 0.95."""


def bins(rows: str, keys: Sequence[str], measures: Iterable[str]) -> str:
    """SQL of `code` and `n`, the number of requests in its bin, for each of the keys."""
    keyed = ", ".join(keys)
    condition = " OR ".join(_OF_MEASURE[measure] for measure in dict.fromkeys(measures))
    return f"""
    SELECT {keyed}, code, sum(n) AS n
    FROM ({rows}) AS r CROSS JOIN LATERAL unnest(r.codes, r.counts) AS e (code, n)
    WHERE {condition} GROUP BY {keyed}, code
  """


def percentiles(bins_: str, keys: Sequence[str], asked: Iterable[Percentile]) -> str:
    """SQL of a column for each percentile: the first bin up to which its share of the requests lies."""
    keyed = ", ".join(keys)
    return f"""
SELECT {keyed}, {", ".join(map(_column, asked))}
FROM (
  SELECT *, sum(n) OVER (PARTITION BY {keyed}, code >= {_FIRST_TTFT} ORDER BY code) AS reached,
    sum(n) OVER (PARTITION BY {keyed}, code >= {_FIRST_TTFT}) AS whole
  FROM ({bins_}) AS bins
) AS shares
GROUP BY {keyed}"""


def _column(one: Percentile) -> str:
    code = f"min(code) FILTER (WHERE {_OF_MEASURE[one.measure]} AND reached >= {one.share} * whole)"
    return f"{sketches.value_of(f'({code} - {_OFFSETS[one.measure]})')} AS {one.name}"
