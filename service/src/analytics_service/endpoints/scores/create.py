"""POST /api/v1/scores: what somebody or something thinks of traces, or of their spans."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NotRequired

from typing_extensions import TypedDict

from analytics_service.contract import parameters
from analytics_service.contract.endpoint import Call, Command, Result, Row
from analytics_service.contract.principal import Permission
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.scores import statement
from analytics_service.endpoints.scores.parameters import (
    DataType,
    ScoreArray,
    ScoreBody,
    ScoreParameters,
    exact,
    typed,
)
from analytics_service.endpoints.scores.statement import Key, NewScore
from analytics_service.ingest import content
from analytics_service.units.decimals import Number

MAX_ERRORS: Final = 100


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


class ScoreError(TypedDict):
    index: int
    """In the array, from 0."""
    field: NotRequired[str]
    error_code: str
    """TRACE_NOT_FOUND: to be sent again once the spans are stored; any other: never as it is."""
    detail: str


class ScoreReport(TypedDict):
    """What became of the scores of an array."""

    accepted: int
    """They are committed. Of several with one key the last counts."""
    rejected: int
    errors: list[ScoreError]
    """The first 100 of what was rejected."""


async def run(call: Call[ScoreBody]) -> Result:
    """The same score once more changes nothing; another of the same trace, span, name and source replaces it."""
    if isinstance(call.params, ScoreParameters):
        return await _one(call, call.params)
    assert isinstance(call.params, ScoreArray)  # noqa: S101 - there is no third kind
    return await _array(call, call.params)


async def _one(call: Call[ScoreBody], params: ScoreParameters) -> Result:
    score = _new(call, params)
    stored = await _store(call, [score])
    if score.key not in stored:
        raise _unknown(params)
    row = stored[score.key]
    return Result(
        data=Score(
            trace_id=params.trace_id,
            span_id=params.span_id,
            name=params.name,
            source=params.source,
            data_type=DataType(score.data_type),
            value=exact(params.value),
            comment=score.comment,
            project_id=row["project_id"],
            ts=row["ts"],
            scored_at=row["scored_at"],
        )
    )


async def _array(call: Call[ScoreBody], array: ScoreArray) -> Result:
    """RequestError where no item is a score; else the others are stored, in one transaction."""
    given, errors = dict[int, ScoreParameters](), dict[int, RequestError]()
    for index, item in enumerate(array.items):
        try:
            given[index] = _parsed(item, call.now)
        except RequestError as error:
            errors[index] = error
    if not given:
        raise _nothing_usable(errors)
    scores = {index: _new(call, params) for index, params in given.items()}
    stored = await _store(call, list({score.key: score for score in scores.values()}.values()))
    errors |= {index: _unknown(given[index]) for index, score in scores.items() if score.key not in stored}
    return Result(
        data=ScoreReport(
            accepted=len(array.items) - len(errors),
            rejected=len(errors),
            errors=[_error(index, errors[index]) for index in sorted(errors)[:MAX_ERRORS]],
        )
    )


def _parsed(item: object, now: datetime) -> ScoreParameters:
    if not isinstance(item, dict):
        raise RequestError(Problem.VALIDATION_ERROR, "a score must be a JSON object")
    return parameters.parse(ScoreParameters, item.items(), now=now)


async def _store(call: Call[ScoreBody], scores: Sequence[NewScore]) -> dict[Key, Row]:
    """The rows of those that are stored now, by their keys."""
    principal = call.principal
    await call.transaction.fetch(statement.lock(principal.organisation, scores))
    rows = await call.transaction.fetch(statement.store(principal.organisation, principal.project_list, scores))
    return {Key(*(row[name] for name in Key._fields)): row for row in rows}


def _new(call: Call[ScoreBody], params: ScoreParameters) -> NewScore:
    data_type, number, category = typed(exact(params.value))
    return NewScore(
        key=Key(params.trace_id, params.span_id or "", params.name, params.source),
        data_type=data_type,
        value=number,
        category=category,
        comment=None if params.comment is None else content.stored_text(call.content, params.comment),
        scored_at=call.now,
    )


def _unknown(params: ScoreParameters) -> RequestError:
    field = "trace_id" if params.span_id is None else "span_id"
    return RequestError(
        Problem.TRACE_NOT_FOUND,
        f"{field}: nothing of it is stored in the organisation and the projects of the caller: "
        "repeat the request once its spans have been sent",
        field=field,
    )


def _nothing_usable(errors: dict[int, RequestError]) -> RequestError:
    first, others = errors[0], f"; and {len(errors) - 1} more" if len(errors) > 1 else ""
    return RequestError(
        first.problem,
        f"no score can be used: score 0: {first.detail}{others}",
        field=None if first.field is None else f"0.{first.field}",
    )


def _error(index: int, error: RequestError) -> ScoreError:
    named: ScoreError = {"index": index, "error_code": error.problem.name, "detail": error.detail}
    return named if error.field is None else {**named, "field": error.field}


ENDPOINT: Final = Command(
    path="/api/v1/scores",
    name="create_score",
    summary="Score traces, or their spans: one score, or an array of up to 1,000",
    permission=Permission.TRACES_WRITE,
    params=ScoreParameters,
    array=ScoreArray,
    run=run,
    data=Score | ScoreReport,
    names_rows=True,
)
