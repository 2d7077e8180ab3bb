"""Compatibility of this release with the schema of a database. `problem` is pure."""

from dataclasses import dataclass

from analytics_service.database import edition
from analytics_service.database.connect import Connection
from analytics_service.database.edition import Edition, LicenceProblem
from analytics_service.database.foreign import foreign_objects
from analytics_service.database.migrate import journal
from analytics_service.database.migrate.migration import load, schema_version


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The schema that a database has."""

    version: int
    min_compatible_schema: int
    edition: Edition = Edition.POSTGRESQL
    licence_problem: LicenceProblem | None = None
    unsupported: str | None = None
    """Why the database cannot hold the store, with the cure; None when it can."""


async def schema_of(connection: Connection) -> Schema:
    """The schema of the database; version 0 if it was never migrated."""
    history = await journal.read(connection)
    server = await edition.inspect(connection)
    unsupported = edition.unsupported(server, empty=history.requirement is None)
    if unsupported is None and history.version < schema_version():
        migrations, requirement = load(), history.requirement or server.edition.requirement
        pending = [each for each in migrations if each.name not in history.journal and requirement in each.requires]
        unsupported = await foreign_objects(connection, migrations, history, pending)
    return Schema(
        version=history.version,
        min_compatible_schema=history.min_compatible_schema,
        edition=server.edition,
        licence_problem=server.licence_problem,
        unsupported=unsupported,
    )


def problem(schema: Schema, target: int, *, writes: bool = False) -> str | None:
    """The reason, with its cure, why a release that knows schema `target` cannot serve or write; None when it can."""
    if schema.unsupported is not None:
        return schema.unsupported
    if schema.licence_problem is not None and (writes or schema.licence_problem.hides_rows):
        return schema.licence_problem.message
    if schema.version < target:
        return f"the database has schema {schema.version}, this release needs {target}: run analytics-service migrate"
    if target < schema.min_compatible_schema:
        return (
            f"the database needs a release that knows schema {schema.min_compatible_schema} or later, "
            f"and this one knows {target}: run a newer image"
        )
    return None
