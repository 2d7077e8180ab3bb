"""Every manifest of the repository, against the API server: its schemas (by kubeconform), and its own judgement."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.cluster import gomodules
from tests.support import charts, schemas
from tests.support.kube import TOP, KubeApi, KubeError, Object, eventually, helm

FOLDERS = ("docs/examples", "e2e/manifests")


@pytest.fixture(scope="module")
def monitored(cluster: KubeApi) -> KubeApi:
    """The API server, with the kinds of the Prometheus Operator."""
    for file in gomodules.monitoring_crds().iterdir():
        crd = yaml.safe_load(file.read_text())
        if not cluster.find("CustomResourceDefinition", crd["metadata"]["name"]):
            cluster.create(crd)
    eventually(lambda: path_of(cluster, "monitoring.coreos.com/v1", "PrometheusRule"), what="the kinds are served")
    return cluster


@pytest.fixture(scope="module")
def known(monitored: KubeApi, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of schemas: of all that the API server serves, and of our CRD as its file has it."""
    folder = tmp_path_factory.mktemp("schemas")
    published = "/openapi/v3"
    eventually(
        lambda: "apis/monitoring.coreos.com/v1" in monitored.request("GET", published)["paths"], what="published"
    )
    schemas.write(monitored, folder)
    for crd in yaml.safe_load_all((TOP / "crds/analyticsapis.yaml").read_text()):
        schemas.write_crd(crd, folder)
    return folder


def path_of(api: KubeApi, api_version: str, kind: str) -> str | None:
    """Where the API server has the kind; None while it serves none."""
    root = "/api/v1" if api_version == "v1" else f"/apis/{api_version}"
    for each in api.request("GET", root)["resources"]:
        if each["kind"] == kind and "/" not in each["name"]:
            return f"{root}/namespaces/{{}}/{each['name']}" if each["namespaced"] else f"{root}/{each['name']}"
    return None


def sent(api: KubeApi, manifest: Object) -> Object:
    """The answer to a dry run that refuses unknown and repeated fields."""
    path = path_of(api, manifest["apiVersion"], manifest["kind"])
    assert path, f"{manifest['kind']} is not served"
    namespace = manifest["metadata"].get("namespace", api.namespace)
    return api.request("POST", f"{path.format(namespace)}?dryRun=All&fieldValidation=Strict", body=manifest)


def conforms(known: Path, folder: Path, *texts: str) -> str:
    """What kubeconform says of the manifests; raises when it finds anything wrong."""
    for number, text in enumerate(texts):
        (folder / f"{number}.yaml").write_text(text)
    command = [
        str(gomodules.kubeconform()),
        "-strict",
        "-summary",
        f"-schema-location={known}/{schemas.LOCATION}",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def written() -> Iterator[str]:
    """The manifests that are files of the repository."""
    for name in FOLDERS:
        yield from (file.read_text() for file in sorted((TOP / name).glob("*.yaml")))


def the_crd() -> str:
    return helm("template", "crds", "charts/crds", f"--kube-version={charts.KUBE_VERSION}")


@pytest.mark.kube
def test_every_manifest_conforms_to_the_schemas_of_the_api_server(known: Path, tmp_path: Path) -> None:
    rendered = [charts.text(*values, namespace="analytics") for values in charts.VALUES.values()]
    said = conforms(known, tmp_path, *rendered, *written(), the_crd())
    found = re.search(r"(\d+) resources found.*Valid: (\d+), Invalid: 0, Errors: 0, Skipped: 0", said)
    assert found, said
    assert found[1] == found[2]


@pytest.mark.kube
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        pytest.param("replicas: 2", "replicsa: 2", id="a field that does not exist"),
        pytest.param("replicas: 2", "replicas: two", id="a value of another type"),
        pytest.param("replicas: 2", "replicas: 2\n  replicas: 3", id="a field twice"),
        pytest.param("/v1alpha1", "/v1", id="a version that is not served"),
    ],
)
def test_a_manifest_that_does_not_conform_is_found(known: Path, tmp_path: Path, right: str, wrong: str) -> None:
    example = (TOP / "docs/examples/analyticsapi.yaml").read_text()
    assert right in example
    with pytest.raises(AssertionError):
        conforms(known, tmp_path, example.replace(right, wrong, 1))


@pytest.mark.kube
@pytest.mark.parametrize("values", charts.VALUES.values(), ids=charts.VALUES.keys())
def test_a_namespace_of_restricted_pods_takes_every_manifest(
    monitored: KubeApi, api: KubeApi, values: tuple[str, ...]
) -> None:
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    api.merge("Namespace", api.namespace, label)
    manifests = charts.rendered(*values, namespace=api.namespace)
    for manifest in manifests:
        sent(api, manifest)
    template = charts.one(manifests, "Deployment")["spec"]["template"]
    template["metadata"]["name"] = "p"
    sent(api, {"apiVersion": "v1", "kind": "Pod", **template})


@pytest.mark.kube
def test_the_api_server_takes_the_files_of_the_repository(api: KubeApi) -> None:
    for text in written():
        for manifest in yaml.safe_load_all(text):
            sent(api, manifest)


@pytest.mark.kube
def test_the_crd_of_the_chart_has_no_field_that_the_api_server_does_not_know(api: KubeApi) -> None:
    crd = yaml.safe_load(the_crd())
    with pytest.raises(KubeError, match="already exists"):  # said only after its fields were read
        sent(api, crd)
    with pytest.raises(KubeError, match="unknown field"):
        sent(api, crd | {"sepc": {}})


@pytest.mark.kube
def test_an_unknown_field_is_refused_not_dropped(api: KubeApi) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"prots": []}}
    with pytest.raises(KubeError, match="unknown field"):
        sent(api, service)
