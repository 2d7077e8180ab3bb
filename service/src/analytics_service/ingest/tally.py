"""What an import has read and stored so far, for its summary and its progress."""

from dataclasses import dataclass, field, replace
from typing import Final

from analytics_service.ingest.pricing import Prices
from analytics_service.ingest.rows import SpanRow

_MAX_REPORTED: Final = 20
MAX_SAMPLE: Final = 10


@dataclass(frozen=True, kw_only=True)
class BadRecord:
    """A record that was not stored."""

    file: str
    line: int
    reason: str


@dataclass
class Tally:
    """The numbers of rows that an import has read and stored so far."""

    read: int = 0
    inserted: int = 0
    present: int = 0
    """Rows whose id was there already."""
    conflicts: int = 0
    """Of these, the ones with other content."""
    changed: int = 0
    """Rows of the store that have become others by them."""
    nested: int = 0
    """Calls of models that another span of their trace counts."""
    bad: int = 0
    first_bad: list[BadRecord] = field(default_factory=list)
    spans: int = 0
    """Rows that are no requests."""
    repaired: int = 0
    """Rows with a text in which U+FFFD stands for what cannot be stored."""
    rounded: int = 0
    """Rows with a cost that came with more decimal places than are stored."""
    presets: dict[str, str] = field(default_factory=dict)
    """By file, where there was one."""
    mapping: dict[str, str] = field(default_factory=dict)
    """Column to field, of files that are not stored."""
    sample: list[SpanRow] = field(default_factory=list)
    prices: Prices = field(default_factory=Prices)

    def add_bad(self, record: BadRecord) -> None:
        self.bad += 1
        if len(self.first_bad) < _MAX_REPORTED:
            self.first_bad.append(record)

    def taken(self) -> "Tally":
        """Its counts of reading, for another process; it counts from zero again."""
        taken = replace(self, prices=self.prices.taken())
        self.read = self.bad = self.spans = self.repaired = self.rounded = 0
        self.first_bad, self.sample = [], []
        return taken

    def add(self, portion: "Tally") -> None:
        """The counts of reading of the portion that follows; what becomes of its rows in the store is counted there."""
        self.read += portion.read
        self.bad += portion.bad
        self.first_bad += portion.first_bad[: _MAX_REPORTED - len(self.first_bad)]
        self.spans += portion.spans
        self.repaired += portion.repaired
        self.rounded += portion.rounded
        self.presets |= portion.presets
        self.mapping |= portion.mapping
        self.sample += portion.sample[: MAX_SAMPLE - len(self.sample)]
        self.prices.count(portion.prices)
