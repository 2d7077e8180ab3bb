"""The rows of a file in batches of bounded size: of all of it, or of the share of one process."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import chain, groupby
from operator import attrgetter
from typing import Final, NamedTuple

from analytics_service.errors import UsageError
from analytics_service.ingest.conflicts import OnConflict
from analytics_service.ingest.fields import COSTS
from analytics_service.ingest.files import AUTO, names_of, reading
from analytics_service.ingest.files.input import Input
from analytics_service.ingest.files.records import Raw, Record
from analytics_service.ingest.identity import Occurrences, Origin, Uncounted, identify
from analytics_service.ingest.making import Made, made
from analytics_service.ingest.mapping import Columns, mapping, with_preset
from analytics_service.ingest.presets import recognize
from analytics_service.ingest.pricing import has_cost
from analytics_service.ingest.rows import BadRow, SpanRow
from analytics_service.ingest.strings import Repaired
from analytics_service.ingest.tally import MAX_SAMPLE, BadRecord, Tally
from analytics_service.ingest.values import Rounded

NO_PRESET: Final = "none"
_MAX_BATCH_CHARACTERS = 16 * 2**20
"""Of long texts in a batch: memory stays bounded when every row has megabytes."""
_CHUNK: Final = 500
"""Records that are parsed together: few enough to stay in the processor's cache."""
_CHUNK_BYTES: Final = 2**20
"""Of the file that are read for them, unless one record has more."""
_PORTION_BYTES: Final = 8 * 2**20
"""Of the file that one process makes rows of at once, unless they are `batch_size` parts before."""
_TEXTS: Final = ("input_text", "output_text", "error_message", "attributes")


class OnError(StrEnum):
    STOP = "stop"
    SKIP = "skip"


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
    processes: int = 0
    """That read the files; zero for the one that stores them."""


class Batch(NamedTuple):
    rows: list[SpanRow]
    digests: dict[int, bytes]
    """Of rows without ids, by position, where those of earlier portions are to be counted before them."""
    with_ids: bool = False
    """Whether any row came with an id of its user's own."""


class Share(NamedTuple):
    """The portions of a file that a process makes rows of: every `of`-th one."""

    first: int = 0
    of: int = 1


_ALL: Final = Share()


def batches(file: Input, name: str, options: Options, tally: Tally) -> Iterator[Batch]:
    """The good rows of a file. A bad one is counted, or raises UsageError with file, line and reason."""
    return chain.from_iterable(portions(file, name, options, tally))


def portions(file: Input, name: str, options: Options, tally: Tally, share: Share = _ALL) -> Iterator[Iterator[Batch]]:
    """As `batches`, of the portions of the share: which these are depends on the file and the options alone."""
    options = _with_preset(file, options, tally)
    if options.dry_run:
        tally.mapping |= mapping(names_of(file, options.file_format), options.columns)
    read = reading(file, options.file_format, options.columns)
    maker = _Maker(file.name, name, options, tally, is_shared=share is not _ALL)
    for _, chunks in groupby(_chunks(file, read.parts, options, share), attrgetter("portion")):
        yield maker.batches(chunks, read.records)


class _Chunk(NamedTuple):
    portion: int
    first: int
    """The number of the first part, from 1."""
    parts: list[Raw]


def _chunks(file: Input, parts: Iterator[Raw], options: Options, share: Share) -> Iterator[_Chunk]:
    """Of the share. Where a file cannot be read any further, what was read before is the last chunk, and the share that
    this is of raises it.
    """
    portion, left = 0, options.batch_size
    first, chunk = 1, list[Raw]()
    limit, portion_limit = _CHUNK_BYTES, _PORTION_BYTES
    stopped: UsageError | None = None
    try:
        for part in parts:
            chunk.append(part)
            left -= 1
            consumed = file.consumed()
            is_over = not left or consumed > portion_limit
            if is_over or len(chunk) == _CHUNK or consumed > limit:
                if portion % share.of == share.first:
                    yield _Chunk(portion, first, chunk)
                first, chunk, limit = first + len(chunk), [], consumed + _CHUNK_BYTES
                if is_over:
                    portion, left, portion_limit = portion + 1, options.batch_size, consumed + _PORTION_BYTES
    except UsageError as error:
        stopped = error
    if portion % share.of == share.first and (chunk or stopped is not None):
        yield _Chunk(portion, first, chunk)
        if stopped is not None:
            raise stopped


