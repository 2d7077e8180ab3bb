"""requests: its actions and their arguments. They run in requests_run.py, which is slow to import."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Final

from analytics_service.commands.command import Command, of_plan, with_actions

_EPILOG = """Nested model calls (an SDK's inside a framework's inside a gateway's) count as one request, and spans of
agents and tools as none. Imports decide this as rows arrive; these actions decide it for rows that were stored before.
Exit code 0: done. 1: the database failed. 2: a wrong argument or setting."""


def _plan(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--organisation", nargs="+", action="extend", default=[], metavar="NAME", help="only these organisations"
    )


def _run(arguments: Namespace, environment: Mapping[str, str]) -> int:
    from analytics_service.commands.requests_run import run

    return run(arguments, environment)


ACTIONS: Final = (
    Command(
        name="plan", help="show which stored rows would start or stop counting as requests", configure=_plan, run=_run
    ),
    Command(name="apply", help="apply a plan to the stored rows", configure=of_plan, run=_run),
    Command(name="undo", help="undo a plan: its rows count as before", configure=of_plan, run=_run),
)


COMMAND = with_actions("requests", "decide again which stored rows are requests", ACTIONS, _EPILOG)
