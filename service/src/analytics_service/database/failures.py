"""Failures of the database: a reason for programs, and one line for people that holds no secret. Pure."""

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import asyncpg
from asyncpg.exceptions._base import DataError  # an argument of ours; asyncpg.DataError is the server's

from analytics_service.errors import DatabaseError, DatabaseUnavailable, DatabaseUnfit, DatabaseUnsupported
from analytics_service.telemetry.redaction import redactor


class FailureReason(StrEnum):
    """Why the database did not do it. Part of the result of migrate, so the values never change."""

    UNREACHABLE = "DatabaseUnreachable"
    AUTHENTICATION = "AuthenticationFailed"
    PERMISSION = "PermissionDenied"
    READ_ONLY = "ReadOnlyDatabase"
    LOCK = "LockTimeout"
    FULL = "DiskFull"
    POOLER = "PoolerInTheWay"
    LICENCE = "LicenceChanged"
    TOO_OLD = "ServerTooOld"
    UNSUPPORTED = "UnsupportedDatabase"
    OTHER = "MigrationFailed"


EXTERNAL_REASONS: Final = frozenset(set(FailureReason) - {FailureReason.OTHER})
"""Their cause lies in the database that was named, or around it, and not in this release: exit code 2."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A cause for programs, and one line with the cure for people."""

    reason: FailureReason
    message: str


_CAUSES: tuple[tuple[tuple[type[BaseException], ...], FailureReason, str], ...] = (
    (
        (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError),
        FailureReason.AUTHENTICATION,
        "the database refuses the user or password of {setting}",
    ),
    ((asyncpg.InvalidCatalogNameError,), FailureReason.UNREACHABLE, "the database that {setting} names does not exist"),
    ((asyncpg.InsufficientPrivilegeError,), FailureReason.PERMISSION, "the database user lacks a privilege"),
    ((asyncpg.ReadOnlySQLTransactionError,), FailureReason.READ_ONLY, "the database is read-only: name the primary"),
    ((asyncpg.LockNotAvailableError,), FailureReason.LOCK, "a lock on a table is held by someone else"),
    ((asyncpg.TooManyConnectionsError,), FailureReason.UNREACHABLE, "the database accepts no more connections"),
    ((asyncpg.DiskFullError,), FailureReason.FULL, "the disk of the database is full"),
    (
        (ssl.SSLCertVerificationError,),
        FailureReason.UNREACHABLE,
        "the certificate of the database is not trusted; DATABASE_CA_FILE names its CA",
    ),
    (
        (asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, asyncpg.AdminShutdownError, ssl.SSLError),
        FailureReason.UNREACHABLE,
        "there is no connection to the database",
    ),
    ((asyncpg.PostgresError,), FailureReason.OTHER, "the database refused a statement"),
    (
        (asyncpg.ClientConfigurationError, asyncpg.TargetServerAttributeNotMatched),
        FailureReason.UNREACHABLE,
        "{setting} cannot be used to connect",
    ),
    (
        # an internal error is a connection that ended, or whose answers are not PostgreSQL's: never the URL's fault
        (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError),
        FailureReason.UNREACHABLE,
        "there is no connection to the database",
    ),
)
FAILURES: Final[tuple[type[BaseException], ...]] = (
    DatabaseUnsupported,
    *(kind for kinds, _, _ in _CAUSES for kind in kinds),
)
"""The errors that `classify` knows; any other is a defect of ours and must not be caught."""


def classify(error: BaseException, url: str, *, setting: str = "DATABASE_URL") -> Failure:
    """The reason and one line for `error`, without the secrets of `url`, which `setting` holds."""
    if isinstance(error, DatabaseUnsupported):
        return Failure(reason=FailureReason.UNSUPPORTED, message=str(error))
    if isinstance(error, DataError):
        argument = re.search(r"\$\d+", str(error))  # alone: the rest repeats the value, which may be a client's text
        which = argument[0] if argument else "unknown"
        return Failure(reason=FailureReason.OTHER, message=f"an argument does not fit its statement ({which})")
    error = next((each for each in _chain(error) if isinstance(each, asyncpg.DiskFullError)), error)
    for kinds, reason, words in _CAUSES:
        if isinstance(error, kinds):
            return Failure(reason=reason, message=redact(f"{words.format(setting=setting)} ({_detail(error)})", url))
    return Failure(reason=FailureReason.OTHER, message=redact(f"{type(error).__name__}: {_detail(error)}", url))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it: the last word of a server that cannot write its log is that the disk is full."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__


def command_error(failure: Failure) -> DatabaseError:
    """The error that a command ends with, whose exit code is 2 for EXTERNAL_REASONS."""
    if failure.reason is FailureReason.UNREACHABLE:
        return DatabaseUnavailable(failure.message)
    return (DatabaseUnfit if failure.reason in EXTERNAL_REASONS else DatabaseError)(failure.message)


def redact(text: str, url: str) -> str:
    """`text` in one line, with the password of `url` and `url` itself made unreadable."""
    return redactor([url])(" ".join(text.split()))


def _detail(error: BaseException) -> str:
    return str(error).strip() or type(error).__name__
