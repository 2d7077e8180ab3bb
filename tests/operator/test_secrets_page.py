"""docs/operator/secrets.md: each example is of its API, and ends with the Secret or the pods that a resource needs."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

from analytics_operator.api.v1alpha1 import AnalyticsApi
from analytics_operator.kube.objects import Want
from analytics_operator.plan import plan
from analytics_operator.state.observed import Observed
from analytics_operator.state.secrets import uses
from tests.operator.cluster_actor import ClusterActor
from tests.operator.test_migration import NOW, RANDOM
from tests.support import crds
from tests.support.kube import TOP, KubeApi, Object

EXAMPLES = TOP / "docs/examples/secrets"
PAGE = (TOP / "docs/operator/secrets.md").read_text()
PLURALS = {
    "ExternalSecret": "externalsecrets",
    "SealedSecret": "sealedsecrets",
    "SecretProviderClass": "secretproviderclasses",
    "ServiceAccount": "serviceaccounts",
    "Deployment": "deployments",
    "Secret": "secrets",
    "AnalyticsApi": "analyticsapis",
}
Made = tuple[str, set[str]]
"""Name and keys of a Secret."""


def external(manifest: Object) -> Made:
    target = manifest["spec"]["target"]
    return target["name"], set(target["template"]["data"])


def sealed(manifest: Object) -> Made:
    return manifest["metadata"]["name"], set(manifest["spec"]["encryptedData"])


def mounted(manifest: Object) -> Made:
    (made,) = manifest["spec"]["secretObjects"]
    return made["secretName"], {each["key"] for each in made["data"]}


MAKES: Mapping[str, Callable[[Object], Made]] = {
    "ExternalSecret": external,
    "SealedSecret": sealed,
    "SecretProviderClass": mounted,
}


def documents(name: str) -> list[Object]:
    return list(yaml.safe_load_all((EXAMPLES / name).read_text()))


def parsed(manifest: Object) -> AnalyticsApi:
    metadata = {"namespace": "llm", "uid": "1", "generation": 1}
    return AnalyticsApi.model_validate(manifest | {"metadata": metadata | manifest["metadata"]})


def needed(resource: AnalyticsApi) -> Mapping[str, set[str]]:
    """Keys by the names of the Secrets that must be there."""
    found: dict[str, set[str]] = {}
    for use in uses(resource):
        if not use.generated:
            found.setdefault(use.ref.name, set()).add(use.ref.key)
    return found


def test_the_page_names_every_example() -> None:
    assert all(f"(../examples/secrets/{file.name})" in PAGE for file in EXAMPLES.iterdir())


@pytest.mark.parametrize("name", ["external-secrets.yaml", "sealed-secrets.yaml", "csi.yaml"])
def test_an_example_makes_the_secret_that_the_first_resource_reads(name: str) -> None:
    made = [MAKES[each["kind"]](each) for each in documents(name) if each["kind"] in MAKES]
    resource = parsed(yaml.safe_load((TOP / "docs/examples/analyticsapi.yaml").read_text()))
    assert dict(made) == needed(resource)


def test_the_pod_of_the_csi_example_mounts_what_makes_the_secret() -> None:
    by_kind = {each["kind"]: each for each in documents("csi.yaml")}
    pod = by_kind["Deployment"]["spec"]["template"]["spec"]
    (volume,) = pod["volumes"]
    provider = by_kind["SecretProviderClass"]
    assert volume["csi"]["volumeAttributes"]["secretProviderClass"] == provider["metadata"]["name"]
    assert pod["serviceAccountName"] == by_kind["ServiceAccount"]["metadata"]["name"]
    objects = yaml.safe_load(provider["spec"]["parameters"]["objects"])
    (made,) = provider["spec"]["secretObjects"]
    assert [each["objectAlias"] for each in objects] == [each["objectName"] for each in made["data"]]


def injected() -> dict[str, Object]:
    """The pod templates of the resource of Vault's example, by component, with the Secret of that example."""
    secret, resource = documents("vault-agent.yaml")
    credentials = {key: value.encode() for key, value in secret["stringData"].items()}
    of = parsed(resource)
    assert needed(of) == {secret["metadata"]["name"]: set(credentials)}
    seen = Observed(resource=of, secrets={secret["metadata"]["name"]: credentials})
    planned = plan(seen, now=NOW, random_text=RANDOM)
    assert planned.refusal is None
    jobs = [each.manifest for each in planned.decisions if isinstance(each, Want) and each.ref.kind.name == "Job"]
    templates = [each["spec"]["template"] for each in (*jobs, *planned.proposed)]
    return {each["metadata"]["labels"]["app.kubernetes.io/component"]: each for each in templates}


def test_every_pod_gets_the_agent_and_that_of_the_migration_ends() -> None:
    pods = injected()
    assert set(pods) == {"api", "worker", "migrate"}
    prefix = "vault.hashicorp.com"
    for component, template in pods.items():
        annotations, spec = template["metadata"]["annotations"], template["spec"]
        assert (f"{prefix}/agent-pre-populate-only" in annotations) is (component == "migrate")
        token = annotations[f"{prefix}/agent-service-account-token-volume-name"]
        (volume,) = [each for each in spec["volumes"] if each["name"] == token]
        assert volume["projected"]["sources"][0]["serviceAccountToken"]["path"] == "token"
        assert spec["automountServiceAccountToken"] is False
        assert annotations[f"{prefix}/agent-run-as-user"] == str(spec["securityContext"]["runAsUser"])
        assert annotations[f"{prefix}/agent-run-as-group"] == str(spec["securityContext"]["runAsGroup"])


def test_the_file_that_the_agent_writes_is_the_one_that_the_url_names() -> None:
    secret, _ = documents("vault-agent.yaml")
    annotations = injected()["api"]["metadata"]["annotations"]
    name = secret["stringData"]["database-url"].partition("?passfile=/vault/secrets/")[2]
    assert annotations[f"vault.hashicorp.com/agent-inject-perms-{name}"] == "0600"
    assert "*:*:*:llm:" in annotations[f"vault.hashicorp.com/agent-inject-template-{name}"]


@pytest.fixture(scope="module")
def installed(cluster: KubeApi) -> None:
    crds.install(cluster, *crds.secrets())


@pytest.mark.kube
@pytest.mark.parametrize("file", sorted(EXAMPLES.iterdir()), ids=lambda file: file.name)
def test_the_api_server_knows_every_field_of_an_example(actor: ClusterActor, installed: None, file: Any) -> None:
    for each in documents(file.name):
        group, _, version = each["apiVersion"].rpartition("/")
        root = f"/apis/{group}/{version}" if group else f"/api/{version}"
        path = f"{root}/namespaces/{actor.api.namespace}/{PLURALS[each['kind']]}"
        actor.api.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", body=each)


@pytest.mark.kube
def test_the_api_server_takes_the_pods_of_the_injector(actor: ClusterActor) -> None:
    for template in injected().values():
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "injected"} | template["metadata"]}
        actor.api.create(pod | {"spec": template["spec"]}, dry_run=True)
