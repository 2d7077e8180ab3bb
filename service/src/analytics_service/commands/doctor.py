"""doctor: diagnoses the database and Redis, and changes nothing."""

import asyncio
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analytics_service import settings
from analytics_service.commands.command import Command
from analytics_service.database.connect import connect, database_url
from analytics_service.database.diagnostics import Finding, Verdict, diagnose
from analytics_service.database.failures import FAILURES, classify
from analytics_service.errors import DatabaseError
from analytics_service.settings import LogFormat, LogLevel, Settings
from analytics_service.telemetry import logging

_REDIS_SECONDS = 2
_COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "red"}


def _configure(parser: ArgumentParser) -> None:
    parser.epilog = "Exit code 0: nothing failed. 1: something did. 2: an argument or setting is wrong."
    parser.add_argument("--output", choices=("table", "json"), default="table", help="for people, or for programs")


def _run(arguments: Namespace, environment: Mapping[str, str]) -> int:
    loaded = settings.load(environment, require=("database_url",))
    url = database_url(loaded)
    # findings are in the table, and not logged as well
    logging.configure(LogLevel.ERROR, LogFormat.TEXT, stream="stderr")
    findings = asyncio.run(_diagnose(loaded, url))
    if arguments.output == "json":
        sys.stdout.write(json.dumps([_as_dict(finding) for finding in findings]) + "\n")
    else:
        _show(findings)
    failed = [finding.check for finding in findings if finding.verdict is Verdict.FAILED]
    if failed:
        raise DatabaseError(f"not in order: {', '.join(failed)}")
    return 0


async def _diagnose(loaded: Settings, url: str) -> list[Finding]:
    return [*await _database(url, loaded.database_pool_size), await _redis(loaded)]


def _as_dict(finding: Finding) -> dict[str, str]:
    """With the names that released versions print."""
    return {"check": finding.check, "verdict": finding.verdict, "said": finding.message}


async def _database(url: str, pool_size: int) -> list[Finding]:
    try:
        connection = await connect(url, command="doctor")
    except FAILURES as error:
        return [Finding("connection", Verdict.FAILED, classify(error, url).message)]
    try:
        findings = await diagnose(connection, pool_size=pool_size)
        return [Finding("connection", Verdict.OK, "DATABASE_URL connects"), *findings]
    except FAILURES as error:
        return [Finding("connection", Verdict.FAILED, classify(error, url).message)]
    finally:
        connection.terminate()


async def _redis(loaded: Settings) -> Finding:
    if loaded.redis_url is None:
        return Finding("redis", Verdict.OK, "none: each process has a cache and limits of its own")
    from analytics_service.cache.redis import Redis  # `--help` and the other commands need not wait for it

    redis = Redis(
        loaded.redis_url.get_secret_value(),
        prefix=loaded.redis_prefix,
        ca_file=loaded.redis_ca_file,
        timeout=_REDIS_SECONDS,
    )
    failure = await redis.diagnose()
    await redis.close()
    if failure is not None:
        return Finding("redis", Verdict.WARNING, f"{failure.message}; answers are only slower without it")
    return Finding("redis", Verdict.OK, "REDIS_URL answers")


def _show(findings: list[Finding]) -> None:
    table = Table("check", "verdict", "finding", box=None, pad_edge=False)
    for finding in findings:
        colour = _COLOURS[finding.verdict]
        table.add_row(finding.check, f"[{colour}]{finding.verdict}[/]", escape(finding.message))
    Console().print(table)


COMMAND = Command(name="doctor", help="diagnose the database and Redis", configure=_configure, run=_run)
