"""Files of other systems are known by their columns, and mean what those systems mean by them."""

import json
from pathlib import Path
from typing import Any

import pytest

from analytics_service.__main__ import run
from analytics_service.ingest.conventions import CONVENTIONS
from analytics_service.ingest.fields import known_field
from analytics_service.ingest.presets import PRESETS, recognize
from tests.support.postgres import Server

LITELLM = [
    {
        "request_id": "chatcmpl-a1",
        "call_type": "acompletion",
        "api_key": "88dc28",
        "spend": 0.00123,
        "total_tokens": 1500,
        "prompt_tokens": 1200,
        "completion_tokens": 300,
        "startTime": "2026-08-01T00:16:31.534+00:00",
        "endTime": "2026-08-01T00:16:33.100+00:00",
        "request_duration_ms": 1566,
        "completionStartTime": "2026-08-01T00:16:31.900+00:00",
        "model": "gpt-4o",
        "custom_llm_provider": "openai",
        "user": "u1",
        "team_id": "t1",
        "end_user": "cust9",
        "status": "success",
        "request_tags": ["jobID:2"],
        "messages": {},
        "response": {},
        "metadata": json.dumps({"usage_object": {"prompt_tokens_details": {"cached_tokens": 1024}}}),
    },
    {
        "request_id": "b2",
        "call_type": "acompletion",
        "api_key": "88dc28",
        "spend": 0,
        "status": "failure",
        "startTime": "2026-08-01T00:17:00Z",
        "endTime": "2026-08-01T00:17:01Z",
        "model": "gpt-4o",
        "cache_hit": "None",
        "metadata": {"error_information": {"error_code": "429"}},
    },
    {
        "request_id": "c3",
        "call_type": "acompletion",
        "api_key": "88dc28",
        "spend": 0,
        "cache_hit": "True",
        "startTime": "2026-08-01T00:18:00Z",
        "endTime": "2026-08-01T00:18:00Z",
        "model": "gpt-4o",
        "prompt_tokens": 1200,
        "completion_tokens": 300,
        "total_tokens": 1500,
        "custom_llm_provider": "openai",
    },
]
LITELLM_PAYLOADS: list[dict[str, Any]] = [
    {
        "id": "chatcmpl-a1",
        "trace_id": "t1",
        "call_type": "acompletion",
        "stream": True,
        "response_cost": 0.0025,
        "status": "success",
        "custom_llm_provider": "openai",
        "total_tokens": 1100,
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "startTime": 1785542400.25,
        "endTime": 1785542402.25,
        "completionStartTime": 1785542400.75,
        "response_time": 0.5,
        "model_map_information": {"model_map_key": "gpt-4o", "model_map_value": None},
        "model": "gpt-4o",
        "model_id": "m1",
        "metadata": {
            "user_api_key_team_id": "blue",
            "user_api_key_alias": "checkout",
            "usage_object": {"prompt_tokens": 1000, "prompt_tokens_details": {"cached_tokens": 400}},
        },
        "cache_hit": None,
        "request_tags": ["jobs"],
        "end_user": "cust9",
        "messages": [{"role": "user", "content": "hi"}],
        "response": {"choices": []},
    },
    {
        "id": "f1",
        "trace_id": "t1",
        "call_type": "acreate_file",
        "response_cost": 0,
        "status": "failure",
        "startTime": 1785542403.0,
        "endTime": 1785542404.0,
        "model": "gpt-4o",
        "model_map_information": {},
        "metadata": {},
        "model_parameters": {"user": "cust7"},
        "error_str": "no such file",
    },
]
LANGFUSE_CSV = (
    '"id","traceId","type","startTime","endTime","level","usageDetails","costDetails","model","latency","totalCost",'
    '"parentObservationId"\n'
    '"o1","t1","GENERATION","""2025-12-17T16:09:00.875Z""","""2025-12-17T16:09:01.456Z""","DEFAULT",'
    '"{""input"":74,""input_cached_tokens"":24,""output"":68,""total"":166}","{""total"":0.00253}","gpt-4o","581",'
    '"0.00253","p1"\n'
    '"o2","t1","SPAN","""2025-12-17T16:09:00.100Z""","","DEFAULT","{}","{}","","","0",""\n'
)
LANGFUSE_JSONL: list[dict[str, Any]] = [
    {
        "id": "o1",
        "trace_id": "t1",
        "type": "GENERATION",
        "parent_observation_id": "",
        "level": "DEFAULT",
        "start_time": "2024-05-29 13:46:19.963000",
        "end_time": "2024-05-29 13:46:20.963000",
        "latency": 1.0,
        "provided_model_name": "gpt-4o",
        "usage_details": {"input": 98, "output": 68, "total": 166},
        "cost_details": {"total": 0.0025},
        "total_cost": 0.0025,
    },
    {
        "id": "o2",
        "trace_id": "t1",
        "type": "GENERATION",
        "parent_observation_id": "o1",
        "level": "ERROR",
        "start_time": "2024-05-29 13:46:21.000000",
        "end_time": None,
        "provided_model_name": "gpt-4o",
        "usage_details": {},
        "total_cost": None,
        "status_message": "timeout",
    },
]
HELICONE_CSV = (
    "response_id,response_created_at,response_status,request_created_at,request_body,request_properties,"
    "request_user_id,model,prompt_tokens,completion_tokens,latency,cost\n"
    '"r1","2025-01-02T10:00:01.2Z","200","2025-01-02T10:00:00.0Z","","","u7","gpt-4o","812","96","","0.0031"\n'
    '"r2","2025-01-02T10:00:03Z","429","2025-01-02T10:00:02Z","","","u7","gpt-4o","","","",""\n'
)
PHOENIX_CSV = (
    "context.span_id,name,span_kind,parent_id,start_time,end_time,status_code,status_message,events,context.span_id,"
    "context.trace_id,attributes.llm.model_name,attributes.llm.token_count.prompt,attributes.llm.token_count.completion\n"
    "a1,ChatCompletion,LLM,p1,2025-01-02 10:00:00.100000+00:00,2025-01-02 10:00:01.300000+00:00,OK,,[],a1,t1,gpt-4o,"
    "22.0,12.0\n"
    "p1,query,CHAIN,,2025-01-02 10:00:00+00:00,2025-01-02 10:00:01.400000+00:00,OK,,[],p1,t1,,,\n"
)
BURSTGPT_V1 = (
    "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,Conversation log\n"
)
BURSTGPT_V3 = (
    "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    "5.5,77,1.25,GPT-4,472,18,490,Conversation log\n"
)
MOONCAKE = '{"timestamp": 0, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1]}\n'
MOONCAKE += '{"timestamp": 3052, "input_length": 7319, "output_length": 490, "hash_ids": [0, 14]}\n'
AZURE = (
    "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00.009930+00:00,2162,5\n2024-05-10 00:00:01+00:00,1,2\n"
)


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


