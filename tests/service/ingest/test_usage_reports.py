"""What providers report of an organisation's usage is stored as sums of requests, and priced to the last digit."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from analytics_service.__main__ import run
from analytics_service.ingest.files import names_of, reading
from analytics_service.ingest.files.input import Input
from analytics_service.ingest.mapping import columns, with_preset
from analytics_service.ingest.presets import recognize
from analytics_service.ingest.rows import BadRow, parsed
from tests.support.postgres import Server

DAY = 1785542400
"""2026-08-01, in seconds since 1970."""


def openai_page(*buckets: tuple[int, list[dict[str, Any]]], **more: Any) -> dict[str, Any]:
    data = [
        {
            "object": "bucket",
            "start_time": start,
            "end_time": start + 86_400,
            "results": [{"object": "organization.usage.completions.result", **result} for result in results],
        }
        for start, results in buckets
    ]
    return {"object": "page", "data": data, "has_more": False, "next_page": None, **more}


GPT_4O = {
    "input_tokens": 1_000_000,
    "output_tokens": 100_000,
    "input_cached_tokens": 400_000,
    "input_audio_tokens": 0,
    "output_audio_tokens": 0,
    "num_model_requests": 500,
    "project_id": "proj_a",
    "user_id": "user-1",
    "api_key_id": "key_1",
    "model": "gpt-4o-2024-08-06",
    "batch": False,
}
BATCH = {**GPT_4O, "batch": True, "user_id": None, "num_model_requests": 20}
NOTHING = {**GPT_4O, "num_model_requests": 0, "input_tokens": 0, "output_tokens": 0, "input_cached_tokens": 0}
OPENAI = openai_page((DAY, [GPT_4O, BATCH]), (DAY + 86_400, [NOTHING]), (DAY + 2 * 86_400, []))
SONNET = {
    "uncached_input_tokens": 1_000_000,
    "cache_creation": {"ephemeral_1h_input_tokens": 100_000, "ephemeral_5m_input_tokens": 200_000},
    "cache_read_input_tokens": 3_000_000,
    "output_tokens": 50_000,
    "server_tool_use": {"web_search_requests": 10},
    "api_key_id": "apikey_1",
    "workspace_id": "wrkspc_1",
    "model": "claude-sonnet-4-5-20250929",
    "service_tier": "standard",
    "context_window": "0-200k",
}
ANTHROPIC = {
    "data": [
        {
            "starting_at": "2026-08-01T00:00:00Z",
            "ending_at": "2026-08-02T00:00:00Z",
            "results": [
                SONNET,
                {**SONNET, "cache_read_input_tokens": 0, "cache_creation": {}, "context_window": "200k-1M"},
            ],
        }
    ],
    "has_more": False,
    "next_page": None,
}


def read(content: bytes, preset: str) -> list[Any]:
    stream: Any = io.BufferedReader(io.BytesIO(content))
    file = Input(name="a.json", stream=stream, stored=stream, size=None, beginning=content[:1000])
    how = with_preset(columns([], ["organisation=acme"], []), preset)
    parts, records = reading(file, "auto", how)
    return [
        str(each.fields) if isinstance(each.fields, BadRow) else parsed(each.fields) for each in records(list(parts))
    ]


@pytest.fixture
def stored(database_url: str, postgres: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Imports a page twice; returns the rows with the columns that are asked for."""

    def call(preset: str, page: Any, shown: str) -> list[str]:
        path = tmp_path / "page.json"
        path.write_text(json.dumps(page, indent=1))
        command = ["import", str(path), "--set", "organisation=acme", "--output", "json"]
        for already_there in (False, True):
            assert run(command, {"DATABASE_URL": database_url}) == 0, capsys.readouterr().err
            done = json.loads(capsys.readouterr().out)
            assert done["presets"] == {str(path): preset}
            assert bool(done["already_there"]) is already_there
        sql = f"SELECT {shown} FROM traces ORDER BY ts, request_weight DESC"
        return postgres.sql(sql, database=database_url.rsplit("/", 1)[1]).split()

    return call


