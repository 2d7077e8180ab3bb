"""The statement of the summary of metrics: every part of the answer from one snapshot, distinguished by `part`."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from analytics_service.contract.filters import conditions
from analytics_service.contract.principal import Permission, Principal
from analytics_service.database import tenancy
from analytics_service.database.query import Query
from analytics_service.database.tenancy import Arguments
from analytics_service.endpoints.metrics.series import sketched
from analytics_service.endpoints.metrics.series.names import Aggregation, Metric
from analytics_service.endpoints.metrics.summary.parameters import MetricsSummaryParameters
from analytics_service.rollups.query import COMPLETENESS, RAW_COMPLETENESS, name_of, requests
from analytics_service.rollups.query.coverage import UNPRICED, UNPRICED_TOKENS

MAX_ITEMS: Final = 10
"""Of each list of top items, and of errors."""
SHOWS_MESSAGES: Final = Permission.TRACES_READ
"""Messages of errors are content of requests, and may repeat a prompt: a caller without it sees none of their words."""
_SAMPLE_CHARACTERS: Final = 500
_ERROR_CHARACTERS: Final = 200


class Part(StrEnum):
    PERIOD = "period"
    ITEM = "item"
    ERROR = "error"


RANKINGS: Final = {"by_cost": "cost", "by_requests": "requests", "by_duration": "duration", "by_errors": "errors"}
"""The lists of top items, and the sums that they are ordered by."""
_SUMS: Final = f"""sum(r.request_count) AS requests,
    coalesce(sum(r.request_count) FILTER (WHERE r.status_code = 'ERROR'), 0) AS errors,
    sum(r.total_cost_usd_sum) AS cost, sum(r.total_tokens_sum) AS tokens,
    sum(r.duration_us_sum) AS duration, sum(r.duration_us_count) AS durations,
    {UNPRICED} AS unpriced, {UNPRICED_TOKENS} AS unpriced_tokens"""
_SUM_COLUMNS: Final = "requests, errors, cost, tokens, duration, durations, unpriced, unpriced_tokens"
_NO_SUMS: Final = ", ".join(["NULL"] * (_SUM_COLUMNS.count(",") - 1))


def query(principal: Principal, params: MetricsSummaryParameters) -> Query:
    """Rows of `part`, and one without where there are no requests; each says what is lost."""
    arguments = Arguments(principal.organisation, principal.project_list, *params.range)
    starts = arguments.add(params.starts)
    selection = params.selection
    narrowed = conditions(params, arguments, alias="r")
    rows = f"(SELECT width_bucket(r.bucket, {starts}::timestamptz[]) AS number, r.* FROM {{}} AS r WHERE {narrowed})"
    parts = [_periods(params, rows, starts, arguments), _items(len(params.periods))]
    if params.within_raw_range:
        parts.append(_errors(params, arguments, with_messages=SHOWS_MESSAGES in principal.permissions))
    return Query(
        sql=f"""
{requests(selection.level, *selection.sketches, boundaries=starts, cut=True)},
counted AS MATERIALIZED {rows.format("requests")}
SELECT parts.*, w.*, t.*
FROM ({COMPLETENESS}) AS w
  CROSS JOIN (SELECT below_retention AS raw_below_retention FROM ({RAW_COMPLETENESS}) AS k) AS t
  LEFT JOIN ({" UNION ALL ".join(parts)}) AS parts ON true""",
        args=arguments.values,
        searches=params.within_raw_range,
    )


def _periods(params: MetricsSummaryParameters, rows: str, starts: str, arguments: Arguments) -> str:
    """A row a period that has requests, with what sketches and raw say of it."""
    sums, columns, joins = _SUMS, ["NULL::numeric AS p95", "NULL::bigint AS users"], list[str]()
    if params.selection.sketches:
        columns = ["l.duration_p95 AS p95", "NULL::bigint AS users"]
        joins = list(_sketches(params, rows))
    else:
        columns = ["s.p95", "s.users"]
        sums += """,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY r.duration_us_min) AS p95, count(DISTINCT r.user_id) AS users"""
    columns.append("u.ranks, u.registers" if params.selection.sketches else "NULL::integer[], NULL::bigint[]")
    if params.within_raw_range:
        joins.append(_sessions(params, starts, arguments))
        columns.append("n.sessions")
    else:
        columns.append("NULL::bigint AS sessions")
    return f"""
