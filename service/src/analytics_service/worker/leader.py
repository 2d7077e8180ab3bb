"""Leader election of the workers by an advisory lock: whoever loses its session loses the lead and its open work."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import structlog

from analytics_service.database.connect import Session, session
from analytics_service.database.failures import FAILURES, FailureReason, classify
from analytics_service.database.limits import store_identity
from analytics_service.database.writers import writing_blocker
from analytics_service.policies.observe import store_edition
from analytics_service.worker.jobs import Job
from analytics_service.worker.report import Report

STANDBY_SECONDS: Final = 2.0
"""Between two attempts of a standby to get the lock: it leads at most so long after the leader's session has ended."""
_MAX_PAUSE_SECONDS: Final = 10.0
_TRY_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended('analytics.work', 0))"

_log = structlog.get_logger(__name__)


class Worker:
    def __init__(self, url: str, jobs: Sequence[Job], report: Report, *, standby: float = STANDBY_SECONDS) -> None:
        self._url = url
        self._jobs = jobs
        self._report = report
        self._standby = standby

    async def run(self) -> None:
        """Until it is cancelled; a lost database is tried again with growing pauses.

        PoolerInTheWay for a URL that names a pooler: a lock would belong to a session that others use too.
        """
        pause = 0.25
        while True:
            try:
                async with session(self._url, command="work") as connection:
                    pause = 0.25
                    self._report.store = await store_identity(connection)
                    await self._stand_by(connection)
                    await self._lead(connection)
            except FAILURES as error:
                self._report.problem = classify(error, self._url).message
                _log.warning("the worker has no database", cause=self._report.problem, was_leading=self._report.leading)
            finally:
                self._report.leads_no_more()
            await asyncio.sleep(pause)
            pause = min(pause * 2, _MAX_PAUSE_SECONDS)

    async def _stand_by(self, connection: Session) -> None:
        """Returns as the leader."""
        while True:
            blocker = await writing_blocker(connection)
            self._report.problem = None if blocker is None else str(blocker)
            if blocker is None:
                self._report.edition = await store_edition(connection)
                if await connection.fetchval(_TRY_LOCK):
                    break
            await asyncio.sleep(self._standby)
        self._report.leads(since=datetime.now(UTC))
        _log.info("leading")

    async def _lead(self, connection: Session) -> None:
        """Runs the jobs that are due, one after another; FAILURES when the session is lost."""
        due = {job.name: 0.0 for job in self._jobs}
        while True:
            for job in self._jobs:
                if time.monotonic() >= due[job.name]:
                    await self._run_job(connection, job)
                    due[job.name] = time.monotonic() + job.every.total_seconds()
            await asyncio.sleep(max(min(due.values()) - time.monotonic(), 0))

    async def _run_job(self, connection: Session, job: Job) -> None:
        """A failure of the job is reported, and the other jobs go on; FAILURES when the session is lost."""
        started = time.perf_counter()
        try:
            details = await job.run(connection)
        except FAILURES as error:
            failure = classify(error, self._url)
            self._report.failed(job.name, failure.message)
            _log.error("a job failed", job=job.name, reason=failure.reason.value, cause=failure.message)
            if failure.reason is FailureReason.UNREACHABLE or connection.is_closed():
                raise
        else:
            spent = time.perf_counter() - started
            self._report.succeeded(job.name, at=datetime.now(UTC), seconds=spent, details=details)
            _log.debug("a job is done", job=job.name, seconds=round(spent, 3), **details)
