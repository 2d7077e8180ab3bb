"""The statement of the forecast: sums by local day."""

from analytics_service.contract.filters import conditions
from analytics_service.contract.principal import Principal
from analytics_service.database.query import Query
from analytics_service.database.tenancy import Arguments
from analytics_service.endpoints.costs.forecast.parameters import ForecastParameters
from analytics_service.endpoints.costs.sums import SUMS
from analytics_service.rollups.levels import Level
from analytics_service.rollups.query import COMPLETENESS, requests
from analytics_service.units import intervals
from analytics_service.units.intervals import Interval


def query(principal: Principal, params: ForecastParameters) -> Query:
    """One row per day with requests, by its number `day` from 1; one row without a day where there are none."""
    arguments = Arguments(principal.organisation, principal.project_list, *params.range)
    starts = arguments.add(intervals.starts(params.range, Interval.DAY, params.zone))
    narrowed = conditions(params, arguments, alias="r")
    return Query(
        sql=f"""
{requests(params.level)}
SELECT w.*, d.*
FROM ({COMPLETENESS}) AS w LEFT JOIN (
  SELECT width_bucket(r.bucket, {starts}::timestamptz[]) AS day, {SUMS} FROM requests AS r WHERE {narrowed} GROUP BY 1
) AS d ON true""",
        args=arguments.values,
        searches=params.level is Level.RAW,
    )
