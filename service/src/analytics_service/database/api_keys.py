"""The table of API keys: rows, and the statements that find and change them. Pure.

Statements for callers are held to an organisation, and to the projects of a caller that has some: such a caller sees
the keys of these projects alone, and none of the whole organisation.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from analytics_service.database.query import Query
from analytics_service.database.tenancy import in_organisation, within_projects

_COLUMNS: Final = (
    *("id", "organisation", "name", "prefix", "projects", "role", "scopes", "per_minute", "burst", "content"),
    *("content_characters", "redact", "created_at", "created_by", "expires_at"),
    *("revoked_at", "revoked_by", "replaced_by", "last_used_at"),
)
_SELECTED: Final = ", ".join(
    "k.org_id AS organisation" if column == "organisation" else f"k.{column}" for column in _COLUMNS
)
_VISIBLE: Final = f"{in_organisation('k')} AND {within_projects('k')}"
_INSERTED: Final = _COLUMNS[: _COLUMNS.index("expires_at") + 1]


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A row. What a later release wrote into it may mean nothing to this one: role and scopes are its words."""

    id: str
    organisation: str
    name: str
    prefix: str
    projects: Sequence[str]
    """Empty: all of the organisation."""
    role: str
    scopes: Sequence[str]
    per_minute: int | None
    burst: int | None
    content: str
    content_characters: int | None
    redact: Sequence[str]
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: str | None = None
    replaced_by: str | None = None
    """The id of the key that it was rotated to."""
    last_used_at: datetime | None = None
    """To the minute."""


def of_row(row: Any) -> ApiKey:
    """Of a statement that selects a key's columns."""
    return ApiKey(**{column: row[column] for column in _COLUMNS})


def look_up(digests: Iterable[bytes]) -> Query:
    """The keys of these hashes, of whatever organisation, each with its `sha256`."""
    sql = f"SELECT {_SELECTED}, k.sha256 FROM api_key AS k WHERE k.sha256 = ANY($1::bytea[])"
    return Query(sql=sql, args=(list(digests),))


def insert(key: ApiKey, digest: bytes) -> Query:
    columns = ", ".join(_INSERTED).replace("organisation", "org_id")
    places = ", ".join(f"${number}" for number in range(1, len(_INSERTED) + 2))
    values = (getattr(key, column) for column in _INSERTED)
    return Query(sql=f"INSERT INTO api_key ({columns}, sha256) VALUES ({places})", args=(*values, digest))


def lock_organisation(organisation: str) -> Query:
    """Until the transaction ends nobody else makes a key of the organisation."""
    return Query(
        sql="SELECT pg_advisory_xact_lock(hashtextextended('analytics.api_keys/' || $1::text, 0))", args=(organisation,)
    )


def count_active(organisation: str, at: datetime) -> Query:
    """`active`: the number of keys that are accepted then."""
    sql = f"""
SELECT count(*) AS active FROM api_key AS k
WHERE {in_organisation("k")} AND k.revoked_at IS NULL AND coalesce(k.expires_at, 'infinity') > $2"""
    return Query(sql=sql, args=(organisation, at))


def lock(organisation: str, projects: list[str] | None, id_: str) -> Query:
    """The key, which nobody else changes until the transaction ends."""
    sql = f"SELECT {_SELECTED} FROM api_key AS k WHERE {_VISIBLE} AND k.id = $3 FOR UPDATE"
    return Query(sql=sql, args=(organisation, projects, id_))


def revoke(organisation: str, projects: list[str] | None, id_: str, *, by: str) -> Query:
    """The key, revoked now, or when it was."""
    sql = f"""
UPDATE api_key AS k SET revoked_at = coalesce(k.revoked_at, now()), revoked_by = coalesce(k.revoked_by, $4)
WHERE {_VISIBLE} AND k.id = $3 RETURNING {_SELECTED}"""
    return Query(sql=sql, args=(organisation, projects, id_, by))


def replace(id_: str, successor: str, *, expires_at: datetime) -> Query:
    """Ends a key that was rotated, no later than it would have ended anyway."""
    sql = f"""
UPDATE api_key AS k SET replaced_by = $2, expires_at = least(k.expires_at, $3) WHERE k.id = $1 RETURNING {_SELECTED}"""
    return Query(sql=sql, args=(id_, successor, expires_at))


def page(  # noqa: PLR0913 - what a list is confined by
    organisation: str,
    projects: list[str] | None,
    *,
    start: datetime,
    end: datetime,
    active_at: datetime | None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Query:
    """Keys by the time of their creation, the newest first; with `active_at` those alone that are accepted then."""
    return Query(
        sql=f"""
SELECT {_SELECTED} FROM api_key AS k
WHERE {_VISIBLE} AND k.created_at >= $3 AND k.created_at < $4
    AND ($5::timestamptz IS NULL OR (k.revoked_at IS NULL AND coalesce(k.expires_at, 'infinity') > $5))
    AND ($6::timestamptz IS NULL OR (k.created_at, k.id) < ($6, $7::text))
ORDER BY k.created_at DESC, k.id DESC LIMIT $8""",
        args=(organisation, projects, start, end, active_at, *(after or (None, None)), limit),
    )


def mark_used(times: Mapping[str, datetime]) -> Query:
    """Writes when keys were last used, where what is stored is older by a minute.

    Waits for nobody: other processes mark the same keys, in another order. A key that is locked keeps its time until
    it is used again.
    """
    sql = """
WITH due AS (
    SELECT k.id, u.used_at FROM unnest($1::text[], $2::timestamptz[]) AS u (id, used_at) JOIN api_key AS k USING (id)
    WHERE coalesce(k.last_used_at, '-infinity') < u.used_at - interval '1 minute'
    FOR NO KEY UPDATE OF k SKIP LOCKED
)
UPDATE api_key AS k SET last_used_at = due.used_at FROM due WHERE k.id = due.id"""
    return Query(sql=sql, args=(list(times), list(times.values())))
