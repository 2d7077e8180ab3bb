"""The statement of the attribution: the whole, each value, and all other values together, from one snapshot."""

from enum import StrEnum
from typing import Final

from analytics_service.contract.filters import conditions
from analytics_service.contract.principal import Principal
from analytics_service.database.query import Query
from analytics_service.database.tenancy import Arguments
from analytics_service.endpoints.costs.attribution.parameters import AttributionParameters
from analytics_service.endpoints.costs.sums import COLUMNS, SUMS
from analytics_service.rollups.levels import Level
from analytics_service.rollups.query import COMPLETENESS

MAX_SHARES: Final = 20_000
"""Rows of one answer: values, and the providers and models of each."""


class Part(StrEnum):
    COMPLETE = "complete"
    VALUE = "value"
    PROVIDER = "provider"
    MODEL = "model"


def query(principal: Principal, params: AttributionParameters) -> Query:
    """Rows of `part`, `position`, `value`, `name` and sums; there is always one of the part `complete`.

    Values have a position from 1, the most expensive first; NULL is that of all others together.
    """
    arguments = Arguments(principal.organisation, principal.project_list, *params.range)
    narrowed = conditions(params, arguments, alias="r")
    min_cost = f"{arguments.add(params.min_cost)}::numeric"
    limit = arguments.add(params.limit)
    # tags overlap: the requests of the other tags are not known from sums, and the whole has every request once
    overlaps = params.dimension.overlaps
    complete = f"SELECT {SUMS} FROM requests AS r WHERE {narrowed}" if overlaps else f"SELECT {_ADDED} FROM positioned"
    return Query(
        sql=f"""
{params.source.expressions},
sums AS (
  SELECT r.value, r.provider, r.model, {SUMS} FROM {params.source.rows} AS r WHERE {narrowed} GROUP BY 1, 2, 3
), ranked AS (
  SELECT v.*, dense_rank() OVER (ORDER BY v.value_cost DESC NULLS LAST, v.value COLLATE "C") AS rank
  FROM (SELECT s.*, sum(s.cost) OVER (PARTITION BY s.value) AS value_cost FROM sums AS s) AS v
), positioned AS (
  SELECT r.*, CASE WHEN r.rank <= {limit} AND ({min_cost} IS NULL OR r.value_cost >= {min_cost}) THEN r.rank END
    AS position
  FROM ranked AS r
)
SELECT parts.*, (SELECT max(r.rank) FROM ranked AS r) AS value_count, w.*
FROM (
  SELECT '{Part.COMPLETE}' AS part, NULL::bigint AS position, NULL AS value, NULL AS name, c.*
  FROM ({complete}) AS c
  UNION ALL
  SELECT CASE WHEN GROUPING(p.provider) = 0 THEN '{Part.PROVIDER}' WHEN GROUPING(p.model) = 0 THEN '{Part.MODEL}'
      ELSE '{Part.VALUE}' END,
    p.position, CASE WHEN p.position IS NOT NULL THEN max(p.value) END, coalesce(p.provider, p.model), {_ADDED}
  FROM positioned AS p WHERE {"p.position IS NOT NULL" if overlaps else "true"}
  GROUP BY GROUPING SETS ((p.position), (p.position, p.provider), (p.position, p.model))
) AS parts CROSS JOIN ({COMPLETENESS}) AS w
LIMIT {arguments.add(MAX_SHARES + 1)}""",
        args=arguments.values,
        searches=params.source.level is Level.RAW,
    )


_ADDED: Final = ", ".join(f"sum({name}) AS {name}" for name in COLUMNS)
