"""An API server that throttles, fails and cuts: afterwards everything is as declared, by few writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.operator.cluster_actor import ClusterActor
from tests.operator.conftest import Operator, running
from tests.support.faults import Choose, Fault, Proxy, proxied, share
from tests.support.kube import KubeApi, eventually

pytestmark = pytest.mark.kube

NAMES = ("one", "two", "three")
FAULTS = {
    "throttled": share(2, Fault(status=429, headers={"Retry-After": "1"})),
    "failing": share(2, Fault(status=500)),
    "unavailable": lambda _method, path: None if "watch=true" in path else Fault(status=503),
    "conflicting": lambda method, _path: Fault(status=409) if method in {"PATCH", "POST"} else None,
    "slow": share(1, Fault(slow=0.3)),
    "cut": share(2, Fault(cut=True)),
}


FORGOTTEN = {
    "an event": lambda _method, path: Fault(expired=True) if "watch=true" in path else None,
    "an answer": lambda _method, path: (
        Fault(status=410) if "watch=true" in path and "resourceVersion=" in path else None
    ),
}
"""How the API server says that a watch begins too long ago."""
TTL_UNDER_SILENCE = 4000


@dataclass(frozen=True)
class Hostile:
    world: ClusterActor
    proxy: Proxy
    operator: Operator

    @contextmanager
    def under(self, choose: Choose) -> Iterator[None]:
        """The Lease is spared: a leader that cannot renew it ends, as it should."""
        self.proxy.choose = lambda method, path: None if "/leases" in path else choose(method, path)
        try:
            yield
        finally:
            self.proxy.choose = lambda _method, _path: None

    def resident(self) -> int:
        """KiB of the operator's process."""
        status = Path(f"/proc/{self.operator.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])


def applied(world: ClusterActor, name: str, ttl: int) -> bool:
    maps = world.api.list("ConfigMap", f"app.kubernetes.io/instance={name}")
    return any(each["data"].get("CACHE_DEFAULT_TTL") == str(ttl) for each in maps)


@contextmanager
def behind_a_proxy(
    cluster: KubeApi, factory: pytest.TempPathFactory, namespace: str
) -> Iterator[tuple[ClusterActor, Proxy, Operator]]:
    """A namespace and an operator of its own, which reaches the API server through the proxy."""
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    api = replace(cluster, namespace=namespace)
    with (
        proxied(api) as proxy,
        running(proxy.api, factory.mktemp(namespace), f"--namespace={namespace}") as operator,
    ):
        yield ClusterActor(api, operator.port), proxy, operator


@pytest.fixture(scope="module", autouse=True)
def silenced(cluster: KubeApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterActor]:
    """A resource that was edited when its operator's watches had gone silent: before the first test of this file."""
    with behind_a_proxy(cluster, tmp_path_factory, "silenced") as (world, proxy, operator):
        world.ready("one")
        world.pause(3)  # the last look writes its status
        proxy.silence_watches()
        world.edit("one", cache={"defaultTtlSeconds": TTL_UNDER_SILENCE})
        yield world
        assert operator.process.poll() is None, "it went on by itself"


@pytest.fixture(scope="module")
def hostile(cluster: KubeApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    """Three Ready resources behind a proxy that fails as a test wants it."""
    with behind_a_proxy(cluster, tmp_path_factory, "hostile") as (world, proxy, operator):
        for name in NAMES:
            world.ready(name)
        yield Hostile(world, proxy, operator)
        assert operator.process.poll() is None, "one process lived through all of it"


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_what_was_declared_under_a_fault_is_so_after_it(hostile: Hostile, fault: str) -> None:
    ttl = 1000 + list(FAULTS).index(fault)
    hostile.proxy.passed.clear()
    with hostile.under(FAULTS[fault]):
        for name in NAMES:
            hostile.world.edit(name, cache={"defaultTtlSeconds": ttl})
        hostile.world.pause(3)
    for name in NAMES:
        eventually(lambda n=name: applied(hostile.world, n, ttl), what=f"{name} has the new settings", seconds=60)  # type: ignore[misc]
        hostile.world.settle(name)
    for (method, path), count in hostile.proxy.passed.items():
        if method in {"PATCH", "POST"} and "/leases/" not in path and not path.endswith("/events"):
            assert count <= 20, f"{method} {path} was sent {count} times"


def test_watches_that_are_cut_and_cut_again_do_not_keep_a_cpu_busy(hostile: Hostile) -> None:
    hostile.proxy.asked.clear()
    for _ in range(50):
        hostile.proxy.cut_watches()
        hostile.world.pause(0.1)
    lists = sum(count for (_, path), count in hostile.proxy.asked.items() if path.endswith("/services"))
    assert lists <= 15, f"{lists} lists and watches of Services in five seconds"
    repaired(hostile, seconds=30)


@pytest.mark.parametrize("said_by", FORGOTTEN, ids=str)
def test_what_is_deleted_before_a_watch_is_told_that_it_is_too_old_is_made_again(
    hostile: Hostile, said_by: str
) -> None:
    before = hostile.world.api.get("Service", "one")["metadata"]["uid"]
    with hostile.under(lambda _method, path: Fault(status=503) if "watch=true" in path else None):
        hostile.proxy.cut_watches()
        hostile.world.pause(1)
        hostile.world.api.delete("Service", "one")
    with hostile.under(FORGOTTEN[said_by]):
        eventually(lambda: service(hostile) not in {None, before}, what="a new one", seconds=30)


def test_a_resource_whose_calls_all_fail_delays_no_other(hostile: Hostile) -> None:
    with hostile.under(lambda _method, path: Fault(status=500) if "bad" in path and "watch" not in path else None):
        hostile.world.declare("bad")
        failures = 'analytics_operator_reconcile_seconds_count{outcome="Unavailable"}'
        before = hostile.world.metric(failures)
        eventually(lambda: hostile.world.metric(failures) > before, what="the bad one fails")
        hostile.world.edit("one", cache={"defaultTtlSeconds": 2000})
        eventually(lambda: applied(hostile.world, "one", 2000), what="the good one goes on", seconds=10)
    hostile.world.migrate("bad")
    hostile.world.settle("bad")


def test_memory_stays_flat_over_rounds_of_faults(hostile: Hostile) -> None:
    def rounds(count: int) -> int:
        with hostile.under(share(3, Fault(status=500))):
            for number in range(count):
                for name in NAMES:
                    hostile.world.edit(name, cache={"defaultTtlSeconds": 3000 + number})
                hostile.proxy.cut_watches()
                hostile.world.pause(0.5)
        return hostile.resident()

    first = rounds(5)
    assert rounds(15) < first + 20 * 1024, "KiB"


def test_watches_that_went_silent_are_opened_again(silenced: ClusterActor) -> None:
    eventually(lambda: applied(silenced, "one", TTL_UNDER_SILENCE), what="the edit is applied", seconds=120)


def service(hostile: Hostile) -> str | None:
    found = hostile.world.api.find("Service", "one")
    return found["metadata"]["uid"] if found else None


def repaired(hostile: Hostile, *, seconds: float) -> None:
    before = service(hostile)
    hostile.world.api.delete("Service", "one")
    eventually(lambda: service(hostile) not in {None, before}, what="a new one", seconds=seconds)
