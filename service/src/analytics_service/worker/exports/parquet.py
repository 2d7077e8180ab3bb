"""Parquet: typed columns, in groups of rows of bounded size. Needs the extra `parquet`."""

import io
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from typing_extensions import override

from analytics_service.contract.endpoint import Row
from analytics_service.contract.exports import Compression
from analytics_service.endpoints.traces.fields import COSTS, column
from analytics_service.units import decimals

GROUP_BYTES: Final = 16 * 2**20
"""Of rows in memory, whatever they have on the disk."""
GROUP_ROWS: Final = 100_000
_COUNTS: Final = ("request_weight", "prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens")
_TYPES: Final[MappingProxyType[str, Any]] = MappingProxyType(
    {
        "ts": pa.timestamp("us", tz="UTC"),
        "tags": pa.list_(pa.string()),
        "duration_ms": pa.decimal128(22, 3),
        "ttft_ms": pa.decimal128(22, 3),
        **dict.fromkeys((*_COUNTS, "reasoning_tokens"), pa.int64()),
        **dict.fromkeys(COSTS, pa.decimal128(21, 12)),  # all that the table holds
    }
)
"""Of fields that are no text; attributes are JSON text."""


class _Drain(io.RawIOBase):
    """Takes what a writer writes, until it is taken out."""

    def __init__(self) -> None:
        self._parts = list[bytes]()

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, part: Any, /) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


class Parquet:
    """Decimals are exact; an empty dimension is null."""

    def __init__(self, fields: Sequence[str], compression: Compression) -> None:
        self._fields = fields
        self._schema = pa.schema([(name, _TYPES.get(name, pa.string())) for name in fields])
        self._drain = _Drain()
        self._writer = pq.ParquetWriter(self._drain, self._schema, compression=compression.value)
        self._waiting = list[Any]()

    def rows(self, rows: Sequence[Row]) -> bytes:
        if rows:
            columns = [
                pa.array([_value(name, row[column(name)]) for row in rows], self._schema.field(name).type)
                for name in self._fields
            ]
            self._waiting.append(pa.Table.from_arrays(columns, schema=self._schema))
        counts = [(table.num_rows, table.nbytes) for table in self._waiting]
        if sum(number for number, _ in counts) >= GROUP_ROWS or sum(size for _, size in counts) >= GROUP_BYTES:
            self._write_group()
        return self._drain.taken()

    def end(self) -> bytes:
        if self._waiting:
            self._write_group()
        self._writer.close()
        return self._drain.taken()

    def _write_group(self) -> None:
        group = pa.concat_tables(self._waiting)
        self._waiting = []
        self._writer.write_table(group, row_group_size=group.num_rows)


def _value(name: str, value: Any) -> Any:
    if value is None or value == "":
        return None
    return decimals.milliseconds(value) if name in {"duration_ms", "ttft_ms"} else value
