"""Spans of the OpenTelemetry Collector's file exporter become rows, by whose conventions they are written."""

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.__main__ import run
from analytics_service.ingest.otlp import records
from tests.service.ingest.otlp_file import CACHED, GENAI, SCHEMA_140, a_span, attributes, exported, rows
from tests.support.postgres import Server


@pytest.mark.postgres
def test_a_file_of_the_collector_is_stored_and_priced(
    database_url: str, postgres: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """600 of 1000 tokens at 2.50, 400 at 1.25 and 100 at 10 dollars a million are 0.003 dollars."""
    lines = [
        exported(
            a_span(1, given={**GENAI, **CACHED}, parentSpanId="EEE19B7EC3C1B002", status={"code": 1}),
            a_span(2, given={"gen_ai__operation__name": "invoke_agent", **CACHED}, name="agent", kind=1),
            schema=SCHEMA_140,
            deployment__environment__name="production",
        ),
        exported(a_span(3, name="GET /", kind=2, status={"code": "STATUS_CODE_ERROR", "message": "gone"})),
    ]
    path = tmp_path / "traces.json"
    path.write_text("".join(json.dumps({"resourceSpans": [line]}) + "\n" for line in lines))
    command = ["import", str(path), "--set", "organisation=acme", "--output", "json"]
    for inserted in (3, 0):
        assert run(command, {"DATABASE_URL": database_url}) == 0
        done = json.loads(capsys.readouterr().out)
        assert (done["presets"], done["inserted"]) == ({str(path): "otlp-json"}, inserted)
    shown = "trace_id, span_id, parent_span_id, service_name, environment, model, is_request, prompt_tokens, "
    shown += "cached_tokens, trim_scale(total_cost_usd), status_code, duration_us, error_message"
    found = postgres.sql(f"SELECT {shown} FROM traces ORDER BY span_id", database=database_url.rsplit("/", 1)[1])
    trace = "5b8efff798038103d269b633813fc60c|eee19b7ec3c1b"
    assert found.split() == [
        f"{trace}001|eee19b7ec3c1b002|shop|production|gpt-4o-2024-08-06|t|1000|400|0.003|OK|2000000|",
        f"{trace}002||shop|production||f||400||UNSET|2000000|",
        f"{trace}003||shop|||f||||ERROR|2000000|gone",
    ]


@pytest.mark.parametrize(
    ("scope", "schema", "prompt_tokens"),
    [
        pytest.param("my.app", SCHEMA_140, 1000, id="since 1.40 they are inside"),
        pytest.param("my.app", "https://opentelemetry.io/schemas/1.41.0", 1000, id="and later"),
        pytest.param("my.app", "https://opentelemetry.io/schemas/1.39.0", None, id="before there was no rule"),
        pytest.param("my.app", "", None, id="nor without a version"),
        pytest.param("opentelemetry.instrumentation.anthropic", "", 1000, id="a scope that adds them up"),
        pytest.param("opentelemetry.instrumentation.bedrock", "", 1400, id="a scope that does not"),
        pytest.param("openlit.instrumentation.anthropic", SCHEMA_140, 1400, id="whatever version it says"),
        pytest.param("openlit.instrumentation.openai", "", 1000, id="a scope of a provider that has them inside"),
    ],
)
def test_scope_and_version_tell_how_tokens_of_caches_are_counted(
    scope: str, schema: str, prompt_tokens: int | None
) -> None:
    (made,) = rows(exported(a_span(given={**GENAI, **CACHED}), scope=scope, schema=schema))
    if prompt_tokens is None:
        assert (made["price_status"], made["prompt_tokens"]) == ("none", 1000)
        assert "usage_unclear" in made["attributes"]
    else:
        assert (made["price_status"], made["prompt_tokens"], made["cached_tokens"]) == ("", prompt_tokens, 400)


def test_tokens_without_caches_are_clear_whatever_the_scope() -> None:
    (made,) = rows(exported(a_span(given={**GENAI, "gen_ai__usage__cache_read__input_tokens": 0})))
    assert (made["price_status"], made["prompt_tokens"], made["total_tokens"]) == ("", 1000, 1100)


@pytest.mark.parametrize(
    ("scope", "given"),
    [
        pytest.param(
            "com.anthropic.sdk.python",
            {
                "gen_ai__usage__cache_write__input_tokens": 500,
                "anthropic__usage__cache_creation__ephemeral_5m_input_tokens": 500,
                "anthropic__usage__cache_creation__ephemeral_1h_input_tokens": 0,
            },
            id="Anthropic's SDK",
        ),
        pytest.param("ai", {"ai__usage__inputTokenDetails__cacheWriteTokens": 500}, id="the AI SDK"),
        pytest.param(
            "litellm",
            {
                "metadata__usage_object": "{'cache_creation_input_tokens': 500, 'prompt_tokens_details': "
                "{'cache_creation_token_details': {'ephemeral_5m_input_tokens': 500}}}"
            },
            id="LiteLLM",
        ),
    ],
)
def test_input_tokens_have_those_written_to_caches_among_them(scope: str, given: dict[str, Any]) -> None:
    (made,) = rows(exported(a_span(given={**GENAI, **CACHED, **given}), scope=scope))
    assert (made["prompt_tokens"], made["cached_tokens"], made["cache_write_5m_tokens"]) == (1000, 400, 500)


@pytest.mark.parametrize(
    "text",
    [
        *("{'a': " * 5_000, "{'a': open('x')}", "{'a': 1}" + " " * 20_000, "{'a'", "{'a': b'x'}", "{'a': 1j}"),
        *("{'a': {1, 2}}", "{'a': 1e999}", "{'a': '" + "\\ud800" + "'}", "{'a': " + "9" * 5_000 + "}", "{(): 1}"),
    ],
)
def test_what_is_no_object_of_usage_harms_nothing(text: str) -> None:
    (made,) = rows(exported(a_span(given={**GENAI, "metadata__usage_object": text}), scope="litellm"))
    assert (made["prompt_tokens"], made["price_status"]) == (1000, "")


def test_what_a_span_does_not_have_is_absent() -> None:
    """Of one that has not ended there is no duration; an event has the reason of an exception."""
    events = [{"name": "exception", "attributes": attributes(exception__message="broken")}]
    (made,) = rows(exported(a_span(parentSpanId="0" * 16, endTimeUnixNano="0", events=events, status={"code": 2})))
    assert not made.keys() & {"parent_span_id", "duration_us", "usage_convention", "prompt_tokens"}
    assert (made["status_code"], made["error_message"], made["is_request"]) == ("ERROR", "broken", False)


@pytest.mark.parametrize("broken", [7, {"scopeSpans": 7}, {"scopeSpans": [7]}, {"scopeSpans": [{"spans": [7]}]}])
def test_what_is_no_span_is_refused(broken: Any) -> None:
    (reason,) = records(broken)
    assert isinstance(reason, ValueError)
    assert re.search(r"is no list|no JSON object", str(reason))


@pytest.mark.postgres
def test_a_bad_span_is_left_out_alone(
    database_url: str, postgres: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad: list[Any] = [a_span(2, startTimeUnixNano="x"), 7, a_span(3, events=[{"attributes": 7}])]
    spans = [a_span(1, given=GENAI), *bad, a_span(4, given=GENAI)]
    document = exported(*spans)
    document["scopeSpans"] += [7, {"spans": 7}, {"spans": [a_span(5, given=GENAI)]}]
    path = tmp_path / "spans.json"
    path.write_text(json.dumps({"resourceSpans": [document]}))
    command = ["import", str(path), "--set", "organisation=acme", "--on-error", "skip", "--output", "json"]
    assert run(command, {"DATABASE_URL": database_url}) == 3
    done = json.loads(capsys.readouterr().out)
    assert (done["inserted"], done["bad"]) == (3, 5)
    assert done["first_bad"][0]["reason"] == "resourceSpans: 'x' is not a time in nanoseconds"
    ids = postgres.sql("SELECT right(span_id, 1) FROM traces ORDER BY ts", database=database_url.rsplit("/", 1)[1])
    assert ids.split() == ["1", "4", "5"]


@pytest.mark.parametrize("broken", ["resource", "scope"])
def test_spans_stay_where_what_is_around_them_cannot_be_read(broken: str) -> None:
    document = exported(a_span(1, given=GENAI), a_span(2, given=GENAI))
    (document if broken == "resource" else document["scopeSpans"][0])[broken] = 7
    reason, *found = records(document)
    assert isinstance(reason, ValueError)
    assert broken in str(reason)
    assert [record["span_id"][-1] for record in found if isinstance(record, dict)] == ["1", "2"]


def test_attributes_of_a_resource_that_are_no_list_lose_no_span() -> None:
    document = exported(a_span(1, given=GENAI))
    document["resource"]["attributes"] = "x"
    reason, found = records(document)
    assert str(reason) == "resource: attributes is no list"
    assert isinstance(found, dict)
    assert "service_name" not in found


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=3)
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every member and element of a document, as what it is in and its name or number there."""
    inside = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [(value, name) for name, _ in inside] + [pair for _, each in inside for pair in places(each)]


@given(st.data(), JSON)
def test_whatever_stands_somewhere_in_a_document_is_read_or_refused(data: st.DataObject, anything: Any) -> None:
    given_ = {**GENAI, **CACHED, "langfuse__observation__usage_details": '{"input": 1}', "tag__tags": ["a"]}
    events = [{"name": "exception", "attributes": attributes(exception__message="broken")}]
    document = exported(a_span(given=given_, events=events, status={"code": 2, "message": "m"}), schema=SCHEMA_140)
    holder, name = data.draw(st.sampled_from(places(document)))
    holder[name] = anything
    with suppress(ValueError):
        rows(document)
