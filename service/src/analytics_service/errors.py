"""The error tree of the service: each class fixes its own consequence, and is caught once, at the boundary.

    ServiceError
    ├── UsageError                 exit code 2 (bad arguments, settings or input files)
    ├── DatabaseError              exit code 1; HTTP 503 (1600-1603) or 504
    │   ├── DatabaseUnfit          exit code 2: the database, or the user, that was named cannot be used as it is
    │   │   ├── DatabaseUnsupported  another product, encoding, or somebody else's tables
    │   │   └── PoolerInTheWay     its sessions are shared, and the work needs one of its own
    │   ├── DatabaseUnavailable    exit code 2: cannot connect, or lost
    │   ├── DatabaseBusy           no connection within the deadline
    │   ├── QueryTimeout           the statement was cancelled at its deadline
    │   ├── InvalidPattern         HTTP 422: a regular expression that the database does not understand
    │   ├── SchemaIncompatible     older or newer than this release can serve
    │   └── MigrationRefused       migrate changed nothing, and says why
    │       ├── ServerTooOld       PostgreSQL or TimescaleDB
    │       ├── LicenceChanged     rows were stored by what the server's licence no longer allows
    │       ├── PrivilegeMissing   the user may not do what the schema needs
    │       ├── LockHeld           somebody else's transaction is in the way
    │       ├── OldReleases        processes of a release that the step would break are connected
    │       ├── HistoryEdited      a migration has another text than when it was applied
    │       └── DatabaseNewer      a later release made the schema, and no longer supports this one
    ├── StorageError               exit code 1; HTTP 503 (1701): the storage of exported files
    ├── ProcessLost                exit code 1: a process that this one had started ended before its work was done
    └── RequestError               HTTP 4xx and 5xx, in problems.py

Messages are for people: one line, the name of the setting, field or object and the cure; never a secret.
"""


class ServiceError(Exception):
    """Base of all errors that this service raises on purpose."""

    exit_code = 1


class UsageError(ServiceError):
    """Invalid arguments, settings or input; nothing was changed."""

    exit_code = 2


class StorageError(ServiceError):
    """The storage of exported files did not do what it was asked for."""


class ProcessLost(ServiceError):
    """A process that this one had started ended before its work was done."""


class DatabaseError(ServiceError):
    """The database did not answer as it should."""


class DatabaseUnfit(DatabaseError):
    """The database, or the user, that DATABASE_URL names cannot be used as it is."""

    exit_code = 2


class DatabaseUnsupported(DatabaseUnfit):
    """The database cannot hold the store, whatever is done to its schema."""


class PoolerInTheWay(DatabaseUnfit):
    """A connection pooler answers, whose sessions are not ours alone."""


class DatabaseUnavailable(DatabaseError):
    """There is no connection to the database."""

    exit_code = 2


class DatabaseBusy(DatabaseError):
    """No connection became free within the deadline, or what became of one had to go before others."""


class QueryTimeout(DatabaseError):
    """The statement was cancelled when its time was over."""


class InvalidPattern(DatabaseError):
    """A regular expression of a client is not valid, or is too complex."""


class SchemaIncompatible(DatabaseError):
    """The schema is outside what this release can serve."""


class MigrationRefused(DatabaseError):
    """The database cannot be migrated by this release."""


class ServerTooOld(MigrationRefused):
    """The server lacks what the schema needs."""


class LicenceChanged(MigrationRefused):
    """Data that TimescaleDB stored under its community licence cannot be read or written under its Apache licence."""


class PrivilegeMissing(MigrationRefused):
    """The user lacks a privilege."""


class LockHeld(MigrationRefused):
    """A transaction of somebody else held a lock for too long."""


class OldReleases(MigrationRefused):
    """Processes of older releases are still connected, which could not live with the schema."""


class HistoryEdited(MigrationRefused):
    """An applied migration differs from the one of this release."""


class DatabaseNewer(MigrationRefused):
    """A later release made the schema, and no longer supports this one."""
