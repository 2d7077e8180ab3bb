"""Small files that earlier releases read wrong: what the command `import` makes of each, in a real database."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from analytics_service.__main__ import run
from tests.support.postgres import Server

pytestmark = pytest.mark.postgres

Import = Callable[..., dict[str, Any]]
Ask = Callable[[str], list[str]]
AT = "2026-11-20T10:00:0{}Z"


@pytest.fixture
def import_(database_url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Import:
    """Imports a file of that content; returns the summary as JSON, with the exit code and standard error."""

    def call(name: str, content: str, *arguments: str) -> dict[str, Any]:
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        command = ["import", str(path), "--set", "organisation=acme", *arguments, "--output", "json"]
        code = run(command, {"DATABASE_URL": database_url})
        output = capsys.readouterr()
        return {**json.loads(output.out or "{}"), "code": code, "error": output.err}

    return call


@pytest.fixture
def ask(database_url: str, postgres: Server) -> Ask:
    name = database_url.rsplit("/", 1)[1]
    return lambda sql: postgres.sql(sql, database=name).split()


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps({"ts": AT.format(number), **row}) + "\n" for number, row in enumerate(rows))


COSTS = "SELECT coalesce(trim_scale(total_cost_usd)::text, 'null') FROM traces ORDER BY ts"


def test_spans_of_agents_and_tools_are_no_requests(import_: Import, ask: Ask) -> None:
    content = """trace_id,span_id,parent_id,name,kind,start_time,status,model,input_tokens,output_tokens
