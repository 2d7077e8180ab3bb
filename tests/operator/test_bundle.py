"""kubectl aapi bundle: everything that explains a resource, and no secret, wherever one was copied to."""

import base64
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from analytics_operator.plugin.bundle import MAX_LOG_BYTES, complete_lines, secret_names
from analytics_operator.plugin.redaction import Redaction
from tests.operator.cluster_actor import a_resource
from tests.operator.conftest import serving
from tests.operator.test_plugin import Plugin
from tests.support import crds
from tests.support.kube import KubeApi, Object
from tests.support.kubelet import NODE, kubelet

SUPPORT = "support"
PASSWORD = 'pa/ss "word" ä1'
DSN = f"postgres://llm_user:{quote(PASSWORD, safe='')}@db:5432/llm"
KEY_LINES = ("MHcCAQEEIPlantedFirstLine", "MHcCAQEEIPlantedSecondLine")
KEY = "\n".join(("-----BEGIN EC PRIVATE KEY-----", *KEY_LINES, "-----END EC PRIVATE KEY-----"))
REGISTRY = {"auths": {"registry": {"username": "puller", "password": "registry-pass", "auth": "cHVsbGVyOnJlZ2lzdHJ5"}}}
SHORT = "s3cr"
SIGNING = "signing-secret-of-forty-characters-in-all"
ORPHAN = "postgres://somebody:rotated-away@db/x"
"""What no Secret holds any more."""
API_KEY = "llmo_sk_0123456789abcdef"

FORMS = {
    form
    for value in (DSN, PASSWORD, SIGNING, "registry-pass", "cHVsbGVyOnJlZ2lzdHJ5", *KEY_LINES)
    for form in (
        value,
        quote(value),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        base64.b64encode(value.encode()).decode(),
    )
} | {SHORT, "rotated-away", API_KEY, quote(PASSWORD, safe=""), base64.b64encode(KEY.encode()).decode()}
"""None of them may be in a bundle."""

LOG = "\n".join(
    (
        "started",
        f'{{"event": "connected", "url": {json.dumps(DSN)}, "password": {json.dumps(PASSWORD)}}}',
        f"again: {json.dumps([PASSWORD], ensure_ascii=False)}",
        f"tried {PASSWORD} and {quote(PASSWORD)} and {base64.b64encode(DSN.encode()).decode()}",
        KEY,
        f"the short one is {SHORT}.",
        f"was {ORPHAN}, key {API_KEY}, --token={SIGNING}",
        "Authorization: Bearer abcdefgh12345678",
        "ended",
    )
)


def encoded(values: dict[str, str]) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


def secret(name: str, kind: str = "Opaque", **values: str) -> Object:
    data = encoded({key.replace("_", "-").replace("--", "."): value for key, value in values.items()})
    copied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"data": data})}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "annotations": copied},
        "type": kind,
        "data": data,
    }


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    """An API server of its own, with a node, a user of the view role, and no operator."""
    folder = tmp_path_factory.mktemp("bundle")
    logs = {
        "api": LOG,
        "api/previous": f"panic: {DSN}",
        "proxy/previous": "lost",
        "sidecar": "quiet",
        "proxy": "up",
        "operator": f"reconciled {PASSWORD}",
    }
    with serving(folder, users=[SUPPORT]) as api, kubelet(api, folder, logs):
        crds.install(api, *crds.gateway())
        plant(api)
        yield api


