"""The worker's pod: it leads, says how the store is, comes back, and takes policies without a word to the API's."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e import installation
from e2e.conftest import wait_in_order, wait_ready
from e2e.installation import KIND, analyticsapi, credentials
from e2e.kubectl import Kubectl, KubectlError, condition, eventually

NAME = "kept"


@pytest.fixture(scope="module", autouse=True)
def kept(kubectl: Kubectl) -> Iterator[None]:
    """A resource with a database of its own."""
    installation.sql(kubectl, "llm_observatory", f"CREATE DATABASE {NAME}")
    kubectl.apply(credentials(name=NAME, database=NAME))
    database = {"urlSecretRef": {"name": NAME, "key": "database-url"}}
    kubectl.apply(analyticsapi(kubectl, NAME, replicas=1, database=database, timescale={}))
    wait_ready(kubectl, NAME)
    wait_in_order(kubectl, NAME)
    yield
    kubectl("delete", "aapi", NAME)


def table(kubectl: Kubectl) -> dict[str, dict[str, Any]]:
    status = (kubectl.get(KIND, NAME) or {})["status"]
    return {row["name"]: row for row in status.get("policies", ())}


def test_the_status_shows_the_policies_and_the_edition(kubectl: Kubectl) -> None:
    found = table(kubectl)
    assert {name: row["wanted"] for name, row in found.items()} == {
        "raw retention": "92 d",
        "1min retention": "8 d",
        "1hour retention": "400 d",
        "1day retention": "1095 d",
        "compression": "7 d",
        "chunk interval": "24 h",
    }
    assert found["compression"]["state"] == "Unavailable", "the cluster's TimescaleDB is the Apache edition"
    assert {row["state"] for name, row in found.items() if name != "compression"} == {"Applied"}
    assert (kubectl.get(KIND, NAME) or {})["status"]["schema"]["edition"] == "timescaledb-apache"


def test_a_policy_reaches_the_store_and_rolls_no_pod_of_the_api(kubectl: Kubectl) -> None:
    before = (kubectl.get("deployment", NAME) or {})["metadata"]["generation"]
    kubectl.patch(KIND, NAME, {"spec": {"timescale": {"retentionDays": {"oneDay": 2000, "raw": "Forever"}}}})
    eventually(
        lambda: (
            (table(kubectl)["1day retention"]["found"], table(kubectl)["raw retention"]["found"]) == ("2000 d", "keep")
        ),
        seconds=180,
        what="longer retentions are applied",
    )
    assert (kubectl.get("deployment", NAME) or {})["metadata"]["generation"] == before
    command = ("analytics-service", "policies", "plan", "--output", "json")
    planned = json.loads(kubectl("exec", f"deployment/{NAME}", "--", *command))
    desired = {row["name"]: row["wanted"] for row in planned["table"]}
    assert (desired["1day retention"], desired["raw retention"]) == ("2000 d", "keep"), "as the worker, in its pod too"


def test_drift_made_by_hand_is_put_back(kubectl: Kubectl) -> None:
    installation.sql(kubectl, NAME, "SELECT set_chunk_time_interval('traces', interval '3 days')")
    interval = "SELECT 1 / (time_interval = interval '1 day')::int FROM timescaledb_information.dimensions"

    def back() -> bool:
        try:
            installation.sql(kubectl, NAME, interval)
        except KubectlError:
            return False
        return True

    eventually(back, seconds=150, what="the chunk interval is what it was")


def test_a_deleted_worker_comes_back_and_leads(kubectl: Kubectl) -> None:
    before = (kubectl.get("deployment", f"{NAME}-worker") or {})["metadata"]["uid"]
    kubectl("delete", "deployment", f"{NAME}-worker", "--wait=false")
    eventually(
        lambda: (found := kubectl.get("deployment", f"{NAME}-worker")) and found["metadata"]["uid"] != before,
        seconds=30,
        what="a new Deployment of the worker",
    )
    wait_in_order(kubectl, NAME)
    assert condition(kubectl.get(KIND, NAME), "Ready")["status"] == "True"
