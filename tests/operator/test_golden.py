"""Whole manifests of whole inputs: a change of a builder is a diff that people read. `make golden` rewrites them."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from analytics_operator.api.v1alpha1 import AnalyticsApi
from analytics_operator.kube.objects import OPTIONAL, Absent, Decision, Want
from analytics_operator.plan import plan
from analytics_operator.state.observed import Observed

CASES = Path(__file__).parent / "cases"
NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_golden(case: Path) -> None:
    found = plan(observed(yaml.safe_load((case / "input.yaml").read_text())), now=NOW, random_text="0" * 64)
    text = yaml.safe_dump_all([written(decision) for decision in found.decisions], sort_keys=False, width=120)
    golden = case / "manifests.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text(), "run `make golden` and read the difference"


def observed(case: dict[str, Any]) -> Observed:
    metadata = {"name": "demo", "namespace": "llm", "uid": "0000", "generation": 1}
    secrets = {name: {key: value.encode() for key, value in data.items()} for name, data in case["secrets"].items()}
    return Observed(
        resource=AnalyticsApi.model_validate({"metadata": metadata, "spec": case["spec"]}),
        secrets=secrets,
        deployment=case.get("deployment"),
        jobs=tuple(case.get("jobs", ())),
        dry_runs=tuple(case.get("dryRuns", ())),
        pods=tuple(case.get("pods", ())),
        config_maps=tuple(case.get("configMaps", ())),
        replica_sets=tuple(case.get("replicaSets", ())),
        served_kinds=frozenset(kind for kind in OPTIONAL if kind.name in case.get("servedKinds", ())),
        operator_namespace="analytics-system",
    )


def written(decision: Decision) -> dict[str, Any]:
    match decision:
        case Want(_, manifest):
            return manifest
        case Absent(ref):
            return {"absent": ref.text}
        case _:
            return {"hold": decision.ref.text}


def test_no_secret_value_is_in_any_golden_file() -> None:
    for case in CASES.iterdir():
        secrets = yaml.safe_load((case / "input.yaml").read_text())["secrets"]
        text = (case / "manifests.yaml").read_text()
        for value in (value for data in secrets.values() for value in data.values()):
            assert value not in text