def plant(api: KubeApi) -> None:
    """A resource and its objects, with the values of its Secrets wherever people and programs copy them to."""
    api.create(secret("credentials", database_url=DSN, jwt=SIGNING, pin=SHORT))
    api.create(secret("keys", tls_key=KEY, password=PASSWORD))
    dockerconfig = {".dockerconfigjson": json.dumps(REGISTRY)}
    api.create(secret("registry", "kubernetes.io/dockerconfigjson") | {"data": encoded(dockerconfig)})
    resource = a_resource(auth={"jwtSecretRef": {"name": "credentials", "key": "jwt"}})
    resource["metadata"]["annotations"] = {
        "note": f"it is {DSN}",
        "kubectl.kubernetes.io/last-applied-configuration": json.dumps({"password": PASSWORD}),
    }
    resource["spec"]["image"]["pullSecrets"] = ["registry"]
    made = api.create(resource)
    condition = {"type": "Ready", "status": "False", "reason": "Why", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = {"conditions": [condition | {"message": f"{PASSWORD} was refused"}]}
    api.merge("AnalyticsApi", "demo", {"status": status}, subresource="/status")
    labels = {"app.kubernetes.io/managed-by": "analytics-operator", "app.kubernetes.io/instance": "demo"}
    owner = {"apiVersion": made["apiVersion"], "kind": "AnalyticsApi", "name": "demo", "controller": True}
    metadata = {"name": "demo", "labels": labels, "ownerReferences": [owner | {"uid": made["metadata"]["uid"]}]}
    environment = [
        {"name": "PGPASS", "value": "of-no-secret-but-named-so"},
        {"name": "NOTE", "value": f"see {DSN}"},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "password"}}},
    ]
    containers = [
        {"name": "api", "image": "x", "args": [f"--dsn={DSN}", "--password=argued"], "env": environment},
        {"name": "sidecar", "image": "y", "envFrom": [{"secretRef": {"name": "keys"}}]},
    ]
    proxy = {"name": "proxy", "image": "z", "restartPolicy": "Always"}
    spec = {
        "containers": containers,
        "initContainers": [proxy],
        "nodeName": NODE,
        "imagePullSecrets": [{"name": "registry"}],
    }
    template = {"metadata": {"labels": labels}, "spec": spec | {"nodeName": None}}
    annotations = {"released-template": json.dumps({"env": [{"name": "DSN", "value": DSN}]})}
    api.create(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata | {"annotations": annotations},
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        }
    )
    data = {"settings": f"url: {DSN}\nlines: |\n" + "".join(f"  {line}\n" for line in KEY.splitlines())}
    api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    pod = api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata | {"name": "demo-1"}, "spec": spec})
    ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": f"could not log in with {DSN}"}}
    state = {"name": "api", "image": "x", "imageID": "", "ready": False, "restartCount": 1, "lastState": ended}
    statuses = {"containerStatuses": [state], "initContainerStatuses": [state | {"name": "proxy"}]}
    api.merge("Pod", "demo-1", {"status": statuses}, subresource="/status")
    about = {"kind": "Pod", "name": "demo-1", "namespace": "default", "uid": pod["metadata"]["uid"]}
    event = {"apiVersion": "v1", "kind": "Event", "reason": "Failed", "message": f"rejected {DSN}", "type": "Warning"}
    api.create(event | {"metadata": {"name": "one"}, "involvedObject": about})
    other = about | {"name": "other", "uid": "other"}
    api.create(event | {"metadata": {"name": "two"}, "involvedObject": other, "message": "of another pod"})
    operator = {"name": "operator-1", "labels": {"app.kubernetes.io/name": "analytics-operator"}}
    own = {"containers": [{"name": "operator", "image": "z"}], "nodeName": NODE}
    api.create({"apiVersion": "v1", "kind": "Pod", "metadata": operator, "spec": own})


def bundle(plugin: Plugin, *arguments: str) -> tuple[dict[str, str], Object]:
    """The files of a bundle by their paths, and what the command printed."""
    file = plugin.folder / "bundle.tar.gz"
    printed = plugin("bundle", "demo", f"--file={file}", "--output=json", *arguments)
    assert printed.returncode == 0, printed.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(fileobj=io.BytesIO(file.read_bytes())) as archive:
        members = [(member.name, archive.extractfile(member)) for member in archive.getmembers()]
        files = {name.removeprefix("demo-bundle/"): content.read().decode() for name, content in members if content}
    return files, json.loads(printed.stdout) | {"stderr": printed.stderr}


@pytest.mark.kube
def test_a_bundle_has_what_explains_a_resource_and_no_value_of_a_secret(cluster: KubeApi, tmp_path: Path) -> None:
    files, printed = bundle(Plugin(cluster, tmp_path))
    assert set(files) == {
        "status.txt",
        "resource.yaml",
        "objects/ConfigMap-demo.yaml",
        "objects/Deployment-demo.yaml",
        "objects/Pod-demo-1.yaml",
        "secrets.yaml",
        "events.yaml",
        "logs/demo-1/api.log",
        "logs/demo-1/api.previous.log",
        "logs/demo-1/proxy.log",
        "logs/demo-1/proxy.previous.log",
        "logs/demo-1/sidecar.log",
        "operator/operator-1/operator.log",
        "omitted.yaml",
    }
    assert printed["omitted"] == []
    assert {(path, form) for path, text in files.items() for form in FORMS if form in text} == set()
    for absent in ("of-no-secret-but-named-so", "argued", "abcdefgh12345678", "of another pod"):
        assert not any(absent in text for text in files.values())
    assert files["logs/demo-1/api.log"].startswith("started\n")
    assert files["logs/demo-1/api.log"].endswith("\nended")
    assert "rejected [redacted]" in files["events.yaml"]
    assert "secretKeyRef" in files["objects/Pod-demo-1.yaml"], "references stay"
    assert "keys:\n  - database-url\n  - jwt\n  - pin\n" in files["secrets.yaml"]
    assert "[redacted] was refused" in files["status.txt"]


