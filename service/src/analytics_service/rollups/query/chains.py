"""Rows of a chain of rollups: whole clean buckets of each, its gaps from the finer one, the last from raw. Pure."""

from dataclasses import dataclass

from analytics_service.database.tenancy import RAW_HORIZON, in_organisation, in_projects
from analytics_service.rollups.hierarchy.columns import is_single
from analytics_service.rollups.hierarchy.raw import bucket_of, inserted_by
from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.query import columns, gaps

ENDS = "SELECT $3::timestamptz AS moment UNION ALL SELECT $4::timestamptz"


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The expressions `name`, `name`_lost, and the gaps and segments that they are made of."""

    name: str
    table: Table
    boundaries: str | None = None
    """The argument with the starts of the answer's buckets, where they cut those of the table as the range does."""

    @property
    def tables(self) -> tuple[Table, ...]:
        return gaps.chain(self.table)

    @property
    def unrefreshed(self) -> str:
        """The expression of the buckets that are read from raw."""
        return gaps.stale(self.tables[-1])

    def expressions(self) -> list[str]:
        moments = ENDS
        if self.boundaries is not None:
            moments += f" UNION ALL SELECT unnest({self.boundaries}::timestamptz[])"
        expressions, sources = list[str](), list[str]()
        for number, table in enumerate(self.tables):
            expressions += gaps.chain_gaps(self.name, self.tables, number, moments)
            sources.append(self._rows(table, number))
            if gaps.is_added_to(table):
                expressions.append(gaps.added(self.name, self.tables, number))
                named = f"SELECT transaction_id, minute FROM {gaps.ENTRIES} WHERE transaction_id IS NOT NULL"
                sources.append(self._raw(f"{self.name}_added", inserted_by(named)))
        last = f"{self.name}_segments_{len(self.tables) - 1}"
        sources.append(self._raw(last))
        return [
            *expressions,
            f"{self.name} AS ({'  UNION ALL'.join(sources)})",
            gaps.lost(self.name, last, self.tables),
        ]

    def _rows(self, table: Table, number: int) -> str:
        """Whole buckets of this table in the segments of the coarser one, without its own gaps."""
        own = gaps.horizon(table)
        rows = (
            f"{table.sql} AS r" if number == 0 else lateral(f"{self.name}_segments_{number - 1}", table.sql, own, "r")
        )
        if table is Table.PART:
            rows = f"{rows.removesuffix('r')}p CROSS JOIN LATERAL {columns.users_of_part('p')} AS r"
        return f"""
  SELECT {self._columns(table)}
  FROM {rows} {columns.COMBINATIONS}
  WHERE {f"{in_organisation('r')} AND " if number == 0 else ""}r.bucket >= greatest($3::timestamptz, {own})
    AND r.bucket < $4::timestamptz
    AND NOT EXISTS (SELECT FROM {self.name}_gaps_{number} AS g WHERE g.bucket = r.bucket)
"""

    def _columns(self, table: Table) -> str:
        if self.table.value.startswith("totals"):
            return columns.totals(self._bucket("r.bucket"))
        return columns.sketch(table)

    def _bucket(self, moment: str) -> str:
        """That of the table itself, of whatever it is made; but not across a boundary."""
        return moment if self.boundaries is not None else bucket_of(self.table.step, moment)

    def _raw(self, segments: str, condition: str = "true") -> str:
        traces = lateral(segments, "traces", RAW_HORIZON, "t", "ts")
        rows = f"{traces} WHERE t.is_request AND {in_projects('t')} AND {condition}"
        if columns.is_of_users(self.table):
            return columns.users_of_raw(rows, self.boundaries)
        if self.table.value.startswith("totals"):
            return f"\n  SELECT {columns.totals_of_raw(self._bucket('t.ts'))}\n  FROM {rows}\n"
        return f"\n  SELECT {columns.latency_of_raw()}\n  FROM {rows} AND {is_single('t')}\n"


def lateral(segments: str, table: str, own: str, alias: str, moment: str = "bucket") -> str:
    """Rows of the organisation in the segments, above the table's horizon.

    OFFSET 0 keeps the planner from pulling the subquery up into a join over the whole range: so each segment is one
    range of an index. $3, $4 and the horizon bound all segments, so that the other partitions are left out.
    """
    return f"""{segments} AS s CROSS JOIN LATERAL (
    SELECT * FROM {table} AS inside
    WHERE {in_organisation("inside")} AND inside.{moment} >= s.first AND inside.{moment} < s.last
      AND inside.{moment} >= $3::timestamptz AND inside.{moment} < $4::timestamptz AND inside.{moment} >= {own}
    OFFSET 0
  ) AS {alias}"""
