"""Objects of somebody else that are in the way of the schema, found before anything is made. `created` is pure.

A database is ours by its table `schema_meta`. In it the names that pending migrations create, and no earlier ones, are
free; in any other all names of the schema are.
"""

import re
from collections.abc import Iterable
from typing import Final

from analytics_service.database.connect import Connection
from analytics_service.database.migrate.migration import Migration
from analytics_service.database.migrate.plan import History

_CREATED: Final = re.compile(
    r"^CREATE (?:UNIQUE )?(?:TABLE|VIEW|INDEX|SEQUENCE|FUNCTION|TYPE) (?:IF NOT EXISTS )?(\w+)", re.MULTILINE
)
_HISTORY: Final = frozenset({"schema_meta", "schema_journal"})
_MAX_NAMED: Final = 5
_EXISTING: Final = """
SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'view' WHEN 'i' THEN 'index' WHEN 'I' THEN 'index'
    WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'type' ELSE 'table' END AS kind, relname AS name
FROM pg_class WHERE relnamespace = to_regnamespace('public') AND relname = ANY($1::text[])
UNION
SELECT 'function', proname FROM pg_proc WHERE pronamespace = to_regnamespace('public') AND proname = ANY($1::text[])
ORDER BY kind DESC, name
"""


def created(migrations: Iterable[Migration]) -> frozenset[str]:
    """Names of the objects that migrations create in schema public."""
    return frozenset(name for migration in migrations for name in _CREATED.findall(migration.sql))


async def foreign_objects(
    connection: Connection, migrations: Iterable[Migration], history: History, pending: Iterable[Migration]
) -> str | None:
    """One line that names objects which are not ours and in the way, with the cure; None when there are none."""
    done = [migration for migration in migrations if (entry := history.journal.get(migration.name)) and entry.done]
    # outside a transaction an interrupted run leaves behind what it has made
    names = created(migration for migration in pending if migration.transactional) - created(done)
    if history.requirement is None:
        names |= _HISTORY
    rows = await connection.fetch(_EXISTING, sorted(names))
    if not rows:
        return None
    listed = ", ".join(f"{row['kind']} {row['name']}" for row in rows[:_MAX_NAMED])
    more = f" and {len(rows) - _MAX_NAMED} more" if len(rows) > _MAX_NAMED else ""
    return f"schema public has objects of somebody else ({listed}{more}): name an empty database"
