"""Children that come with a wish and go with it: a budget, an autoscaler, old settings, old migrations.

The resource has no pods for most of the time, so that this takes seconds.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.conftest import wait_ready
from e2e.installation import KIND, analyticsapi
from e2e.kubectl import Kubectl, eventually

NAME = "shrinking"


@pytest.fixture(scope="module", autouse=True)
def shrinking(kubectl: Kubectl) -> Iterator[None]:
    kubectl.apply(analyticsapi(kubectl, NAME, replicas=0))
    wait_ready(kubectl, NAME)
    yield
    kubectl("delete", "aapi", NAME)


def change(kubectl: Kubectl, **spec: Any) -> None:
    kubectl.patch(KIND, NAME, {"spec": spec})


def is_there(kubectl: Kubectl, kind: str, *, wanted: bool) -> None:
    eventually(
        lambda: (kubectl.get(kind, NAME) is not None) == wanted,
        seconds=60,
        what=f"{kind} {NAME} is {'there' if wanted else 'gone'}",
    )


def names(kubectl: Kubectl, kind: str) -> set[str]:
    return {each["metadata"]["name"] for each in kubectl.list(kind, selector=f"app.kubernetes.io/instance={NAME}")}


def settings(kubectl: Kubectl) -> set[str]:
    return {name for name in names(kubectl, "configmaps") if name.startswith(f"{NAME}-config-")}


def test_a_budget_goes_with_the_second_replica(kubectl: Kubectl) -> None:
    change(kubectl, replicas=2)
    is_there(kubectl, "poddisruptionbudget", wanted=True)
    change(kubectl, replicas=0)
    is_there(kubectl, "poddisruptionbudget", wanted=False)
    wait_ready(kubectl, NAME)


def test_an_autoscaler_goes_when_it_is_not_wanted_any_more(kubectl: Kubectl) -> None:
    change(kubectl, replicas=1, autoscaling={"minReplicas": 1, "maxReplicas": 2})
    is_there(kubectl, "horizontalpodautoscaler", wanted=True)
    change(kubectl, autoscaling={"minReplicas": 1, "maxReplicas": 3})
    eventually(
        lambda: (kubectl.get("horizontalpodautoscaler", NAME) or {})["spec"]["maxReplicas"] == 3,
        seconds=60,
        what="the autoscaler's bounds follow",
    )
    change(kubectl, replicas=0, autoscaling=None)
    is_there(kubectl, "horizontalpodautoscaler", wanted=False)
    wait_ready(kubectl, NAME)


def test_settings_that_no_pod_can_go_back_to_are_removed(kubectl: Kubectl) -> None:
    (first,) = settings(kubectl)
    for seconds in range(61, 66):  # one more than a Deployment's history and its present
        change(kubectl, cache={"defaultTtlSeconds": seconds})
        wait_ready(kubectl, NAME)
    eventually(lambda: first not in settings(kubectl), seconds=60, what="the first settings are gone")


def test_only_the_last_migration_is_kept(kubectl: Kubectl) -> None:
    first = names(kubectl, "jobs")
    change(kubectl, migrations={"timeoutSeconds": 901})  # an argument of the Job
    eventually(
        lambda: (now := names(kubectl, "jobs")) and not first & now,
        seconds=90,
        what="a new migration has taken the place of the old one",
    )
    wait_ready(kubectl, NAME)
