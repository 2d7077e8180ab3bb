"""An operator that is newer than the CRD beside it, on an API server of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from analytics_operator.api.crd import definition
from analytics_operator.served import missing
from tests.operator.conftest import running, serving
from tests.operator.play import Play
from tests.support.kube import TOP, KubeApi, Object, eventually

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
    assert missing(published(definition())) == ()
    assert missing(published(older())) == ("spec.autoscaling", "spec.cors.origins")


@pytest.fixture
def outdated(tmp_path: Path) -> Iterator[KubeApi]:
    with serving(tmp_path, crd=older()) as api:
        yield api


@pytest.mark.kube
def test_an_older_crd_is_said_until_it_is_upgraded(outdated: KubeApi, tmp_path: Path) -> None:
    play = Play(outdated)
    with running(outdated, tmp_path, "--namespace=default"):
        play.ready()
        found = play.until("SchemaOutdated", "True", "OlderThanOperator")
        assert "spec.autoscaling, spec.cors.origins" in found["message"]
        assert "upgrade the chart charts/crds" in found["message"]
        outdated.merge("CustomResourceDefinition", CRD, {"spec": definition()["spec"]})
        eventually(lambda: play.condition("SchemaOutdated")["status"] is None, what="it is upgraded", seconds=90)
    assert play.condition("Ready")["status"] == "True"


@pytest.fixture
def ahead(tmp_path: Path) -> Iterator[KubeApi]:
    with serving(tmp_path, crd=newer()) as api:
        yield api


@pytest.mark.kube
def test_a_stored_resource_that_cannot_be_read_is_said_and_its_pods_stay(ahead: KubeApi, tmp_path: Path) -> None:
    play = Play(ahead)
    with running(ahead, tmp_path, "--namespace=default"):
        play.ready()
        play.pause(3)  # the last look writes its status
        before = play.deployment()
        play.edit(logging={"level": "silent"})
        found = play.until("Stalled", "True", "InvalidSpec")
        assert "spec.logging.level" in found["message"]
        assert play.condition("Available")["status"] == "True"
        assert play.deployment() == before
        play.edit(logging={"level": "info"})
        play.settle()
