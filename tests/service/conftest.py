"""Fixtures of tests that call commands on a database of their own, and look into it."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest
import structlog

from analytics_service.__main__ import run
from tests.support.postgres import PASSWORD, Server

Command: TypeAlias = Callable[..., tuple[int, str, str]]
Ask: TypeAlias = Callable[[str], str]


@pytest.fixture(autouse=True)
def levels_of_a_command_end_with_its_test() -> Iterator[None]:
    """A command that runs in this process sets the level of all loggers, those of the next file's tests too."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def command(database_url: str, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in this process; returns its exit code and both outputs."""

    def call(*arguments: str, **environment: str) -> tuple[int, str, str]:
        code = run(arguments, {"DATABASE_URL": database_url, **environment})
        output = capsys.readouterr()
        assert PASSWORD not in output.out + output.err
        return code, output.out, output.err

    return call


@pytest.fixture
def ask(database_url: str, postgres: Server) -> Ask:
    """The answer to a statement, a line a row."""
    name = database_url.rsplit("/", 1)[1]
    return lambda sql: postgres.sql(sql, database=name).strip()
