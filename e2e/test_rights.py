"""What the operator did in this whole run, by the audit log, is what its chart grants: no less, and no more."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.cluster.kind import AUDIT_LOG, NAME, NODE
from e2e.kubectl import Kubectl

Right = tuple[str, str, str]
"""Verb, API group, resource with its subresource."""

UNUSED: dict[Right, str] = {
    ("update", "analytics.llm-observatory.io", "analyticsapis/finalizers"): (
        "asked by admission for blockOwnerDeletion, never called"
    ),
}
OF_EVERYBODY = frozenset({"selfsubjectaccessreviews", "selfsubjectreviews"})


@pytest.fixture(scope="module")
def calls(kubectl: Kubectl) -> list[dict[str, Any]]:
    if kubectl.context != f"kind-{NAME}":
        pytest.skip("the audit log of this cluster is not ours to read")
    log = subprocess.run(["docker", "exec", NODE, "cat", AUDIT_LOG], check=True, capture_output=True).stdout
    user = f"system:serviceaccount:{kubectl.namespace}:analytics-operator"
    found = [json.loads(line) for line in log.splitlines()]
    return [each for each in found if each["user"]["username"] == user and "objectRef" in each]


def used(calls: list[dict[str, Any]]) -> set[Right]:
    rights = set()
    for call in calls:
        about = call["objectRef"]
        if about["resource"] not in OF_EVERYBODY:
            subresource = f"/{about['subresource']}" if "subresource" in about else ""
            rights.add((call["verb"], about.get("apiGroup", ""), about["resource"] + subresource))
    return rights


def granted(kubectl: Kubectl) -> Iterator[Right]:
    for role in kubectl.list("roles", selector="app.kubernetes.io/name=analytics-operator"):
        for rule in role["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    yield from ((verb, group, resource) for verb in rule["verbs"])


def test_nothing_was_asked_for_that_is_not_granted(kubectl: Kubectl, calls: list[dict[str, Any]]) -> None:
    assert calls, "the audit log is kept"
    assert used(calls) - set(granted(kubectl)) == set()


def test_nothing_is_granted_that_was_never_used(kubectl: Kubectl, calls: list[dict[str, Any]]) -> None:
    surplus = set(granted(kubectl)) - used(calls)
    assert surplus == UNUSED.keys(), "take the right away, use it in a test, or give the reason in UNUSED"
