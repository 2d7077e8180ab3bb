"""Whether this release can serve from a schema. `problem` is pure."""

from dataclasses import dataclass

from analytics_service.database.connect import Connection
from analytics_service.database.migrate import journal


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The schema that a database has."""

    version: int
    min_compatible_schema: int


async def schema_of(connection: Connection) -> Schema:
    """The schema of the database; version 0 if it was never migrated."""
    history = await journal.read(connection)
    return Schema(version=history.version, min_compatible_schema=history.min_compatible_schema)


def problem(schema: Schema, target: int) -> str | None:
    """What keeps a release that knows schema `target` from serving, with the cure."""
    if schema.version < target:
        return f"the database has schema {schema.version}, this release needs {target}: run analytics-service migrate"
    if target < schema.min_compatible_schema:
        return (
            f"the database needs a release that knows schema {schema.min_compatible_schema} or later, "
            f"and this one knows {target}: run a newer image"
        )
    return None
