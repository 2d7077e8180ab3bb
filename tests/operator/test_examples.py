"""Every documented example is stored alike by `kubectl create`, `kubectl apply` and `kubectl apply --server-side`."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster import gomodules
from tests.operator.cluster_actor import ClusterActor, a_resource
from tests.support.kube import TOP, Object

pytestmark = pytest.mark.kube

WAYS = {
    "create": ("create", "-f", "-"),
    "apply": ("apply", "-f", "-"),
    "apply --server-side": ("apply", "--server-side", "-f", "-"),
}
FOREVER = {"raw": "Forever", "oneMinute": "Forever", "oneHour": "Forever", "oneDay": "Forever"}
DEFAULTS = {"raw": 92, "oneMinute": 8, "oneHour": 400, "oneDay": 1095}
NULLS: Object = dict.fromkeys(DEFAULTS)


def documented() -> Iterator[Any]:
    """Of every page and every example, the resources."""
    pages = [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md"))]
    fenced = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
    blocks = [(page, block) for page in pages for block in fenced.findall(page.read_text())]
    blocks += [(file, file.read_text()) for file in sorted((TOP / "docs/examples").rglob("*.yaml"))]
    for file, text in blocks:
        if "kind: AnalyticsApi" in text:
            for each in yaml.safe_load_all(text):
                if each["kind"] == "AnalyticsApi":
                    yield pytest.param(each, id=f"{file.relative_to(TOP)}: {each['metadata']['name']}")


def kubectl(actor: ClusterActor, folder: Path, *arguments: str, manifest: Object | None = None) -> str:
    found = shutil.which("kubectl", path=f"{gomodules.clients()}{os.pathsep}{os.environ['PATH']}")
    assert found
    command = [found, f"--kubeconfig={actor.api.kubeconfig(folder / 'kubeconfig')}", f"-n{actor.api.namespace}"]
    text = yaml.safe_dump(manifest) if manifest else ""
    return subprocess.run([*command, *arguments], input=text, capture_output=True, text=True, check=True).stdout


def stored(actor: ClusterActor, folder: Path, way: str, manifest: Object) -> Object:
    kubectl(actor, folder, *WAYS[way], manifest=manifest)
    spec: Object = actor.resource(manifest["metadata"]["name"])["spec"]
    return spec


@pytest.mark.parametrize("example", list(documented()))
def test_an_example_is_stored_alike_by_each_way(actor: ClusterActor, tmp_path: Path, example: Object) -> None:
    found = []
    for way in WAYS:
        found.append(stored(actor, tmp_path, way, example))
        actor.api.delete("AnalyticsApi", example["metadata"]["name"])
    assert found == [found[0]] * len(WAYS)


@pytest.mark.parametrize("way", WAYS)
def test_a_null_is_the_default_by_each_way(actor: ClusterActor, tmp_path: Path, way: str) -> None:
    manifest = a_resource(timescale={"retentionDays": NULLS, "compressAfterDays": None})
    timescale = stored(actor, tmp_path, way, manifest)["timescale"]
    assert (timescale["retentionDays"], timescale["compressAfterDays"]) == (DEFAULTS, 7)


@pytest.mark.parametrize("way", ["apply", "apply --server-side"])
def test_a_null_brings_the_default_back(actor: ClusterActor, tmp_path: Path, way: str) -> None:
    forever = a_resource(timescale={"retentionDays": FOREVER, "compressAfterDays": "Never"})
    assert stored(actor, tmp_path, way, forever)["timescale"]["retentionDays"] == FOREVER
    later = a_resource(timescale={"retentionDays": NULLS, "compressAfterDays": None})
    timescale = stored(actor, tmp_path, way, later)["timescale"]
    assert (timescale["retentionDays"], timescale["compressAfterDays"]) == (DEFAULTS, 7)


def test_kubectl_explain_names_the_words_for_no_end(actor: ClusterActor, tmp_path: Path) -> None:
    for field in DEFAULTS:
        assert "Forever" in kubectl(actor, tmp_path, "explain", f"aapi.spec.timescale.retentionDays.{field}")
    assert "Never" in kubectl(actor, tmp_path, "explain", "aapi.spec.timescale.compressAfterDays")
