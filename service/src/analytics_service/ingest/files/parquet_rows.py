"""Parquet, by record batches: a batch is held at a time, whatever the file's length.

`pyarrow` is an extra of the package: it is as large as the image of the service (docs/bring-your-data.md).
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from analytics_service.errors import UsageError
from analytics_service.ingest.files.input import STDIN, Input
from analytics_service.ingest.files.records import Record
from analytics_service.ingest.mapping import Columns, of_header
from analytics_service.ingest.rows import BadRow, of_object

_ROWS: Final = 1_000
"""In a batch."""
_BUFFER: Final = 2**20
_INSTALL: Final = "pip install 'analytics-service[parquet]', or write it as CSV or JSON lines"


def column_names(file: Input) -> list[str]:
    with _opened(file) as parquet:
        return list(parquet.schema_arrow.names)


def parquet_rows(file: Input, how: Columns) -> Iterator[Record]:
    """The rows, with their number as line; UsageError where the columns cannot be used, or it is no whole file."""
    with _opened(file) as parquet:
        of_header(list(parquet.schema_arrow.names), how, file.name)
        schema = _in_microseconds(parquet.schema_arrow)
        number = 0
        for batch in parquet.iter_batches(batch_size=_ROWS):
            for row in batch.cast(schema, safe=False).to_pylist():
                number += 1
                yield _record(number, row, how)


def _in_microseconds(schema: Any) -> Any:
    """The same with times as Python and PostgreSQL have them, which do not know nanoseconds."""
    import pyarrow as pa

    for number, column in enumerate(schema):
        if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
            schema = schema.set(number, column.with_type(pa.timestamp("us", tz=column.type.tz)))
    return schema


def _record(number: int, row: dict[str, Any], how: Columns) -> Record:
    try:
        return Record(line=number, fields=of_object({name: _plain(value) for name, value in row.items()}, how))
    except BadRow as error:
        return Record(line=number, fields=error)


def _plain(value: Any) -> Any:
    """The value as JSON has it; NaN is what data frames write for nothing."""
    match value:
        case float():
            return None if math.isnan(value) else Decimal(repr(value))
        case date():  # a moment is one too
            return value.isoformat()
        case timedelta():
            return value // timedelta(microseconds=1)
        case bytes():
            return value.decode(errors="surrogateescape")
        case list():
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
