"""What has to hold before a step begins, so that nothing is half done: rights, and nobody whom it would break."""

from typing import Final

from analytics_service.database.connect import Connection
from analytics_service.database.migrate.steps import Migration
from analytics_service.errors import RightMissing

_MISSING: Final = """
SELECT current_user AS name, what FROM (
    SELECT 'CREATE on schema public' AS what WHERE NOT has_schema_privilege('public', 'CREATE')
    UNION ALL
    SELECT format('CREATE on database %I, for the extension timescaledb', current_database())
    WHERE $1 AND NOT has_database_privilege(current_database(), 'CREATE')
    UNION ALL
    (SELECT format('ownership of table %I', c.relname) FROM pg_class AS c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
       AND (c.relname = 'traces' OR c.relname ~ '^(schema|rollup)_') AND NOT pg_has_role(c.relowner, 'USAGE')
     ORDER BY c.relname)
) AS missing
"""
_OLD: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND substring(application_name FROM '^analytics-[a-z]+/([0-9]{1,9})$')::integer < $1
"""


async def check_rights(connection: Connection, *, extends: bool) -> None:
    """Raises RightMissing that names each right and its object."""
    missing = await connection.fetch(_MISSING, extends)
    if missing:
        listed = ", ".join(row["what"] for row in missing)
        raise RightMissing(f"user {missing[0]['name']} lacks {listed}: GRANT it, or migrate as the owner")


async def old_sessions(connection: Connection, step: Migration) -> int:
    """How many sessions of releases are connected that could not live with the step; see connect.application_name."""
    count: int = await connection.fetchval(_OLD, step.min_compatible_schema)
    return count
