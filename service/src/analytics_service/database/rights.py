"""The rights that writers and readers of the store need, and which of them the user lacks."""

from typing import Final

from analytics_service.database.connect import Connection
from analytics_service.database.levels import ROLLUPS

_TABLES: Final = (
    *("traces", "rollup_dirty", "rollup_version", "rollup_floor", "rollup_level"),
    *(level.table for level in ROLLUPS),
)
_WANTED: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
_MISSING: Final = """
SELECT current_user AS name, string_agg(wanted || ' on ' || name, ', ' ORDER BY name, wanted) AS what
FROM unnest($1::text[]) AS name, unnest($2::text[]) AS wanted
WHERE to_regclass(name) IS NOT NULL AND NOT has_table_privilege(name, wanted)
"""


async def missing(connection: Connection) -> str | None:
    """One line that names each right with its object, and the cure; None when there is none."""
    row = await connection.fetchrow(_MISSING, list(_TABLES), list(_WANTED))
    if row is None or row["what"] is None:
        return None
    return f"user {row['name']} lacks {row['what']}: GRANT it, or make the user the tables' owner"
