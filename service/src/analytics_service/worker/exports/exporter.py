"""Writes exports, one after another, in a session of its own; a process has a few of them beside its other work."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import structlog

from analytics_service.contract.exports import job_prefix
from analytics_service.contract.problems import RequestError
from analytics_service.database.connect import Session, database_url, session
from analytics_service.database.export_jobs import ExportJob, JobStatus, of_row
from analytics_service.database.failures import FAILURES, classify
from analytics_service.database.writers import writing_blocker
from analytics_service.errors import StorageError
from analytics_service.settings import Settings
from analytics_service.storage.storage import Storage, open_storage
from analytics_service.worker.exports import claims
from analytics_service.worker.exports.writing import FileWriter, Superseded

IDLE_SECONDS: Final = 2.0
"""Between two looks for an export that waits."""
_FIRST_PAUSE_SECONDS: Final = 0.25
_MAX_PAUSE_SECONDS: Final = 10.0
_FIRST_RETRY: Final = timedelta(seconds=5)
"""After a storage that failed; each further one waits twice as long."""
_UNSTORED: Final = "the storage did not take the file"

_log = structlog.get_logger(__name__)
Ended = Callable[[JobStatus, int], None]
"""Gets how an export ended, and the rows of its file."""


class Exporter:
    def __init__(
        self,
        url: str,
        storage: Storage,
        lifetime: timedelta,
        *,
        ended: Ended = lambda _status, _rows: None,
        idle: float = IDLE_SECONDS,
    ) -> None:
        self._url = url
        self._storage = storage
        self._lifetime = lifetime
        self._ended = ended
        self._idle = idle

    async def run(self) -> None:
        """Until it is cancelled; a lost database is tried again with growing pauses."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                async with session(self._url, command="work") as connection:
                    while (blocker := await writing_blocker(connection)) is not None:
                        _log.warning("exports wait", cause=str(blocker))
                        await asyncio.sleep(_MAX_PAUSE_SECONDS)
                    while True:
                        if not await self.export_next(connection):
                            await asyncio.sleep(self._idle)
                        pause = _FIRST_PAUSE_SECONDS
            except FAILURES as error:
                _log.warning("exports wait for the database", cause=classify(error, self._url).message)
            except Exception:  # noqa: BLE001 - a task that ended here would leave exports waiting without a word
                _log.exception("an export failed unexpectedly")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _MAX_PAUSE_SECONDS)

    async def export_next(self, connection: Session) -> bool:
        """Whether there was an export that waits and that nobody else writes; it has ended then, or waits again."""
        for row in await connection.fetch(claims.CANDIDATES):
            if not await connection.fetchval(claims.TRY_LOCK, row["id"]):
                continue
            try:
                claimed = await connection.fetchrow(claims.CLAIM, row["id"])
                if claimed is not None:
                    await self._export(connection, of_row(claimed))
                    return True
                if await connection.fetchval(claims.GIVE_UP, row["id"]):
                    _log.error("an export was given up", job=row["id"], attempts=claims.MAX_ATTEMPTS)
                    self._ended(JobStatus.FAILED, 0)
            finally:
                if not connection.is_closed():
                    await connection.execute(claims.UNLOCK, row["id"])
        return False

    async def _export(self, connection: Session, job: ExportJob) -> None:
        _log.info("an export begins", job=job.id, attempt=job.attempt)
        try:
            writer = FileWriter(connection, job)
            await self._write(writer)
        except Superseded:
            _log.info("an export was stopped", job=job.id, attempt=job.attempt)
            self._ended(JobStatus.CANCELLED, 0)
        except StorageError as error:
            wait = _FIRST_RETRY * 2 ** min(job.attempt - 1, 6)
            _log.error("an export could not be stored", job=job.id, attempt=job.attempt, cause=str(error))
            await connection.execute(claims.RETRY, job.id, job.attempt, wait, _UNSTORED)
        except (RequestError, ImportError) as error:
            _log.error("an export cannot be written", job=job.id, cause=str(error))
            await connection.execute(claims.FAIL, job.id, job.attempt, f"this release cannot write it: {error}")
            self._ended(JobStatus.FAILED, 0)
        else:
            await self._complete(connection, writer)

    async def _write(self, writer: FileWriter) -> None:
        """Raises what ended the reading, where that is why the storage got no whole file."""
        try:
            await self._storage.put(writer.file, writer.parts())
        except Exception as error:
            if writer.failure is not None and writer.failure is not error:
                raise writer.failure from error
            raise

    async def _complete(self, connection: Session, writer: FileWriter) -> None:
        job = writer.job
        figures = (writer.rows, writer.has_more, writer.raw_since, writer.size, writer.sha256)
        if not await connection.fetchval(claims.COMPLETE, job.id, job.attempt, self._lifetime, *figures):
            return  # the job `exports`, or the next attempt, deletes the file
        await self._delete_other_files(writer)
        _log.info("an export is complete", job=job.id, attempt=job.attempt, rows=writer.rows, bytes=writer.size)
        self._ended(JobStatus.COMPLETED, writer.rows)

    async def _delete_other_files(self, writer: FileWriter) -> None:
        """Of attempts before. What stays there after all is deleted once the export has expired."""
        try:
            await self._storage.delete(job_prefix(writer.job.id), but=writer.file.key)
        except StorageError as error:
            _log.warning("parts of an export stay in the storage", job=writer.job.id, cause=str(error))


@asynccontextmanager
async def exporting(settings: Settings, ended: Ended = lambda _status, _rows: None) -> AsyncIterator[None]:
    """Exports are written while the block runs; none where there is no storage for files."""
    storage = open_storage(settings)
    if storage is None:
        yield
        return
    lifetime = timedelta(days=settings.export_retention_days)
    exporter = Exporter(database_url(settings), storage, lifetime, ended=ended)
    tasks = [asyncio.create_task(exporter.run()) for _ in range(settings.worker_export_connections)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
