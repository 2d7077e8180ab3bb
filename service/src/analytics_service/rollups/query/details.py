"""Rows of days by user, team or tag. Pure SQL text.

A row of a day is the sum over all parts of the day that are stored. A whole day without stale parts is read from its
row. Of another day only the parts that are whole and clean count: the day's row without the others, or those parts
alone, whichever are fewer. The quarters of an hour that are stale, or that the range cuts, are read from raw.

Where raw is no longer kept, nothing is stale and parts are not read: whole days alone count. Of a day that has no parts
(gaps.UNPARTED) the row counts, or raw alone.
"""

from dataclasses import dataclass
from typing import Final

from analytics_service.database.tenancy import RAW_HORIZON, in_organisation, in_projects
from analytics_service.rollups.hierarchy.columns import SUMS
from analytics_service.rollups.hierarchy.details import DAYS, ELEMENTS
from analytics_service.rollups.hierarchy.raw import bucket_of
from analytics_service.rollups.hierarchy.tables import PART_STEP, Table
from analytics_service.rollups.query import columns, gaps
from analytics_service.rollups.query.chains import ENDS, lateral

_DAY: Final = gaps.interval(gaps.DAY)
_PART: Final = gaps.interval(PART_STEP)
_PARTS: Final = f"greatest({gaps.horizon(Table.PART)}, {RAW_HORIZON})"
"""Since then every request of a day is in a part, or in raw alone."""


