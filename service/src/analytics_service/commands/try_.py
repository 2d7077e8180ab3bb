"""try: the service on a PostgreSQL of its own, with real sample data, and its answers as tables."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path

from analytics_service.commands.command import Command
from analytics_service.errors import UsageError

_MAX_PORT = 65_535


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="keep the database here; default: a folder that is removed at the end",
    )
    parser.add_argument("--port", type=int, default=0, metavar="N", help="listen on this port; default: any free one")
    parser.add_argument("--once", action="store_true", help="stop after the tables; default: serve until Ctrl-C")


def _run(arguments: Namespace, environment: Mapping[str, str]) -> int:
    if not 0 <= arguments.port <= _MAX_PORT:
        raise UsageError(f"--port: must be between 0 (any free one) and {_MAX_PORT}")
    from analytics_service.commands.try_run import run  # the server and the price list take a second

    return run(arguments, environment)


COMMAND = Command(
    name="try", help="serve sample data from an embedded PostgreSQL, and show tables", configure=_configure, run=_run
)
