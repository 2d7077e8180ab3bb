"""Privileges on the tables of the store that a process which writes needs, and those that its user lacks."""

from typing import Final

from analytics_service.database.connect import Connection

_ROWS: Final = {
    "^(traces|rollup_.*)$": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "^(schema_.*|imported_before|price_book)$": ("SELECT",),
}
_REQUESTS: Final = {
    "^ingest_request$": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "^desired_policy$": ("SELECT",),
}
_STORE: Final = {
    **_ROWS,
    "^schema_meta$": ("UPDATE",),
    "^reprice_.*$": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "^policy$": ("SELECT", "INSERT", "UPDATE"),
    "^reclassify_.*$": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "^export_job$": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "^dropped_partition$": ("SELECT", "INSERT", "DELETE"),
    "^score.*$": ("SELECT", "DELETE"),
}
"""By a pattern of the tables' names. `import` writes rows, and `serve` requests beside them; the worker, `policies`,
`prices` and `requests` write other tables, too."""
_MISSING: Final = """
SELECT current_user AS name, string_agg(privilege || ' on ' || name, ', ' ORDER BY name, privilege) AS missing
FROM (
    SELECT oid, relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
) AS tables JOIN unnest($1::text[], $2::text[]) AS needed (pattern, privilege) ON name ~ pattern
WHERE NOT has_table_privilege(oid, privilege)
"""


async def missing(connection: Connection, *, rows_only: bool = False, requests: bool = False) -> str | None:
    """One line that names each missing privilege with its object, and the cure; None when there is none.

    `requests` are those of clients that send rows, whose keys are stored.
    """
    tables = {**(_ROWS if rows_only else _STORE), **(_REQUESTS if requests else {})}
    needed = [(pattern, privilege) for pattern, privileges in tables.items() for privilege in privileges]
    row = await connection.fetchrow(_MISSING, *map(list, zip(*needed, strict=True)))
    if row is None or row["missing"] is None:
        return None
    return f"user {row['name']} lacks {row['missing']}: GRANT it, or make the user the tables' owner"