t1,a,,run,AGENT,2026-11-20T10:00:00Z,OK,,300,30
t1,b,a,chat,LLM,2026-11-20T10:00:01Z,OK,gpt-4o,100,10
t1,c,a,chat,LLM,2026-11-20T10:00:02Z,OK,gpt-4o,200,20
t1,d,a,lookup,TOOL,2026-11-20T10:00:03Z,OK,,,
"""
    done = import_("spans.csv", content, "--map", "kind=operation", "--set", "provider=openai")
    assert (done["inserted"], done["spans"], done["priced"]) == (4, 2, 2)
    assert ask("SELECT sum(request_count), sum(total_tokens_sum) FROM rollup_totals_1min") == ["2|330"]


def test_tokens_that_are_written_to_a_cache_cost(import_: Import, ask: Ask) -> None:
    row = {"provider": "anthropic", "model": "claude-sonnet-4-5", "input_tokens": 100, "output_tokens": 0}
    import_("write.jsonl", lines({**row, "cache_creation_input_tokens": 100_000}))
    assert ask(COSTS) == ["0.3753"]
    assert ask("SELECT prompt_tokens, cache_write_5m_tokens FROM traces") == ["100100|100000"]


@pytest.mark.parametrize("arguments", [(), ("--map", "cache_read_input_tokens=cached_tokens")])
def test_cached_tokens_beside_the_input(import_: Import, ask: Ask, arguments: tuple[str, ...]) -> None:
    row = {"provider": "anthropic", "model": "claude-sonnet-4-5", "output_tokens": 200}
    rows = [{**row, "input_tokens": tokens, "cache_read_input_tokens": 10_000} for tokens in (100, 12_000)]
    import_("anthropic.jsonl", lines(*rows), *arguments)
    assert ask(COSTS) == ["0.0063", "0.042"]
    assert ask("SELECT prompt_tokens FROM traces ORDER BY ts") == ["10100", "22000"]


def test_cached_tokens_inside_the_input(import_: Import, ask: Ask) -> None:
    row = {"provider": "openai", "model": "gpt-4o", "prompt_tokens": 1000, "completion_tokens": 0}
    import_("openai.jsonl", lines({**row, "cached_tokens": 400}))
    assert ask(COSTS) == ["0.002"]


def test_usage_that_contradicts_itself_has_no_price_and_says_why(import_: Import, ask: Ask) -> None:
    row = {"provider": "openai", "model": "gpt-4o", "prompt_tokens": 100, "completion_tokens": 1, "cached_tokens": 500}
    done = import_("unclear.jsonl", lines({**row, "attributes": {"a": 1}}))
    assert [each["reason"] for each in done["without_price"]] == ["unclear usage"]
    assert ask("SELECT prompt_tokens, cached_tokens, price_status FROM traces") == ["100|500|none"]
    why = ask("SELECT attributes->>'a', attributes->>'usage_unclear' FROM traces")
    assert " ".join(why) == "1|cached_tokens (500): more than prompt_tokens (100)"


def test_costs_of_more_places_are_rounded_and_counted(import_: Import, ask: Ask) -> None:
    content = (
        '{"ts":"2026-11-20T10:00:00Z","model":"gpt-4o","cost":0.00010000000000000002}\n'
        '{"ts":"2026-11-20T10:00:01Z","model":"gpt-4o","cost":2.3449999999999997}\n'
    )
    assert import_("costs.jsonl", content)["costs_rounded"] == 2
    assert ask(COSTS) == ["0.0001", "2.345"]
    assert ask("SELECT DISTINCT price_status FROM traces") == ["given"]


def test_embeddings_have_no_completion(import_: Import, ask: Ask) -> None:
    rows = [
        {"provider": "openai", "model": "text-embedding-3-small", "prompt_tokens": 1_000_000},
        {"provider": "openai", "model": "no-such-embedder", "prompt_tokens": 500_000},
    ]
    done = import_("embed.jsonl", lines(*rows))
    assert (done["priced"], done["without_price"]) == (
        1,
        [
            {
                "provider": "openai",
                "model": "no-such-embedder",
                "reason": "unknown model",
                "rows": 1,
                "tokens": 500_000,
            }
        ],
    )
    assert ask(COSTS) == ["0.02", "null"]
    assert ask("SELECT sum(total_tokens) FROM traces") == ["1500000"]


def test_times_that_are_numbers(import_: Import, ask: Ask) -> None:
    content = (
        '{"ts":1795168800,"model":"gpt-4o"}\n{"ts":1795168800.25,"model":"gpt-4o"}\n'
        '{"ts":1795168800250,"model":"gpt-4o"}\n{"ts":"1795168800250","model":"gpt-4o"}\n'
    )
    assert import_("epoch.jsonl", content)["inserted"] == 4
    second = import_("unit.csv", "ts,model\n1795168800,gpt-4o\n1795168800,gpt-4o\n")
    assert (second["inserted"], second["already_there"]) == (1, 1), "equal rows of two files count once"
    times = "SELECT (ts - '2026-11-20 10:00:00Z')::text, count(*) FROM traces GROUP BY ts ORDER BY ts"
    assert ask(times) == ["00:00:00|2", "00:00:00.25|3"]


@pytest.mark.parametrize(
    ("name", "value"), [("ts_s", "1795168800.5"), ("ts_ms", "1795168800500"), ("ts_ns", "1795168800500000000")]
)
def test_times_with_their_unit_in_the_name(import_: Import, ask: Ask, name: str, value: str) -> None:
    assert import_("epoch.csv", f"{name},model\n{value},gpt-4o\n")["inserted"] == 1
    assert ask("SELECT ts - '2026-11-20 10:00:00Z' FROM traces") == ["00:00:00.5"]


def test_a_day_without_hyphens_is_no_time(import_: Import) -> None:
    done = import_("day.csv", "ts,model\n20261120,gpt-4o\n")
    assert (done["code"], done["inserted"]) == (2, 0)
    assert "--time-unit" in done["error"]
    assert import_("early.csv", "ts,model\n86400,gpt-4o\n", "--time-unit", "s")["inserted"] == 1


def test_models_have_the_names_of_gateways(import_: Import, ask: Ask) -> None:
    content = """ts,provider,model,prompt_tokens,completion_tokens
