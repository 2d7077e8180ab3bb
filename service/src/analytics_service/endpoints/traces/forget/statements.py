"""The statements that find the rows of a user, store their keys and delete them by these. Pure.

Rows of a user are those that name it, and rows that name nobody in traces that name this user alone: instrumentations
often name the user on the outermost span only. Traces are looked at as far as spans of one are known again, a day.

Nobody needs an index by user to take rows in: a plan reads all rows of the organisation once. Rows below the retention
horizon, whose partition may still be there, are deleted too, and no sum changes by that.
"""

from datetime import datetime
from typing import Final

from analytics_service.database.compressed import FOR_COMPRESSED
from analytics_service.database.query import Query
from analytics_service.database.tenancy import RAW_HORIZON, in_organisation, in_projects, predicate
from analytics_service.endpoints.traces.forget.report import Subject
from analytics_service.ingest.conflicts import SAME_SPAN
from analytics_service.ingest.traces import in_partitions
from analytics_service.rollups.hierarchy.raw import bucket_of
from analytics_service.rollups.hierarchy.steps import Step

MAX_ROWS: Final = 5_000
"""That one transaction deletes, of one hour."""
_SAME_SPAN: Final = f"interval '{int(SAME_SPAN.total_seconds())} seconds'"
_ROW: Final = ", ".join(
    f"t.{name}"
    for name in (
        "ts",
        "trace_id",
        "span_id",
        "user_id",
        "is_request",
        "request_weight",
        "total_tokens",
        "total_cost_usd",
    )
)
_IN_TRACES: Final = in_partitions("(SELECT min(first) FROM touched)", "(SELECT max(last) FROM touched)")
_COUNTS: Final = f"is_request AND ts >= {RAW_HORIZON}"
"""Whether sums lose the row."""
_SCORED: Final = """s.user_id = $3 OR (s.span_id = '' AND s.trace_id IN (SELECT trace_id FROM of_user))
    OR (s.trace_id, s.span_id) IN (SELECT trace_id, span_id FROM of_user)"""
"""Whether a score goes with the rows: it is of one, of a trace that has one, or of the user."""
_ROWS: Final = f"""
WITH own AS MATERIALIZED (
  SELECT {_ROW} FROM traces AS t WHERE {predicate("t")} AND t.user_id = $3
), touched AS MATERIALIZED (
  SELECT trace_id, min(ts) - {_SAME_SPAN} AS first, max(ts) + {_SAME_SPAN} AS last FROM own GROUP BY 1
), rest AS MATERIALIZED (
  SELECT {_ROW} FROM traces AS t JOIN touched AS k ON t.trace_id = k.trace_id
    AND greatest(t.ts, k.first) = least(t.ts, k.last)  -- a range that no index takes: the key finds the trace
  WHERE {predicate("t")} AND t.trace_id = ANY(ARRAY(SELECT trace_id FROM touched)) AND {_IN_TRACES}
    AND t.user_id IS DISTINCT FROM $3
), shared AS (
  SELECT DISTINCT trace_id FROM rest WHERE user_id IS NOT NULL
), unnamed AS MATERIALIZED (
  SELECT * FROM rest WHERE user_id IS NULL
), of_user AS MATERIALIZED (
  SELECT * FROM own UNION ALL SELECT * FROM unnamed WHERE trace_id NOT IN (TABLE shared)
){{stored}}
SELECT {bucket_of(Step.DAY.width, "ts")} AS day, count(*) AS rows,
  count(*) FILTER (WHERE user_id IS NULL) AS without_user,
  coalesce(sum(request_weight) FILTER (WHERE {_COUNTS}), 0)::bigint AS requests,
  sum(total_tokens) FILTER (WHERE {_COUNTS}) AS total_tokens,
  sum(total_cost_usd) FILTER (WHERE {_COUNTS}) AS total_cost_usd,
  sum(hash_record_extended(ROW(ts, trace_id, span_id), 0)::numeric)::text AS keys,
  (SELECT count(*) FROM unnamed WHERE trace_id IN (TABLE shared)) AS of_shared_traces,
  (SELECT count(*) FROM score AS s WHERE {predicate("s")} AND ({_SCORED})) AS scores
FROM of_user GROUP BY 1 ORDER BY 1
"""
_STORED: Final = """, stored AS (
  INSERT INTO forget_row (org_id, plan, ts, trace_id, span_id) SELECT $1, $4, ts, trace_id, span_id FROM of_user
)"""
_DAYS_BEFORE_RAW: Final = f"""
SELECT r.bucket AS day, sum(r.request_count)::bigint AS requests
FROM rollup_user_1day AS r JOIN rollup_dimension AS d USING (org_id, dim)
WHERE {in_organisation("r")} AND {in_projects("d")} AND r.user_id = $3 AND r.bucket < {RAW_HORIZON}
GROUP BY 1 ORDER BY 1
"""
_RAW_SINCE: Final = "SELECT CASE WHEN isfinite(floor) THEN floor END AS horizon FROM rollup_floor"
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('analytics.forget/' || $1::text, 0))"
_PLAN: Final = f"{in_organisation('p')} AND p.hash = $2"
_LOAD: Final = f"SELECT report::text AS report, rows_deleted FROM forget_plan AS p WHERE {_PLAN}"
_END_OLD: Final = (
    f"DELETE FROM forget_plan AS p WHERE {in_organisation('p')} AND p.began_at < now() - interval '7 days'"
)
_BEGIN: Final = "INSERT INTO forget_plan (org_id, hash, report) VALUES ($1, $2, '{}')"
_SET_REPORT: Final = f"UPDATE forget_plan AS p SET report = $3::text::jsonb WHERE {_PLAN}"
_NEXT_HOUR: Final = f"""
SELECT h.start, h.start + interval '1 hour' AS "end"
FROM forget_row AS f CROSS JOIN LATERAL (SELECT {bucket_of(Step.HOUR.width, "f.ts")} AS start) AS h
WHERE {in_organisation("f")} AND f.plan = $2 ORDER BY f.ts LIMIT 1
"""
_IN_HOUR: Final = (
    f"{in_organisation('{0}')} AND {{0}}.ts >= $3 AND {{0}}.ts < $4"
    " AND {0}.ts = n.ts AND {0}.trace_id = n.trace_id AND {0}.span_id = n.span_id"
)
"""Compared with values and not with rows alone, for TimescaleDB then opens the compressed batches of the hour only."""
_JOURNALS: Final = ", ".join(
    f"""{plans}_entries AS (
  DELETE FROM {plans}_journal AS j USING n
  WHERE j.plan = ANY(ARRAY(SELECT hash FROM {plans}_plan)) AND {_IN_HOUR.format("j")}
)"""
    for plans in ("reprice", "reclassify")
)
"""By their plans, which their keys begin with."""
_DELETE_HOUR: Final = f"""
WITH n AS MATERIALIZED (
  DELETE FROM forget_row WHERE ctid = ANY(ARRAY(
    SELECT f.ctid FROM forget_row AS f
    WHERE {in_organisation("f")} AND f.plan = $6 AND f.ts >= $3 AND f.ts < $4
    ORDER BY f.ts, f.trace_id, f.span_id LIMIT {MAX_ROWS}
  )) RETURNING ts, trace_id, span_id
), deleted AS (
  DELETE FROM traces AS t USING n
  WHERE {_IN_HOUR.format("t")} AND coalesce(t.user_id, $5) = $5
  RETURNING t.trace_id, t.span_id
), scores AS (
  DELETE FROM score AS s USING (SELECT DISTINCT trace_id, span_id FROM deleted) AS d
  WHERE {predicate("s")} AND s.trace_id = ANY(ARRAY(SELECT trace_id FROM deleted))
    AND s.trace_id = d.trace_id AND s.span_id IN (d.span_id, '')
), {_JOURNALS}
UPDATE forget_plan AS p SET rows_deleted = rows_deleted + (SELECT count(*) FROM deleted)
WHERE {in_organisation("p")} AND p.hash = $6
RETURNING rows_deleted
"""
_END: Final = f"DELETE FROM forget_plan AS p WHERE {_PLAN}"

