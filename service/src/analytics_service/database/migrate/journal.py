"""The tables in which a database keeps its own history."""

import json

from analytics_service.database.connect import Connection
from analytics_service.database.migrate.migration import Migration
from analytics_service.database.migrate.plan import Entry, History

_CREATE = """
CREATE TABLE IF NOT EXISTS schema_meta (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version integer NOT NULL,
    min_compatible_schema integer NOT NULL,
    made_for text NOT NULL,
    chunk_hours integer NOT NULL DEFAULT 24
        CHECK (chunk_hours > 0 AND (24 % chunk_hours = 0 OR chunk_hours % 24 = 0))
);
CREATE TABLE IF NOT EXISTS schema_journal (
    name text PRIMARY KEY,
    number integer NOT NULL,
    sha256 text NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'interrupted', 'done')),
    attempts integer NOT NULL DEFAULT 1,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
"""
_IS_OURS = """
SELECT count(*) = 3 FROM pg_attribute
WHERE attrelid = to_regclass('public.schema_meta') AND attname IN ('version', 'min_compatible_schema', 'made_for')
"""
_META = "INSERT INTO schema_meta (version, min_compatible_schema, made_for) VALUES (0, 1, $1) ON CONFLICT DO NOTHING"
_READ = """
SELECT m.version, m.min_compatible_schema, m.made_for,
    (SELECT coalesce(json_agg(json_build_array(name, number, sha256, state = 'done')), '[]')::text
     FROM schema_journal) AS journal
FROM schema_meta AS m
"""
_BEGIN = """
INSERT INTO schema_journal AS j (name, number, sha256, state) VALUES ($1, $2, $3, 'running')
ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, state = 'running', attempts = j.attempts + 1
"""
_STATE = "UPDATE schema_journal SET state = $2, finished_at = clock_timestamp() WHERE name = $1"
_VERSION = """
UPDATE schema_meta SET version = greatest(version, $1), min_compatible_schema = greatest(min_compatible_schema, $2)
"""


async def create(connection: Connection, requirement: str) -> None:
    """Makes the tables if they are missing."""
    async with connection.transaction():
        await connection.execute(_CREATE)
        await connection.execute(_META, requirement)


async def read(connection: Connection) -> History:
    """The history of the database; an empty one if it has none, or a table of that name is somebody else's."""
    if not await connection.fetchval(_IS_OURS):
        return History()
    row = await connection.fetchrow(_READ)
    if row is None:
        return History()
    entries = {
        name: Entry(number=number, sha256=sha256, done=done)
        for name, number, sha256, done in json.loads(row["journal"])
    }
    return History(
        version=row["version"],
        min_compatible_schema=row["min_compatible_schema"],
        requirement=row["made_for"],
        journal=entries,
    )


async def mark_running(connection: Connection, migration: Migration) -> None:
    """Notes that a migration runs; one that stays `running` was killed."""
    await connection.execute(_BEGIN, migration.name, migration.number, migration.sha256)


async def mark_interrupted(connection: Connection, migration: Migration) -> None:
    """Notes that a migration was stopped in the middle; the next run repeats it."""
    await connection.execute(_STATE, migration.name, "interrupted")


async def mark_done(connection: Connection, migration: Migration) -> None:
    """Notes that a migration is complete."""
    await connection.execute(_STATE, migration.name, "done")


async def set_version(connection: Connection, version: int, min_compatible_schema: int = 1) -> None:
    """Notes the version of the schema, which never goes back."""
    await connection.execute(_VERSION, version, min_compatible_schema)