COLUMNS = "trace_id, span_id, model, prompt_tokens, completion_tokens, cached_tokens, status_code, duration_us, ttft_us"


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("preset", "name", "content", "columns", "stored"),
    [
        pytest.param(
            "litellm",
            "spend.json",
            json.dumps(LITELLM),
            "span_id, user_id, team_id, prompt_tokens, cached_tokens, total_cost_usd, price_status, status_code, "
            "duration_us, ttft_us",
            [
                "chatcmpl-a1|cust9|t1|1200|1024|0.00123|given|OK|1566000|366000",
                "b2||||||none|ERROR|1000000|",
                "c3|||1200||0|given|UNSET|0|",
            ],
            id="litellm",
        ),
        pytest.param(
            "litellm",
            "payloads.jsonl",
            lines(LITELLM_PAYLOADS),
            f"{COLUMNS}, team_id, user_id, total_cost_usd, is_request, attributes->>'api_key_alias'",
            [
                "t1|chatcmpl-a1|gpt-4o|1000|100|400|OK|2000000|500000|blue|cust9|0.0025|t|checkout",
                "t1|f1|gpt-4o||||ERROR|1000000|||cust7||f|",
            ],
            id="litellm's payloads",
        ),
        pytest.param(
            "langfuse",
            "observations.csv",
            LANGFUSE_CSV,
            f"{COLUMNS}, total_cost_usd, is_request",
            ["t1|o2|||||UNSET||||f", "t1|o1|gpt-4o|98|68|24|UNSET|581000||0.00253|t"],
            id="langfuse's interface, as CSV",
        ),
        pytest.param(
            "langfuse",
            "observations.jsonl",
            lines(LANGFUSE_JSONL),
            f"{COLUMNS}, error_message",
            ["t1|o1|gpt-4o|98|68||UNSET|1000000||", "t1|o2|gpt-4o||||ERROR|||timeout"],
            id="langfuse's export",
        ),
        pytest.param(
            "helicone",
            "helicone.csv",
            HELICONE_CSV,
            "span_id, user_id, prompt_tokens, total_cost_usd, status_code",
            ["r1|u7|812|0.0031|OK", "r2|u7|||ERROR"],
            id="helicone",
        ),
        pytest.param(
            "phoenix",
            "spans.csv",
            PHOENIX_CSV,
            f"{COLUMNS}, parent_span_id, is_request",
            ["t1|p1|||||OK|1400000|||f", "t1|a1|gpt-4o|22|12||OK|1200000||p1|t"],
            id="phoenix",
        ),
        pytest.param(
            "burstgpt",
            "v1.csv",
            BURSTGPT_V1,
            "ts = '2026-01-01 00:00:05Z', model, prompt_tokens, completion_tokens",
            ["t|ChatGPT|472|18"],
            id="burstgpt 1",
        ),
        pytest.param(
            "burstgpt",
            "v3.csv",
            BURSTGPT_V3,
            "ts = '2026-01-01 00:00:05.5Z', session_id, duration_us",
            ["t|77|1250000"],
            id="burstgpt 3",
        ),
        pytest.param(
            "mooncake",
            "trace.jsonl",
            MOONCAKE,
            "ts - '2026-01-01Z', prompt_tokens, completion_tokens",
            ["00:00:00|6758|500", "00:00:03.052|7319|490"],
            id="mooncake",
        ),
        pytest.param(
            "azure-2024",
            "code.csv",
            AZURE,
            "prompt_tokens, completion_tokens",
            ["2162|5", "1|2"],
            id="azure",
        ),
    ],
)
def test_a_file_is_known_by_its_columns(  # noqa: PLR0917 - a case and its fixtures
    database_url: str,
    postgres: Server,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    preset: str,
    name: str,
    content: str,
    columns: str,
    stored: list[str],
) -> None:
    path = tmp_path / name
    path.write_text(content)
    start = ("--start", "2026-01-01") if preset in {"burstgpt", "mooncake"} else ()
    command = ["import", str(path), "--set", "organisation=acme", *start, "--output", "json"]
    assert run(command, {"DATABASE_URL": database_url}) == 0, capsys.readouterr().err
    assert json.loads(capsys.readouterr().out)["presets"] == {str(path): preset}
    shown = ", ".join(
        "trim_scale(total_cost_usd)" if each == "total_cost_usd" else each for each in columns.split(", ")
    )
    assert (
        postgres.sql(f"SELECT {shown} FROM traces ORDER BY ts", database=database_url.rsplit("/", 1)[1]).split()
        == stored
    )


