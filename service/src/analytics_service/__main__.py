"""The command line: a table of commands, and one place where errors become one line and an exit code."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from typing_extensions import override

from analytics_service import __version__
from analytics_service.commands.boundary import ending
from analytics_service.commands.command import Command
from analytics_service.errors import UsageError
from analytics_service.settings import LogFormat, LogLevel
from analytics_service.telemetry import logging, redaction

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

COMMANDS: Final = {
    "serve": "analytics_service.commands.serve",
    "work": "analytics_service.commands.work",
    "migrate": "analytics_service.commands.migrate",
    "policies": "analytics_service.commands.policies",
    "doctor": "analytics_service.commands.doctor",
    "import": "analytics_service.commands.import_",
    "prices": "analytics_service.commands.prices",
    "requests": "analytics_service.commands.requests",
    "forget": "analytics_service.commands.forget",
    "keys": "analytics_service.commands.keys",
    "token": "analytics_service.commands.token",
    "openapi": "analytics_service.commands.openapi",
    "try": "analytics_service.commands.try_",
}
"""Each module has a `COMMAND`, and imports what is slow only when it runs."""

_INTERRUPTED_CODE: Final = 130
"""Of a program that SIGINT ends, as shells report it."""


class _Parser(ArgumentParser):
    @override
    def error(self, message: str) -> NoReturn:
        """One line, as for every other mistake; argparse would print the usage above it."""
        raise UsageError(f"{message}; see {self.prog} --help")

    @override
    def _print_message(self, message: str, file: "SupportsWrite[str] | None" = None) -> None:
        """Raises OSError where the output cannot be written, which argparse would pass over."""
        (file or sys.stdout).write(message)


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
    """The exit code; whatever was raised is one line on standard error, without a secret of `environment`."""
    try:
        try:
            parsed = parser().parse_args(arguments)
            code: int = parsed.run(parsed, environment)
        finally:
            sys.stdout.flush()  # while its failure can still be said: the interpreter's own flush prints a traceback
    except KeyboardInterrupt:
        return _INTERRUPTED_CODE
    except SystemExit as error:
        if not isinstance(error.__context__, OSError):
            raise  # --help has printed, and ends the process
        return _report(error.__context__, environment)  # rich ends the process by itself where nobody reads its output
    except BaseException as error:  # noqa: BLE001 - nothing is above this boundary
        return _report(error, environment)
    return code


def _report(error: BaseException, environment: Mapping[str, str]) -> int:
    ended = ending(error)
    sys.stderr.write(f"analytics-service: {redaction.of_environment(environment)(ended.message)}\n")
    return ended.exit_code


def main() -> NoReturn:
    if sys.stderr is None:  # closed by whoever started us
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - as long as the process
    if sys.stdout is None:  # the next file that is opened would be taken for it
        sys.exit("analytics-service: standard output is closed: redirect it to a file, or to /dev/null")
    redact = redaction.of_environment(os.environ)
    logging.configure(LogLevel.WARNING, LogFormat.TEXT, redact=redact, stream="stderr")
    sys.unraisablehook = lambda each: sys.stderr.write(f"analytics-service: {redact(repr(each.exc_value))}\n")
    sys.exit(run(sys.argv[1:], os.environ))


if __name__ == "__main__":
    main()
