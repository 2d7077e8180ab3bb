"""What differs between two versions of a price book. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from analytics_service.pricing.book import PriceBook
from analytics_service.pricing.book_entries import Entry


@dataclass(frozen=True, kw_only=True)
class BookChanges:
    """Entries, each by what it is for and when it begins; no other entry of its book has the same."""

    added: tuple[Entry, ...] = ()
    removed: tuple[Entry, ...] = ()
    changed: tuple[Entry, ...] = ()
    """As they are now: other prices, another end, or another rate of their currency."""


def changes(before: PriceBook | None, after: PriceBook) -> BookChanges:
    """From one version to the next; None where it is the first."""
    old, new = _by_key(before), _by_key(after)
    return BookChanges(
        added=tuple(entry for key, (entry, _) in new.items() if key not in old),
        removed=tuple(entry for key, (entry, _) in old.items() if key not in new),
        changed=tuple(entry for key, (entry, rate) in new.items() if key in old and old[key] != (entry, rate)),
    )


def _by_key(book: PriceBook | None) -> dict[tuple[str | datetime | None, ...], tuple[Entry, Any]]:
    """With the rate of its currency."""
    return {} if book is None else {_key(each): (each, book.currencies.get(each.currency)) for each in book.entries}


def _key(entry: Entry) -> tuple[str | datetime | None, ...]:
    return (entry.model, entry.provider, entry.organisation, entry.service_tier, entry.from_)


def description(entry: Entry) -> str:
    """One line that tells the entry from the others of its book."""
    return " ".join(_words(entry))


def _words(entry: Entry) -> Iterator[str]:
    yield entry.model
    if entry.provider is not None:
        yield f"of {entry.provider}"
    if entry.service_tier:
        yield entry.service_tier
    if entry.organisation is not None:
        yield f"for {entry.organisation}"
    if entry.bounded_start:
        yield f"from {entry.from_:%Y-%m-%d}"
