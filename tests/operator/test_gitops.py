"""Argo CD's Lua, kstatus (Flux, Helm 4), `kubectl wait` and the plugin take a resource for the same, in every state.

kubectl is the real one, on a real API server; kstatus is what its documentation says.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lupa
import pytest
import yaml

from analytics_operator.api.v1alpha1 import KIND
from analytics_operator.plugin import health
from e2e.cluster import gomodules
from tests.operator.conftest import serving
from tests.operator.recorded_states import Recorded, Verdict, states
from tests.operator.test_kstatus import kstatus
from tests.support.charts import rendered
from tests.support.kube import TOP, KubeApi, Object, helm

EXAMPLES = TOP / "docs/examples"
STATES = states()
EACH = pytest.mark.parametrize("state", STATES.values(), ids=STATES)
ARGO = {"Healthy": Verdict.CURRENT, "Degraded": Verdict.FAILED, "Progressing": Verdict.IN_PROGRESS}
ARGO |= {"Suspended": Verdict.IN_PROGRESS}
"""Nobody works on a suspended resource that is not as declared: to Argo CD it is no failure, to the others not done."""


def argo(body: Object) -> tuple[str, str]:
    """The health and the message by health.lua, in the interpreter of Lua."""
    runtime = lupa.LuaRuntime(unpack_returned_tuples=True)
    run = runtime.eval(f"function(obj) {(EXAMPLES / 'argo-cd/health.lua').read_text()} end")
    found = run(runtime.table_from(body, recursive=True))
    return found["status"], found["message"]


def test_there_are_thirty_states_of_every_verdict() -> None:
    assert len(STATES) >= 30
    assert {each.verdict for each in STATES.values()} == set(Verdict)


@EACH
def test_kstatus_and_argo_cd_and_the_plugin_agree(state: Recorded) -> None:
    assert kstatus(state.body) == state.verdict
    assert ARGO[argo(state.body)[0]] == state.verdict
    assert health.of(state.body | {"kind": KIND}).state == argo(state.body)[0]


@EACH
def test_argo_cd_shows_why(state: Recorded) -> None:
    message = argo(state.body)[1]
    ready = next((each for each in state.body["status"].get("conditions", ()) if each["type"] == "Ready"), None)
    current = state.body["status"]["observedGeneration"] == state.body["metadata"]["generation"]
    assert message == (f"{ready['reason']}: {ready['message']}" if ready and current else NOT_OBSERVED)


NOT_OBSERVED = "the operator has not seen this generation yet"


def test_a_resource_that_is_deleted_is_never_healthy() -> None:
    body = STATES["all pods are there"].body
    deleted = body | {"metadata": body["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert argo(deleted) == ("Progressing", "being deleted")
    assert kstatus(deleted) == "Terminating"
    assert health.of(deleted).state == "Progressing"


def test_a_suspended_resource_that_is_not_as_declared_is_suspended_to_argo_cd() -> None:
    assert argo(STATES["suspended before its first pod"].body)[0] == "Suspended"


@dataclass(frozen=True)
class Kubectl:
    api: KubeApi
    kubeconfig: Path

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        program = shutil.which("kubectl", path=f"{gomodules.clients()}{os.pathsep}{os.environ['PATH']}")
        command = [str(program), *arguments, f"--kubeconfig={self.kubeconfig}"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def waits(self, name: str, condition: str) -> bool:
        """Whether `kubectl wait` is satisfied by what is there now."""
        done = self("wait", f"aapi/{name}", f"--for=condition={condition}", "--timeout=0")
        assert done.returncode == 0 or "condition not met" in done.stderr, done.stderr
        return done.returncode == 0


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    """On an API server that no operator watches: the statuses stay as they are recorded."""
    folder = tmp_path_factory.mktemp("wait")
    with serving(folder) as api:
        yield Kubectl(api, api.kubeconfig(folder / "kubeconfig"))


@pytest.mark.kube
@pytest.mark.parametrize(("number", "state"), list(enumerate(STATES.values())), ids=STATES)
def test_kubectl_wait_agrees(kubectl: Kubectl, number: int, state: Recorded) -> None:
    """The API server keeps the whole status, and counts generations itself."""
    name, generation = f"state-{number}", state.body["metadata"]["generation"]
    kubectl.api.create(state.body | {"metadata": {"name": name}})
    for edit in range(1, generation):
        kubectl.api.merge(KIND, name, {"spec": {"cache": {"defaultTtlSeconds": edit}}})
    live = kubectl.api.merge(KIND, name, {"status": state.body["status"]}, subresource="/status")
    assert live["metadata"]["generation"] == generation
    assert kstatus(live) == state.verdict
    assert kubectl.waits(name, "Ready") == (state.verdict is Verdict.CURRENT)
    if generation == 1:
        assert kubectl.waits(name, "Stalled") == (state.verdict is Verdict.FAILED)


def documents(folder: str) -> Iterator[Object]:
    for file in sorted((EXAMPLES / folder).glob("*.yaml")):
        yield from (each for each in yaml.safe_load_all(file.read_text()) if each)


@pytest.mark.kube
def test_argo_cd_gets_the_lua_that_is_tested(kubectl: Kubectl) -> None:
    """By the command that the file names."""
    kubectl.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"}, "data": {"a": "b"}})
    done = kubectl("patch", "configmap", "argocd-cm", f"--patch-file={EXAMPLES / 'argo-cd/argocd-cm.yaml'}")
    assert done.returncode == 0, done.stderr
    assert kubectl.api.get("ConfigMap", "argocd-cm")["data"] == {
        "a": "b",
        "resource.customizations.health.analytics.llm-observatory.io_AnalyticsApi": (
            EXAMPLES / "argo-cd/health.lua"
        ).read_text(),
    }


def test_argo_cd_has_nothing_to_ignore_and_never_prunes_the_crd() -> None:
    applications = {each["metadata"]["name"]: each["spec"] for each in documents("argo-cd") if "spec" in each}
    assert set(applications) == {"analytics-crds", "analytics-operator", "llm-analytics"}
    for spec in applications.values():
        assert {"project", "source", "destination", "syncPolicy"} == set(spec), "no ignoreDifferences"
        assert "ServerSideApply=true" in spec["syncPolicy"]["syncOptions"]
    assert applications["analytics-crds"]["syncPolicy"]["automated"]["prune"] is False
    for name in ("analytics-crds", "analytics-operator"):
        assert (TOP / applications[name]["source"]["path"] / "Chart.yaml").is_file()
    installs("argo-cd", applications["analytics-operator"]["source"]["helm"]["valuesObject"])


def test_flux_waits_for_the_crd_first_and_for_every_resource() -> None:
    found = {(each["kind"], each["metadata"]["name"]): each["spec"] for each in documents("flux") if "spec" in each}
    operator = found["HelmRelease", "analytics-operator"]
    assert operator["dependsOn"] == [{"name": "analytics-crds"}]
    installs("flux", operator["values"])
    for (kind, _), spec in found.items():
        if kind == "HelmRelease":
            chart = spec["chart"]["spec"]
            assert (TOP / chart["chart"] / "Chart.yaml").is_file()
            assert ("GitRepository", chart["sourceRef"]["name"]) in found
        if kind == "Kustomization":
            assert spec["wait"]
            assert ("GitRepository", spec["sourceRef"]["name"]) in found
    assert not any("ignore" in str(spec) for spec in found.values())


def installs(folder: str, values: dict[str, Any]) -> None:
    """Every namespace that the chart has a Role in is among those that the example makes."""
    (watched,) = values.pop("watchNamespaces")
    assert values == {}
    made = {each["metadata"]["name"] for each in documents(folder) if each.get("kind") == "Namespace"}
    manifests = rendered(f"watchNamespaces={{{watched}}}", namespace="analytics")
    roles = {each["metadata"]["namespace"] for each in manifests if each["kind"] == "Role"}
    assert watched in roles
    assert roles - made == {"analytics"}, "the operator's own, which CreateNamespace makes"


def test_helm_3_waits_for_no_custom_resource_which_the_page_says() -> None:
    assert helm("version", "--short").startswith("v3."), "the page speaks of what is tested here"
    assert "Helm 3 ignores custom resources" in (TOP / "docs/operator/gitops.md").read_text()
