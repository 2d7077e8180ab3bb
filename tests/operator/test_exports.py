"""spec.exports in the pods: who gets the settings of the storage, and images that know none."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from analytics_operator.kube.objects import DEPLOYMENT, Want
from analytics_operator.plan import plan
from analytics_operator.state.migration import Gate, State
from analytics_operator.status.derive import derive
from tests.operator.test_golden import CASES, NOW, observed
from tests.operator.test_status import facts


def environments(*, known: bool = True, **exports: Any) -> dict[str, dict[str, Any]]:
    """Of the containers of the golden case with every field, by their names; `exports` replaces its fields."""
    case = yaml.safe_load((CASES / "everything-set" / "input.yaml").read_text())
    case["spec"]["exports"] |= exports
    if not known:
        terminated = case["pods"][0]["status"]["containerStatuses"][0]["state"]["terminated"]
        terminated["message"] = terminated["message"].replace(', "EXPORT_S3_BUCKET"', "")
    decisions = plan(observed(case), now=NOW, random_text="0" * 64).decisions
    containers = [
        container
        for each in decisions
        if isinstance(each, Want) and each.ref.kind is DEPLOYMENT
        for container in each.manifest["spec"]["template"]["spec"]["containers"]
    ]
    return {
        container["name"]: {
            each["name"]: each.get("value", each.get("valueFrom"))
            for each in container["env"]
            if each["name"].startswith("EXPORT_")
        }
        for container in containers
    }


def test_pods_of_the_api_and_workers_have_the_storage_and_those_that_take_rows_have_not() -> None:
    found = environments()
    key = {"secretKeyRef": {"name": "storage", "key": "access-key-id"}}
    secret = {"secretKeyRef": {"name": "storage", "key": "secret-access-key"}}
    assert found["api"] == found["worker"]
    assert found["api"] == {
        "EXPORT_S3_BUCKET": "exports",
        "EXPORT_S3_ENDPOINT": "https://s3.example",
        "EXPORT_S3_PUBLIC_ENDPOINT": "https://files.example",
        "EXPORT_S3_REGION": "eu-central-1",
        "EXPORT_RETENTION_DAYS": "30",
        "EXPORT_MAX_ROWS": "50000",
        "EXPORT_S3_ACCESS_KEY_ID": key,
        "EXPORT_S3_SECRET_ACCESS_KEY": secret,
    }
    assert found["ingest"] == {}


def test_with_an_identity_pods_have_no_key() -> None:
    found = environments(s3={"bucket": "exports"})
    assert found["worker"].keys() == {
        "EXPORT_S3_BUCKET",
        "EXPORT_S3_REGION",
        "EXPORT_RETENTION_DAYS",
        "EXPORT_MAX_ROWS",
    }


@pytest.mark.parametrize("known", [True, False])
def test_an_image_that_exports_nothing_is_named_and_gets_no_settings(*, known: bool) -> None:
    assert all(bool(env) == (known and name != "ingest") for name, env in environments(known=known).items())
    gate = Gate(state=State.DONE, settings=("EXPORT_S3_BUCKET",) if known else ())
    status = derive(replace(facts(exports={"s3": {"bucket": "exports"}}), gate=gate), now=NOW)
    outdated = [each["message"] for each in status["conditions"] if each["type"] == "ImageOutdated"]
    assert bool(outdated) != known
    assert all("does not know exports:" in message for message in outdated)
