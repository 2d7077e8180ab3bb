"""The command line: a table of commands, and one place where errors become one line and an exit code."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final, NoReturn

from typing_extensions import override

from analytics_service import __version__
from analytics_service.commands.command import Command
from analytics_service.errors import ServiceError, UsageError

COMMANDS: Final = {
    "serve": "analytics_service.commands.serve",
    "work": "analytics_service.commands.work",
    "migrate": "analytics_service.commands.migrate",
    "policies": "analytics_service.commands.policies",
    "doctor": "analytics_service.commands.doctor",
    "import": "analytics_service.commands.import_",
    "token": "analytics_service.commands.token",
    "openapi": "analytics_service.commands.openapi",
    "try": "analytics_service.commands.try_",
}
"""Each module has a `COMMAND`, and imports what is slow only when it runs."""


class _Parser(ArgumentParser):
    @override
    def error(self, message: str) -> NoReturn:
        """One line, as for every other mistake; argparse would print the usage above it."""
        raise UsageError(f"{message}; see {self.prog} --help")


def parser() -> ArgumentParser:
    """Every command with its arguments; `run` of the chosen one is in the namespace."""
    top = _Parser(
        prog="analytics-service", description="Answers what language models cost, how fast and how good they are."
    )
    top.add_argument("--version", action="version", version=f"analytics-service {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    for name, module in COMMANDS.items():
        command: Command = import_module(module).COMMAND
        chosen = commands.add_parser(name, help=command.help, description=_sentence(command.help))
        command.configure(chosen)
        chosen.set_defaults(run=command.run)
    return top


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """The exit code; whatever went wrong is one line on standard error."""
    try:
        parsed = parser().parse_args(arguments)
        code: int = parsed.run(parsed, environment)
    except ServiceError as error:
        sys.stderr.write(f"analytics-service: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has enough: `... | head`
        return 141
    return code


def main() -> NoReturn:
    sys.exit(run(sys.argv[1:], os.environ))


if __name__ == "__main__":
    main()
