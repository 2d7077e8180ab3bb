"""The worker as a process: it works until it is stopped, and serves its report meanwhile."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from aiohttp import web

from analytics_service.database.connect import database_url
from analytics_service.server.listen import Site, listening
from analytics_service.settings import Settings, retired
from analytics_service.telemetry.metrics import metrics_application
from analytics_service.units import decimals
from analytics_service.worker.exports.exporter import exporting
from analytics_service.worker.jobs import jobs
from analytics_service.worker.leader import Worker
from analytics_service.worker.report import Report

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Working:
    port: int
    report: Report
    task: asyncio.Task[None]
    """Ends with an error only."""


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[Working]:
    """Works and listens on API_METRICS_PORT while the block runs."""
    url = database_url(settings)
    table = jobs(settings, url)
    report = Report(tuple(job.name for job in table))
    site = Site(
        application=_application(report),
        host=settings.app_host,
        port=settings.api_metrics_port,
        setting="API_METRICS_PORT",
    )
    async with listening(site) as (listened,), exporting(settings, report.exported):
        task = asyncio.create_task(Worker(url, table, report).run())
        try:
            yield Working(port=listened.port, report=report, task=task)
        finally:
            task.cancel()
            await asyncio.wait({task})


def _application(report: Report) -> web.Application:
    async def status(_request: web.Request) -> web.Response:
        return web.Response(body=decimals.dumps(report.as_dict()), content_type="application/json")

    async def live(_request: web.Request) -> web.Response:
        return web.json_response({"status": "healthy"})

    async def ready(_request: web.Request) -> web.Response:
        if report.problem is not None:
            return web.json_response({"status": "unhealthy", "detail": report.problem}, status=503)
        return web.json_response({"status": "healthy"})

    application = metrics_application(report.registry)
    application.add_routes([web.get("/status", status), web.get("/health/live", live), web.get("/health/ready", ready)])
    return application


async def run(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT; the database rolls back a job that is under way, and the next leader runs it."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    for setting in retired(settings):
        _log.warning("a setting changes nothing any more", setting=setting)
    async with working(settings) as worker:
        _log.info("working", host=settings.app_host, metrics_port=worker.port)
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({stopped, worker.task}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if worker.task.done():
            worker.task.result()
    _log.info("stopped")
