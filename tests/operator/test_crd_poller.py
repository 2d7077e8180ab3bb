"""An operator that is newer than the CRD beside it, on an API server of its own."""

from pathlib import Path

import pytest
import yaml

from analytics_operator.api.crd import definition
from analytics_operator.controller.crd_poller import missing_fields
from tests.operator.cluster_actor import ClusterActor
from tests.operator.conftest import running, serving
from tests.support.kube import TOP, Object, eventually

CRD = "analyticsapis.analytics.llm-observatory.io"


def older() -> Object:
    """The CRD as it was before `autoscaling` and `cors.origins`."""
    crd: Object = yaml.safe_load((TOP / "crds/analyticsapis.yaml").read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del schema["properties"]["autoscaling"]
    del schema["properties"]["cors"]["properties"]["origins"]
    del schema["properties"]["cors"]["x-kubernetes-validations"]
    schema["properties"]["cors"]["default"] = {}
    schema["x-kubernetes-validations"] = []
    return crd


def newer() -> Object:
    """A CRD with a log level that this operator does not know."""
    crd: Object = definition()
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["logging"]["properties"]["level"]["enum"].append("silent")
    return crd


def published(crd: Object) -> Object:
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return {"io.llm-observatory.analytics.v1alpha1.AnalyticsApi": schema}


def test_fields_that_the_served_schema_lacks_are_named_once() -> None:
    assert missing_fields(published(definition())) == ()
    assert missing_fields(published(older())) == ("spec.autoscaling", "spec.cors.origins")


@pytest.mark.kube
def test_an_older_crd_is_said_until_it_is_upgraded(tmp_path: Path) -> None:
    with serving(tmp_path, crd=older()) as api, running(api, tmp_path, "--namespace=default"):
        actor = ClusterActor(api)
        actor.ready()
        found = actor.until("CRDOutdated", "True", "OlderThanOperator")
        assert "spec.autoscaling, spec.cors.origins" in found["message"]
        assert "upgrade the chart charts/crds" in found["message"]
        api.merge("CustomResourceDefinition", CRD, {"spec": definition()["spec"]})
        eventually(lambda: actor.condition("CRDOutdated")["status"] is None, what="it is upgraded", seconds=90)
        assert actor.condition("Ready")["status"] == "True"


@pytest.mark.kube
def test_a_stored_resource_that_cannot_be_read_is_said_and_its_pods_stay(tmp_path: Path) -> None:
    with serving(tmp_path, crd=newer()) as api, running(api, tmp_path, "--namespace=default"):
        actor = ClusterActor(api)
        actor.ready()
        actor.pause(3)  # the last look writes its status
        before = actor.deployment()
        actor.edit(logging={"level": "silent"})
        found = actor.until("Stalled", "True", "InvalidSpec")
        assert "spec.logging.level" in found["message"]
        assert actor.condition("Available")["status"] == "True"
        assert actor.deployment() == before
        actor.edit(logging={"level": "info"})
        actor.settle()
