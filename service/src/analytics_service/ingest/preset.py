"""What a preset says of the files of a system. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Elements:
    """Where the records of a document of JSON are."""

    array: str
    """The member of the document that has them, in one or more to an element."""
    records: Callable[[Any], Iterator[dict[str, Any] | ValueError]]
    """Those of an element, by column, and in the place of one that cannot be used the reason; none is raised."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    marks: tuple[frozenset[str], ...]
    """Columns that together no other file has."""
    maps: Mapping[str, str]
    """Column, or path of a member, to field; a file may have any of them."""
    sets: Mapping[str, str] = field(default_factory=lambda: _NONE)
    """Field to the value of rows that have none."""
    elements: Elements | None = None
    """Of files whose records are inside of documents."""
    usage: str | None = None
    """The convention that its tokens follow."""
    is_complete: bool = True
    """Whether the columns that it does not map are left out, whatever their names; else those of fields fill them."""
    source: str
