"""`prices set`, `list`, `show` and `remove`, and the books that `import` then prices by."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from analytics_service.__main__ import run
from tests.support.environment import program_environment
from tests.support.postgres import PASSWORD, Server
from tests.support.service import execute

pytestmark = pytest.mark.postgres

ACME = """name: acme  # ours
prices:
  - {model: in-house, per_million: {input: 1, output: 1}}
  - {model: gone, provider: openai, service_tier: batch, from: 2026-01-01, per_million: {input: 1}}
"""
NEXT = """name: acme
currencies: {EUR: 1.1}
prices:
  - {model: in-house, per_million: {input: 2, output: 2}}
  - {model: new, organisation: globex, currency: EUR, per_million: {input: 1}}
"""
HEADER = "ts,organisation,model,prompt_tokens,completion_tokens,request_id\n"

Prices = Callable[..., tuple[int, str, str]]
Write = Callable[[str, str], str]


@pytest.fixture
def prices(command: Prices) -> Prices:
    return partial(command, "prices")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    return make


def result(answer: tuple[int, str, str]) -> Any:
    assert answer[0] == 0, answer
    return json.loads(answer[1])


def a_book(name: str, rate: str, **entry: str) -> str:
    return json.dumps({"name": name, "prices": [{"model": "in-house", "per_million": {"input": rate}, **entry}]})


def test_a_book_that_is_set_is_listed_and_shown_as_it_was_written(prices: Prices, write: Write) -> None:
    (book,) = result(prices("set", write("a.yaml", ACME), "--output", "json"))["books"]
    assert (book["name"], book["replaced_version"], book["removed"], book["changed"]) == ("acme", None, [], [])
    assert book["added"] == ["in-house", "gone of openai batch from 2026-01-01"]
    (row,) = result(prices("list", "--output", "json"))["books"]
    assert row.pop("set_at")
    version = book["version"]
    assert row == {"name": "acme", "version": version, "entries": 2, "models": 2, "source": "store"}
    assert prices("show", "acme") == (0, ACME, "")
    code, table, _ = prices("list")
    assert (code, table.splitlines()[1].split()[:4]) == (0, ["acme", version, "2", "2"])


def test_setting_a_book_again_says_what_changed_and_keeps_every_version(prices: Prices, write: Write) -> None:
    (first,) = result(prices("set", write("a.yaml", ACME), "--output", "json"))["books"]
    (second,) = result(prices("set", write("b.yaml", NEXT), "--output", "json"))["books"]
    assert second["replaced_version"] == first["version"]
    assert (second["added"], second["changed"]) == (["new for globex"], ["in-house"])
    assert second["removed"] == ["gone of openai batch from 2026-01-01"]
    (third,) = result(prices("set", write("c.yaml", NEXT.replace("1.1", "1.2")), "--output", "json"))["books"]
    assert (third["added"], third["removed"], third["changed"]) == ([], [], ["new for globex"]), "another rate"
    assert prices("show", "acme", "--version", first["version"])[1] == ACME
    assert prices("show", "acme", "--version", f"book acme {second['version']}")[1] == NEXT
    code, output, _ = prices("set", write("a.yaml", ACME))
    assert code == 0
    assert "acme: removed new for globex\n" in output


def test_what_was_set_is_not_set_again_and_another_spelling_has_the_same_version(
    prices: Prices, write: Write, postgres: Server, database_url: str
) -> None:
    def rows() -> str:
        return postgres.sql("SELECT count(*) FROM price_book", database=database_url.rsplit("/", 1)[1]).strip()

    path = write("a.yaml", ACME)
    (first,) = result(prices("set", path, "--output", "json"))["books"]
    result(prices("set", path, "--output", "json"))
    assert rows() == "1"
    (other,) = result(prices("set", write("b.yaml", ACME.replace("# ours", "# mine")), "--output", "json"))["books"]
    assert (other["version"], rows()) == (first["version"], "2")
    assert "# mine" in prices("show", "acme")[1]


def test_a_removed_book_prices_nothing_and_its_versions_stay(prices: Prices, write: Write) -> None:
    (book,) = result(prices("set", write("a.yaml", ACME), "--output", "json"))["books"]
    assert result(prices("remove", "acme", "--output", "json")) == {"name": "acme", "version": book["version"]}
    assert result(prices("list", "--output", "json")) == {"books": []}
    assert prices("show", "acme", "--version", book["version"])[1] == ACME
    for arguments in (("remove", "acme"), ("show", "acme"), ("show", "acme", "--version", "0" * 12)):
        code, output, error = prices(*arguments)
        assert (code, output, error.count("\n")) == (2, "", 1)
        assert "acme" in error


def test_books_come_from_standard_input_as_kubectl_gives_it(prices: Prices, database_url: str) -> None:
    def set_from(text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "analytics_service", "prices", "set", "-"],
            env=program_environment(DATABASE_URL=database_url),
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )

    assert set_from(ACME).returncode == 0
    assert prices("show", "acme")[1] == ACME
    empty = set_from("")
    assert (empty.returncode, empty.stderr.count("\n")) == (2, 1)
    assert "-: line 1: the file: is no mapping" in empty.stderr


def test_one_bad_file_stores_no_book_and_is_named_with_line_and_field(prices: Prices, write: Write) -> None:
    bad = write("bad.yaml", ACME.replace("input: 1, output", "imput: 1, output").replace("acme", "other"))
    code, output, error = prices("set", write("a.yaml", ACME), bad)
    assert (code, output, error.count("\n")) == (2, "", 1)
    assert f"{bad}: line 3: prices.0.per_million.imput" in error
    code, _, error = prices("set", write("a.yaml", ACME), write("b.yaml", NEXT))
    assert (code, "both have the name acme" in error) == (2, True)
    assert result(prices("list", "--output", "json")) == {"books": []}


def test_books_of_the_setting_are_listed_after_those_of_the_store(prices: Prices, write: Write) -> None:
    folder = str(Path(write("books/b.yaml", a_book("beta", "1"))).parent)
    write("books/a.json", a_book("zeta", "1"))
    write("books/.hidden", "no book")
    result(prices("set", write("a.yaml", ACME), "--output", "json"))
    rows = result(prices("list", "--output", "json", PRICE_BOOKS=folder))["books"]
    assert [(row["name"], row["source"]) for row in rows] == [
        ("acme", "store"),
        ("zeta", f"{folder}/a.json"),
        ("beta", f"{folder}/b.yaml"),
    ]
    assert prices("show", "beta", PRICE_BOOKS=folder)[1].strip() == a_book("beta", "1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("name: x\nprices:\n  - {model: a}\n", "b.yaml: line 3: prices.0: has no price", id="no price"),
        pytest.param(None, "none.yaml: cannot be read: No such file", id="no file"),
        pytest.param(a_book("a", "1"), "both have the name a", id="one name twice"),
    ],
)
def test_a_bad_book_of_the_setting_is_one_line(prices: Prices, write: Write, text: str | None, message: str) -> None:
    books = [write("a.yaml", a_book("a", "1")), *([write("b.yaml", text)] if text else ["none.yaml"])]
    code, output, error = prices("list", PRICE_BOOKS=",".join(books))
    assert (code, output, error.count("\n")) == (2, "", 1)
    assert "PRICE_BOOKS: " in error
    assert message in error


def test_import_reads_the_books_of_the_setting_before_it_connects(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {"DATABASE_URL": "postgres://u:p@127.0.0.1:1/x", "PRICE_BOOKS": write("b.yaml", "name: x")}
    assert run(["import", write("r.csv", HEADER)], environment) == 2
    error = capsys.readouterr().err
    assert error.startswith("analytics-service: PRICE_BOOKS: ")
    assert error.endswith("b.yaml: line 1: prices: Field required\n")


def test_import_asks_the_command_line_then_the_store_then_the_setting(
    prices: Prices, write: Write, database_url: str, postgres: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    given, configured = write("given.json", a_book("given", "1")), write("configured.json", a_book("configured", "4"))
    result(prices("set", write("two.json", a_book("two", "3")), "--output", "json"))
    result(prices("set", write("one.json", a_book("one", "2")), "--output", "json"))

    def imported(request: str, *arguments: str, **environment: str) -> tuple[str, list[str]]:
        """The name of the book that priced a request, and those of all that could have."""
        file = write(f"{request}.csv", f"{HEADER}2026-03-01 00:00:00,acme,in-house,1000000,0,{request}\n")
        given = {"DATABASE_URL": database_url, **environment}
        code = run(["import", file, "--map", "request_id=span_id", "--output", "json", *arguments], given)
        summary = result((code, capsys.readouterr().out, ""))
        sql = f"SELECT split_part(price_version, ' ', 2) FROM traces WHERE span_id = '{request}'"
        stored = postgres.sql(sql, database=database_url.rsplit("/", 1)[1]).strip()
        return stored, [each.split()[1] for each in summary["price_versions"]]

    everything = {"PRICE_BOOKS": configured}
    first, versions = imported("r1", "--prices", given, **everything)
    assert first == "given"
    assert [each for each in versions if "." not in each] == ["given", "one", "two", "configured"]
    assert imported("r2", **everything)[0] == "one", "in order of names"
    prices("remove", "one")
    assert imported("r3", **everything)[0] == "two"
    prices("remove", "two")
    assert imported("r4", **everything)[0] == "configured"
    assert imported("r5")[0] == "", "in no list"


def test_a_user_who_may_not_write_books_is_told_so(
    prices: Prices, write: Write, database_url: str, postgres: Server
) -> None:
    name = database_url.rsplit("/", 1)[1]
    postgres.sql(f"CREATE ROLE reader_of_{name} LOGIN PASSWORD '{PASSWORD}'", database=name)
    postgres.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_of_{name}", database=name)
    user = database_url.split("@", maxsplit=1)[0].split("//")[1].split(":", maxsplit=1)[0]
    reader = database_url.replace(f"//{user}:", f"//reader_of_{name}:", 1)
    assert prices("list", DATABASE_URL=reader)[0] == 0
    code, output, error = prices("set", write("a.yaml", ACME), DATABASE_URL=reader)
    assert (code, output, error.count("\n")) == (2, "", 1)
    assert "price_book" in error


def test_a_stored_book_that_this_release_cannot_read_is_named_with_its_cure_and_can_be_replaced(
    prices: Prices, write: Write, database_url: str
) -> None:
    sql = "INSERT INTO price_book (name, version, text) VALUES ('acme', '0123456789ab', 'name: acme')"
    asyncio.run(execute(database_url, sql))
    code, _, error = prices("list")
    assert (code, error.count("\n")) == (1, 1)
    assert "price book acme of the store: line 1: prices: Field required: correct it" in error
    (book,) = result(prices("set", write("a.yaml", ACME), "--output", "json"))["books"]
    assert book["replaced_version"] == "0123456789ab"
    assert prices("list")[0] == 0
