"""The parameters of an export: which rows, in which form."""

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final

import orjson
from pydantic import AfterValidator, ConfigDict
from pydantic import Field as Bounds

from analytics_service.contract.exports import MAX_ROWS, Compression, Format
from analytics_service.contract.filters import FilteredParameters
from analytics_service.contract.parameters import Text, distinct, parse
from analytics_service.endpoints.traces.fields import Field, Status, selected_fields
from analytics_service.units.times import Range

DEFAULT_ROWS: Final = 100_000
EXAMPLE: Final[dict[str, Any]] = {
    "format": "csv",
    "compression": "gzip",
    "from": "now-7d/d",
    "to": "now/d",
    "model": "gpt-4o",
    "fields": ["ts", "total_cost_usd"],
}
_RANGE: Final = {"from_", "to", "tz"}


class ExportParameters(FilteredParameters):
    """Every filter narrows; several together mean all of them."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    default_range: ClassVar[timedelta] = timedelta(hours=24)
    max_range: ClassVar[timedelta] = timedelta(days=365)

    user_id: Text | None = None
    trace_id: Text | None = None
    session_id: Text | None = None
    operation_type: Text | None = None
    status: Status | None = None
    format: Format = Format.CSV
    """`parquet` where the service has the package for it."""
    compression: Compression = Compression.NONE
    """Of the whole file; of Parquet the codec of its pages."""
    fields: Annotated[tuple[Field, ...], AfterValidator(distinct), Bounds(min_length=1)] | None = None
    """Only these fields, in the order of a Trace; all but `input_text`, `output_text` and `attributes` without it."""
    limit: Annotated[int, Bounds(ge=1, le=MAX_ROWS)] | None = None
    """The oldest rows of the range, at most so many: 100,000 where it is left out, or what the service allows."""

    @property
    def selected_fields(self) -> tuple[str, ...]:
        return selected_fields(self.fields, ())

    def stored(self, *, limit: int) -> str:
        """Returns the parameters for `restored`, without the range, as JSON."""
        values: dict[str, Any] = self.model_dump(mode="json", exclude=_RANGE, exclude_none=True)
        return orjson.dumps({**values, "limit": limit}).decode()


def restored(text: str, span: Range) -> ExportParameters:
    """Returns what `stored` wrote, for a range whose ends are instants."""
    instants = {"from": span.start.isoformat(), "to": span.end.isoformat()}
    return parse(ExportParameters, {**orjson.loads(text), **instants}.items(), now=span.end)