@pytest.mark.postgres
def test_what_the_arguments_say_comes_first(
    database_url: str, postgres: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "code.csv"
    path.write_text(AZURE)
    base = ["import", str(path), "--set", "organisation=acme"]
    url = {"DATABASE_URL": database_url}
    assert run([*base, "--map", "GeneratedTokens=reasoning_tokens", "ContextTokens=completion_tokens"], url) == 0
    sums = "SELECT sum(prompt_tokens), sum(completion_tokens), sum(reasoning_tokens) FROM traces"
    assert postgres.sql(sums, database=database_url.rsplit("/", 1)[1]).strip() == "|2163|7"
    path.write_text(MOONCAKE)
    assert run([*base, "--preset", "none"], url) == 2
    assert "input_length: is unknown" in capsys.readouterr().err
    assert run(base, url) == 2
    assert "give --start" in capsys.readouterr().err


@pytest.mark.postgres
def test_other_columns_of_a_trace_are_kept(database_url: str, postgres: Server, tmp_path: Path) -> None:
    path = tmp_path / "code.csv"
    path.write_text("TIMESTAMP,ContextTokens,GeneratedTokens,model,organisation\n2024-05-10,1,2,gpt-4o,acme\n")
    assert run(["import", str(path)], {"DATABASE_URL": database_url}) == 0
    found = postgres.sql("SELECT org_id, model, prompt_tokens FROM traces", database=database_url.rsplit("/", 1)[1])
    assert found.strip() == "acme|gpt-4o|1"


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_every_field_of_a_preset_is_one(preset: Any) -> None:
    assert all(known_field(field) for field in (*preset.maps.values(), *preset.sets))
    assert preset.usage is None or preset.usage in CONVENTIONS


def test_no_preset_is_taken_for_another() -> None:
    for name, preset in PRESETS.items():
        for marks in preset.marks:
            assert recognize(marks) == name
    assert recognize(frozenset({"timestamp", "model", "prompt_tokens"})) is None
