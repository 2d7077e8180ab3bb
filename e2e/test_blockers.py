"""Whatever is in the way is named, hurts nobody else, and is forgotten within a minute of its cure.

All blockers are there at the same time, long enough for the backoffs of Kubernetes' own controllers to grow, under one
operator of their own: it watches a namespace whose quota is used up and one where a right is missing, too.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from e2e import installation
from e2e.blockers import BLOCKERS, Blocker, World, limit, remove, world_beside
from e2e.conftest import wait_in_order, wait_ready
from e2e.installation import KIND, secret
from e2e.kubectl import Kubectl, condition, eventually
from e2e.write_snapshot import WriteSnapshot, versions

STANDING = 90
"""Seconds until the cure: by then a ReplicaSet whose pods are refused tries again after more than a minute."""
SOON = 60
"""Seconds in which a blocker has its reason, and in which its cure makes the resource Ready."""
each_blocker = pytest.mark.parametrize("blocker", [pytest.param(each, id=each.name) for each in BLOCKERS])


@pytest.fixture(scope="module")
def world(kubectl: Kubectl) -> Iterator[World]:
    """Three namespaces and their operator, gone afterwards."""
    found = world_beside(kubectl)
    side, crowd, law = found.sides
    try:
        for each in found.sides:
            installation.make_namespace(each)
            each.apply(secret("credentials", **{"database-url": found.url()}))
        for each in (side, crowd):  # of their own: nobody else's worker leads there
            name = each.namespace.rpartition("-")[2]
            installation.sql(kubectl, "llm_observatory", f"CREATE DATABASE {name}")
            each.apply(secret("other", **{"database-url": found.url(database=name)}))
        watched = ",".join(each.namespace for each in found.sides)
        installation.install_operator(side, values=(f"watchNamespaces={{{watched}}}", "aggregatedRoles=false"))
        yield replace(found, rules=(law.get("role", "analytics-operator") or {})["rules"])
    finally:
        remove(found, wait=False)


@dataclass(frozen=True, kw_only=True)
class Before:
    """What shall be as it was."""

    others: tuple[tuple[Kubectl, WriteSnapshot], ...]
    operator: dict[str, int]


def restarts(world: World) -> dict[str, int]:
    """Of each pod of the operator, by its UID."""
    pods = world.plain.list("pods", selector="app.kubernetes.io/name=analytics-operator")
    return {pod["metadata"]["uid"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods}


@pytest.fixture(scope="module")
def before(world: World) -> Before:
    for kubectl in (world.plain, world.quota):
        world.declare(kubectl, "other", credentials="other")
    world.declare(world.plain, "policed", replicas=0)
    world.declare(world.quota, "crowded", replicas=0)
    for kubectl, name in ((world.plain, "policed"), (world.quota, "crowded")):
        wait_ready(kubectl, name)
    others = []
    for kubectl in (world.plain, world.quota):
        wait_ready(kubectl, "other")
        wait_in_order(kubectl, "other")
        others.append((kubectl, WriteSnapshot.seen(kubectl, "other")))
    return Before(others=tuple(others), operator=restarts(world))


@pytest.fixture(scope="module")
def stood(world: World, before: Before) -> dict[str, float]:
    """Since when each blocker is there."""
    limit(world, "0")
    since = {}
    for blocker in BLOCKERS:
        blocker.stand(world)
        since[blocker.name] = time.monotonic()
    return since


@pytest.fixture(scope="module")
def cured(world: World, stood: dict[str, float]) -> dict[str, tuple[float, datetime]]:
    """When each blocker was removed."""
    time.sleep(max(max(stood.values()) + STANDING - time.monotonic(), 0))
    moments = {}
    for blocker in BLOCKERS:
        moments[blocker.name] = (time.monotonic(), datetime.now(UTC))
        blocker.cure(world)
    return moments


@each_blocker
def test_a_blocker_is_named_within_a_minute(world: World, stood: dict[str, float], blocker: Blocker) -> None:
    def named() -> bool:
        found = condition(blocker.where(world).get(KIND, blocker.name), blocker.condition)
        return (found["status"], found["reason"]) == ("False", blocker.reason)

    left = stood[blocker.name] + SOON - time.monotonic()
    eventually(named, seconds=left, what=f"{blocker.condition} of {blocker.name} is {blocker.reason}")


def test_a_cure_is_seen_within_a_minute_without_a_restart(
    world: World, before: Before, cured: dict[str, tuple[float, datetime]]
) -> None:
    late = {}
    for blocker in BLOCKERS:
        since, moment = cured[blocker.name]
        kubectl = blocker.where(world)
        try:
            wait_ready(kubectl, blocker.name, seconds=since + SOON - time.monotonic())
        except AssertionError:
            late[blocker.name] = (kubectl.get(KIND, blocker.name) or {})["status"]["conditions"]
        else:
            ready = condition(kubectl.get(KIND, blocker.name), "Ready")["lastTransitionTime"]
            print(f"{blocker.name} is Ready after {(datetime.fromisoformat(ready) - moment).total_seconds():.0f} s")
    assert late == {}
    assert restarts(world) == before.operator


def test_the_healthy_neighbours_were_not_touched(before: Before, cured: dict[str, tuple[float, datetime]]) -> None:
    for kubectl, other in before.others:
        assert versions(kubectl, other.name) == other.versions, kubectl.namespace