SELECT 'period' AS part, s.number, NULL::text AS provider, NULL::text AS model, {_of("s")},
  {", ".join(columns)}, NULL::text AS error, NULL::text AS message
FROM (SELECT r.number, {sums} FROM counted AS r GROUP BY r.number) AS s {" ".join(joins)}"""


def _of(alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in _SUM_COLUMNS.split(", "))


def _sketches(params: MetricsSummaryParameters, rows: str) -> Iterator[str]:
    for each in params.selection.sketches:
        some = rows.format(name_of(each))
        if each is params.selection.latency:
            table, alias = sketched.percentiles({Metric.DURATION: (Aggregation.P95,)}, some, ["number"]), "l"
        else:
            table, alias = sketched.users(some, ["number"]), "u"
        yield f"LEFT JOIN ({table}) AS {alias} ON {alias}.number = s.number"


def _sessions(params: MetricsSummaryParameters, starts: str, arguments: Arguments) -> str:
    return f"""LEFT JOIN (
  SELECT width_bucket(t.ts, {starts}::timestamptz[]) AS number, count(DISTINCT t.session_id) AS sessions
  FROM traces AS t
  WHERE {tenancy.predicate_in_range("t")} AND t.is_request AND {conditions(params, arguments, alias="t")}
  GROUP BY 1
) AS n ON n.number = s.number"""


def _items(period: int) -> str:
    """The models of the last period that are among the first in some list."""
    ranks = [
        f"row_number() OVER (ORDER BY {column} DESC NULLS LAST, provider, model) AS {name}"
        for name, column in RANKINGS.items()
    ]
    return f"""
SELECT 'item', {period}, i.provider, i.model, {_of("i")}, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM (
  SELECT g.*, {", ".join(ranks)}
  FROM (
    SELECT r.provider, r.model, {_SUMS} FROM counted AS r WHERE r.number = {period} GROUP BY r.provider, r.model
  ) AS g
) AS i
WHERE least({", ".join(RANKINGS)}) <= {MAX_ITEMS}"""


def _errors(params: MetricsSummaryParameters, arguments: Arguments, *, with_messages: bool) -> str:
    """What failed in the last period: by `error.type` of OpenTelemetry, else by the message without its numbers."""
    start = arguments.add(params.period.start)
    number_free, sample = "NULL", "NULL"
    if with_messages:
        number_free = f"regexp_replace(left(t.error_message, {_ERROR_CHARACTERS}), '[0-9]+', '#', 'g')"
        sample = f"min(left(t.error_message, {_SAMPLE_CHARACTERS}))"
    return f"""
SELECT 'error', {len(params.periods)}, NULL, NULL, e.requests, e.requests, {_NO_SUMS},
  NULL, NULL, NULL, NULL, NULL, e.error, e.message
FROM (
  SELECT coalesce(nullif(left(t.attributes ->> 'error.type', {_ERROR_CHARACTERS}), ''), {number_free}, '') AS error,
    sum(t.request_weight)::numeric AS requests, {sample} AS message
  FROM traces AS t
  WHERE {tenancy.predicate_in_range("t")} AND t.ts >= {start}::timestamptz AND t.is_request
    AND t.status_code = 'ERROR' AND {conditions(params, arguments, alias="t")}
  GROUP BY 1
  ORDER BY requests DESC, error
  LIMIT {MAX_ITEMS}
) AS e"""
