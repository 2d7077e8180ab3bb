"""The edition of a database, one of three, detected by what the server can do and never by its version alone."""

from dataclasses import dataclass
from enum import StrEnum

from analytics_service.database.connect import Connection
from analytics_service.errors import LicenceChanged, ServerTooOld

MIN_POSTGRESQL = 150_000
MIN_TIMESCALEDB = (2, 18)  # the first whose hypertables give triggers their transition tables


class Edition(StrEnum):
    POSTGRESQL = "postgresql"
    APACHE = "timescaledb-apache"
    COMMUNITY = "timescaledb-community"

    @property
    def requirement(self) -> str:
        """Its name in the `requires` line of a migration."""
        return _REQUIREMENTS[self]


_REQUIREMENTS = {Edition.POSTGRESQL: "postgres", Edition.APACHE: "apache", Edition.COMMUNITY: "tsl"}


@dataclass(frozen=True)
class LicenceProblem:
    """Rows that were stored under the community licence, which the server does not handle any more."""

    message: str
    """With the cure."""
    hides_rows: bool
    """Answers would be wrong; else only writers are refused."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """The server and the database behind a connection."""

    version: str
    version_number: int
    extension: str | None
    """Version of TimescaleDB in this database."""
    license: str | None
    """Before the extension is created, the one of the server's configuration, if it names one."""
    can_create_extension: bool
    """TimescaleDB is installed on the server and loaded at its start, but not created in this database yet."""
    read_only: bool
    encoding: str = "UTF8"
    distributed: bool = False
    """Citus is in this database."""
    licence_problem: LicenceProblem | None = None
    """After a change of the licence."""

    @property
    def edition(self) -> Edition:
        return Edition.POSTGRESQL if self.extension is None else self.edition_with_extension

    @property
    def edition_with_extension(self) -> Edition:
        """The edition that the database is once the extension is created."""
        return Edition.COMMUNITY if self.license == "timescale" else Edition.APACHE


# The loader's own settings exist only when it was preloaded; shared_preload_libraries is hidden from most roles.
_INSPECT = """
SELECT current_setting('server_version') AS version,
    current_setting('server_version_num')::int AS version_number,
    (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS extension,
    current_setting('timescaledb.license', true) AS license,
    (SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb') AS available,
    current_setting('timescaledb.disable_load', true) IS NOT NULL AS preloaded,
    current_setting('transaction_read_only') = 'on' AS read_only,
    getdatabaseencoding() AS encoding,
    EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') AS distributed
"""


_COMMUNITY_STORAGE = """
SELECT (SELECT string_agg(quote_ident(view_name), ', ' ORDER BY view_name)
        FROM timescaledb_information.continuous_aggregates
        WHERE hypertable_schema = 'public' AND hypertable_name = 'traces') AS aggregates,
    (SELECT count(*) FROM timescaledb_information.chunks
     WHERE hypertable_schema = 'public' AND hypertable_name = 'traces' AND is_compressed) AS compressed
"""


async def inspect(connection: Connection) -> Server:
    """The server and its edition, and what its licence makes useless; changes nothing."""
    (row,) = await connection.fetch(_INSPECT)
    licence_problem = None
    if row["extension"] is not None and row["license"] != "timescale":
        (stored,) = await connection.fetch(_COMMUNITY_STORAGE)
        licence_problem = _licence_problem(stored["aggregates"], stored["compressed"])
    return Server(
        version=row["version"].split(" ", 1)[0],
        version_number=row["version_number"],
        extension=row["extension"],
        license=row["license"],
        can_create_extension=row["extension"] is None and row["available"] is not None and row["preloaded"],
        read_only=row["read_only"],
        encoding=row["encoding"],
        distributed=row["distributed"],
        licence_problem=licence_problem,
    )


def _licence_problem(aggregates: str | None, compressed: int) -> LicenceProblem | None:
    cure = "set timescaledb.license = timescale again"
    if compressed:
        what = f"{compressed} compressed chunks of traces, which queries leave out without a word"
        return LicenceProblem(
            f"the licence of TimescaleDB no longer reads {what}: {cure}, or decompress them under it first", True
        )
    if aggregates:
        what = f"rows of traces, on which the continuous aggregate {aggregates} is"
        return LicenceProblem(f"the licence of TimescaleDB no longer takes {what}: {cure}, or drop it", False)
    return None


def unsupported(server: Server, *, empty: bool) -> str | None:
    """Why a database, which is `empty` if it was never migrated, cannot hold the store; None when it can."""
    if server.encoding != "UTF8":
        cure = "name one that was made with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0"
        return f"the encoding of the database is {server.encoding}, and texts need UTF8: {cure}"
    if server.distributed and empty:
        return "the database has the extension citus, which cannot hold the store: name a database without it"
    return None


def check(server: Server) -> None:
    """Raises ServerTooOld for a server that is not supported, LicenceChanged for one whose licence took rows away."""
    if server.version_number < MIN_POSTGRESQL:
        raise ServerTooOld(f"PostgreSQL {server.version} is too old: 15 or newer is needed")
    if server.extension is not None and _numbers(server.extension) < MIN_TIMESCALEDB:
        raise ServerTooOld(
            f"TimescaleDB {server.extension} is too old: 2.18 or newer is needed "
            "(triggers on hypertables have no transition tables before); run ALTER EXTENSION timescaledb UPDATE"
        )
    if server.licence_problem is not None:
        raise LicenceChanged(server.licence_problem.message)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-", 1)[0].split(".")[:2] if part.isdigit())
