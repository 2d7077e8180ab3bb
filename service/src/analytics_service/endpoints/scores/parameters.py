"""What clients send of scores: one, or an array of them, whose faults are told by position. Pure."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field, StrictBool, StrictFloat, StrictStr, WithJsonSchema
from pydantic.config import JsonDict

from analytics_service.contract.parameters import STORABLE, Parameters, Text, storable
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.units import decimals

MAX_VALUE: Final = 10**9
MAX_COMMENT: Final = 4096
MAX_SCORES: Final = 1_000
"""Of one request."""
EXAMPLE: Final[JsonDict] = {
    "trace_id": "5b8efff798038103d269b633813fc60c",
    "name": "feedback",
    "value": 0.75,
    "comment": "right, but too long",
    "source": "user",
}


class DataType(StrEnum):
    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    CATEGORICAL = "categorical"


Value = StrictBool | StrictFloat | StrictStr
ExactValue = Decimal | bool | str


def _bounded(value: Value) -> Value:
    if isinstance(value, str):
        if not 1 <= len(value) <= 64:
            raise ValueError("a category has 1 to 64 characters")
        return storable(value)
    if abs(value) >= MAX_VALUE:
        raise ValueError(f"a number is between -{MAX_VALUE} and {MAX_VALUE}")
    return value


def _bounded_array(items: tuple[Any, ...]) -> tuple[Any, ...]:
    if not 1 <= len(items) <= MAX_SCORES:
        raise RequestError(
            Problem.VALIDATION_ERROR, f"an array has 1 to {MAX_SCORES} scores, and this one {len(items)}"
        )
    return items


_ARRAY: Final = {
    "type": "array",
    "items": {"type": "object", "description": "A score; what is wrong with one is told by its index"},
    "minItems": 1,
    "maxItems": MAX_SCORES,
}
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:/ -]{0,63}$")]


class ScoreBody(Parameters):
    """One score, or an array."""


class ScoreParameters(ScoreBody):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    trace_id: Text
    """Of rows that are stored."""
    span_id: Text | None = None
    """The span that is scored; the whole trace where it is left out."""
    name: Name
    """What is scored, as `feedback`, `resolved` or `faithfulness`."""
    value: Annotated[Value, AfterValidator(_bounded)]
    """A number (rounded to 12 places), true or false, or a text, which is a category."""
    comment: Annotated[str, Field(max_length=MAX_COMMENT), *STORABLE] | None = None
    """Stored as the rules for content let it be."""
    source: Name = "api"
    """Who scores: `user`, or the name of an evaluator, but no person: sums by source outlive the scores."""


class ScoreArray(ScoreBody):
    items: Annotated[tuple[Any, ...], AfterValidator(_bounded_array), WithJsonSchema(_ARRAY)]
    """Each as if it were sent alone: a fault in one leaves the others as they are."""


def exact(value: Value) -> ExactValue:
    """A number as it was written, rounded half-even to 12 places."""
    return Decimal(repr(value)).quantize(decimals.PLACES) if isinstance(value, float) else value


def typed(value: ExactValue) -> tuple[DataType, Decimal | None, str]:
    """The type of a value, its number and its category."""
    if isinstance(value, str):
        return DataType.CATEGORICAL, None, value
    if isinstance(value, bool):
        return DataType.BOOLEAN, Decimal(value), ""
    return DataType.NUMERIC, value, ""