@pytest.mark.kube
def test_who_may_not_read_a_secret_gets_a_status_and_neither_bundle_nor_diff(cluster: KubeApi, tmp_path: Path) -> None:
    rules = [
        {
            "apiGroups": ["", "apps", "batch", "policy", "autoscaling", "networking.k8s.io"],
            "resources": ["*"],
            "verbs": ["list"],
        },
        {"apiGroups": ["analytics.llm-observatory.io"], "resources": ["analyticsapis"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["keys", "registry"], "verbs": ["get"]},
    ]
    about = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": SUPPORT}}
    cluster.create(about | {"kind": "Role", "rules": rules})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": SUPPORT}
    user = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": SUPPORT}
    cluster.create(about | {"kind": "RoleBinding", "roleRef": role, "subjects": [user]})
    plugin = Plugin(cluster.user(SUPPORT), tmp_path)
    done = plugin("bundle", "demo")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("kubectl aapi: you may not get Secret credentials")
    assert list(tmp_path.glob("*.tar.gz")) == []
    done = plugin("diff", "demo")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert f'User "{SUPPORT}" cannot' in done.stderr
    status = plugin("status", "demo", "--output=json")
    assert status.stderr == "kubectl aapi: left out: you may not list HTTPRoute\n"
    (node,) = [each for each in json.loads(status.stdout)[0]["children"] if each["name"] == "credentials"]
    assert (node["health"], node["reason"]) == ("Unknown", "Forbidden")


@pytest.mark.kube
def test_a_bundle_never_replaces_a_file(cluster: KubeApi, tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_text("mine")
    done = Plugin(cluster, tmp_path)("bundle", "demo", f"--file={file}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"kubectl aapi: cannot write {file} (File exists): name another --file\n"
    assert file.read_text() == "mine"


def test_names_of_secrets_are_those_of_every_part_of_a_pod() -> None:
    container = {
        "envFrom": [{"secretRef": {"name": "a"}}],
        "env": [{"valueFrom": {"secretKeyRef": {"name": "b", "key": "k"}}}],
    }
    volumes = [
        {"secret": {"secretName": "c"}},
        {"projected": {"sources": [{"secret": {"name": "d"}}]}},
        {"csi": {"nodePublishSecretRef": {"name": "e"}}},
        {"tls": [{"secretName": "i"}]},
    ]
    pod = {"containers": [container], "initContainers": [], "volumes": volumes, "imagePullSecrets": [{"name": "f"}]}
    resource = {"image": {"pullSecrets": ["g"]}, "auth": {"acceptedJwtSecretRefs": [{"name": "h", "key": "k"}]}}
    assert sorted(secret_names([pod, resource])) == list("abcdefghi")


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        pytest.param("postgres://u:p@h/d", "postgres://u:[redacted]@h/d", id="a password of a URL"),
        pytest.param("cannot reach postgres://u:pas", "cannot reach postgres://u:[redacted]", id="a URL that was cut"),
        pytest.param("http://demo.llm.svc:9091", "http://demo.llm.svc:9091", id="a port at the end"),
        pytest.param("redis://:p@h", "redis://:[redacted]@h", id="without a user"),
        pytest.param("authorization: Basic dXNlcjpwYXNz", "authorization: Basic [redacted]", id="basic"),
        pytest.param("eyJhbGciOiJ9.eyJzdWIi.c2ln", "[redacted]", id="a token"),
        pytest.param('{"password": "x y"}', '{"password": "[redacted]"}', id="a member"),
        pytest.param("API_KEY=abc other", "API_KEY=[redacted] other", id="an assignment"),
        pytest.param("http://demo.llm.svc:80/path", "http://demo.llm.svc:80/path", id="a URL without a password"),
        pytest.param("SecretsReady: Secret demo-jwt exists", "SecretsReady: Secret demo-jwt exists", id="words"),
    ],
)
def test_what_no_secret_holds_is_found_by_its_form(text: str, redacted: str) -> None:
    assert Redaction(()).text(text) == redacted


def test_a_value_within_another_word_is_no_secret() -> None:
    assert Redaction([secret("s", a="demo", b="x")]).text("demo demonstrates x") == "[redacted] demonstrates x"


def test_a_log_that_was_cut_ends_with_a_line() -> None:
    half = f"connected to {DSN}"[:-20]
    cut = "x" * (MAX_LOG_BYTES - len(half) - 1) + "\n" + half
    assert len(cut) == MAX_LOG_BYTES
    assert complete_lines(cut) == cut.partition("\n")[0]
    assert complete_lines(LOG) == LOG
