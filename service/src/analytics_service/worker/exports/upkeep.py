"""The worker's job that ends files when their time has come, and removes what cancelled and failed exports left."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from analytics_service.contract.exports import job_prefix
from analytics_service.database.connect import Session
from analytics_service.database.export_jobs import IS_ACTIVE
from analytics_service.errors import StorageError
from analytics_service.storage.storage import Storage
from analytics_service.worker.exports.claims import TRY_LOCK, UNLOCK

MAX_FILES: Final = 100
"""That one run of the job deletes."""
MAX_SECONDS: Final = 2.0
"""Of one run for the storage: refreshes wait meanwhile, and it may be one that does not answer."""
_EXPIRE: Final = """
UPDATE export_job SET status = 'expired' WHERE status = 'completed' AND expires_at <= now()
"""
_WITH_FILES: Final = f"""
SELECT id FROM export_job AS j WHERE j.may_have_file AND NOT {IS_ACTIVE} AND j.status <> 'completed'
ORDER BY j.created_at LIMIT {MAX_FILES}
"""
_WITHOUT_FILE: Final = "UPDATE export_job SET may_have_file = false WHERE id = $1"
_DELETE_OLD: Final = f"""
DELETE FROM export_job AS j
WHERE greatest(j.created_at, j.finished_at, j.expires_at) < now() - interval '30 days'
    AND NOT j.may_have_file AND NOT {IS_ACTIVE} AND j.status <> 'completed'
"""
_WAITING: Final = f"""
SELECT count(*) AS waiting, coalesce(extract(epoch FROM now() - min(j.created_at)), 0)::float8 AS seconds
FROM export_job AS j WHERE {IS_ACTIVE}
"""


@dataclass(frozen=True)
class ExportUpkeep:
    storage: Storage

    async def __call__(self, connection: Session) -> dict[str, Any]:
        """The number of files `deleted`; of exports that wait or are written `waiting`, and `oldest_seconds`.

        `storage_failure` is what the storage says where it does not delete; else None.
        """
        await connection.execute(_EXPIRE)
        deleted, failure = await self._delete_files(connection, await connection.fetch(_WITH_FILES))
        await connection.execute(_DELETE_OLD)
        row = await connection.fetchrow(_WAITING)
        waiting, seconds = (0, 0.0) if row is None else (row["waiting"], row["seconds"])
        return {
            "deleted": deleted,
            "storage_failure": failure,
            "waiting": waiting,
            "oldest_seconds": round(seconds, 1),
        }

    async def _delete_files(self, connection: Session, rows: Sequence[Any]) -> tuple[int, str | None]:
        """Of exports that nobody writes any more; who does holds their lock. The next run goes on with the rest."""
        deleted, until = 0, asyncio.get_running_loop().time() + MAX_SECONDS
        for row in rows:
            if not await connection.fetchval(TRY_LOCK, row["id"]):
                continue
            try:
                async with asyncio.timeout_at(until):
                    await self.storage.delete(job_prefix(row["id"]))
                await connection.execute(_WITHOUT_FILE, row["id"])
                deleted += 1
            except StorageError as error:
                return deleted, str(error)
            except TimeoutError:
                return deleted, None if deleted else f"the storage deleted no file within {MAX_SECONDS:.0f} seconds"
            finally:
                await connection.execute(UNLOCK, row["id"])
        return deleted, None
