"""Customized pods on real nodes: ids of the platform, a sidecar beside the migration, a migration that is approved."""

from collections.abc import Iterator
from typing import Any

import pytest

from e2e import installation
from e2e.conftest import wait_in_order, wait_ready
from e2e.installation import KIND, analyticsapi
from e2e.kubectl import Kubectl, condition, eventually

NAME = "customized"
WAITS = "import signal as s; s.pthread_sigmask(s.SIG_BLOCK, [s.SIGTERM]); s.sigwait([s.SIGTERM])"
ASSIGNED = 1_000_660_000
"""As OpenShift takes one from the range of a namespace."""
SMALL = {"cpu": "10m", "memory": "32Mi"}


def pods(kubectl: Kubectl, component: str) -> list[dict[str, Any]]:
    selector = f"app.kubernetes.io/instance={NAME},app.kubernetes.io/component={component}"
    return kubectl.list("pods", selector=selector)


def python(kubectl: Kubectl, deployment: str, program: str) -> str:
    """What a program prints in our container."""
    return kubectl("exec", f"deployment/{deployment}", "--", "/app/bin/python", "-c", program).strip()


@pytest.fixture(scope="module")
def customized(kubectl: Kubectl) -> Iterator[Kubectl]:
    installation.sql(kubectl, "llm_observatory", f"CREATE DATABASE {NAME}")
    kubectl.apply(installation.credentials(name=NAME, database=NAME))
    image = analyticsapi(kubectl)["spec"]["image"]
    sidecar = {
        "name": "proxy",
        "image": f"{image['repository']}:{image['tag']}",
        "command": ["/app/bin/python", "-c", WAITS],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "resources": {"requests": SMALL, "limits": {"cpu": "100m", "memory": "64Mi"}},
    }
    pod = {
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "securityContext": {},
        "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "hostAliases": [{"ip": "10.20.30.40", "hostnames": ["db.internal"]}],
        "volumes": [{"name": "scratch", "emptyDir": {}}],
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
        "sidecars": [sidecar],
    }
    spec = {
        "replicas": 1,
        "database": {"urlSecretRef": {"name": NAME, "key": "database-url"}},
        "pod": pod,
        "worker": {
            "resources": {"requests": SMALL},
            "pod": {"securityContext": {"runAsUser": ASSIGNED, "runAsGroup": 0}},
        },
        "service": {"type": "NodePort"},
        "migrations": {"mode": "Manual"},
    }
    kubectl.apply(analyticsapi(kubectl, NAME, **spec))
    try:
        yield kubectl
    finally:
        kubectl("delete", "aapi", NAME)


def test_the_command_of_the_condition_starts_the_migration(customized: Kubectl) -> None:
    def waits() -> str | None:
        found = condition(customized.get(KIND, NAME), "Migrated")
        return found["message"] if found["reason"] == "AwaitingApproval" else None

    message = eventually(waits, seconds=120, what="the plan waits for its approval")
    assert customized.get("deployment", NAME) is None
    customized(*message.partition(": kubectl ")[2].split())
    wait_ready(customized, NAME)
    wait_in_order(customized, NAME)


def test_pods_have_what_was_added_to_them(customized: Kubectl) -> None:
    assert python(customized, NAME, "import os; print(os.getuid(), 'NODE' in os.environ)") == "10001 True"
    assert python(customized, f"{NAME}-worker", "import os; print(os.getuid(), os.getgid())") == f"{ASSIGNED} 0"
    assert "10.20.30.40" in python(customized, NAME, "print(open('/etc/hosts').read())")
    assert python(customized, NAME, "print(open('/scratch/a', 'w').write('1'))") == "1"
    for component in ("api", "worker"):
        for pod in pods(customized, component):
            assert "'name': 'proxy'" in str(pod["status"])


def test_the_metrics_are_not_published_and_come_back_when_nothing_is(customized: Kubectl) -> None:
    def ports(name: str) -> list[str] | None:
        service = customized.get("service", name)
        return [each["name"] for each in service["spec"]["ports"]] if service else None

    assert (ports(NAME), ports(f"{NAME}-metrics")) == (["http"], ["metrics"])
    customized.patch(KIND, NAME, {"spec": {"service": None}})
    eventually(
        lambda: (ports(NAME), ports(f"{NAME}-metrics")) == (["http", "metrics"], None),
        seconds=60,
        what="one Service inside of the cluster again",
    )
