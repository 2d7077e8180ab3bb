"""work: maintains rollups, partitions and policies until SIGTERM or SIGINT."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from analytics_service.commands.command import Command


def _configure(parser: ArgumentParser) -> None:
    parser.epilog = (
        "Any number may run: one leads, and another takes over within seconds when it ends. "
        "GET /status on API_METRICS_PORT reports its state; DATABASE_URL must not name a connection pooler."
    )


def _run(_arguments: Namespace, environment: Mapping[str, str]) -> int:
    # imported late: `--help` and the other commands need not wait for a web server
    from analytics_service.commands.process import run_process
    from analytics_service.worker import service

    return run_process(service.run, environment, require=("database_url",))


COMMAND = Command(name="work", help="maintain rollups, partitions and policies", configure=_configure, run=_run)
