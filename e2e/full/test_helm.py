"""`helm install --wait` of Helm 4 knows when a resource is ready, and when it never will be."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster import gomodules
from e2e.installation import KIND, analyticsapi
from e2e.kubectl import Kubectl, KubectlError, condition

NAME = "by-helm"


@pytest.fixture(scope="module")
def helm() -> str:
    return str(gomodules.program(gomodules.HELM_4))


@pytest.fixture(autouse=True)
def released(kubectl: Kubectl, helm: str) -> Iterator[None]:
    yield
    helm_4(kubectl, helm, "uninstall", NAME, "--ignore-not-found")


def helm_4(kubectl: Kubectl, program: str, *arguments: str) -> str:
    where = ("--kube-context", kubectl.context, "--namespace", kubectl.namespace)
    return kubectl.run([program, *where, *arguments], seconds=300)


def chart(folder: Path, resource: dict[str, Any]) -> str:
    (folder / "templates").mkdir()
    (folder / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": NAME, "version": "1.0.0"}))
    (folder / "templates" / "resource.yaml").write_text(yaml.safe_dump(resource))
    return str(folder)


def test_it_returns_when_the_resource_is_ready(kubectl: Kubectl, helm: str, tmp_path: Path) -> None:
    files = chart(tmp_path, analyticsapi(kubectl, NAME, replicas=1))
    helm_4(kubectl, helm, "install", NAME, files, "--wait", "--timeout=4m")
    assert condition(kubectl.get(KIND, NAME), "Ready")["status"] == "True"


def test_it_fails_for_one_that_waits_for_a_secret(kubectl: Kubectl, helm: str, tmp_path: Path) -> None:
    database = {"urlSecretRef": {"name": "not-there", "key": "url"}}
    files = chart(tmp_path, analyticsapi(kubectl, NAME, replicas=1, database=database))
    with pytest.raises(KubectlError, match=NAME):
        helm_4(kubectl, helm, "install", NAME, files, "--wait", "--timeout=20s")
    assert condition(kubectl.get(KIND, NAME), "Ready")["reason"] == "SecretMissing"
