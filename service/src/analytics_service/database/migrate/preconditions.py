"""Preconditions of a migration, so that nothing is left half done: privileges, and no release that it would break."""

from typing import Final

from analytics_service.database.connect import Connection
from analytics_service.database.migrate.migration import Migration
from analytics_service.errors import PrivilegeMissing

_MISSING: Final = """
SELECT current_user AS name, privilege FROM (
    SELECT 'CREATE on schema public' AS privilege WHERE NOT has_schema_privilege('public', 'CREATE')
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


async def check_privileges(connection: Connection, *, creates_extension: bool) -> None:
    """Raises PrivilegeMissing, which names each missing privilege and its object."""
    missing = await connection.fetch(_MISSING, creates_extension)
    if missing:
        listed = ", ".join(row["privilege"] for row in missing)
        raise PrivilegeMissing(f"user {missing[0]['name']} lacks {listed}: GRANT it, or migrate as the owner")


async def count_old_sessions(connection: Connection, migration: Migration) -> int:
    """The number of connected sessions whose release could not live with the migration.

    Each session says in its application_name which schema its release knows; see connect.application_name.
    """
    count: int = await connection.fetchval(_OLD, migration.min_compatible_schema)
    return count
