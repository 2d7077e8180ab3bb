"""A row is known again, whatever file it is in, and however often and in which order files are imported."""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from analytics_service.__main__ import run
from analytics_service.ingest.identity import LEGACY, Occurrences, Origin, contents, identify
from analytics_service.ingest.strings import attributes
from release.page import Release
from tests.support.old_store import imported_by, migrated, migrated_by
from tests.support.releases import UPGRADABLE

HEADER = "request_id,timestamp,model,provider,prompt_tokens,completion_tokens\n"
MONDAY = [f"q-10{n},2026-11-16T09:00:0{n}Z,gpt-4o,openai,2000,200\n" for n in (3, 2, 1)]
TUESDAY = ["q-104,2026-11-17T09:00:04Z,gpt-4o,openai,2000,200\n", *MONDAY]

Import = Callable[..., dict[str, Any]]
Ask = Callable[[str], str]


@pytest.fixture
def import_(database_url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Import:
    """Imports a file of these lines; returns the summary as JSON."""

    def call(name: str, lines: list[str], *arguments: str, header: str = HEADER, url: str = database_url) -> Any:
        path = tmp_path / name
        path.write_text(header + "".join(lines))
        organisation = () if "organisation" in "".join(arguments) else ("--set", "organisation=acme")
        command = ["import", str(path), *organisation, *arguments, "--output", "json"]
        assert run(command, {"DATABASE_URL": url}) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return call


SUMS = "SELECT count(*), sum(total_cost_usd)::numeric(20, 6) FROM traces"


@pytest.mark.postgres
@pytest.mark.parametrize("field", ["span_id", "trace_id"])
def test_one_id_is_enough(import_: Import, ask: Ask, field: str) -> None:
    assert import_("export-monday.csv", MONDAY, "--map", f"request_id={field}")["inserted"] == 3
    second = import_("export-tuesday.csv", TUESDAY, "--map", f"request_id={field}")
    assert (second["inserted"], second["already_there"]) == (1, 3)
    again = import_("export-monday.csv", TUESDAY, "--map", f"request_id={field}")
    assert (again["inserted"], again["already_there"]) == (0, 4)
    assert ask(SUMS) == "4|0.028000"


@pytest.mark.postgres
def test_exports_that_overlap_add_what_is_new_in_any_order(import_: Import, ask: Ask) -> None:
    """Without ids; two rows of each export look alike."""
    rows = [line.partition(",")[2] for line in (*TUESDAY, MONDAY[0])]
    header = HEADER.partition(",")[2]
    exports = [rows[1:], rows[:3], [rows[4], rows[0], rows[1]], [rows[2]]]
    for number, order in enumerate(permutations(exports)):
        set_ = ("--set", f"organisation=org{number}")
        for export in order:
            import_("export.csv", export, *set_, header=header)
        found = ask(
            f"SELECT count(*), count(DISTINCT ts), count(DISTINCT trace_id) FROM traces WHERE org_id = 'org{number}'"
        )
        assert found == "5|4|5"
        if number == 5:
            break


@pytest.mark.postgres
def test_another_file_under_an_old_name_is_told_apart(import_: Import) -> None:
    header = HEADER.partition(",")[2]
    rows = [line.partition(",")[2] for line in TUESDAY]
    assert import_("requests.csv", rows[:2], header=header)["inserted"] == 2
    assert import_("requests.csv", rows[2:], header=header)["inserted"] == 2
    assert import_("other.csv", rows, header=header)["already_there"] == 4


@pytest.mark.postgres
@pytest.mark.parametrize("release", UPGRADABLE, ids=lambda release: release.version)
def test_what_a_release_imported_is_there_already(
    empty_url: str, tmp_path: Path, release: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows without ids, with one id, and with both; new rows beside them, and those of another organisation."""
    migrated_by(release, empty_url)
    whole = "timestamp,model,provider,prompt_tokens,completion_tokens,trace_id,span_id\n"
    ids = [",", ",s1", "t2,", "t3,s3"]
    rows = [f"2026-11-16T09:00:0{n}Z,gpt-4o,openai,2000,200,{each}\n" for n, each in enumerate(ids)]
    path = tmp_path / "requests.csv"
    path.write_text(whole + "".join(rows))
    imported_by(release, empty_url, str(path), "--set", "organisation=acme")
    asyncio.run(migrated(empty_url))

    def imported(organisation: str) -> tuple[int, int]:
        command = ["import", str(path), "--set", f"organisation={organisation}", "--output", "json"]
        assert run(command, {"DATABASE_URL": empty_url}) == 0
        summary = json.loads(capsys.readouterr().out)
        return summary["inserted"], summary["already_there"]

    assert imported("acme") == (0, 4)
    assert imported("globex") == (4, 0)
    path.write_text(whole + "2026-11-16T09:00:09Z,gpt-4o,openai,1,1,,\n" + "".join(rows))
    assert imported("globex") == (1, 4)


def a_span(**changes: Any) -> dict[str, Any]:
    return {"org_id": "acme", "ts": datetime(2026, 11, 16, tzinfo=UTC), "total_cost_usd": Decimal("0.10"), **changes}


def identified(*spans: dict[str, Any], with_legacy: bool = False) -> list[dict[str, Any]]:
    occurrences = Occurrences()
    for number, span in enumerate(spans, start=1):
        identify(span, contents([span])[0], Origin("a.csv", number), occurrences, with_legacy=with_legacy)
    return list(spans)


def test_ids_are_of_the_content_and_its_occurrence() -> None:
    first, second, third = identified(a_span(), a_span(), a_span(model="m"))
    assert len({span["trace_id"] for span in (first, second, third)}) == 3
    reordered = dict(reversed(a_span(total_cost_usd=Decimal("0.1")).items()))
    assert identified(a_span(model="m"), reordered)[1]["trace_id"] == first["trace_id"], "whatever the columns' order"
    assert identified(a_span(org_id="globex"))[0]["trace_id"] != first["trace_id"]


def test_what_is_set_or_added_is_no_part_of_the_identity() -> None:
    given = {"ts": datetime(2026, 11, 16, tzinfo=UTC), "attributes": '{"a":1,"b":2}'}
    plain, dressed = dict(given, org_id="acme"), dict(given, org_id="acme", environment="prod", is_request=True)
    for span in (plain, dressed):
        identify(span, contents([given])[0], Origin("a.csv", 1), Occurrences(), with_legacy=False)
    assert plain["trace_id"] == dressed["trace_id"]
    other: dict[str, Any] = {"org_id": "acme"}
    reordered = {**given, "attributes": attributes('{"b":2,"a":1}')}
    identify(other, contents([reordered])[0], Origin("a.csv", 1), Occurrences(), with_legacy=False)
    assert other["trace_id"] == plain["trace_id"]


def test_rows_with_both_ids_are_left_as_they_are() -> None:
    span = a_span(trace_id="t", span_id="s")
    assert identified(dict(span), with_legacy=True) == [span]


def test_legacy_ids_are_those_of_the_place() -> None:
    (span,) = identified(a_span(), with_legacy=True)
    assert [len(span[name]) for name in LEGACY] == [32, 16]
    (one_id,) = identified(a_span(span_id="s"), with_legacy=True)
    assert (one_id["trace_id"], one_id["legacy_span_id"]) == ("s", "s")
    assert one_id["legacy_trace_id"] == span["legacy_trace_id"]


def test_occurrences_are_counted_in_bounded_memory() -> None:
    chance = random.Random(1)
    occurrences = Occurrences(limit=100)
    for number in range(1, 1001):
        assert occurrences.number(b"again") == number
        occurrences.number(chance.randbytes(8))
    assert occurrences.number(b"other") == 1
    for _ in range(100):
        occurrences.number(chance.randbytes(8))
    assert occurrences.number(b"other") == 1, "forgotten"


def test_a_record_that_gives_nothing_has_ids_too() -> None:
    spans = [{"org_id": "acme"}, {"org_id": "acme"}]
    for span in spans:
        identify(span, contents([{}])[0], Origin("a.csv", 1), Occurrences(), with_legacy=False)
    assert spans[0] == spans[1]
    assert [len(spans[0][name]) for name in ("trace_id", "span_id")] == [32, 16]
