"""Keys of requests in the store: the same key again has the same answer for a day, and adds nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from analytics_service.contract.problems import Problem, RequestError
from analytics_service.database.connect import Connection
from analytics_service.receiver.submission import RequestKey

_LIFETIME: Final = "interval '24 hours'"
_CLAIM: Final = f"""
INSERT INTO ingest_request AS r (org_id, key, digest, answer)
SELECT * , '' FROM unnest($1::text[], $2::text[], $3::bytea[]) ORDER BY 1, 2
ON CONFLICT (org_id, key) DO UPDATE SET digest = excluded.digest, answer = '', stored_at = now()
WHERE r.stored_at < now() - {_LIFETIME}
RETURNING r.key
"""
_ANSWERED: Final = f"""
SELECT digest, answer FROM ingest_request WHERE org_id = $1 AND key = $2 AND stored_at >= now() - {_LIFETIME}
"""
_STORE: Final = """
UPDATE ingest_request AS r SET answer = k.answer
FROM unnest($1::text[], $2::text[], $3::bytea[]) AS k (org_id, key, answer) WHERE r.org_id = k.org_id AND r.key = k.key
"""
_DELETE_OLD: Final = f"""
DELETE FROM ingest_request WHERE (org_id, key) IN (
  SELECT org_id, key FROM ingest_request WHERE stored_at < now() - {_LIFETIME} LIMIT 10000
)"""


class KeyInUse(Exception):
    """A request with this key was stored, or is in the same group."""


@dataclass(frozen=True, kw_only=True)
class Keyed:
    organisation: str
    request_key: RequestKey


async def claim(connection: Connection, keyed: Sequence[Keyed]) -> None:
    """Takes the keys for this transaction; waits for others that are about to store one, KeyInUse where one has."""
    names = {(each.organisation, each.request_key.key) for each in keyed}
    if len(names) < len(keyed):
        raise KeyInUse
    columns = [
        [each.organisation for each in keyed],
        [each.request_key.key for each in keyed],
        [each.request_key.digest for each in keyed],
    ]
    if len(await connection.fetch(_CLAIM, *columns)) < len(keyed):
        raise KeyInUse


async def store(connection: Connection, answers: Sequence[tuple[Keyed, bytes]]) -> None:
    """Stores the answers of keys that this transaction has taken."""
    columns = [
        [each.organisation for each, _ in answers],
        [each.request_key.key for each, _ in answers],
        [answer for _, answer in answers],
    ]
    await connection.execute(_STORE, *columns)


async def answered(connection: Connection, keyed: Keyed) -> bytes | None:
    """The answer of the request that had this key; None where there was none within a day.

    RequestError where it was another request.
    """
    row = await connection.fetchrow(_ANSWERED, keyed.organisation, keyed.request_key.key)
    if row is None:
        return None
    if row["digest"] != keyed.request_key.digest:
        raise RequestError(
            Problem.IDEMPOTENCY_KEY_REUSED,
            "a request with this Idempotency-Key had another body: give each request a key of its own",
            field="Idempotency-Key",
        )
    answer: bytes = row["answer"]
    return answer


async def delete_old(connection: Connection) -> None:
    """Deletes keys of more than a day."""
    await connection.execute(_DELETE_OLD)
