"""CSV, with commas, semicolons, tabs or pipes between its cells."""

import csv
from collections.abc import Iterator
from itertools import chain
from typing import Final

from analytics_service.errors import UsageError
from analytics_service.ingest.files.input import MAX_LINE_BYTES, Input, lines
from analytics_service.ingest.files.records import Record
from analytics_service.ingest.mapping import Columns, of_header
from analytics_service.ingest.rows import BadRow

_DELIMITERS: Final = ",;\t|"


def csv_rows(file: Input, how: Columns) -> Iterator[Record]:
    """The rows; UsageError where the header cannot be used, or what follows is no CSV."""
    csv.field_size_limit(MAX_LINE_BYTES)
    texts = _texts(file)
    first = next(texts, "")
    delimiter = max(_DELIMITERS, key=first.count)  # of equals the first
    reader = csv.reader(chain([first], texts), delimiter=delimiter, strict=True)
    try:
        header = next(reader, None)
        if not header:
            raise UsageError(f"{file.name}: is empty: a CSV file begins with the names of its columns")
        columns = of_header(header, how, file.name)
        line = reader.line_num
        for cells in reader:
            first_line, line = line + 1, reader.line_num
            if not cells:
                continue
            if len(cells) == len(header):
                yield Record(line=first_line, fields=[(field, cells[position]) for position, field in columns])
            else:
                why = f"has {len(cells)} cells, and the header has {len(header)}"
                yield Record(line=first_line, fields=BadRow(why))
    except csv.Error as error:
        raise UsageError(f"{file.name}:{reader.line_num}: is no CSV from here on: {error}") from error


def _texts(file: Input) -> Iterator[str]:
    """Lines as text. Bytes that are no UTF-8 become surrogates, which a text that may be long is stored without."""
    for number, line in enumerate(lines(file), start=1):
        if len(line) > MAX_LINE_BYTES:
            raise UsageError(f"{file.name}:{number}: the line is longer than {MAX_LINE_BYTES} bytes")
        yield line.decode("utf-8-sig" if number == 1 else "utf-8", errors="surrogateescape")
