"""prices set, list, show and remove: the price books in the store, and those of PRICE_BOOKS beside them."""

import sys
from argparse import Namespace
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analytics_service.commands.command import run_action
from analytics_service.database.connect import Session, database_url
from analytics_service.database.price_books import StoredBook, remove, store, stored_texts, stored_version
from analytics_service.database.writers import writer_session
from analytics_service.errors import DatabaseError, UsageError
from analytics_service.ingest.price_books import BookFile, configured_books, read_file
from analytics_service.pricing.book import PriceBook
from analytics_service.pricing.book_changes import changes, description
from analytics_service.settings import Settings

_STORE: Final = "store"
"""Where a book is that was set; of others it is the path of their file."""
_SHOWN_ENTRIES: Final = 20


def run(arguments: Namespace, environment: Mapping[str, str]) -> int:
    return run_action(arguments, environment, _ACTIONS)


async def _set(arguments: Namespace, loaded: Settings) -> dict[str, Any]:
    """Every file is read before any book is stored."""
    files: dict[str, BookFile] = {}
    for path in arguments.files:
        each = read_file(path, source="prices set")
        if (other := files.setdefault(each.book.name, each)) is not each:
            raise UsageError(f"prices set: {other.path} and {path} both have the name {each.book.name}")
    async with _session(loaded) as connection:
        before = await store(connection, {name: (each.book.digest, each.text) for name, each in files.items()})
    return {"books": [_differences(each.book, before[name]) for name, each in files.items()]}


def _differences(book: PriceBook, before: StoredBook | None) -> dict[str, Any]:
    replaced = None
    if before is not None:
        with suppress(DatabaseError):  # a book that this release cannot read has no entries
            replaced = before.read()
    differences = changes(replaced, book)
    return {
        "name": book.name,
        "version": book.digest,
        "replaced_version": before and before.version,
        "added": [*map(description, differences.added)],
        "removed": [*map(description, differences.removed)],
        "changed": [*map(description, differences.changed)],
    }


async def _list(_: Namespace, loaded: Settings) -> dict[str, Any]:
    configured = configured_books(loaded.price_books)
    async with _session(loaded) as connection:
        stored = await stored_texts(connection)
    return {
        "books": [
            *(_row(each.read()) | {"set_at": each.set_at, "source": _STORE} for each in stored),
            *(_row(each.book) | {"set_at": None, "source": each.path} for each in configured),
        ]
    }


def _row(book: PriceBook) -> dict[str, Any]:
    models = {entry.model for entry in book.entries}
    return {"name": book.name, "version": book.digest, "entries": len(book.entries), "models": len(models)}


async def _show(arguments: Namespace, loaded: Settings) -> dict[str, Any]:
    """The book in the store before one of PRICE_BOOKS, as they are asked."""
    name, version = arguments.name, arguments.version
    async with _session(loaded) as connection:
        if version is not None:
            found = await stored_version(connection, name, version)
        else:
            found = next((each for each in await stored_texts(connection) if each.name == name), None)
    if found is not None:
        return {"name": name, "version": found.version, "set_at": found.set_at, "source": _STORE, "text": found.text}
    for each in configured_books(loaded.price_books):
        if each.book.name == name and version in {None, each.book.digest}:
            return {"name": name, "version": each.book.digest, "set_at": None, "source": each.path, "text": each.text}
    asked = name if version is None else f"{name} of version {version}"
    raise UsageError(f"there is no price book {asked}: `prices list` shows those in use")


async def _remove(arguments: Namespace, loaded: Settings) -> dict[str, Any]:
    async with _session(loaded) as connection:
        removed = await remove(connection, arguments.name)
    if removed is None:
        raise UsageError(f"the store has no price book {arguments.name}: `prices list` shows those in use")
    return {"name": removed.name, "version": removed.version}


def _print_differences(result: dict[str, Any]) -> None:
    table = _table("book", "version", "replaces", "added", "removed", "changed")
    for book in result["books"]:
        counts = [str(len(book[kind])) for kind in ("added", "removed", "changed")]
        table.add_row(book["name"], book["version"], book["replaced_version"] or "", *counts)
    console = Console()
    console.print(table)
    lines = [
        f"{book['name']}: {kind} {entry}"
        for book in result["books"]
        for kind in ("added", "removed", "changed")
        for entry in book[kind]
    ]
    for line in lines[:_SHOWN_ENTRIES]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if len(lines) > _SHOWN_ENTRIES:
        console.print(f"... and {len(lines) - _SHOWN_ENTRIES} more", highlight=False)


def _print_books(result: dict[str, Any]) -> None:
    table = _table("book", "version", "entries", "models", "set", "source")
    for book in result["books"]:
        set_at = f"{book['set_at']:%Y-%m-%d %H:%M}" if book["set_at"] else ""
        counts = str(book["entries"]), str(book["models"])
        table.add_row(book["name"], book["version"], *counts, set_at, escape(book["source"]))
    Console().print(table)


def _print_text(result: dict[str, Any]) -> None:
    sys.stdout.write(result["text"] if result["text"].endswith("\n") else result["text"] + "\n")


def _print_removed(result: dict[str, Any]) -> None:
    sys.stdout.write(f"{result['name']} {result['version']} is no longer used by imports\n")


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, pad_edge=False)


def _session(loaded: Settings) -> AbstractAsyncContextManager[Session]:
    """Not held to the privileges of who writes rows: the table of books is all that these actions touch."""
    return writer_session(database_url(loaded), command="prices", dry_run=True)


_ACTIONS: Final = {
    "set": (_set, _print_differences),
    "list": (_list, _print_books),
    "show": (_show, _print_text),
    "remove": (_remove, _print_removed),
}
"""By name of the action: what it does, and how people see its result."""
