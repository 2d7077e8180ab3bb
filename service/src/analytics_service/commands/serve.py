"""serve: answers requests until SIGTERM or SIGINT."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from functools import partial

from analytics_service.commands.command import Command


def _configure(parser: ArgumentParser) -> None:
    """All of its settings come from the environment."""
    parser.add_argument(
        "--only",
        choices=("all", "api", "ingest"),
        default="all",
        help="what to serve: answers to questions (api), rows that clients send (ingest), or both",
    )


def _run(arguments: Namespace, environment: Mapping[str, str]) -> int:
    # imported late: `--help` and the other commands need not wait for a web server
    from analytics_service.commands.process import run_process
    from analytics_service.server import service

    run = partial(service.run, only=service.Only(arguments.only))
    return run_process(run, environment, require=("database_url", "jwt_secret"))


COMMAND = Command(
    name="serve", help="serve the API; its settings come from the environment", configure=_configure, run=_run
)
