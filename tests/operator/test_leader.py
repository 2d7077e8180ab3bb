"""Two replicas and one Lease, on a real API server: one leads, and the other takes over."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.operator.cluster_actor import ClusterActor
from tests.operator.conftest import Operator, running
from tests.support.faults import Fault, Proxy, proxied
from tests.support.kube import KubeApi, eventually

pytestmark = pytest.mark.kube


@pytest.fixture
def proxy(api: KubeApi) -> Iterator[Proxy]:
    """Between the leader and the API server."""
    with proxied(api) as found:
        yield found


@pytest.fixture
def pair(api: KubeApi, proxy: Proxy, tmp_path: Path) -> Iterator[tuple[Operator, Operator]]:
    """The leader and its standby."""
    with ExitStack() as stack:
        both = []
        for name, way in (("first", proxy.api), ("second", api)):
            folder = tmp_path / name
            folder.mkdir()
            both.append(stack.enter_context(running(way, folder, f"--namespace={api.namespace}")))
            eventually(lambda: leaders(both), what="a leader")
        leader, standby = both
        eventually(
            lambda: ClusterActor(api, standby.port).metric("process_cpu_seconds_total"), what="the standby answers"
        )
        yield leader, standby


def leaders(operators: list[Operator]) -> list[Operator]:
    return [each for each in operators if '"leading"' in each.log.read_text()]


def test_the_standby_takes_over_at_once_when_the_leader_is_stopped(
    api: KubeApi, pair: tuple[Operator, Operator]
) -> None:
    leader, standby = pair
    assert leaders([standby]) == []
    leader.kill(signal.SIGTERM)
    eventually(lambda: leaders([standby]), what="the standby leads", seconds=5)
    assert eventually(lambda: [leader.process.poll()] if leader.process.poll() is not None else None, what="end") == [0]
    ClusterActor(api).ready()


def test_the_standby_takes_over_when_the_leader_is_killed(api: KubeApi, pair: tuple[Operator, Operator]) -> None:
    leader, standby = pair
    leader.kill(signal.SIGKILL)
    eventually(lambda: leaders([standby]), what="the standby leads", seconds=20)
    ClusterActor(api).ready()


def test_a_frozen_leader_ends_instead_of_writing_again(
    api: KubeApi, proxy: Proxy, pair: tuple[Operator, Operator]
) -> None:
    leader, standby = pair
    world = ClusterActor(api)
    world.ready()
    world.edit(cache={"defaultTtlSeconds": 1})  # work that it has in its hands
    leader.kill(signal.SIGSTOP)
    eventually(lambda: leaders([standby]), what="the standby leads", seconds=25)
    holder, before = api.get("Lease", "analytics-operator")["spec"]["holderIdentity"], writes(proxy)
    leader.kill(signal.SIGCONT)
    eventually(lambda: leader.process.poll() == 1, what="the frozen one ends")
    time.sleep(2.5)  # one renewal
    assert api.get("Lease", "analytics-operator")["spec"]["holderIdentity"] == holder
    assert writes(proxy) == before
    world.settle()


def test_a_leader_that_cannot_renew_ends_before_another_leads(
    api: KubeApi, proxy: Proxy, pair: tuple[Operator, Operator]
) -> None:
    leader, standby = pair
    world = ClusterActor(api)
    world.ready()
    proxy.choose = lambda _method, path: Fault(status=500) if "/leases" in path else None
    eventually(lambda: leader.process.poll() == 1, what="the leader ends", seconds=20)
    assert leaders([standby]) == [], "five seconds are left of what the Lease is valid for"
    assert "could not be renewed" in leader.log.read_text()
    eventually(lambda: leaders([standby]), what="the standby leads", seconds=20)
    world.edit(cache={"defaultTtlSeconds": 1})
    world.settle()


def test_a_lease_that_cannot_be_read_for_a_while_is_kept(
    api: KubeApi, proxy: Proxy, pair: tuple[Operator, Operator]
) -> None:
    leader, standby = pair
    proxy.choose = lambda _method, path: Fault(cut=True) if "/leases" in path else None
    time.sleep(6)
    proxy.choose = lambda _method, _path: None
    time.sleep(6)
    assert leader.process.poll() is None
    assert leaders([standby]) == []
    ClusterActor(api).ready()


def writes(proxy: Proxy) -> dict[tuple[str, str], int]:
    """What passed the proxy and was no read."""
    return {what: count for what, count in proxy.passed.items() if what[0] != "GET"}


def test_the_lease_is_as_long_and_the_log_as_readable_as_they_are_asked_to_be(api: KubeApi, tmp_path: Path) -> None:
    options = (f"--namespace={api.namespace}", "--lease-seconds=30", "--log-format=text")
    with running(api, tmp_path, *options) as operator:
        eventually(lambda: "leading" in operator.log.read_text(), what="it leads")
        assert api.get("Lease", "analytics-operator")["spec"]["leaseDurationSeconds"] == 30
        (line,) = [each for each in operator.log.read_text().splitlines() if "leading" in each]
    assert "[info" in line
    assert not line.startswith("{")