class _Maker:
    """Makes the rows of a file."""

    def __init__(self, file: str, name: str, options: Options, tally: Tally, *, is_shared: bool) -> None:
        self._file = file
        self._name = name
        self._options = options
        self._tally = tally
        self._uncounted = Uncounted() if is_shared else None
        self._occurrences = self._uncounted or Occurrences()
        self._origin = Origin(name, 0)
        """Of records whose position does not matter."""
        self._has_legacy = bool(options.imported_before)
        self._unmet = {field.column: column for column, field in options.columns.mapped.items()}
        """What --map names and no record had so far, by the column of the table."""
        self._records = 0
        self._with_ids = False
        """Whether any row of the batch came with an id of its user's own."""

    def batches(self, chunks: Iterable[_Chunk], records: Callable[[Sequence[Raw]], list[Record]]) -> Iterator[Batch]:
        """The good rows of a portion, as many at once as may be in memory."""
        options, tally, uncounted = self._options, self._tally, self._uncounted
        batch = Batch([], {})
        characters = 0
        for chunk in chunks:
            read = records(chunk.parts)
            results = made([record.fields for record in read], options.columns, options.horizon)
            for ordinal, (record, result) in enumerate(zip(read, results, strict=True), start=chunk.first):
                tally.read += 1
                try:
                    span = self._finish(record, result, ordinal)
                except BadRow as error:
                    _note(BadRecord(file=self._file, line=record.line, reason=str(error)), options, tally)
                    continue
                if uncounted is not None and (digest := uncounted.take()) is not None:
                    batch.digests[len(batch.rows)] = digest
                batch.rows.append(span)
                if "input_text" in span or "output_text" in span or "error_message" in span or "attributes" in span:
                    characters += _length(span, tally)
                if len(batch.rows) >= options.batch_size or characters > _MAX_BATCH_CHARACTERS:
                    yield self._checked(batch, chunk)
                    batch, characters = Batch([], {}), 0
        if batch.rows:
            yield self._checked(batch, chunk)

    def _checked(self, batch: Batch, last: _Chunk) -> Batch:
        """UsageError where --map names what no record of the first portion has, before any of it is stored."""
        if last.portion == 0 and self._unmet:
            names = ", ".join(self._unmet.values())
            raise UsageError(f"{self._file}: none of the first {self._records} records has {names}, which --map names")
        with_ids, self._with_ids = self._with_ids, False
        return batch._replace(with_ids=with_ids)

    def _finish(self, record: Record, made: Made, ordinal: int) -> SpanRow:
        """The row with its price and its ids; BadRow where there is none."""
        options, tally, span = self._options, self._tally, made.row
        self._records += 1
        if self._unmet and not isinstance(record.fields, BadRow):
            for each in record.fields.of:
                self._unmet.pop(each.column, None)
        if isinstance(span, BadRow):
            raise span
        if not span["is_request"]:
            tally.spans += 1
        if has_cost(span) and Rounded in map(type, map(span.get, COSTS)):
            tally.rounded += 1  # before it is priced: what is computed is rounded too
        tally.prices.add(span)
        has_trace, has_span = "trace_id" in span, "span_id" in span
        if has_trace or has_span:
            self._with_ids = True
        if not (has_trace and has_span):
            with_legacy = self._has_legacy and span["org_id"] in options.imported_before
            origin = Origin(self._name, ordinal) if with_legacy else self._origin
            identify(span, made.content, origin, self._occurrences, with_legacy=with_legacy)
        if options.dry_run and len(tally.sample) < MAX_SAMPLE:
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
    tally.add_bad(bad)
    if options.on_error is OnError.STOP:
        raise UsageError(f"{bad.file}:{bad.line}: {bad.reason}")
