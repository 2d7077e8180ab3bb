"""The statement of metrics over time."""

from analytics_service.contract.filters import conditions
from analytics_service.contract.principal import Principal
from analytics_service.database.query import Query
from analytics_service.database.tenancy import Arguments
from analytics_service.endpoints.metrics.series.groups import groups
from analytics_service.endpoints.metrics.series.parameters import MetricParameters
from analytics_service.rollups.levels import Level
from analytics_service.rollups.query import COMPLETENESS


def query(principal: Principal, params: MetricParameters) -> Query:
    """One row per bucket and group, the newest `max_points` and one more, oldest first.

    One row without a bucket where there are none, for the watermark.
    """
    arguments = Arguments(principal.organisation, principal.project_list, *params.range)
    starts = arguments.add(params.starts)
    found = groups(params, starts=starts, condition=conditions(params, arguments, alias="r"))
    return Query(
        sql=f"""
{found.expressions}
SELECT w.*, q.*
FROM ({COMPLETENESS}) AS w
LEFT JOIN (
  {found.rows}
  ORDER BY number DESC{"".join(f", {dimension}" for dimension in params.group_by)}
  LIMIT {arguments.add(params.max_points + 1)}
) AS q ON true
ORDER BY {", ".join(f"q.{key}" for key in ["number", *params.group_by])}""",
        args=arguments.values,
        searches=params.selection.level is Level.RAW,
    )
