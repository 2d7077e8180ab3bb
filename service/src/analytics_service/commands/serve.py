"""serve: answers requests until SIGTERM or SIGINT."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from analytics_service.commands.command import Command


def _configure(_parser: ArgumentParser) -> None:
    """All of its settings come from the environment."""


def _run(_arguments: Namespace, environment: Mapping[str, str]) -> int:
    # imported late: `--help` and the other commands need not wait for a web server
    from analytics_service.commands.process import run_process
    from analytics_service.server import service

    return run_process(service.run, environment, require=("database_url", "jwt_secret"))


COMMAND = Command(
    name="serve", help="serve the API; its settings come from the environment", configure=_configure, run=_run
)
