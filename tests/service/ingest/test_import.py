"""The command `import`, from the file to the rows of a real database."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from analytics_service.__main__ import run
from tests.support.postgres import PASSWORD

pytestmark = pytest.mark.postgres

AZURE = (
    *("--map", "TIMESTAMP=ts", "ContextTokens=prompt_tokens", "GeneratedTokens=completion_tokens"),
    *("--set", "organisation=demo", "project=code", "provider=openai", "model=gpt-4"),
)
HEADER = "ts,organisation,model,prompt_tokens,completion_tokens\n"
Import = Callable[..., dict[str, Any]]


def line(number: int, *, model: str = "gpt-4", tokens: str = "100") -> str:
    return f"2024-03-09 10:{number // 60 % 60:02}:{number % 60:02},acme,{model},{tokens},5\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    def make(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


@pytest.fixture
def import_(database_url: str, capsys: pytest.CaptureFixture[str]) -> Import:
    """Runs the command; returns its JSON with its exit code and what it said on standard error."""

    def call(*arguments: object) -> dict[str, Any]:
        command = ["import", *map(str, arguments), "--output", "json"]
        code = run(command, {"DATABASE_URL": database_url})
        output = capsys.readouterr()
        return {**json.loads(output.out or "{}"), "code": code, "error": output.err}

    return call


def test_the_real_requests_are_all_there_and_paid_to_the_last_digit(
    import_: Import, ask: Callable[[str], str], write: Callable[[str, bytes], Path]
) -> None:
    data = files("analytics_service.demo") / "data"
    code, conv = (write(name, gzip.decompress((data / f"{name}.gz").read_bytes())) for name in ("code.csv", "conv.csv"))
    assert import_(code, *AZURE)["inserted"] == 8_819
    assert import_(conv, *AZURE)["inserted"] == 19_366
    expected = "28185|40421844|4334561|" + str(
        (Decimal(40_421_844) * 30 + Decimal(4_334_561) * 60).scaleb(-6).normalize()
    )
    for step in ("1min", "15min", "1hour", "1day"):
        sums = "sum(request_count), sum(prompt_tokens_sum), sum(completion_tokens_sum)"
        sums += ", trim_scale(sum(total_cost_usd_sum))"
        assert ask(f"SELECT {sums} FROM rollup_totals_{step} WHERE org_id = 'demo'") == expected
    assert ask("SELECT (SELECT count(*) FROM rollup_log), (SELECT count(*) FROM rollup_stale)") == "0|0"
    assert ask("SELECT min(ts) AT TIME ZONE 'UTC' = '2023-11-16 18:15:46.68059' FROM traces") == "t"
    again = import_(code, *AZURE)
    assert (again["read"], again["inserted"], again["already_there"], again["code"]) == (8_819, 0, 8_819, 0)


def test_gzip_and_standard_input_are_the_same_source(import_: Import, database_url: str, write: Any) -> None:
    content = (HEADER + "".join(line(n) for n in range(50))).replace("\n", "\r\n")
    assert import_(write("a.csv", content))["inserted"] == 50
    assert import_(write("a.csv.gz", gzip.compress(content.encode())))["already_there"] == 50
    command = [sys.executable, "-m", "analytics_service", "import", "-", "--source", "a.csv", "--output", "json"]
    piped = subprocess.run(
        command,
        input=content.encode(),
        capture_output=True,
        env={**os.environ, "DATABASE_URL": database_url},
        check=True,
    )
    assert json.loads(piped.stdout)["already_there"] == 50


def test_a_file_that_grew_adds_only_what_is_new(import_: Import, write: Any) -> None:
    rows = [line(n) for n in range(30)]
    assert import_(write("a.csv", HEADER + "".join(rows[:20])), "--batch-size", 7)["inserted"] == 20
    build_tree = import_(write("a.csv", HEADER + "".join(rows)), "--batch-size", 7)
    assert (build_tree["inserted"], build_tree["already_there"]) == (10, 20)


def test_rows_that_look_alike_all_count(import_: Import, write: Any) -> None:
    assert import_(write("a.csv", HEADER + line(1) * 5))["inserted"] == 5


def test_the_first_row_of_an_id_may_be_kept(import_: Import, ask: Callable[[str], str], write: Any) -> None:
    header = HEADER.strip() + ",trace_id,span_id\n"
    rows = [line(1, tokens=str(n)).strip() + f",t{n % 3},s\n" for n in range(9)]
    result = import_(write("a.csv", header + "".join(rows)), "--on-conflict", "keep")
    assert (result["inserted"], result["already_there"], result["conflicts"]) == (3, 6, 6)
    assert ask("SELECT string_agg(prompt_tokens::text, ',' ORDER BY trace_id) FROM traces") == "0,1,2"


def test_a_bad_row_stops_with_file_line_and_reason(import_: Import, ask: Callable[[str], str], write: Any) -> None:
    rows = [line(n) for n in range(25)]
    rows[17] = line(17, tokens="many")
    path = write("a.csv", HEADER + "".join(rows))
    result = import_(path, "--batch-size", 10)
    assert result["code"] == 2
    assert f"{path}:19: prompt_tokens: 'many' is not a number" in result["error"]
    assert ask("SELECT count(*), (SELECT count(*) FROM rollup_log) FROM traces") == "10|0"
    rows[17] = line(17)
    assert import_(write("a.csv", HEADER + "".join(rows)), "--batch-size", 10)["inserted"] == 15


def test_bad_rows_are_skipped_and_shown(import_: Import, write: Any) -> None:
    bad = ["x,acme,m,1,1\n", "2024-03-09,acme,m\n", "2024-03-09,,m,1,1\n", "2024-03-09,acme,a\0b,1,1\n"]
    result = import_(write("a.csv", HEADER + line(1) + "".join(bad) + line(2)), "--on-error", "skip")
    assert (result["code"], result["read"], result["inserted"], result["bad"]) == (3, 6, 2, 4)
    assert [(each["line"], each["reason"].partition(":")[0]) for each in result["first_bad"]] == [
        (3, "ts"),
        (4, "has 3 cells, and the header has 5"),
        (5, "org_id"),
        (6, "model"),
    ]


def test_at_most_twenty_bad_rows_are_shown(import_: Import, write: Any) -> None:
    result = import_(write("a.csv", HEADER + "x,acme,m,1,1\n" * 30), "--on-error", "skip")
    assert (result["bad"], len(result["first_bad"])) == (30, 20)


def test_json_lines_keep_texts_tags_attributes_and_exact_costs(
    import_: Import, ask: Callable[[str], str], write: Any
) -> None:
    rows = [
        {
            "timestamp": "2024-03-09T10:00:00.5Z",
            "tenant": "acme",
            "total_cost": 0.00000001,
            "duration_s": 2147483.648,
            "tags": ["a", "b,c"],
            "attributes": {"deep": {"ü": [1, None, 0.1]}},
            "input": 'line\none, "quoted" \\ ' + "x" * 2**20,
            "status": "ERROR",
            "user": None,
        },
        {"timestamp": "2024-03-09T10:00:01Z", "tenant": "acme", "total_cost": 2e-8, "duration_s": 2147483},
    ]
    content = "\ufeff" + "\n\n".join(json.dumps(row) for row in rows)
    assert import_(write("a.jsonl", content))["inserted"] == 2
    assert ask("SELECT tags, attributes #>> '{deep,ü,2}', duration_us FROM traces WHERE status_code = 'ERROR'") == (
        '{a,"b,c"}|0.1|2147483648000'
    )
    sums = ask("SELECT total_cost_usd_sum, duration_us_sum FROM rollup_totals_1day ORDER BY 1").splitlines()
    assert sums == ["0.00000001|2147483648000", "0.00000002|2147483000000"]


def test_json_lines_that_cannot_be_used_are_bad_rows(import_: Import, write: Any) -> None:
    good = '{"ts": "2024-03-09", "org": "acme"}'
    lines: list[str | bytes] = [
        good,
        "{",
        "[]",
        '{"ts": "2024-03-09", "org": "acme", "x": 1}',
        '{"ts": NaN}',
        b'{"\xff": 1}',
        good,
    ]
    content = b"\n".join(each if isinstance(each, bytes) else each.encode() for each in lines)
    result = import_(write("a.jsonl", content), "--on-error", "skip")
    assert (result["inserted"], [each["line"] for each in result["first_bad"]]) == (2, [2, 3, 4, 5, 6])


def test_quoted_cells_may_hold_lines_and_lines_are_still_counted(import_: Import, write: Any) -> None:
    content = 'ts,org,input\n2024-03-09,acme,"a\nb"\nx,acme,c\n'
    result = import_(write("a.csv", content), "--on-error", "skip")
    assert (result["inserted"], result["first_bad"][0]["line"]) == (1, 4)


def test_sums_of_many_requests_are_stored_with_their_weight(
    import_: Import, ask: Callable[[str], str], write: Any
) -> None:
    rows = "2024-03-09,acme,gpt-4,100,5,20,\n2024-03-10,acme,gpt-4,10,5,,70\n2024-03-11,acme,gpt-4,10,5,2,70\n"
    path = write("a.csv", f"{HEADER.strip()},request_count,duration_ms\n{rows}")
    done = import_(path, "--on-error", "skip")
    assert ask("SELECT request_weight, duration_us FROM traces ORDER BY ts") == "20|\n1|70000"
    assert [bad["reason"] for bad in done["first_bad"]] == [
        "duration_us: a row of 2 requests has none: give --ignore with its column"
    ]
    assert (done["code"], done["inserted"]) == (3, 2)
    refused = import_(write("b.csv", "ts,organisation,request_count\n2024-03-09,acme,0\n"))
    assert "request_count: '0' is not a number of requests" in refused["error"]


def test_models_without_price_are_named(import_: Import, write: Any) -> None:
    result = import_(write("a.csv", HEADER + line(1) + line(2, model="own") * 2))
    expected = {"provider": "", "model": "own", "reason": "unknown model", "rows": 2, "tokens": 210}
    assert (result["priced"], result["without_price"]) == (1, [expected])


def test_rows_before_the_floor_are_refused_by_line(import_: Import, ask: Callable[[str], str], write: Any) -> None:
    ask("UPDATE rollup_floor SET floor = '2024-03-10T00:00:00Z'")
    result = import_(write("a.csv", HEADER + line(1)))
    assert result["code"] == 2
    assert "a.csv:2: ts: is before 2024-03-10" in result["error"]


def test_rows_of_many_years_find_their_partitions(import_: Import, write: Any) -> None:
    rows = [f"{year}-{month:02}-28,acme,m,1,1\n" for year in (1970, 2024, 2199) for month in range(1, 13)]
    assert import_(write("a.csv", HEADER + "".join(rows)))["inserted"] == 36


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        pytest.param("", (), "is empty", id="empty"),
        pytest.param("ts,zip\n", ("--set", "org=a"), "column 'zip' is unknown", id="unknown column"),
        pytest.param('ts,org\n2024-03-09,"a\n', (), "is no CSV from here on", id="an open quote"),
        pytest.param(gzip.compress(b"ts,org\n" * 99)[:-9], (), "cannot be read to its end", id="half a gzip"),
        pytest.param("ts\n", ("--set", "org"), "'org' is not field=value", id="half a --set"),
        pytest.param("ts\n", ("--batch-size", "0"), "--batch-size", id="no batch"),
    ],
)
def test_input_that_cannot_be_used_is_one_line(
    import_: Import, write: Any, content: str | bytes, arguments: tuple[str, ...], message: str
) -> None:
    result = import_(write("a.csv", content), *arguments)
    assert result["code"] == 2
    assert message in result["error"]
    assert result["error"].count("\n") == 1


def test_files_that_cannot_be_read_are_named(import_: Import, write: Any, tmp_path: Path) -> None:
    assert "nothing.csv: no such file" in import_(tmp_path / "nothing.csv")["error"]
    assert "no such file" in import_(tmp_path)["error"]
    files = write("a.csv", HEADER), write("b.csv", HEADER)
    assert "--source: names one file" in import_(*files, "--source", "a")["error"]


def test_a_database_that_was_not_migrated_says_so(empty_url: str, write: Any, capsys: Any) -> None:
    assert run(["import", str(write("a.csv", HEADER))], {"DATABASE_URL": empty_url}) == 1
    assert "run analytics-service migrate" in capsys.readouterr().err


def test_a_database_that_is_lost_leaves_whole_batches_and_one_line(
    import_: Import, ask: Callable[[str], str], write: Any
) -> None:
    ask(
        """CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF (SELECT count(*) FROM traces) > 20 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
        RETURN NULL; END $$;
        CREATE TRIGGER die AFTER INSERT ON traces FOR EACH STATEMENT EXECUTE FUNCTION die()"""
    )
    path = write("a.csv", HEADER + "".join(line(n) for n in range(35)) + "bad\n")
    result = import_(path, "--batch-size", 10)
    assert (result["code"], result["inserted"], ask("SELECT count(*) FROM traces")) == (1, 20, "20")
    assert "there is no connection to the database" in result["error"]
    assert PASSWORD not in result["error"]
    assert result["error"].count("\n") == 1
    ask("DROP TRIGGER die ON traces")
    assert import_(path, "--on-error", "skip")["inserted"] == 15


def test_a_table_is_printed_for_people(database_url: str, write: Any, capsys: Any) -> None:
    assert run(["import", str(write("a.csv", HEADER + line(1)))], {"DATABASE_URL": database_url}) == 0
    output = capsys.readouterr().out
    assert "inserted" in output
    assert "genai-prices" in output
