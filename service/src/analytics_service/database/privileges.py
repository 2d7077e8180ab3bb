"""Privileges on the tables of the store that a process which writes needs, and those that its user lacks."""

from typing import Final

from analytics_service.database.connect import Connection

_REQUIRED: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
_MISSING: Final = """
SELECT current_user AS name, string_agg(privilege || ' on ' || name, ', ' ORDER BY name, privilege) AS missing
FROM (
    SELECT oid, relname AS name FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
        AND (relname = 'traces' OR relname ~ '^rollup_')
) AS tables, unnest($1::text[]) AS privilege
WHERE NOT has_table_privilege(oid, privilege)
"""


async def missing(connection: Connection) -> str | None:
    """One line that names each missing privilege with its object, and the cure; None when there is none."""
    row = await connection.fetchrow(_MISSING, list(_REQUIRED))
    if row is None or row["missing"] is None:
        return None
    return f"user {row['name']} lacks {row['missing']}: GRANT it, or make the user the tables' owner"
