"""What the operator did in this whole run, by the audit log, is what its chart grants: no less, and no more."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
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
AUDITED = ("analytics-e2e", "analytics-demo")
"""The namespaces that the audit policy names."""
OF_EVERYBODY = frozenset({"selfsubjectaccessreviews", "selfsubjectreviews"})


@pytest.fixture(scope="module")
def calls(kubectl: Kubectl) -> list[dict[str, Any]]:
    if kubectl.context != f"kind-{NAME}":
        pytest.skip("the audit log of this cluster is not ours to read")
    if kubectl.namespace not in AUDITED:
        pytest.skip(f"the audit log is kept for {' and '.join(AUDITED)} only")
    log = subprocess.run(["docker", "exec", NODE, "cat", AUDIT_LOG], check=True, capture_output=True).stdout
    user = f"system:serviceaccount:{kubectl.namespace}:analytics-operator"
    start = (kubectl.get("namespace", kubectl.namespace) or {})["metadata"][
        "creationTimestamp"
    ]  # earlier runs had others
    found = [json.loads(line) for line in log.splitlines()]
    ours = [each for each in found if each["user"]["username"] == user and "objectRef" in each]
    return [each for each in ours if each["requestReceivedTimestamp"] >= start]


def used(calls: list[dict[str, Any]]) -> set[Right]:
    """An apply that made its object needed the right to create it too."""
    rights = set()
    for call in calls:
        about = call["objectRef"]
        if about["resource"] not in OF_EVERYBODY:
            subresource = f"/{about['subresource']}" if "subresource" in about else ""
            made = call["verb"] == "patch" and call["responseStatus"]["code"] == 201
            for verb in (call["verb"], *(("create",) if made else ())):
                rights.add((verb, about.get("apiGroup", ""), about["resource"] + subresource))
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


def test_nothing_is_granted_that_was_never_used(
    request: pytest.FixtureRequest, kubectl: Kubectl, calls: list[dict[str, Any]]
) -> None:
    files = {item.path.name for item in request.session.items}
    if left_out := {path.name for path in Path(__file__).parent.glob("test_*.py")} - files:
        pytest.skip(f"only a whole run uses every right: {', '.join(sorted(left_out))} were not chosen")
    surplus = set(granted(kubectl)) - used(calls)
    assert surplus == UNUSED.keys(), "take the right away, use it in a test, or give the reason in UNUSED"
