"""Parquet, by record batches: a batch is held at a time, whatever the file's length.

`pyarrow` is an extra of the package: it is as large as the image of the service (docs/bring-your-data.md).
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, time
from decimal import Decimal
from typing import Any, Final

from analytics_service.errors import UsageError
from analytics_service.ingest.files.input import STDIN, Input
from analytics_service.ingest.files.records import Raw, Reading, Record
from analytics_service.ingest.mapping import Columns, of_header
from analytics_service.ingest.objects import of_object
from analytics_service.ingest.rows import BadRow

_ROWS: Final = 1_000
"""In a batch."""
_BUFFER: Final = 2**20
_INSTALL: Final = "pip install 'analytics-service[parquet]', or write it as CSV or JSON lines"


def column_names(file: Input) -> list[str]:
    with _opened(file) as parquet:
        return list(parquet.schema_arrow.names)


def parquet_rows(file: Input, how: Columns) -> Reading:
    """The rows, with their number as line; UsageError where the columns cannot be used, or it is no whole file."""

    def records(rows: Sequence[Raw]) -> list[Record]:
        return [_record(number, row, how) for number, row in rows]

    return Reading(_numbered(file, how), records)


def _numbered(file: Input, how: Columns) -> Iterator[Raw]:
    with _opened(file) as parquet:
        header = list(parquet.schema_arrow.names)
        filling = {header[position] for position, _ in of_header(header, how, file.name)}
        # what fills nothing is not read: it may be of any type, and most of the file
        columns = sorted(filling | how.nested.intersection(header))
        number = 0
        for batch in parquet.iter_batches(batch_size=_ROWS, columns=columns):
            for row in _rows(batch.cast(_schema(batch.schema), safe=False)):
                number += 1
                yield number, row


def _schema(schema: Any) -> Any:
    import pyarrow as pa

    return pa.schema([_field(column) for column in schema])


def _field(field: Any) -> Any:
    return field.with_type(_python_type(field.type))


def _python_type(kind: Any) -> Any:
    """The type with times as Python and PostgreSQL have them: without nanoseconds, and in a zone that there is."""
    import pyarrow as pa

    of = pa.types
    unit = getattr(kind, "unit", None)
    unit = "us" if unit == "ns" else unit
    if of.is_timestamp(kind):
        return pa.timestamp(unit, tz=None if kind.tz is None else "UTC")
    if of.is_duration(kind):
        return pa.duration(unit)
    if of.is_time64(kind):
        return pa.time64(unit)
    if of.is_struct(kind):
        return pa.struct([_field(kind.field(number)) for number in range(kind.num_fields)])
    if of.is_map(kind):
        return pa.map_(_field(kind.key_field), _field(kind.item_field))
    if of.is_fixed_size_list(kind):
        return pa.list_(_field(kind.value_field), kind.list_size)
    if of.is_large_list(kind):
        return pa.large_list(_field(kind.value_field))
    if of.is_list(kind):
        return pa.list_(_field(kind.value_field))
    return _python_type(kind.value_type) if of.is_dictionary(kind) else kind


def _rows(batch: Any) -> Iterator[dict[str, Any] | BadRow]:
    """The rows of a batch, and in the place of one with a value that Python does not have the reason."""
    try:
        yield from batch.to_pylist()
    except (ValueError, OverflowError):  # of some row: each value by itself tells which
        yield from (_row(batch, number) for number in range(batch.num_rows))


def _row(batch: Any, number: int) -> dict[str, Any] | BadRow:
    row = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            row[name] = column[number].as_py()
        except (ValueError, OverflowError) as error:
            return BadRow(f"{name[:60]}: has a value that cannot be read: {error}")
    return row


def _record(number: int, row: dict[str, Any] | BadRow, how: Columns) -> Record:
    if isinstance(row, BadRow):
        return Record(line=number, fields=row)
    try:
        return Record(line=number, fields=of_object({name: _plain(value) for name, value in row.items()}, how))
    except BadRow as error:
        return Record(line=number, fields=error)


def _plain(value: Any) -> Any:
    """The value as JSON has it, but for durations; NaN is what data frames write for nothing."""
    match value:
        case float():
            return None if math.isnan(value) else Decimal(repr(value))
        case date() | time():  # a moment is a date too
            return value.isoformat()
        case bytes():
            return value.decode(errors="surrogateescape")
        case list() | tuple():  # pairs of a map are tuples
            return [_plain(each) for each in value]
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case _:
            return value


@contextmanager
def _opened(file: Input) -> Iterator[Any]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise UsageError(f"{file.name}: is a Parquet file, which takes pyarrow to read: {_INSTALL}") from None
    if file.name == STDIN:
        raise UsageError(f"{file.name}: is a Parquet file, which is read from its end: give it as a file")
    try:
        with parquet.ParquetFile(file.name, buffer_size=_BUFFER, pre_buffer=False) as opened:
            yield opened
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{file.name}: is a Parquet file that cannot be read: {str(error).splitlines()[0]}") from error