@dataclass(frozen=True, kw_only=True)
class Details:
    """The expressions `name`, `name`_lost, and the days and parts that they are made of."""

    name: str
    table: Table
    sums: tuple[str, ...] = SUMS

    @property
    def tables(self) -> tuple[Table, ...]:
        return (Table.PART,)

    @property
    def unrefreshed(self) -> str:
        return gaps.stale(Table.PART)

    def expressions(self) -> list[str]:
        name, sources = self.name, [self._days(), self._differences(), self._elements(), self._raw()]
        return [
            self._calendar(),
            *self._segments(),
            *self._parts(),
            f"{name} AS ({'  UNION ALL'.join(sources)})",
            gaps.lost(name, f"{name}_segments", (self.table,)),
        ]

    def _calendar(self) -> str:
        """Every day that the range touches, and whether its row is the answer."""
        first = bucket_of(gaps.DAY, "$3::timestamptz")
        stale = f"SELECT {bucket_of(gaps.DAY, 'q.bucket')} FROM {self.unrefreshed} AS q"
        return f"""{self.name}_calendar AS MATERIALIZED (
  SELECT c.day, c.day >= $3::timestamptz AND c.day + {_DAY} <= $4::timestamptz AND c.day >= {gaps.horizon(self.table)}
    AND (c.day < {RAW_HORIZON} OR c.day NOT IN ({stale})) AS direct
  FROM generate_series({first}, $4::timestamptz - interval '1 microsecond', {_DAY}) AS c (day)
)"""

    def _segments(self) -> list[str]:
        """`gaps`: quarters of an hour that no part answers for; `segments`: they as ranges, and days without parts."""
        calendar = f"{self.name}_calendar"
        day = bucket_of(gaps.DAY, "q.bucket")
        return [
            f"""{self.name}_gaps AS (
  SELECT q.bucket FROM {self.unrefreshed} AS q JOIN {calendar} AS c ON c.day = {day}
  WHERE NOT c.direct AND c.day >= {_PARTS} AND c.day NOT IN (TABLE {gaps.UNPARTED})
  UNION SELECT q.bucket FROM ({gaps.cut(PART_STEP, ENDS)}) AS q
  WHERE {day} >= {_PARTS} AND {day} NOT IN (TABLE {gaps.UNPARTED})
)""",
            f"""{self.name}_segments AS ({gaps.islands(f"{self.name}_gaps", PART_STEP)}
  UNION ALL
  SELECT greatest(c.day, $3::timestamptz), least(c.day + {_DAY}, $4::timestamptz) FROM {calendar} AS c
  WHERE NOT c.direct AND (c.day < {_PARTS} OR c.day IN (TABLE {gaps.UNPARTED}))
)""",
        ]

    def _parts(self) -> list[str]:
        """`parts`: those that are stored of the other days, and whether they count; `mixed`: the rows of which days are
        read, without the parts that do not count.
        """
        name = self.name
        return [
            f"""{name}_parts AS MATERIALIZED (
  SELECT c.day, p.bucket, p.bucket >= $3::timestamptz AND p.bucket + {_PART} <= $4::timestamptz
    AND NOT EXISTS (SELECT FROM {name}_gaps AS g WHERE g.bucket = p.bucket) AS counts
  FROM {name}_calendar AS c CROSS JOIN LATERAL (
    SELECT inside.bucket FROM rollup_part AS inside
    WHERE {in_organisation("inside")} AND inside.bucket >= c.day AND inside.bucket < c.day + {_DAY}
    OFFSET 0
  ) AS p
  WHERE NOT c.direct AND c.day >= {_PARTS}
)""",
            f"""{name}_mixed AS MATERIALIZED (
  SELECT day, count(*) FILTER (WHERE NOT counts) AS others,
    day >= {gaps.horizon(self.table)} AND count(*) FILTER (WHERE NOT counts) <= count(*) FILTER (WHERE counts) AS by_day
  FROM {name}_parts GROUP BY day
)""",
        ]

    def _days(self) -> str:
        """Rows of days as they are."""
        name = self.name
        days = f"""SELECT day FROM {name}_calendar WHERE direct
      UNION ALL SELECT day FROM {name}_mixed WHERE by_day AND others = 0"""
        return f"""
  SELECT {columns.details(self._key, "r.bucket", self.sums)}
  FROM {self.table.sql} AS r {columns.COMBINATIONS}
  WHERE {in_organisation("r")} AND r.bucket = ANY(ARRAY({days}))
"""

    def _differences(self) -> str:
        """Rows of days without the parts that do not count; what comes to nothing leaves no row.

        EXISTS is asked once, before anything is read: mostly there is no such day.
        """
        key, days = self._key, f"SELECT day FROM {self.name}_mixed WHERE by_day AND others > 0"
        added = ", ".join(f"sum({name}) AS {name}" for name in self.sums)
        minus = ", ".join(f"-r.{name}" for name in self.sums)
        return f"""
  SELECT {columns.details(key, "r.bucket", self.sums)}
  FROM (
    SELECT bucket, dim, {key}, {added}
    FROM (
      SELECT r.bucket, r.dim, r.{key}, {", ".join(f"r.{name}" for name in self.sums)} FROM {self.table.sql} AS r
      WHERE {in_organisation("r")} AND r.bucket = ANY(ARRAY({days})) AND EXISTS ({days})
      UNION ALL
      SELECT r.day, r.dim, r.{key}, {minus} FROM {self._elements_of("m.by_day AND NOT x.counts")}
    ) AS signed
    GROUP BY bucket, dim, {key} HAVING sum(request_count) > 0
  ) AS r {columns.COMBINATIONS}
"""

    def _elements(self) -> str:
        return f"""
  SELECT {columns.details(self._key, "r.day", self.sums)}
  FROM {self._elements_of("NOT m.by_day AND x.counts")} {columns.COMBINATIONS}
"""

    def _elements_of(self, condition: str) -> str:
        """SQL: the elements of the parts that meet the condition, as `r`; a tag that one has twice counts once."""
        tags = ""
        if self.table is Table.TAG_1DAY:
            distinct = "SELECT DISTINCT tag FROM unnest(e.tags::text[]) AS each (tag)"
            tags = f"\n      LEFT JOIN LATERAL ({distinct}) AS u ON true"
        key = "u.tag" if tags else f"e.{self._key}"
        return f"""(
      SELECT x.day, e.dim, {key}, {", ".join(f"e.{name}" for name in self.sums)}
      FROM {self.name}_mixed AS m JOIN {self.name}_parts AS x ON x.day = m.day
      CROSS JOIN LATERAL (
        SELECT * FROM rollup_part AS inside WHERE {in_organisation("inside")} AND inside.bucket = x.bucket OFFSET 0
      ) AS p
      CROSS JOIN LATERAL {ELEMENTS}{tags}
      WHERE {condition}
    ) AS r"""

    def _raw(self) -> str:
        rows = lateral(f"{self.name}_segments", "traces", RAW_HORIZON, "t", "ts")
        value = f"t.{self._key}"
        if self.table is Table.TAG_1DAY:
            rows += " LEFT JOIN LATERAL (SELECT DISTINCT tag FROM unnest(t.tags) AS each (tag)) AS u ON true"
            value = "u.tag"
        return f"""
  SELECT {columns.details_of_raw(self._key, value, bucket_of(gaps.DAY, "t.ts"), self.sums)}
  FROM {rows}
  WHERE t.is_request AND {in_projects("t")}
"""

    @property
    def _key(self) -> str:
        return DAYS[self.table]
