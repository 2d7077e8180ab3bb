"""What there is to convert: organisations, their days, and about how many rows. The schema may be any of before."""

from dataclasses import dataclass
from typing import Final

from analytics_service.database.connect import Connection
from analytics_service.rollups.conversion.statements import LEVELS

_EXISTS: Final = (
    "SELECT to_regclass('public.rollup_version') IS NOT NULL, to_regclass('public.rollup_conversion') IS NOT NULL"
)
_DAYS: Final = """
SELECT count(DISTINCT d.org_id) AS organisations, count(*) AS days FROM (
  SELECT org_id, day FROM rollup_version
  UNION SELECT org_id, bucket_start FROM rollup_dirty WHERE level = '1day'
) AS d"""
_LEFT: Final = " JOIN rollup_conversion AS c ON c.org_id = d.org_id AND d.day < c.done_from"
_ROWS: Final = """
SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint FROM pg_class WHERE oid = ANY($1::text[]::regclass[])"""


@dataclass(frozen=True, kw_only=True)
class Survey:
    organisations: int = 0
    days: int = 0
    """Of all organisations."""
    rows: int = 0
    """As the server estimates them, also of days that were converted before."""

    def description(self) -> str:
        """For people."""
        return f"rollups of {self.days:,} days of {self.organisations:,} organisations, about {self.rows:,} rows"


async def survey(connection: Connection) -> Survey:
    """What is left to convert."""
    exists, begun = await connection.fetchrow(_EXISTS) or (False, False)
    if not exists:
        return Survey()
    row = await connection.fetchrow(_DAYS + (_LEFT if begun else ""))
    if row is None or not row["days"]:
        return Survey()
    rows = await connection.fetchval(_ROWS, sorted({f"rollup_{level}" for level in LEVELS.values()}))
    return Survey(organisations=row["organisations"], days=row["days"], rows=rows)
