"""The fields that a file can fill: the columns of the table `traces`, and the other names and units they go by.

To accept another name, add it here; to store another column, add it here, to the migration and to nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from analytics_service.errors import UsageError
from analytics_service.ingest import values
from analytics_service.ingest.values import Parse


@dataclass(frozen=True, kw_only=True)
class Field:
    """A name in a file, the column it fills, and how its value is read."""

    name: str
    column: str
    parse: Parse


_NAME = values.text(256)
_KEY = values.text(256, min_bytes=1)
_WORD = values.cached(_NAME)
_COUNT = values.cached(values.count)
_LONG = values.text(4 * 2**20)
_MS, _SECOND, _NS = Decimal(1000), Decimal(1_000_000), Decimal("0.001")

_COLUMNS: Final[Mapping[str, tuple[Parse, tuple[str, ...]]]] = {
    "org_id": (values.cached(_KEY), ("organisation", "organization", "org", "tenant", "tenant_id")),
    "project_id": (_WORD, ("project",)),
    "trace_id": (_KEY, ("trace",)),
    "span_id": (_KEY, ("span",)),
    "ts": (values.timestamp, ("timestamp", "time", "start_time")),
    "parent_span_id": (_NAME, ("parent_id",)),
    "span_name": (_WORD, ("name",)),
    "service_name": (_WORD, ("service",)),
    "operation_type": (_WORD, ("operation",)),
    "provider": (_WORD, ()),
    "model": (_WORD, ("model_name",)),
    "environment": (_WORD, ("env",)),
    "status_code": (values.cached(values.status), ("status",)),
    "error_message": (values.text(65_536), ("error",)),
    "is_request": (values.cached(values.boolean), ()),
    "input_text": (_LONG, ("input", "prompt")),
    "output_text": (_LONG, ("output", "completion")),
    "prompt_tokens": (_COUNT, ("input_tokens", "context_tokens")),
    "completion_tokens": (_COUNT, ("output_tokens", "generated_tokens")),
    "total_tokens": (_COUNT, ()),
    "cached_tokens": (_COUNT, ("cache_read_tokens",)),
    "reasoning_tokens": (_COUNT, ()),
    "prompt_cost_usd": (values.cost, ("prompt_cost", "input_cost")),
    "completion_cost_usd": (values.cost, ("completion_cost", "output_cost")),
    "total_cost_usd": (values.cost, ("total_cost", "cost", "cost_usd")),
    "price_version": (_WORD, ()),
    "duration_us": (values.duration(Decimal(1)), ()),
    "ttft_us": (values.duration(Decimal(1)), ()),
    "user_id": (_NAME, ("user",)),
    "session_id": (_NAME, ("session",)),
    "team_id": (_WORD, ("team",)),
    "tags": (values.tags, ()),
    "attributes": (values.attributes, ()),
}
_UNITS: Final = {"ns": _NS, "ms": _MS, "s": _SECOND}

COLUMNS: Final = tuple(_COLUMNS)
"""The columns of `traces`, in the order in which rows are written."""
DEFAULTS: Final[Mapping[str, object]] = {
    "project_id": "",
    "operation_type": "",
    "provider": "",
    "model": "",
    "environment": "",
    "status_code": "UNSET",
    "is_request": True,
}


def _all() -> Mapping[str, Field]:
    fields = {}
    for column, (parse, aliases) in _COLUMNS.items():
        for name in (column, *aliases):
            fields[name] = Field(name=name, column=column, parse=parse)
    for what in ("duration", "ttft", "latency"):
        column = "ttft_us" if what == "ttft" else "duration_us"
        for unit, microseconds in _UNITS.items():
            name = f"{what}_{unit}"
            fields[name] = Field(name=name, column=column, parse=values.duration(microseconds))
    return fields


FIELDS: Final = _all()


def field(name: str, *, option: str) -> Field:
    """The field of that name, in any case of letters; UsageError lists all of them."""
    known = FIELDS.get(name.strip().lower())
    if known is None:
        units = "; durations also in _ms, _s and _ns"
        raise UsageError(f"{option}: there is no field {name!r}; fields are {', '.join(COLUMNS)}{units}")
    return known
