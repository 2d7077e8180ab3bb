"""kubectl aapi, as a user runs it, on a real API server."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from analytics_operator.kube import names
from analytics_operator.plugin import COMMANDS
from analytics_service.auth.tokens import Signer
from analytics_service.contract.principal import Role
from tests.operator.cluster_actor import ClusterActor
from tests.support.environment import program_environment
from tests.support.kube import KubeApi, Object, eventually

pytestmark = pytest.mark.kube

CHILDREN = ("ConfigMap", "Deployment", "Event", "Job", "PodDisruptionBudget", "Secret", "Service", "ServiceAccount")


@dataclass(frozen=True)
class Plugin:
    api: KubeApi
    folder: Path

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        kubeconfig = self.api.kubeconfig(self.folder / "kubeconfig")
        command = [sys.executable, "-m", "analytics_operator.plugin", *arguments]
        given = program_environment(KUBECONFIG=str(kubeconfig), HOME=str(self.folder), PATH="") | environment
        return subprocess.run(command, cwd=self.folder, env=given, capture_output=True, text=True, check=False)

    def ok(self, *arguments: str, code: int = 0) -> str:
        """What it prints, in the namespace of the test."""
        done = self(*arguments, f"--namespace={self.api.namespace}")
        assert (done.returncode, done.stderr) == (code, ""), done
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.ok(*arguments, "--output=json"))

    def changes(self) -> list[Object]:
        """Those that wait, of a resource that is suspended: else the operator would be faster than the diff."""
        done = self("diff", "demo", "--output=json", f"--namespace={self.api.namespace}")
        assert done.stderr == "kubectl aapi: spec.suspend is true: these changes wait until it is false\n"
        document = json.loads(done.stdout)
        assert (done.returncode, document["suspended"]) == (1, True)
        return list(document["changes"])


@pytest.fixture
def plugin(api: KubeApi, tmp_path: Path) -> Plugin:
    return Plugin(api, tmp_path)


def versions(api: KubeApi) -> dict[str, str]:
    """Of the resource, and of everything beside it."""
    return {
        f"{kind}/{each['metadata']['name']}": each["metadata"]["resourceVersion"]
        for kind in (*CHILDREN, "AnalyticsApi")
        for each in api.list(kind)
    }


def unchanged(api: KubeApi) -> dict[str, str] | None:
    """The versions, where none of them moves for a second."""
    found = versions(api)
    time.sleep(1)
    return found if versions(api) == found else None


def test_a_diff_is_empty_after_a_reconcile_and_shows_what_drifted(world: ClusterActor, plugin: Plugin) -> None:
    world.ready(replicas=1)
    assert plugin.ok("diff", "demo") == ""
    assert plugin.json("diff", "demo")["changes"] == []
    world.edit(suspend=True)
    world.until("Reconciling", "False", "Suspended")
    world.api.merge("Deployment", "demo", {"spec": {"replicas": 7}})
    world.api.delete("Service", "demo")
    waiting = "Deployment demo, Service demo would change"
    eventually(lambda: waiting in world.condition("Ready")["message"], what="the operator has seen both")
    before = eventually(lambda: unchanged(world.api), what="the operator has nothing more to say")
    text = plugin("diff", "demo", f"--namespace={world.api.namespace}").stdout
    assert "--- live/Deployment/demo" in text
    assert "-  replicas: 7\n+  replicas: 1\n" in text
    assert "+++ desired/Service/demo" in text
    assert {(each["action"], each["kind"], each["name"]): each["fields"] for each in plugin.changes()} == {
        ("change", "Deployment", "demo"): [{"path": "/spec/replicas", "live": 7, "desired": 1}],
        ("create", "Service", "demo"): [],
    }
    assert versions(world.api) == before, "nothing was stored"


def test_a_diff_shows_what_a_first_reconcile_makes_and_stores_nothing(actor: ClusterActor, plugin: Plugin) -> None:
    actor.credentials()
    actor.declare(suspend=True)
    before = objects(actor.api)
    changes = plugin.changes()
    assert {each["action"] for each in changes} == {"create"}
    assert {"Secret", "Job", "Service", "ServiceAccount"} <= {each["kind"] for each in changes}
    assert names.jwt_secret("demo") in {each["name"] for each in changes if each["kind"] == "Secret"}
    assert objects(actor.api) == before


def objects(api: KubeApi) -> set[str]:
    return {each for each in versions(api) if not each.startswith("Event/")}


def test_a_diff_names_a_foreign_object_and_what_goes(actor: ClusterActor, plugin: Plugin) -> None:
    actor.credentials()
    resource = actor.declare(suspend=True)
    spec = {"selector": {"matchLabels": {"app": "x"}}, "maxUnavailable": 1}
    actor.api.create(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "demo"}, "spec": {"ports": [{"port": 80}]}}
    )
    owner = {"apiVersion": resource["apiVersion"], "kind": "AnalyticsApi", "name": "demo", "controller": True}
    metadata = {"name": "demo", "ownerReferences": [owner | {"uid": resource["metadata"]["uid"]}]}
    actor.api.create({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec})
    changes = {(each["kind"], each["name"]): each for each in plugin.changes()}
    assert changes["Service", "demo"]["action"] == "refused"
    assert "exists and is not ours" in changes["Service", "demo"]["message"]
    assert changes["PodDisruptionBudget", "demo"]["action"] == "delete"
    assert actor.api.find("PodDisruptionBudget", "demo")


def test_a_diff_names_pods_that_the_api_server_refuses(actor: ClusterActor, plugin: Plugin) -> None:
    actor.credentials()
    actor.declare(suspend=True, pod={"volumes": [{"name": "two", "emptyDir": {}, "configMap": {"name": "x"}}]})
    (refused,) = [each for each in plugin.changes() if each["action"] == "refused"]
    assert (refused["kind"], refused["name"]) == ("Deployment", "demo")
    assert "may not specify more than 1 volume type" in refused["message"]


def test_status_shows_the_tree_with_health_and_reasons(world: ClusterActor, plugin: Plugin) -> None:
    world.credentials()
    world.declare(replicas=1)
    job = world.live_job()
    world.until("Migrated", "False", "Migrating")
    (top,) = plugin.json("status", "demo")
    assert (top["health"], top["reason"]) == ("Progressing", "Migrating")
    assert node(top, "Job", job["metadata"]["name"])["health"] == "Progressing"
    world.migrate()
    world.settle()
    own_pods(world)
    text = plugin.ok("status", "demo")
    lines = [line.split() for line in text.splitlines()]
    assert lines[0] == ["NAME", "HEALTH", "REASON", "MESSAGE"]
    assert lines[1][:3] == ["AnalyticsApi/demo", "Healthy", "AsDeclared"]
    assert ["│", "└─", "ReplicaSet/demo-1", "Healthy", "Present"] in lines
    assert ["│", "└─", "Pod/demo-1-a", "Degraded", "ImagePullFailed"] in [line[:5] for line in lines]
    assert ["└─", "Secret/demo-jwt", "Healthy", "Present"] in lines
    assert ["CONDITION", "STATUS", "REASON", "MESSAGE"] in lines
    assert ["Ready", "True", "AsDeclared"] in [line[:3] for line in lines]


def node(top: Object, kind: str, name: str) -> Object:
    (found,) = [each for each in top["children"] if (each["kind"], each["name"]) == (kind, name)]
    return dict(found)


def own_pods(world: ClusterActor) -> None:
    """A ReplicaSet of the Deployment with a pod whose image is not there, as their controllers would make them."""
    owner = world.api.get("Deployment", "demo")
    template = owner["spec"]["template"]
    for kind, name, api_version, spec in (
        ("ReplicaSet", "demo-1", "apps/v1", {"selector": owner["spec"]["selector"], "template": template}),
        ("Pod", "demo-1-a", "v1", template["spec"]),
    ):
        reference = {key: owner[key] for key in ("apiVersion", "kind")} | {"controller": True}
        reference |= {key: owner["metadata"][key] for key in ("name", "uid")}
        metadata = {"name": name, "labels": template["metadata"]["labels"], "ownerReferences": [reference]}
        made = world.api.create({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec})
        owner = made | {"apiVersion": api_version, "kind": kind}
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "no such manifest"}}
    state = {"name": "api", "image": "x:1", "imageID": "", "ready": False, "restartCount": 0, "state": waiting}
    world.api.merge("Pod", "demo-1-a", {"status": {"containerStatuses": [state]}}, subresource="/status")


def test_status_of_a_namespace_shows_every_resource(actor: ClusterActor, plugin: Plugin) -> None:
    done = plugin("status", f"--namespace={actor.api.namespace}")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"kubectl aapi: no AnalyticsApi in namespace {actor.api.namespace}\n"
    actor.declare("one")
    actor.declare("two")
    assert [(each["name"], each["health"]) for each in plugin.json("status")] == [
        ("one", "Progressing"),
        ("two", "Progressing"),
    ]
    assert node(plugin.json("status", "one")[0], "Secret", "credentials")["health"] == "Missing"


def test_a_token_is_one_that_the_service_takes(actor: ClusterActor, plugin: Plugin) -> None:
    actor.api.secret("credentials", jwt="s" * 40 + "\n")
    actor.declare(auth={"jwtSecretRef": {"name": "credentials", "key": "jwt"}, "issuer": "us", "audience": "them"})
    signer = Signer(secret="s" * 40, issuer="us", audience="them")
    token = plugin.ok("token", "demo", "--org=acme", "--role=viewer", "--project=a", "--subject=me").strip()
    principal = signer.verify(token).principal
    assert (principal.organisation, principal.role, principal.subject) == ("acme", Role.VIEWER, "me")
    assert principal.projects == frozenset({"a"})
    assert signer.verify(plugin.json("token", "demo", "--org=acme")["token"]).principal.role is Role.DEVELOPER


def test_every_role_of_the_service_can_be_named(plugin: Plugin) -> None:
    usage = plugin("token", "--help").stdout
    assert "{" + ",".join(Role) + "}" in usage.replace("\n", "").replace(" ", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["status", "none"], 'analyticsapis.analytics.llm-observatory.io "none" not found', id="no such"),
        pytest.param(["status", "x", "--context=other"], "--context", id="no such context"),
        pytest.param(["diff", "x", "--kubeconfig=none"], "set KUBECONFIG, --kubeconfig or --context", id="no file"),
        pytest.param(["token", "x", "--org=", "--role=viewer"], "--org: must have 1 to 256 characters", id="no name"),
        pytest.param(["token", "x", "--org=a", "--ttl-minutes=0"], "--ttl-minutes: must be between", id="no time"),
        pytest.param(["bundle", "x", "--tail=0"], "--tail: must be at least 1", id="no lines"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(plugin: Plugin, arguments: list[str], words: str) -> None:
    done = plugin(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("kubectl aapi: ")
    assert words in line


def test_an_api_server_that_is_away_is_one_line(plugin: Plugin) -> None:
    away = replace(plugin, api=replace(plugin.api, server="https://127.0.0.1:1"))
    done = away("status")
    assert done.returncode == 2
    assert done.stderr == "kubectl aapi: no answer from the API server: ClientConnectorError\n"


@pytest.mark.parametrize("arguments", [[], *([each.name] for each in COMMANDS)], ids=str)
def test_help_is_there(plugin: Plugin, arguments: list[str]) -> None:
    done = plugin(*arguments, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: kubectl aapi")


def test_the_namespace_is_that_of_the_context(actor: ClusterActor, plugin: Plugin) -> None:
    actor.declare()
    file = actor.api.kubeconfig(plugin.folder / "other")
    document = yaml.safe_load(file.read_text())
    document["contexts"][0]["context"]["namespace"] = actor.api.namespace
    file.write_text(yaml.safe_dump(document))
    done = plugin("status", "demo", f"--kubeconfig={file}", "--context=test")
    assert (done.returncode, done.stderr) == (0, "")
