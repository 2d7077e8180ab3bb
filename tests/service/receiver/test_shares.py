"""Organisations share the bounded queue, and take turns in it."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.contract.problems import RequestError
from analytics_service.ingest.received import Caller
from analytics_service.receiver.budget import Budget, Lease
from analytics_service.receiver.queue import Queue
from analytics_service.receiver.submission import Submission


def lease(budget: Budget, organisation: str) -> Lease:
    made = budget.lease()
    made.assign(organisation)
    return made


def taken(budget: Budget, organisation: str, count: int) -> Lease | None:
    """None where there was no room."""
    made = lease(budget, organisation)
    try:
        made.take_rows(count)
    except RequestError:
        return None
    return made


def fill(budget: Budget, organisation: str) -> list[Lease]:
    leases = []
    while (made := taken(budget, organisation, 1)) is not None:
        leases.append(made)
    return leases


def test_a_flood_of_one_organisation_leaves_room_for_others() -> None:
    budget = Budget(max_bytes=1, max_rows=1000)
    sizes = [len(fill(budget, f"organisation-{number}")) for number in range(4)]
    assert sizes == [750, 188, 47, 12]
    assert budget.rows.used < 1000


def test_what_a_request_took_is_free_when_it_ends() -> None:
    budget = Budget(max_bytes=100, max_rows=100)
    fill(budget, "acme")[-1].take_rows(0)  # nothing has room in a full queue
    budget = Budget(max_bytes=100, max_rows=100)
    for leases in (fill(budget, "acme"), fill(budget, "rival")):
        for each in leases:
            each.__exit__(None, None, None)
    assert (budget.rows.used, len(fill(budget, "acme"))) == (0, 75)


def test_one_request_may_be_as_long_as_the_queue_and_have_three_quarters_of_its_rows() -> None:
    budget = Budget(max_bytes=100, max_rows=100)
    with lease(budget, "acme") as one:
        for _ in range(100):
            one.take_bytes(1)
        with pytest.raises(RequestError, match="more rows wait"):
            one.take_bytes(1)
    with lease(budget, "acme") as one:
        one.take_rows(75)
        with pytest.raises(RequestError, match="at most 75 rows"):
            one.take_rows(1)
    assert budget.rows.used == budget.bytes.used == 0


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(1, 40), st.booleans()), max_size=60))
def test_the_queue_is_never_longer_than_it_may_be(requests: list[tuple[str, int, bool]]) -> None:
    budget = Budget(max_bytes=1, max_rows=100)
    held: list[Lease] = []
    for organisation, count, ends in requests:
        if ends and held:
            held.pop(0).__exit__(None, None, None)
        made = taken(budget, organisation, count) if count <= budget.max_request_rows else None
        held += [made] if made else []
        assert 0 <= budget.rows.used <= 100
    for each in held:
        each.__exit__(None, None, None)
    assert budget.rows.used == 0


async def test_organisations_take_turns() -> None:
    queue = Queue()
    flood = [a_request("flood") for _ in range(100)]
    for each in flood:
        queue.put(each)
    others = [a_request("first"), a_request("second"), a_request("first")]
    for each in others:
        queue.put(each)
    queue.remove(flood[1])
    flood[2].done.cancel()
    assert (len(queue), queue.rows) == (102, 102)
    group = queue.take(max_rows=6, max_bytes=100)
    assert group == [flood[0], others[0], others[1], others[2], flood[3], flood[4]]
    assert (len(queue), queue.rows) == (95, 95)
    assert len(queue.take(max_rows=1000, max_bytes=1000)) == 95
    assert (len(queue), queue.rows, list(queue)) == (0, 0, [])


async def test_a_group_has_one_request_at_least() -> None:
    queue = Queue()
    for size in (5, 50, 5):
        queue.put(a_request("acme", size=size))
    assert [[each.size for each in queue.take(max_rows=10, max_bytes=10)] for _ in range(4)] == [[5], [50], [5], []]


def a_request(organisation: str, *, size: int = 1) -> Submission:
    return Submission(
        caller=Caller(organisation=organisation),
        rows=[{}],
        size=size,
        done=asyncio.get_running_loop().create_future(),
    )
