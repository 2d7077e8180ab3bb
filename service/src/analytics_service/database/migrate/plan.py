"""The plan of a run of migrate, from this release's migrations and the database's journal. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analytics_service.database.migrate.migration import Migration
from analytics_service.errors import DatabaseNewer, HistoryEdited


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A migration in the journal of the database."""

    number: int
    sha256: str
    done: bool


@dataclass(frozen=True, kw_only=True)
class History:
    """The journal of a database, with its schema's version; the default is a database that was never migrated."""

    version: int = 0
    min_compatible_schema: int = 1
    requirement: str | None = None
    """The edition that its tables were made for; it stays, even when an extension appears later."""
    journal: Mapping[str, Entry] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MigrationPlan:
    """Migrations in order; `newer` says that a later release made the schema, and that this one can live with it."""

    pending: tuple[Migration, ...] = ()
    skipped: tuple[Migration, ...] = ()
    """Steps of other editions that come after the version: the version moves over them."""
    target: int
    newer: bool = False


def plan(migrations: Sequence[Migration], history: History, requirement: str) -> MigrationPlan:
    """The pending migrations for an edition.

    Raises HistoryEdited when a migration that was run has another text now, DatabaseNewer when the schema is of a later
    release that no longer supports this one.
    """
    target = migrations[-1].number if migrations else 0
    for migration in migrations:
        entry = history.journal.get(migration.name)
        if entry is not None and entry.done and entry.sha256 != migration.sha256:
            raise HistoryEdited(
                f"migration {migration.name} was changed after it was applied: restore its file, add a new one"
            )
    if history.version > target:
        _check_newer(history, target)
        return MigrationPlan(target=target, newer=True)
    _check_unknown(migrations, history)
    made_for = history.requirement or requirement
    pending = [
        migration for migration in migrations if not (entry := history.journal.get(migration.name)) or not entry.done
    ]
    return MigrationPlan(
        pending=tuple(migration for migration in pending if made_for in migration.requires),
        skipped=tuple(migration for migration in pending if made_for not in migration.requires),
        target=target,
    )


def _check_newer(history: History, target: int) -> None:
    if target < history.min_compatible_schema:
        raise DatabaseNewer(
            f"the database has schema {history.version}, which needs a release that knows schema "
            f"{history.min_compatible_schema} or later; this one knows {target}: run a newer image"
        )


def _check_unknown(migrations: Sequence[Migration], history: History) -> None:
    unknown = sorted(set(history.journal) - {migration.name for migration in migrations})
    if unknown:
        raise HistoryEdited(f"the database has migration {unknown[0]}, which this release does not know")
