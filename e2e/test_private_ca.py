"""Stores whose certificates a private authority signed: the files reach the pods, and their users can read them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from e2e.conftest import wait_in_order, wait_ready
from e2e.installation import PASSWORD, TOP, analyticsapi, secret
from e2e.kubectl import Kubectl
from tests.support.tls import Authority

NAME = "verified"
FOLDER = "/tls"
FILES = {"cert": f"{FOLDER}/tls.crt", "key": f"{FOLDER}/tls.key", "ca": f"{FOLDER}/ca.crt"}
ACCESS = "local all all trust\nhostssl all all all scram-sha-256 clientcert=verify-ca\n"
"""Without a client certificate nobody is let in."""
POSTGRES = [
    f"-c{name}={value}"
    for name, value in {
        "ssl": "on",
        "ssl_cert_file": FILES["cert"],
        "ssl_key_file": FILES["key"],
        "ssl_ca_file": FILES["ca"],
        "hba_file": f"{FOLDER}/pg_hba.conf",
    }.items()
]
REDIS = ["--port", "0", "--tls-port", "6379", "--tls-auth-clients", "no"]
REDIS += [word for name in FILES for word in (f"--tls-{'ca-cert' if name == 'ca' else name}-file", FILES[name])]


def with_tls(manifest: dict[str, Any], arguments: list[str]) -> dict[str, Any]:
    """The test store of this manifest under another name, with the certificates."""
    named = manifest["metadata"]["name"]
    renamed: dict[str, Any] = yaml.safe_load(yaml.safe_dump(manifest).replace(f"app: {named}\n", f"app: {named}-tls\n"))
    renamed["metadata"]["name"] = f"{named}-tls"
    if manifest["kind"] == "Deployment":
        pod = renamed["spec"]["template"]["spec"]
        pod["volumes"].append({"name": "tls", "secret": {"secretName": "stores-tls", "defaultMode": 0o440}})
        pod["securityContext"].setdefault("fsGroup", pod["securityContext"]["runAsUser"])
        (container,) = pod["containers"]
        container["args"] += arguments
        container["volumeMounts"].append({"name": "tls", "mountPath": FOLDER, "readOnly": True})
        container["readinessProbe"] = {
            "tcpSocket": {"port": container["ports"][0]["containerPort"]},
            "periodSeconds": 1,
        }
    return renamed


def install(kubectl: Kubectl, folder: Path) -> None:
    authority = Authority(folder).made()
    served = authority.issue("stores", common_name="stores", names="DNS:postgres-tls,DNS:redis-tls")
    presented = authority.issue("client", common_name="llm_user")
    files = dict(zip(("tls.crt", "tls.key"), (each.read_text() for each in served), strict=True))
    ca = {"ca.crt": authority.ca.read_text()}
    client = dict(zip(("tls.crt", "tls.key"), (each.read_text() for each in presented), strict=True))
    urls = {
        "database-url": f"postgres://llm_user:{PASSWORD}@postgres-tls:5432/llm_observatory",
        "redis-url": "rediss://redis-tls:6379/0",
    }
    kubectl.apply(
        secret("stores-tls", **files, **ca, **{"pg_hba.conf": ACCESS}),
        secret("authorities", **ca),
        secret("database-client", **client) | {"type": "kubernetes.io/tls"},
        secret("verified-urls", **urls),
    )
    command = [sys.executable, "-m", "e2e.cluster", "manifests"]
    stores = yaml.safe_load_all(subprocess.run(command, cwd=TOP, capture_output=True, check=True).stdout)
    for manifest in filter(None, stores):
        kubectl.apply(with_tls(manifest, REDIS if manifest["metadata"]["name"] == "redis" else POSTGRES))
    kubectl("rollout", "status", "deployment", "postgres-tls", "redis-tls", "--timeout=120s", seconds=150)


def test_stores_are_verified_in_pods(kubectl: Kubectl, tmp_path: Path) -> None:
    install(kubectl, tmp_path)
    ca = {"name": "authorities", "key": "ca.crt"}
    database = {"urlSecretRef": {"name": "verified-urls", "key": "database-url"}, "caSecretRef": ca}
    redis = {"urlSecretRef": {"name": "verified-urls", "key": "redis-url"}, "caSecretRef": ca, "keyPrefix": "verified:"}
    database["clientCertSecretRef"] = {"name": "database-client"}
    kubectl.apply(analyticsapi(kubectl, NAME, replicas=1, database=database, redis=redis))
    try:
        wait_ready(kubectl, NAME)
        wait_in_order(kubectl, NAME)
        found = kubectl("exec", f"deployment/{NAME}", "--", "analytics-service", "doctor", "--output", "json")
        verdicts = {each["check"]: each["verdict"] for each in json.loads(found)}
        assert (verdicts["connection"], verdicts["redis"]) == ("ok", "ok"), found
    finally:
        kubectl("delete", "aapi", NAME)
        kubectl("delete", "deployment,service", "postgres-tls", "redis-tls")
