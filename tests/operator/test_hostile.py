"""An API server that throttles, fails and cuts: afterwards everything is as declared, by few writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.operator.conftest import Operator, running
from tests.operator.play import Play
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


@dataclass(frozen=True)
class Hostile:
    world: Play
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

    def applied(self, name: str, ttl: int) -> bool:
        maps = self.world.api.list("ConfigMap", f"app.kubernetes.io/instance={name}")
        return any(each["data"].get("CACHE_DEFAULT_TTL") == str(ttl) for each in maps)


@pytest.fixture(scope="module")
def hostile(cluster: KubeApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    """Three Ready resources and an operator of their own, which reaches the API server through the proxy."""
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "hostile"}})
    api = replace(cluster, namespace="hostile")
    folder = tmp_path_factory.mktemp("hostile")
    with proxied(api) as proxy, running(proxy.api, folder, "--namespace=hostile") as operator:
        world = Play(api, operator.port)
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
        eventually(lambda n=name: hostile.applied(n, ttl), what=f"{name} has the new settings", seconds=60)  # type: ignore[misc]
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


def test_a_watch_that_is_too_old_is_begun_anew(hostile: Hostile) -> None:
    with hostile.under(lambda _method, path: Fault(expired=True) if "watch=true" in path else None):
        hostile.proxy.cut_watches()
        hostile.world.pause(1)
    repaired(hostile, seconds=30)


def test_a_resource_whose_calls_all_fail_delays_no_other(hostile: Hostile) -> None:
    with hostile.under(lambda _method, path: Fault(status=500) if "bad" in path and "watch" not in path else None):
        hostile.world.declare("bad")
        failures = 'analytics_operator_reconcile_seconds_count{outcome="Unavailable"}'
        before = hostile.world.metric(failures)
        eventually(lambda: hostile.world.metric(failures) > before, what="the bad one fails")
        hostile.world.edit("one", cache={"defaultTtlSeconds": 2000})
        eventually(lambda: hostile.applied("one", 2000), what="the good one goes on", seconds=10)
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


def repaired(hostile: Hostile, *, seconds: float) -> None:
    before = hostile.world.api.get("Service", "one")["metadata"]["uid"]
    hostile.world.api.delete("Service", "one")
    eventually(
        lambda: hostile.world.api.get("Service", "one")["metadata"]["uid"] != before, what="a new one", seconds=seconds
    )
