"""forget: its actions and their arguments. They run in forget_run.py, which is slow to import."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Final

from analytics_service.commands.command import Command, of_plan, with_actions

_EPILOG = """What DELETE /api/v1/traces?user_id= does, without its limit of time. Rows that arrive later are stored as
any others: have the user's requests end first. Exit code 0: done. 1: the database failed. 2: a wrong argument or
setting, or a plan that is out of date, and one line says which."""


def _plan(parser: ArgumentParser) -> None:
    parser.add_argument("--org", required=True, metavar="NAME", help="the organisation")
    parser.add_argument("--user-id", required=True, metavar="ID", help="whose rows are deleted")
    parser.add_argument("--project", action="append", metavar="NAME", help="in this project alone; may be repeated")


def _apply(parser: ArgumentParser) -> None:
    of_plan(parser)
    _plan(parser)


def _run(arguments: Namespace, environment: Mapping[str, str]) -> int:
    from analytics_service.commands.forget_run import run

    return run(arguments, environment)


ACTIONS: Final = (
    Command(name="plan", help="show which rows of a user would be deleted", configure=_plan, run=_run),
    Command(name="apply", help="delete the rows of a plan, or go on with it", configure=_apply, run=_run),
)


COMMAND = with_actions("forget", "delete all rows of a user", ACTIONS, _EPILOG)
