"""requests: its actions and their arguments. They run in requests_run.py, which is slow to import."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Final

from analytics_service.commands.command import Command, of_plan, with_actions

_EPILOG = """Of calls of models within one another, as an SDK's within a framework's within a gateway's, one is a
request; rows that releases before 0.4 stored as requests may be spans of agents and tools. What is imported now is
decided when it arrives.
Exit code 0: done. 1: the database failed. 2: a wrong argument or setting."""


def _plan(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--organisation", nargs="+", action="extend", default=[], metavar="NAME", help="rows of these alone"
    )


def _run(arguments: Namespace, environment: Mapping[str, str]) -> int:
    from analytics_service.commands.requests_run import run

    return run(arguments, environment)


ACTIONS: Final = (
    Command(name="plan", help="show which stored rows would count otherwise", configure=_plan, run=_run),
    Command(name="apply", help="have them count so", configure=of_plan, run=_run),
    Command(name="undo", help="have them count as before", configure=of_plan, run=_run),
)


COMMAND = with_actions("requests", "decide again which stored rows are requests", ACTIONS, _EPILOG)
