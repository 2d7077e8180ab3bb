"""Rows that the database refuses are named, however many they are, within the time that a client waits."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from analytics_service import settings
from analytics_service.contract.problems import RequestError
from analytics_service.ingest.received import Caller, Reader
from analytics_service.ingest.rows import BadRow
from analytics_service.receiver.groups import Groups
from analytics_service.receiver.sessions import WriteSessions
from analytics_service.receiver.state import StoreState
from analytics_service.receiver.submission import Outcome, Submission
from tests.support.service import execute

NOW = datetime.now(UTC)
ACME = Caller(organisation="acme")


async def sent(url: str, *requests: Sequence[str], isolate_seconds: float) -> list[Outcome | BaseException]:
    """What becomes of requests that are written as one group, by the texts of their rows."""
    check = "CHECK (input_text IS DISTINCT FROM 'secret')"
    await execute(url, f"ALTER TABLE traces ADD CONSTRAINT no_secret_word {check}")
    sessions = WriteSessions(settings.load({"DATABASE_URL": url}), size=1)
    state = StoreState(sessions, retention_days=None, book_paths=())
    groups = Groups(sessions, state, isolate_seconds=isolate_seconds)
    prices = await state.prices()
    reader = Reader(ACME, state.bounds(NOW), prices)
    waiting = []
    for number, texts in enumerate(requests):
        records = [{"ts": (NOW - timedelta(minutes=number)).isoformat(), "input": text} for text in texts]
        rows = [row for row in reader.rows(records) if not isinstance(row, BadRow)]
        waiting.append(asyncio.create_task(groups.store(Submission(caller=ACME, rows=rows, size=1))))
    await asyncio.sleep(0)  # all of them wait before there is a writer
    groups.start()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    await groups.close()
    await sessions.close()
    return outcomes


@pytest.mark.parametrize("bad", [{5}, {0, 3, 98}, set(range(100))], ids=["one", "some", "all"])
async def test_each_of_them_is_named_and_all_others_stored(
    database_url: str, stored: Callable[[str], str], bad: set[int]
) -> None:
    texts = ["secret" if number in bad else "a" for number in range(100)]
    outcome, other = await sent(database_url, texts, ["b"] * 100, isolate_seconds=60.0)
    reason = "the database refuses the row (no_secret_word)"
    assert isinstance(outcome, Outcome)
    assert outcome.refused == dict.fromkeys(sorted(bad), reason)
    assert other == Outcome()
    assert stored("SELECT count(*) FROM traces") == str(200 - len(bad))


async def test_without_time_they_are_rejected_with_those_beside_them(
    database_url: str, stored: Callable[[str], str]
) -> None:
    """A request that got no answer would be sent again, for ever; and another request's rows are never rejected."""
    texts = (["a", "secret", "a"], ["a"] * 3, ["a", "secret"])
    first, good, later = await sent(database_url, *texts, isolate_seconds=0.0)
    assert isinstance(first, Outcome)
    assert first.refused.keys() == {0, 1, 2}
    (reason,) = set(first.refused.values())
    assert reason == (
        "the database refuses the row (no_secret_word), or one of 3 that were tried together, for want of time: "
        "send smaller batches"
    )
    assert good == Outcome()
    assert isinstance(later, RequestError)
    assert (later.status, later.headers["Retry-After"]) == (503, "2")
    assert stored("SELECT count(*) FROM traces") == "3"
