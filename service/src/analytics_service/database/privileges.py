"""The rights that writers and readers of the store need, and which of them the user lacks."""

from typing import Final

from analytics_service.database.connect import Connection

_WANTED: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
_MISSING: Final = """
SELECT current_user AS name, string_agg(wanted || ' on ' || name, ', ' ORDER BY name, wanted) AS what
FROM (
    SELECT oid, relname AS name FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
        AND (relname = 'traces' OR relname ~ '^rollup_')
) AS tables, unnest($1::text[]) AS wanted
WHERE NOT has_table_privilege(oid, wanted)
"""


async def missing(connection: Connection) -> str | None:
    """One line that names each right with its object, and the cure; None when there is none."""
    row = await connection.fetchrow(_MISSING, list(_WANTED))
    if row is None or row["what"] is None:
        return None
    return f"user {row['name']} lacks {row['what']}: GRANT it, or make the user the tables' owner"
