"""prices: its actions and their arguments. They run in modules of their own, which are slow to import."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from typing import Final

from analytics_service.commands.command import Command, of_plan, with_actions
from analytics_service.commands.price_arguments import add_price_arguments

_EPILOG = """Books of --prices are asked first, then those in the store in order of their names, then those of
PRICE_BOOKS, then the list of the package genai-prices; of the books of one level, entries that name the organisation
come first.
Exit code 0: done. 1: the database failed. 2: a wrong argument, setting or book, and one line says where."""


def _set(parser: ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a book in YAML or JSON; - is standard input")


def _list(_: ArgumentParser) -> None:
    pass


def _show(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of a book in the store, or of PRICE_BOOKS")
    parser.add_argument(
        "--version",
        type=_version,
        metavar="VERSION",
        help="one that was in the store at any time, as price_version of a request names it",
    )


def _remove(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of a book in the store; its versions stay readable")


def _version(text: str) -> str:
    """Also with what stands before it in the column price_version: `book NAME VERSION`."""
    version = text.rsplit(maxsplit=1)[-1] if text.strip() else ""
    if len(version) != 12 or set(version) - set("0123456789abcdef"):
        raise ArgumentTypeError("is no version of a book: 12 hex digits, as `prices list` shows them")
    return version


def _plan(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--organisation", nargs="+", action="extend", default=[], metavar="NAME", help="only these organisations"
    )
    parser.add_argument("--model", nargs="+", action="extend", default=[], metavar="NAME", help="only these models")
    parser.add_argument("--from", dest="start", metavar="TIME", help="only from then on; a day is its midnight in UTC")
    parser.add_argument("--to", dest="end", metavar="TIME", help="only before then")
    parser.add_argument(
        "--only-unpriced", action="store_true", help="only requests without a cost, or whose cost is a lower bound"
    )
    add_price_arguments(parser)


def _reprice(arguments: Namespace, environment: Mapping[str, str]) -> int:
    from analytics_service.commands.prices_reprice import run

    return run(arguments, environment)


def _books(arguments: Namespace, environment: Mapping[str, str]) -> int:
    from analytics_service.commands.prices_books import run

    return run(arguments, environment)


ACTIONS: Final = (
    Command(name="set", help="put price books into the store", configure=_set, run=_books),
    Command(name="list", help="list the price books in the order in which they are asked", configure=_list, run=_books),
    Command(name="show", help="show a price book as it was set", configure=_show, run=_books),
    Command(name="remove", help="take a price book out of use", configure=_remove, run=_books),
    Command(
        name="plan", help="show how the current prices would change stored requests", configure=_plan, run=_reprice
    ),
    Command(name="apply", help="give stored requests the prices of a plan", configure=of_plan, run=_reprice),
    Command(name="undo", help="give requests back the prices that a plan changed", configure=of_plan, run=_reprice),
    Command(
        name="forget", help="drop a plan and its journal: it cannot be undone any more", configure=of_plan, run=_reprice
    ),
    Command(name="plans", help="list the plans, and how far each is", configure=_list, run=_reprice),
)


COMMAND = with_actions(
    "prices", "keep price books of one's own in the store, and price stored rows again", ACTIONS, _EPILOG
)
