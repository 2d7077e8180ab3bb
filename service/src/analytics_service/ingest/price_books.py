"""The price books of a process: files that a command is given, those in the store, and those of PRICE_BOOKS."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from analytics_service.database.connect import Connection
from analytics_service.database.price_books import stored_books
from analytics_service.errors import UsageError
from analytics_service.pricing.book import BadBook, PriceBook, read
from analytics_service.pricing.precedence import in_order
from analytics_service.pricing.sources import PriceSource

_MAX_REASONS: Final = 3
STDIN: Final = "-"


@dataclass(frozen=True, kw_only=True)
class BookFile:
    """A file, what it says, and its text."""

    path: str
    book: PriceBook
    text: str


@dataclass(frozen=True, kw_only=True)
class FileBooks:
    """The books that are not in the store."""

    given: tuple[PriceBook, ...] = ()
    """By a command's arguments, in their order."""
    configured: tuple[PriceBook, ...] = ()
    """By PRICE_BOOKS."""


def file_books(paths: Sequence[str], configured: Sequence[str]) -> FileBooks:
    """Books of `--prices` and of PRICE_BOOKS; UsageError with line and field where one is bad."""
    return FileBooks(
        given=tuple(read_file(path, source="--prices").book for path in paths),
        configured=tuple(each.book for each in configured_books(configured)),
    )


async def price_sources(connection: Connection, files: FileBooks) -> tuple[PriceSource, ...]:
    """In the order in which they are asked: books of the command line, of the store, of PRICE_BOOKS, and the list of
    the package; DatabaseError where a book in the store cannot be read.
    """
    return in_order(files.given, await stored_books(connection), files.configured)


def configured_books(paths: Sequence[str]) -> tuple[BookFile, ...]:
    """Those of PRICE_BOOKS: files, and the files of folders in order of their names; UsageError as `file_books`."""
    files = [read_file(file, source="PRICE_BOOKS") for file in book_paths(paths)]
    by_name: dict[str, BookFile] = {}
    for each in files:
        if (other := by_name.setdefault(each.book.name, each)) is not each:
            raise UsageError(f"PRICE_BOOKS: {other.path} and {each.path} both have the name {each.book.name}")
    return tuple(files)


def book_paths(paths: Sequence[str]) -> Iterator[str]:
    """The files, and those of folders in order of their names."""
    for path in paths:
        yield from _files(path)


def _files(path: str) -> Iterator[str]:
    """A folder's files but hidden ones, as those by which a mounted ConfigMap is exchanged at once."""
    folder = Path(path)
    if not folder.is_dir():
        yield path
        return
    try:
        files = [each for each in folder.iterdir() if each.is_file() and not each.name.startswith(".")]
    except OSError as error:
        raise UsageError(f"PRICE_BOOKS: {path}: cannot be read: {error.strerror}") from error
    yield from map(str, sorted(files))


def read_file(path: str, *, source: str) -> BookFile:
    """`source` is the argument or setting that named it; UsageError with line and field where it is no book."""
    try:
        text = (sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()).decode()
        return BookFile(path=path, book=read(text), text=text)
    except OSError as error:
        raise UsageError(f"{source}: {path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UsageError(f"{source}: {path}: is not UTF-8") from None
    except BadBook as error:
        reasons = str(error).splitlines()
        more = f"; and {len(reasons) - _MAX_REASONS} more" if len(reasons) > _MAX_REASONS else ""
        raise UsageError(f"{source}: {path}: {'; '.join(reasons[:_MAX_REASONS])}{more}") from None
