"""POST /api/v1/scores: what somebody or something thinks of a trace, or of one of its spans."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, ConfigDict, Field, StrictBool, StrictFloat, StrictStr
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Call, Command, Result
from analytics_service.contract.parameters import STORABLE, Parameters, Text, storable
from analytics_service.contract.principal import Permission
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.scores.statement import NewScore, store
from analytics_service.ingest import content
from analytics_service.units import decimals
from analytics_service.units.decimals import Number

MAX_VALUE: Final = 10**9
MAX_COMMENT: Final = 4096
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


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:/ -]{0,63}$")]


class ScoreParameters(Parameters):
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


class Score(TypedDict):
    """A score as it is stored."""

    trace_id: str
    span_id: str | None
    name: str
    source: str
    data_type: DataType
    value: Number | bool | str
    comment: str | None
    project_id: str
    ts: datetime
    """When what is scored began: scores count in the answers about that time."""
    scored_at: datetime


async def run(call: Call[ScoreParameters]) -> Result:
    """The same score once more changes nothing; another of the same trace, span, name and source replaces it."""
    params = call.params
    value = _exact(params.value)
    data_type, number, category = _typed(value)
    score = NewScore(
        trace_id=params.trace_id,
        span_id=params.span_id or "",
        name=params.name,
        source=params.source,
        data_type=data_type,
        value=number,
        category=category,
        comment=None if params.comment is None else content.stored_text(call.content, params.comment),
        scored_at=call.now,
    )
    stored = await call.transaction.fetch(store(call.principal.organisation, call.principal.project_list, score))
    if not stored:
        raise _unknown(params)
    return Result(
        data=Score(
            trace_id=params.trace_id,
            span_id=params.span_id,
            name=params.name,
            source=params.source,
            data_type=data_type,
            value=value,
            comment=score.comment,
            project_id=stored[0]["project_id"],
            ts=stored[0]["ts"],
            scored_at=stored[0]["scored_at"],
        )
    )


def _exact(value: Value) -> ExactValue:
    """A number as it was written, rounded half-even to 12 places."""
    return Decimal(repr(value)).quantize(decimals.PLACES) if isinstance(value, float) else value


def _typed(value: ExactValue) -> tuple[DataType, Decimal | None, str]:
    """The type of a value, its number and its category."""
    if isinstance(value, str):
        return DataType.CATEGORICAL, None, value
    if isinstance(value, bool):
        return DataType.BOOLEAN, Decimal(value), ""
    return DataType.NUMERIC, value, ""


def _unknown(params: ScoreParameters) -> RequestError:
    field = "trace_id" if params.span_id is None else "span_id"
    return RequestError(
        Problem.TRACE_NOT_FOUND,
        f"{field}: nothing of it is stored in the organisation and the projects of the caller: "
        "repeat the request once its spans have been sent",
        field=field,
    )


ENDPOINT: Final = Command(
    path="/api/v1/scores",
    name="create_score",
    summary="Score a trace, or one of its spans",
    permission=Permission.TRACES_WRITE,
    params=ScoreParameters,
    run=run,
    data=Score,
    names_rows=True,
)