@pytest.mark.postgres
def test_openais_buckets_are_sums_of_their_requests(stored: Any) -> None:
    """600,000 of 1,000,000 tokens at 2.50, 400,000 at 1.25, and 100,000 at 10 dollars a million are 3.00."""
    shown = "ts AT TIME ZONE 'UTC' = '2026-08-01', request_weight, project_id, user_id, model, prompt_tokens, "
    shown += "cached_tokens, completion_tokens, trim_scale(total_cost_usd), service_tier, attributes->>'api_key_id'"
    rows = stored("openai-usage", OPENAI, shown)
    assert rows[0] == "t|500|proj_a|user-1|gpt-4o-2024-08-06|1000000|400000|100000|3||key_1"
    assert rows[1].startswith("t|20|proj_a||gpt-4o-2024-08-06|1000000|400000|100000|")
    assert rows[1].endswith("|batch|key_1")
    assert len(rows) == 2, "a bucket without requests is no row"


@pytest.mark.postgres
def test_anthropics_buckets_are_the_fewest_requests_that_they_can_be(stored: Any) -> None:
    """4,300,000 tokens in windows of 200,000 are 22 requests or more, 1,000,000 in one of 1,000,000 may be one.

    In dollars a million: 1 at 3, 3 read at 0.30, 0.2 written at 3.75 and 0.1 at 6, 0.05 out at 15; 10 searches at 0.01
    are 0.10. The long one: 1 at 6, 0.05 at 22.50, and its searches.
    """
    shown = "request_weight, project_id, prompt_tokens, cached_tokens, cache_write_5m_tokens, cache_write_1h_tokens, "
    shown += "completion_tokens, web_searches, trim_scale(total_cost_usd), price_status"
    assert stored("anthropic-usage", ANTHROPIC, shown) == [
        "22|wrkspc_1|4300000|3000000|200000|100000|50000|10|6.1|full",
        "1|wrkspc_1|1000000|0|||50000|10|7.225|full",
    ]


@pytest.mark.postgres
def test_audio_is_beside_openais_text(stored: Any) -> None:
    page = openai_page((DAY, [{**GPT_4O, "input_audio_tokens": 7, "output_audio_tokens": 3}]))
    shown = "prompt_tokens, audio_input_tokens, cached_tokens, completion_tokens, audio_output_tokens"
    assert stored("openai-usage", page, shown) == ["1000007|7|400000|100003|3"]


def test_pages_may_follow_one_another_or_be_in_an_array() -> None:
    pages = [openai_page((DAY + number, [GPT_4O]), number=number) for number in range(3)]
    lines = "".join(json.dumps(page) + "\n" for page in pages).encode()
    together = read(lines, "openai-usage")
    assert len(together) == 3
    assert read(json.dumps(pages, indent=2).encode(), "openai-usage") == together
    assert len({row["span_id"] for row in together}) == 3


def test_a_bucket_keeps_its_id_when_its_sums_change() -> None:
    first, grown, other = (
        read(json.dumps(openai_page((DAY, [{**GPT_4O, **change}]))).encode(), "openai-usage")[0]["span_id"]
        for change in ({}, {"input_tokens": 2_000_000}, {"api_key_id": "key_2"})
    )
    assert first == grown != other


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ({"data": [{"results": 1}]}, "data: a bucket has no list of results"),
        ({"data": [7]}, "data: a bucket has no list of results"),
        (
            openai_page((DAY, [{"amount": {"value": 1}}])),
            "data: 'organization.usage.completions.result' has no num_model_requests: import the usage of models",
        ),
    ],
)
def test_what_is_no_bucket_is_a_bad_row(page: Any, why: str) -> None:
    assert read(json.dumps(page).encode(), "openai-usage") == [why]


@pytest.mark.parametrize(
    ("preset", "results"),
    [("openai-usage", [GPT_4O, 7, {"amount": 1}, GPT_4O]), ("anthropic-usage", [SONNET, 7, SONNET])],
)
def test_what_is_no_result_is_left_out_alone(preset: str, results: list[Any]) -> None:
    bucket = {"start_time": DAY, "starting_at": "2026-08-01T00:00:00Z", "results": results}
    read_ = read(json.dumps({"data": [bucket]}).encode(), preset)
    assert [isinstance(row, dict) for row in read_] == [isinstance(each, dict) and len(each) > 1 for each in results]


@pytest.mark.parametrize("length", [100, 400, 900])
def test_a_page_is_known_by_its_beginning(length: int) -> None:
    content = json.dumps(openai_page((DAY, [GPT_4O] * 100))).encode()
    beginning = content[: 300 + length]
    stream: Any = io.BytesIO(content)
    file = Input(name="a.json", stream=stream, stored=stream, size=None, beginning=beginning)
    known = recognize(frozenset(names_of(file, "auto")))
    assert (known == "openai-usage") is (b"num_model_requests" in beginning)