2026-11-20T10:00:00Z,,openai/gpt-4o,1000000,0
2026-11-20T10:00:01Z,openai,openai/gpt-4o,1000000,0
2026-11-20T10:00:02Z,,azure/gpt-4o,1000000,0
2026-11-20T10:00:03Z,,bedrock/us.anthropic.claude-sonnet-4-20250514-v1:0,1000,0
2026-11-20T10:00:04Z,,vertex_ai/gemini-2.5-flash,1000000,0
2026-11-20T10:00:05Z,google,models/gemini-2.5-flash,1000000,0
2026-11-20T10:00:06Z,azure,team-chat-prod,1000000,0
"""
    import_("names.csv", content, "--price-as", "team-chat-prod=gpt-4o")
    assert ask(COSTS) == ["2.5", "2.5", "2.5", "0.003", "0.3", "0.3", "2.5"]
    assert ask("SELECT model FROM traces ORDER BY ts LIMIT 1") == ["openai/gpt-4o"]


def test_members_of_objects_fill_fields(import_: Import, ask: Ask) -> None:
    row = {
        "created": "2026-11-20T10:00:00Z",
        "model": "gpt-4o",
        "provider": "openai",
        "messages": [{"role": "user", "content": "hi"}],
        "response": {"content": "yo"},
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 0}},
        "status": "failure",
        "ended": "2026-11-20T10:00:02Z",
    }
    maps = (
        *("--map", "created=ts", "usage.prompt_tokens=prompt_tokens", "usage.completion_tokens=completion_tokens"),
        *("messages=input", "response=output", "ended=end_time", "--ignore", "*"),
    )
    assert import_("nested.jsonl", json.dumps(row) + "\n", *maps)["inserted"] == 1
    stored = "SELECT prompt_tokens, completion_tokens, trim_scale(total_cost_usd), status_code, duration_us FROM traces"
    assert ask(stored) == ["1000|100|0.0035|ERROR|2000000"]
    assert ask("SELECT input_text, output_text FROM traces") == ['[{"role":"user","content":"hi"}]|{"content":"yo"}']


def test_a_character_that_cannot_be_stored_costs_no_request(import_: Import, ask: Ask) -> None:
    row = {"provider": "openai", "model": "gpt-4o", "prompt_tokens": 1000, "completion_tokens": 0}
    done = import_("bad-text.jsonl", lines({**row, "output": "a\0b"}, {**row, "output": "cut \ud83d"}))
    assert (done["inserted"], done["texts_repaired"]) == (2, 2)
    assert ask(COSTS) == ["0.0025", "0.0025"]
    assert ask("SELECT replace(output_text, ' ', '_') FROM traces ORDER BY ts") == ["a\ufffdb", "cut_\ufffd"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("array.json", '[{"ts":"2026-11-20T10:00:00Z","model":"gpt-4o","prompt_tokens":12}]', id="array"),
        pytest.param("index.csv", ",ts,model,prompt_tokens\n0,2026-11-20T10:00:00Z,gpt-4o,12\n", id="an index"),
        pytest.param("semicolon.csv", "ts;model;prompt_tokens\n2026-11-20T10:00:00Z;gpt-4o;12\n", id="semicolons"),
        pytest.param("tab.tsv", "ts\tmodel\tprompt_tokens\n2026-11-20T10:00:00Z\tgpt-4o\t12\n", id="tabs"),
        pytest.param("pipe.txt", "ts|model|prompt_tokens\n2026-11-20T10:00:00Z|gpt-4o|12\n", id="pipes"),
    ],
)
def test_files_come_in_many_shapes(import_: Import, ask: Ask, name: str, content: str) -> None:
    assert import_(name, content)["inserted"] == 1
    assert ask("SELECT ts = '2026-11-20 10:00:00Z', model, prompt_tokens FROM traces") == ["t|gpt-4o|12"]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress, bytes])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_files_are_packed_and_encoded(
    database_url: str, ask: Ask, tmp_path: Path, pack: Callable[[bytes], bytes], encoding: str
) -> None:
    text = "ts,user,model\n2026-11-20T10:00:00Z,größer 🙂,gpt-4o\n"
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    path = tmp_path / "requests"
    path.write_bytes(pack((mark + text).encode(encoding)))
    assert run(["import", str(path), "--set", "organisation=acme"], {"DATABASE_URL": database_url}) == 0
    assert ask("SELECT replace(user_id, ' ', '_') FROM traces") == ["größer_🙂"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"PAR1\x15\x04", "is a Parquet file"),
        (b"PK\x03\x04\x14", "is a ZIP archive"),
        (b"BZh91AY", "is compressed by bzip2"),
        (b"SQLite format 3\0", "is a SQLite database"),
        (b'[{"ts": "2026-11-20T10:00:00Z"}', "requests:1: is no JSON array from here on: ',' is expected"),
        (b'[\n{"ts": "2026-11-20T10:00:00Z"},\n{"ts" 1}]', "requests:3: is no JSON array from here on: "),
        (
            b"ts,a b,c\n2026-11-20T10:00:00Z,1,2\n",
            "columns 'a b', 'c' are unknown: give --map 'a b=FIELD' c=FIELD, or --ignore 'a b' c",
        ),
    ],
)
def test_what_cannot_be_read_is_named(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, why: str
) -> None:
    path = tmp_path / "requests"
    path.write_bytes(content)
    assert run(["import", str(path), "--set", "organisation=acme"], {"DATABASE_URL": database_url}) == 2
    assert why in capsys.readouterr().err


def test_what_map_names_must_be_there(import_: Import) -> None:
    done = import_("a.jsonl", lines({"model": "gpt-4o"}), "--map", "usage.prompt=prompt_tokens")
    assert (done["code"], done["inserted"]) == (2, 0)
    assert "none of the first 1 records has usage.prompt, which --map names" in done["error"]


def test_folders_and_patterns_are_their_files(
    database_url: str, ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, name in enumerate(("b.csv", "a.csv", "c.txt")):
        (tmp_path / name).write_text(f"ts,model\n2026-11-20T10:00:0{number}Z,m\n")
    base, url = ["--set", "organisation=acme"], {"DATABASE_URL": database_url}
    assert run(["import", str(tmp_path / "missing.csv"), str(tmp_path / "a.csv"), *base], url) == 2
    assert f"{tmp_path}/missing.csv: no such file" in capsys.readouterr().err
    assert ask("SELECT count(*) FROM traces") == ["0"]
    assert run(["import", str(tmp_path / "*.csv"), *base], url) == 0
    assert ask("SELECT count(*) FROM traces") == ["2"]
    assert run(["import", str(tmp_path), *base], url) == 0
    assert ask("SELECT count(*) FROM traces") == ["3"]


def test_skipped_rows_are_an_exit_code(import_: Import) -> None:
    content = "ts,model,prompt_tokens\n2026-11-20T10:00:00Z,m,1\n2026-11-20T10:00:00Z,m,many\n"
    assert import_("a.csv", content, "--on-error", "skip")["code"] == 3


def test_a_dry_run_shows_what_it_would_do(
    import_: Import, ask: Ask, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = "".join(
        f'{{"at":"2026-11-20T10:00:{n:02}Z","model":"{model}","usage":{{"prompt":{n}}},"completion_tokens":0}}\n'
        for n, model in enumerate(["gpt-4o", "own"] * 6)
    )
    arguments = ("--map", "at=ts", "usage.prompt=prompt_tokens", "--set", "provider=openai")
    import_("a.jsonl", "".join(content.splitlines(keepends=True)[:5]), *arguments)
    done = import_("a.jsonl", content, *arguments, "--dry-run")
    assert (done["code"], done["inserted"], done["already_there"]) == (0, 7, 5)
    assert [(each["model"], each["rows"]) for each in done["without_price"]] == [("own", 6)]
    assert done["dry_run"]["mapping"] == {
        "at": "ts",
        "model": "model",
        "usage.prompt": "prompt_tokens",
        "completion_tokens": "completion_tokens",
    }
    assert [row["prompt_tokens"] for row in done["dry_run"]["rows"]] == list(range(10))
    assert ask("SELECT count(*), (SELECT count(*) FROM rollup_log) FROM traces") == ["5|0"]
    command = ["import", str(tmp_path / "a.jsonl"), "--set", "organisation=acme", *arguments, "--dry-run"]
    assert run(command, {"DATABASE_URL": database_url}) == 0
    assert "dry run: nothing is stored" in capsys.readouterr().out
