"""The scores that an answer is computed from: sums of whole UTC days, and single scores at the ends of the range.

Pure SQL text; arguments as in rollups/query/.
"""

from typing import Final

from analytics_service.database.tenancy import RAW_HORIZON, predicate, predicate_in_range
from analytics_service.rollups.hierarchy.raw import bucket_of
from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.query import gaps

_KEYS: Final = (
    "{0}.project_id, {0}.environment, {0}.provider, {0}.model, {0}.name, {0}.source, {0}.data_type, {0}.category"
)
_FIRST: Final = bucket_of(gaps.DAY, "$3::timestamptz + interval '1 day' - interval '1 microsecond'")
_LAST: Final = bucket_of(gaps.DAY, "$4::timestamptz")


def scores(*, by_user: bool) -> str:
    """The expression `scores`; a row stands for `score_count` scores of its UTC `day`, with the sum of their values and
    that of their squares, which are 0 where they are categories.

    With `by_user` every score is read by itself, and has its user; sums of days have none.
    """
    user = ", s.user_id" if by_user else ""
    single = f"""
  SELECT {bucket_of(gaps.DAY, "s.ts")} AS day, {_KEYS.format("s")}{user}, 1::bigint AS score_count,
    coalesce(s.value, 0) AS value_sum, coalesce(s.value * s.value, 0) AS value_squares
  FROM score AS s
  WHERE {predicate_in_range("s")}"""
    if by_user:
        return f"scores AS ({single}\n)"
    return f"""scores AS ({single} AND (s.ts < {_FIRST} OR s.ts >= {_LAST})
  UNION ALL
  SELECT d.bucket, {_KEYS.format("d")}, d.score_count, d.value_sum, d.value_squares
  FROM score_1day AS d
  WHERE {predicate("d")} AND d.bucket >= {_FIRST} AND d.bucket < {_LAST}
    AND d.bucket >= {gaps.horizon(Table.TOTALS_1DAY)}
)"""


def completeness(*, by_user: bool) -> str:
    """SQL of one row: what is lost of the scores, beside what is lost of the requests."""
    ends = f"($3::timestamptz, {_FIRST}), (greatest({_LAST}, $3::timestamptz), $4::timestamptz)"
    stretches = "($3::timestamptz, $4::timestamptz)" if by_user else ends
    return f"""
SELECT coalesce(range_agg(tstzrange(e.first, least(e.last, $4::timestamptz, {RAW_HORIZON}))), '{{}}')
  AS scores_below_retention
FROM (VALUES {stretches}) AS e (first, last)
WHERE e.first < least(e.last, $4::timestamptz, {RAW_HORIZON})"""