SETTINGS: Final = (
    Query(sql=FOR_COMPRESSED),
    Query(sql="SELECT set_config('enable_nestloop', 'off', true), set_config('work_mem', '16MB', true)"),
)
"""At the beginning of a transaction. Keys are joined by hash: the server knows nothing of rows that were just stored,
and would compare each key with each row of the hour."""


def rows(subject: Subject, *, stored_as: str | None = None) -> Query:
    """A row for each UTC day that has rows to delete; with `stored_as` their keys are stored for that plan."""
    stored, plan = (_STORED, (stored_as,)) if stored_as is not None else ("", ())
    sql = _ROWS.format(stored=stored)
    return Query(sql=sql, args=(subject.organisation, subject.projects, subject.user, *plan))


def days_before_raw(subject: Subject) -> Query:
    return Query(sql=_DAYS_BEFORE_RAW, args=(subject.organisation, subject.projects, subject.user))


def raw_since() -> Query:
    return Query(sql=_RAW_SINCE)


def lock(organisation: str) -> Query:
    """Until the transaction ends no other one applies a plan of the organisation."""
    return Query(sql=_LOCK, args=(organisation,))


def load(organisation: str, plan: str) -> Query:
    return Query(sql=_LOAD, args=(organisation, plan))


def end_old(organisation: str) -> Query:
    """Ends plans that nobody went on with for a week."""
    return Query(sql=_END_OLD, args=(organisation,))


def begin(organisation: str, plan: str) -> Query:
    return Query(sql=_BEGIN, args=(organisation, plan))


def set_report(organisation: str, plan: str, report: str) -> Query:
    return Query(sql=_SET_REPORT, args=(organisation, plan, report))


def next_hour(organisation: str, plan: str) -> Query:
    """No row where none is left."""
    return Query(sql=_NEXT_HOUR, args=(organisation, plan))


def delete_hour(subject: Subject, plan: str, start: datetime, end: datetime) -> Query:
    """Deletes rows by their keys, but for those that another user has by now; how many the plan has deleted so far."""
    arguments = (subject.organisation, subject.projects, start, end, subject.user, plan)
    return Query(sql=_DELETE_HOUR, args=arguments)


def end(organisation: str, plan: str) -> Query:
    return Query(sql=_END, args=(organisation, plan))
