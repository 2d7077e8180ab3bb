"""The type of a subcommand, and what subcommands with actions have in common."""

import asyncio
import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from analytics_service import settings
from analytics_service.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Command:
    """A subcommand: `configure` adds its arguments, `run` gets them and the environment and returns the exit code."""

    name: str
    help: str
    configure: Callable[[ArgumentParser], None]
    run: Callable[[Namespace, Mapping[str, str]], int]


Result: TypeAlias = dict[str, Any]
Action: TypeAlias = tuple[Callable[[Namespace, Settings], Coroutine[Any, Any, Result]], Callable[[Result], None]]
"""What it does, and how people see its result."""


def with_actions(name: str, text: str, actions: Sequence[Command], epilog: str) -> Command:
    """A subcommand that is one of several actions; each of them has --output."""

    def configure(parser: ArgumentParser) -> None:
        parser.epilog = epilog
        choices = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
        for action in actions:
            description = f"{action.help[:1].upper()}{action.help[1:]}."
            chosen = choices.add_parser(action.name, help=action.help, description=description, epilog=epilog)
            action.configure(chosen)
            chosen.add_argument(
                "--output", choices=("table", "json"), default="table", help="for people, or for programs"
            )

    def run(arguments: Namespace, environment: Mapping[str, str]) -> int:
        (action,) = (each for each in actions if each.name == arguments.action)
        return action.run(arguments, environment)

    return Command(name=name, help=text, configure=configure, run=run)


def of_plan(parser: ArgumentParser) -> None:
    """The hash of a plan, as 16 hex digits."""
    parser.add_argument("hash", type=plan_hash, metavar="HASH", help="of the plan")


def plan_hash(text: str) -> str:
    """Of an argument; ArgumentTypeError where it is none."""
    if len(text) != 16 or set(text) - set("0123456789abcdef"):
        raise ArgumentTypeError("is no hash of a plan: 16 hex digits, as the action plan shows it")
    return text


def run_action(arguments: Namespace, environment: Mapping[str, str], actions: Mapping[str, Action]) -> int:
    """Does what `actions` has for the action's name with the database, and shows the result."""
    loaded = settings.load(environment, require=("database_url",))
    act, show = actions[arguments.action]
    print_result(asyncio.run(act(arguments, loaded)), arguments.output, show)
    return 0


def print_result(result: dict[str, Any], output: str, show: Callable[[dict[str, Any]], None]) -> None:
    """As JSON in one line for programs, or as `show` prints it for people."""
    if output == "json":
        sys.stdout.write(json.dumps(result, default=_text) + "\n")
    else:
        show(result)


def _text(value: object) -> str:
    """Times by RFC 3339, as the API has them."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)
