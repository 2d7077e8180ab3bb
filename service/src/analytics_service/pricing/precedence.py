"""The order in which price books are asked. Pure."""

from collections.abc import Iterator, Sequence

from analytics_service.pricing.book import PriceBook
from analytics_service.pricing.genai import PriceList
from analytics_service.pricing.sources import PriceSource


def in_order(*levels: Sequence[PriceBook]) -> tuple[PriceSource, ...]:
    """Level by level, then the list of the package.

    Within a level an organisation's own entries of all books come before entries for all organisations, and then the
    earlier book before the later.
    """
    return (*(source for books in levels for source in _level(books)), PriceList())


def versions(sources: Sequence[PriceSource]) -> tuple[str, ...]:
    """Each once: a book may be two of the sources."""
    return tuple(dict.fromkeys(source.version for source in sources))


def _level(books: Sequence[PriceBook]) -> Iterator[PriceBook]:
    if len(books) == 1:  # a book puts own entries first by itself
        yield from books
        return
    yield from (own for book in books if (own := book.of_organisations()).entries)
    yield from (book.of_all() for book in books)
