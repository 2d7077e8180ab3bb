"""Parameters as clients write them: one spelling of a number, and one name of a parameter at a time."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from analytics_service.contract import wire
from analytics_service.contract.parameters import Parameters, parse
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints import ENDPOINTS
from analytics_service.endpoints.metrics.query.parameters import QueryParameters
from analytics_service.endpoints.traces.list.parameters import TraceParameters

NOW = datetime(2024, 3, 4, 12, tzinfo=UTC)
REQUIRED = {
    "metrics": "request_count",
    "trace_id": "t",
    "key_id": "key_1",
    "from": "now-7d",
    "to": "now",
    "dimension": "model",
    "models": "a,b",
}
REQUIRED_OF: dict[type[Parameters], dict[str, object]] = {QueryParameters: {"metrics": [{"metric": "request_count"}]}}
MODELS: dict[str, type[Parameters]] = {endpoint.name: endpoint.params for endpoint in ENDPOINTS}
NUMBERS = [
    pytest.param(model, name, id=f"{endpoint} {name}")
    for endpoint, model in MODELS.items()
    for name in wire.numbers(model)
]


def parsed(model: type[Parameters], *given: tuple[str, object]) -> Any:
    names = {
        wire.wire_name(name, info.validation_alias) for name, info in model.model_fields.items() if info.is_required()
    }
    values = REQUIRED | REQUIRED_OF.get(model, {})
    required = [(name, value) for name, value in values.items() if name in names - dict(given).keys()]
    return parse(model, [*required, *given], now=NOW)


def refusal(model: type[Parameters], *given: tuple[str, object]) -> RequestError:
    with pytest.raises(RequestError) as caught:
        parsed(model, *given)
    return caught.value


def test_the_document_and_the_check_know_the_same_numbers() -> None:
    for model in MODELS.values():
        properties = model.model_json_schema(mode="validation")["properties"]
        types = {
            name: {option.get("type") for option in (schema, *schema.get("anyOf", ()))}
            for name, schema in properties.items()
        }
        documented = {name for name, each in types.items() if {"integer", "number"} & each and "boolean" not in each}
        assert wire.numbers(model).keys() == documented, "a value of a score may be true or a text"
    assert {param.id for param in NUMBERS} >= {
        "list_traces limit",
        "list_traces min_cost",
        "get_costs_summary top_limit",
    }


@pytest.mark.parametrize(("model", "name"), NUMBERS)
@pytest.mark.parametrize(
    "text",
    [
        "1_0",
        " 10",
        "10 ",
        "+10",
        "\N{FULLWIDTH DIGIT ONE}0",
        "\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC-INDIC DIGIT ZERO}",
        "1\N{EXTENDED ARABIC-INDIC DIGIT ZERO}",
        "²",
        "0x10",
        "1e",
        "",
        "ten",
        "10,0",
        "1\n",
        "--1",
        "NaN",
        "Infinity",
    ],
)
def test_a_number_in_another_spelling_is_refused(model: type[Parameters], name: str, text: str) -> None:
    error = refusal(model, (name, text))
    assert (error.problem, error.field) == (Problem.INVALID_PARAMETER, name)
    assert "must be a number in the digits 0 to 9" in error.detail


@pytest.mark.parametrize(("model", "name"), NUMBERS)
def test_a_plain_number_is_taken(model: type[Parameters], name: str) -> None:
    assert getattr(parsed(model, (name, "30")), name) == 30
    assert getattr(parsed(model, (name, 30)), name) == 30, "of a JSON body"


@pytest.mark.parametrize("name", ["model", "trace_id", "search", "tags"])
def test_text_that_no_database_can_hold_is_refused_in_words(name: str) -> None:
    error = refusal(TraceParameters, (name, "a\0b"))
    assert error.detail == f"{name}: holds a NUL character, which no text of the database can"
    assert refusal(TraceParameters, (name, "a\ud83d")).field == name


def test_an_amount_keeps_every_digit_and_a_count_has_no_fraction() -> None:
    assert parsed(TraceParameters, ("min_cost", "0.000000000001")).min_cost == Decimal("0.000000000001")
    assert parsed(TraceParameters, ("min_cost", "1e-3")).min_cost == Decimal("0.001")
    assert refusal(TraceParameters, ("min_tokens", "1.5")).field == "min_tokens"
    assert "greater than or equal to 1" in refusal(TraceParameters, ("limit", "-1")).detail


@pytest.mark.parametrize(("one", "other"), [("from", "start_time"), ("start_time", "from"), ("to", "end_time")])
def test_two_names_of_one_parameter_are_said_to_be_the_same(one: str, other: str) -> None:
    error = refusal(TraceParameters, (one, "now-1h"), (other, "now-1h"))
    assert (error.problem, error.field) == (Problem.INVALID_PARAMETER, other)
    assert error.detail == f"{one} and {other} are the same parameter: give one of them"
    assert refusal(TraceParameters, (one, "now-1h"), (one, "now-1h")).detail == f"{one} is given twice"
