"""The rows of a file in batches of bounded size, and the count of what was read, good and bad."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from analytics_service.errors import UsageError
from analytics_service.ingest.conflicts import OnConflict
from analytics_service.ingest.fields import COSTS
from analytics_service.ingest.files import AUTO, names_of, records
from analytics_service.ingest.files.input import Input
from analytics_service.ingest.files.records import Record
from analytics_service.ingest.identity import Occurrences, Origin, identify
from analytics_service.ingest.making import made
from analytics_service.ingest.mapping import Columns, mapping, with_preset
from analytics_service.ingest.presets import recognize
from analytics_service.ingest.pricing import Prices, has_cost
from analytics_service.ingest.rows import BadRow, SpanRow
from analytics_service.ingest.strings import Repaired
from analytics_service.ingest.values import Rounded

NO_PRESET: Final = "none"
_MAX_REPORTED = 20
_MAX_SAMPLE: Final = 10
_MAX_BATCH_CHARACTERS = 16 * 2**20
"""Of long texts in a batch: memory stays bounded when every row has megabytes."""
_CHUNK: Final = 500
"""Records that are parsed together: few enough to stay in the processor's cache."""
_CHUNK_BYTES: Final = 2**20
"""Of the file that are read for them, unless one record has more."""
_TEXTS: Final = ("input_text", "output_text", "error_message", "attributes")


class OnError(StrEnum):
    STOP = "stop"
    SKIP = "skip"


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


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of reading files."""

    columns: Columns
    file_format: str = AUTO
    on_error: OnError = OnError.STOP
    batch_size: int = 8000
    preset: str | None = None
    """None to recognize it."""
    dry_run: bool = False
    """Nothing is stored; the first rows are shown as they would be."""
    on_conflict: OnConflict = OnConflict.MERGE
    horizon: datetime | None = None
    """Rows before it are refused: rollups of that time are not computed again."""
    imported_before: frozenset[str] = frozenset()
    """Organisations with rows that releases before 0.4 may have imported."""


class Batch(NamedTuple):
    rows: list[SpanRow]
    with_ids: bool
    """Whether any row came with an id of its user's own."""


def batches(file: Input, name: str, options: Options, tally: Tally) -> Iterator[Batch]:
    """The good rows of a file. A bad one is counted, or raises UsageError with file, line and reason."""
    options = _with_preset(file, options, tally)
    if options.dry_run:
        tally.mapping |= mapping(names_of(file, options.file_format), options.columns)
    reader = _Reader(name, options, tally)
    batch: list[SpanRow] = []
    characters = 0
    for record, result, content in _made(file, options):
        tally.read += 1
        try:
            span = reader.finish(record, result, content)
        except BadRow as error:
            _note(BadRecord(file=file.name, line=record.line, reason=str(error)), options, tally)
            continue
        batch.append(span)
        if "input_text" in span or "output_text" in span or "error_message" in span or "attributes" in span:
            characters += _length(span, tally)
        if len(batch) >= options.batch_size or characters > _MAX_BATCH_CHARACTERS:
            reader.check_map(file.name)
            yield Batch(batch, reader.with_ids)
            batch, characters = [], 0
    if batch:
        reader.check_map(file.name)
        yield Batch(batch, reader.with_ids)


def _made(file: Input, options: Options) -> Iterator[tuple[Record, SpanRow | BadRow, str]]:
    for chunk in _chunks(file, options):
        for record, each in zip(
            chunk, made([record.fields for record in chunk], options.columns, options.horizon), strict=True
        ):
            yield record, each.row, each.content


def _chunks(file: Input, options: Options) -> Iterator[list[Record]]:
    """Where a file cannot be read any further, what was read before is the last chunk."""
    chunk: list[Record] = []
    limit = _CHUNK_BYTES
    try:
        for record in records(file, options.file_format, options.columns):
            chunk.append(record)
            if len(chunk) == _CHUNK or file.consumed() > limit:
                yield chunk
                chunk, limit = [], file.consumed() + _CHUNK_BYTES
    except UsageError:
        yield chunk
        raise
    yield chunk


class _Reader:
    """Makes the rows of a file."""

    def __init__(self, name: str, options: Options, tally: Tally) -> None:
        self._name = name
        self._options = options
        self._tally = tally
        self._occurrences = Occurrences()
        self._origin = Origin(name, 0)
        """Of records whose position does not matter."""
        self._has_legacy = bool(options.imported_before)
        self._ordinal = 0
        """Of the last record."""
        self._unmet = {field.column: column for column, field in options.columns.mapped.items()}
        """What --map names and no record had so far, by the column of the table."""
        self.with_ids = False
        """Whether any row came with an id of its user's own."""

    def check_map(self, file: str) -> None:
        """UsageError where --map names what no record of the first batch has, before any of it is stored."""
        if self._unmet:
            missing = ", ".join(self._unmet.values())
            raise UsageError(f"{file}: none of the first {self._ordinal} records has {missing}, which --map names")

    def finish(self, record: Record, span: SpanRow | BadRow, content: str) -> SpanRow:
        """The row with its ids and its price; BadRow where there is none."""
        options, tally = self._options, self._tally
        self._ordinal += 1
        if self._unmet and not isinstance(record.fields, BadRow):
            for each in record.fields.of:
                self._unmet.pop(each.column, None)
        if isinstance(span, BadRow):
            raise span
        has_trace, has_span = "trace_id" in span, "span_id" in span
        if has_trace or has_span:
            self.with_ids = True
        if not (has_trace and has_span):
            with_legacy = self._has_legacy and span["org_id"] in options.imported_before
            origin = Origin(self._name, self._ordinal) if with_legacy else self._origin
            identify(span, content, origin, self._occurrences, with_legacy=with_legacy)
        if not span["is_request"]:
            tally.spans += 1
        if has_cost(span) and Rounded in map(type, map(span.get, COSTS)):
            tally.rounded += 1  # before it is priced: what is computed is rounded too
        tally.prices.add(span)
        if options.dry_run and len(tally.sample) < _MAX_SAMPLE:
            tally.sample.append(span)
        return span


def _with_preset(file: Input, options: Options, tally: Tally) -> Options:
    """With the preset that is named, or else recognized; NO_PRESET leaves a file as it is."""
    name = options.preset or recognize(frozenset(names_of(file, options.file_format)))
    if name is None or name == NO_PRESET:
        return options
    tally.presets[file.name] = name
    return replace(options, columns=with_preset(options.columns, name))


def _length(span: SpanRow, tally: Tally) -> int:
    """In characters, of the long texts, which it counts where they were repaired."""
    texts = [span[name] for name in _TEXTS if name in span]
    if any(type(text) is Repaired for text in texts):
        tally.repaired += 1
    return sum(map(len, texts))


def _note(bad: BadRecord, options: Options, tally: Tally) -> None:
    tally.bad += 1
    if len(tally.first_bad) < _MAX_REPORTED:
        tally.first_bad.append(bad)
    if options.on_error is OnError.STOP:
        raise UsageError(f"{bad.file}:{bad.line}: {bad.reason}")
