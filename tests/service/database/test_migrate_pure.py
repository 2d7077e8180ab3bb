import json

import asyncpg
import pytest

from analytics_service.database.edition import Edition, Server, check
from analytics_service.database.failures import FailureReason, classify, redact
from analytics_service.database.migrate.migration import Migration, load, parse
from analytics_service.database.migrate.plan import Entry, History, plan
from analytics_service.database.migrate.result import MAX_BYTES, MigrationResult, as_json
from analytics_service.database.schema import Schema, problem
from analytics_service.errors import HistoryEdited, ServerTooOld

URL = "postgres://user:p%40ss%3Aword@db:5432/x?password=other-one"


def a_step(number: int, *, requires: str = "apache,tsl,postgres") -> Migration:
    return parse(f"{number:04}_step.sql", f"-- phase: expand\n-- requires: {requires}\nSELECT {number};\n")


def done(*steps: Migration) -> dict[str, Entry]:
    return {step.name: Entry(number=step.number, sha256=step.sha256, done=True) for step in steps}


def test_steps_of_other_editions_are_skipped() -> None:
    steps = [a_step(1), a_step(2, requires="postgres"), a_step(3, requires="apache, tsl")]
    found = plan(steps, History(), "apache")
    assert ([step.number for step in found.pending], [step.number for step in found.skipped]) == ([1, 3], [2])


def test_a_database_keeps_the_edition_that_its_tables_were_made_for() -> None:
    steps = [a_step(1), a_step(2, requires="postgres"), a_step(3, requires="tsl")]
    found = plan(steps, History(version=1, requirement="postgres", journal=done(steps[0])), "tsl")
    assert [step.number for step in found.pending] == [2]


def test_a_step_that_was_begun_and_not_ended_runs_again() -> None:
    step = a_step(1)
    begun = Entry(number=1, sha256="of an older draft", done=False)
    assert plan([step], History(journal={step.name: begun}), "postgres").pending == (step,)


def test_a_step_that_this_release_does_not_know_is_no_history_of_ours() -> None:
    with pytest.raises(HistoryEdited, match="0001_other"):
        plan([a_step(1)], History(version=1, journal={"0001_other": Entry(number=1, sha256="", done=True)}), "postgres")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        pytest.param("1_a.sql", "-- phase: expand\n", "NNNN_name.sql", id="name"),
        pytest.param("0001_a.sql", "SELECT 1;\n", "says no phase", id="no phase"),
        pytest.param("0001_a.sql", "-- phase: contract\n", "min_compatible_schema", id="contract without"),
        pytest.param("0001_a.sql", "-- phase: expand\n-- requires: oracle\n", "oracle", id="edition"),
        pytest.param("0001_a.sql", "-- phase: expand\n-- tx: some\n", "tx can only be none", id="tx"),
    ],
)
def test_a_file_that_is_no_migration_is_named(name: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(name, text)


def test_statements_outside_a_transaction_end_with_their_lines() -> None:
    step = parse("0001_a.sql", "-- phase: expand\n-- tx: none\nSELECT ';' -- a; b\n;\n-- only words\n\nSELECT 2;")
    assert len(step.statements) == 2


def test_every_edition_has_the_same_steps_but_for_the_table_itself() -> None:
    for_each = {
        name: [step.name for step in plan(load(), History(), name).pending] for name in ("postgres", "apache", "tsl")
    }
    assert for_each["apache"] == for_each["tsl"]
    assert set(for_each["postgres"]) ^ set(for_each["apache"]) == {
        "0003_traces_partitioned",
        "0004_traces_hypertable",
        "0007_partitions_watched",
        "0009_hypertable_triggers",
        "0014_live_rollups_of_hypertables",
        "0024_usage_is_not_negative",
        "0025_usage_is_checked",
    }


def test_results_fit_a_termination_message() -> None:
    long = MigrationResult(
        succeeded=False, reason="MigrationFailed", message="ü" * 9000, pending=tuple("p" * 60 for _ in range(99))
    )
    text = as_json(long)
    assert len(text.encode()) <= MAX_BYTES
    assert json.loads(text)["truncated"] is True
    short = json.loads(as_json(MigrationResult(succeeded=True, reason="UpToDate", message="fine")))
    assert (short["outcome"], short["truncated"], short["message"]) == ("succeeded", False, "fine")


def test_secrets_are_hidden_however_they_are_written() -> None:
    for secret in ("p%40ss%3Aword", "p@ss:word", "other-one", URL):
        assert secret not in redact(f"cannot use {secret} here", URL)


def test_failures_are_one_line_with_a_reason() -> None:
    failure = classify(asyncpg.InsufficientPrivilegeError("permission denied\nfor schema public"), URL)
    assert failure.reason is FailureReason.PERMISSION
    assert "\n" not in failure.message
    assert classify(ConnectionRefusedError("refused"), URL).reason is FailureReason.UNREACHABLE


def test_the_last_word_of_a_server_is_the_cause() -> None:
    """A server that cannot write its log ends; what is told first is that a transaction has no connection any more."""
    lost = asyncpg.InterfaceError("the underlying connection is closed")
    lost.__context__ = asyncpg.ConnectionDoesNotExistError("closed in the middle of operation")
    lost.__context__.__cause__ = asyncpg.DiskFullError("No space left on device")
    assert classify(lost, URL).reason is FailureReason.FULL


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        pytest.param(Schema(version=4, min_compatible_schema=1), "run analytics-service migrate", id="older"),
        pytest.param(Schema(version=5, min_compatible_schema=1), None, id="the same"),
        pytest.param(Schema(version=7, min_compatible_schema=5), None, id="newer, compatible"),
        pytest.param(Schema(version=7, min_compatible_schema=6), "run a newer image", id="newer, incompatible"),
    ],
)
def test_a_release_serves_from_what_it_knows_and_what_still_knows_it(schema: Schema, words: str | None) -> None:
    found = problem(schema, 5)
    assert found is None if words is None else words in (found or "")


def a_server(*, number: int = 170_005, extension: str | None = None, license_: str | None = None) -> Server:
    return Server(
        version="17.5",
        version_number=number,
        extension=extension,
        license=license_,
        can_create_extension=False,
        read_only=False,
    )


def test_editions_are_told_by_extension_and_licence() -> None:
    assert a_server().edition is Edition.POSTGRESQL
    assert a_server(extension="2.19.3", license_="apache").edition is Edition.APACHE
    assert a_server(extension="2.19.3", license_="timescale").edition is Edition.COMMUNITY


@pytest.mark.parametrize("extension", ["2.17.2", "2.9", "1.7.5"])
def test_a_timescaledb_without_transition_tables_is_refused(extension: str) -> None:
    with pytest.raises(ServerTooOld, match=extension):
        check(a_server(extension=extension))
    check(a_server(extension="2.18.0-dev"))
    with pytest.raises(ServerTooOld, match="PostgreSQL"):
        check(a_server(number=140_012))
