"""docs/operator/day-two.md and versions.md: every command works, in their order, on a real API server.

The tests play the controllers that it has not: of Jobs and Deployments before a command that waits, and the one that
orphans children.
"""

import threading
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from analytics_operator.api.crd import definition
from tests.operator import pages
from tests.operator.cluster_actor import ClusterActor, a_resource
from tests.operator.conftest import running
from tests.support.kube import KubeApi, KubeError, Object, api_server, eventually

pytestmark = pytest.mark.kube

DAY_TWO, VERSIONS = "docs/operator/day-two.md", "docs/operator/versions.md"
GROUP = "analytics.llm-observatory.io"


@dataclass(frozen=True)
class Reader:
    """A person who follows a page, command by command."""

    actor: ClusterActor
    folder: Path

    def run(self, command: str) -> str:
        if "kubectl wait" in command and command.partition("aapi/demo ")[2].startswith("--for=condition=Ready "):
            eventually(self._controllers, what="Ready", seconds=60)
        thread = threading.Thread(target=self._orphan, daemon=True)
        if "--cascade=orphan" in command:
            thread.start()
        done = pages.run(command, self.actor.api.kubeconfig(self.folder / "kubeconfig"), folder=self.folder)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _controllers(self) -> bool:
        """Ends the Job that runs, and rolls out what is to be; whether the resource is Ready now."""
        for job in self.actor.jobs():
            if not job.get("status", {}).get("conditions"):
                self.actor.migrate()
        for deployment in self.actor.api.list("Deployment"):
            self.actor.roll_out(deployment["metadata"]["name"])
        resource, ready = self.actor.resource(), self.actor.condition("Ready")
        return bool(ready["status"] == "True" and ready["observedGeneration"] == resource["metadata"]["generation"])

    def _orphan(self) -> None:
        """Takes the finalizer away that has children orphaned, as the garbage collector does."""
        eventually(lambda: "deletionTimestamp" in self.actor.resource()["metadata"], what="it is deleted")
        self.actor.api.merge("AnalyticsApi", "demo", {"metadata": {"finalizers": None}})


def test_every_command_of_day_two_works(tmp_path: Path) -> None:
    with ExitStack() as stack:
        api = replace(stack.enter_context(api_server(tmp_path)), namespace="llm")
        reader = Reader(ClusterActor(api), tmp_path)
        for section in pages.sections(DAY_TWO):
            for command in pages.commands(DAY_TWO, section):
                if command.startswith("kubectl apply"):  # the Deployment of the chart has no pods here
                    operator = running(api, tmp_path, "--namespace=llm", "--lease-namespace=analytics")
                    stack.enter_context(operator)
                printed = reader.run(command)
                check(section, command, printed, api)
        assert api.find("CustomResourceDefinition", f"analyticsapis.{GROUP}") is None
        assert api.list("Deployment"), "orphans"
        assert (tmp_path / "demo.tar.gz").is_file()


def check(section: str, command: str, printed: str, api: KubeApi) -> None:
    """What the page says beside a command."""
    if "aapi diff" in command:
        assert printed == "", section
    if "-o wide" in command:
        assert "postgresql" in printed, "the edition"
        assert "http://demo.llm.svc" in printed
    if "aapi token" in command:
        assert printed.startswith("ey")
    if "--replicas=0" in command:
        assert [api.get("Deployment", each)["spec"]["replicas"] for each in ("demo", "demo-worker")] == [0, 0]


def versions(*served: str, stored: str) -> Object:
    """The CRD with these versions of one schema."""
    crd = definition()
    (version,) = crd["spec"]["versions"]
    crd["spec"]["versions"] = [version | {"name": each, "storage": each == stored} for each in served]
    return crd


def serve(api: KubeApi, crd: Object) -> None:
    api.merge("CustomResourceDefinition", crd["metadata"]["name"], {"spec": {"versions": crd["spec"]["versions"]}})
    names = {each["name"] for each in crd["spec"]["versions"]}

    def served() -> bool:
        answer = api.request("GET", f"/apis/{GROUP}")
        return {each["version"] for each in answer["versions"]} == names

    eventually(served, what=f"{names} are served")


def test_the_way_to_v1beta1_changes_no_resource(tmp_path: Path) -> None:
    section = "Write each resource once"
    listed, *rewritten = pages.commands(VERSIONS, section)
    with api_server(tmp_path) as api:
        reader = Reader(ClusterActor(api), tmp_path)
        api.create(versions("v1alpha1", stored="v1alpha1"))
        eventually(lambda: api.list("AnalyticsApi") == [] and "served", what="the CRD is served")
        before = api.create(yaml.safe_load(yaml.safe_dump(a_resource())))
        serve(api, versions("v1alpha1", "v1beta1", stored="v1alpha1"))
        serve(api, versions("v1alpha1", "v1beta1", stored="v1beta1"))
        assert reader.run(listed) == '["v1alpha1","v1beta1"]'
        last = versions("v1beta1", stored="v1beta1")
        with pytest.raises(KubeError, match="storedVersions"):
            serve(api, last)
        for command in rewritten:
            reader.run(command)
        serve(api, last)
        after = api.request("GET", f"/apis/{GROUP}/v1beta1/namespaces/default/analyticsapis/demo")
        assert after["spec"] == before["spec"]
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert after["metadata"]["generation"] == before["metadata"]["generation"]
