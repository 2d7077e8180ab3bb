"""CSV, with commas, semicolons, tabs or pipes between its cells."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Final

from analytics_service.errors import UsageError
from analytics_service.ingest.fields import Field
from analytics_service.ingest.files.input import MAX_LINE_BYTES, Input, blocks
from analytics_service.ingest.files.records import Raw, Reading, Record
from analytics_service.ingest.mapping import Columns, layout, of_header
from analytics_service.ingest.objects import fields_within
from analytics_service.ingest.rows import BadRow, Fields

_DELIMITERS: Final = ",;\t|"


def csv_rows(file: Input, how: Columns) -> Reading:
    """The rows; UsageError where the header cannot be used, or what follows is no CSV."""
    csv.field_size_limit(MAX_LINE_BYTES)
    texts = _texts(file)
    first = next(texts, "")
    reader = csv.reader(chain([first], texts), delimiter=_delimiter(first), strict=True)
    header: list[str] = []

    def rows() -> Iterator[Raw]:
        try:
            line = reader.line_num
            for cells in reader:
                first_line, line = line + 1, reader.line_num
                if len(cells) == len(header):
                    yield first_line, cells
                elif cells:
                    yield first_line, BadRow(f"has {len(cells)} cells, and the header has {len(header)}")
        except csv.Error as error:
            raise _not_csv(file, reader.line_num, error) from error

    try:
        header += next(reader, [])
    except csv.Error as error:
        raise _not_csv(file, reader.line_num, error) from error
    if not header:
        raise UsageError(f"{file.name}: is empty: a CSV file begins with the names of its columns")
    return Reading(rows(), _records(header, how, file.name))


def _not_csv(file: Input, line: int, error: csv.Error) -> UsageError:
    return UsageError(f"{file.name}:{line}: is no CSV from here on: {error}")


def _records(header: Sequence[str], how: Columns, file: str) -> Callable[[Sequence[Raw]], list[Record]]:
    of, take, _ = layout(of_header(header, how, file))
    nested = [(position, name) for position, name in enumerate(header) if name in how.nested - how.mapped.keys()]

    def records(rows: Sequence[Raw]) -> list[Record]:
        read = [Record(line, cells if isinstance(cells, BadRow) else Fields(of, take(cells))) for line, cells in rows]
        if not nested:
            return read
        return [
            record
            if isinstance(record.fields, BadRow)
            else record._replace(fields=_with_members(record.fields, cells, nested, how))
            for record, (_, cells) in zip(read, rows, strict=True)
        ]

    return records


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)  # of equals the first


def header_names(line: str) -> list[str]:
    """The columns that the first line of a file names; none where it is no CSV."""
    try:
        return next(csv.reader([line], delimiter=_delimiter(line), strict=True), [])
    except csv.Error:
        return []


def _with_members(
    fields: Fields, cells: Sequence[str], nested: Sequence[tuple[int, str]], how: Columns
) -> Fields | BadRow:
    """With the fields that members of objects fill; a cell that is no object has none."""
    try:
        objects = {name: cells[position] for position, name in nested if cells[position].startswith("{")}
        inner = fields_within(objects, how)
    except KeyError as error:
        name = str(error.args[0])[:60]
        return BadRow(f"{name}: is unknown: give --map {name}=FIELD or --ignore {name}")
    except BadRow as error:
        return error
    return Fields(_together(fields.of, inner.of), [*fields.values, *inner.values])


@lru_cache(maxsize=1_000)
def _together(cells: tuple[Field, ...], members: tuple[Field, ...]) -> tuple[Field, ...]:
    return cells + members


def _texts(file: Input) -> Iterator[str]:
    """Lines as text. Bytes that are no UTF-8 become surrogates, which a text that may be long is stored without."""
    return chain.from_iterable(
        io.StringIO(block.decode("utf-8" if number else "utf-8-sig", errors="surrogateescape"), newline="\n")
        for number, block in enumerate(blocks(file))
    )
