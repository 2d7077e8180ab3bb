"""requests: its actions and their arguments. They run in requests_run.py, which is slow to import."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from typing import Final

from analytics_service.commands.command import Command

_EPILOG = """Of calls of models within one another, as an SDK's within a framework's within a gateway's, one is a
request; rows that releases before 0.4 stored as requests may be spans of agents and tools. What is imported now is
decided when it arrives.
Exit code 0: done. 1: the database failed. 2: a wrong argument or setting."""


def _plan(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--organisation", nargs="+", action="extend", default=[], metavar="NAME", help="rows of these alone"
    )


def _of_plan(parser: ArgumentParser) -> None:
    parser.add_argument("hash", type=_hash, metavar="HASH", help="of the plan")


def _hash(text: str) -> str:
    if len(text) != 16 or set(text) - set("0123456789abcdef"):
        raise ArgumentTypeError("is no hash of a plan: 16 hex digits, as `requests plan` shows it")
    return text


def _run(arguments: Namespace, environment: Mapping[str, str]) -> int:
    from analytics_service.commands.requests_run import run

    return run(arguments, environment)


ACTIONS: Final = (
    Command(name="plan", help="show which stored rows would count otherwise", configure=_plan, run=_run),
    Command(name="apply", help="have them count so", configure=_of_plan, run=_run),
    Command(name="undo", help="have them count as before", configure=_of_plan, run=_run),
)


def _configure(parser: ArgumentParser) -> None:
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for action in ACTIONS:
        text = f"{action.help[:1].upper()}{action.help[1:]}."
        chosen = actions.add_parser(action.name, help=action.help, description=text, epilog=_EPILOG)
        action.configure(chosen)
        chosen.add_argument("--output", choices=("table", "json"), default="table", help="for people, or for programs")


COMMAND = Command(name="requests", help="decide again which stored rows are requests", configure=_configure, run=_run)
