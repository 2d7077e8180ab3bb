"""The API server of this session, an operator that watches all of it, and a namespace for each test."""

import itertools
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from tests.operator.cluster_actor import ClusterActor
from tests.support.environment import program_environment
from tests.support.kube import TOP, KubeApi, Object, api_server, eventually, helm

OPERATOR = "system:serviceaccount:default:analytics-operator"
"""Whom the chart gives its rights to, when it is installed under this name in `default`."""

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    """An administrator of an API server with our CRD."""
    with serving(tmp_path_factory.mktemp("kube"), users=[OPERATOR]) as api:
        yield api


@contextmanager
def serving(folder: Path, *, crd: Object | None = None, users: Sequence[str] = ()) -> Iterator[KubeApi]:
    """An API server that serves our CRD, or that one."""
    with api_server(folder, users=users) as api:
        api.create(crd or yaml.safe_load((TOP / "crds/analyticsapis.yaml").read_text()))
        eventually(lambda: api.list("AnalyticsApi") == [] and "served", what="the CRD is served")
        yield api


@pytest.fixture
def api(cluster: KubeApi) -> Iterator[KubeApi]:
    """A client of a namespace of its own."""
    name = f"test-{next(_numbers)}"
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    found = replace(cluster, namespace=name)
    yield found
    found.delete("AnalyticsApi")  # all of them: the operator of this session would go on looking at them


@pytest.fixture
def actor(api: KubeApi) -> ClusterActor:
    """The namespace without an operator."""
    return ClusterActor(api)


@pytest.fixture
def world(api: KubeApi, operator: "Operator") -> ClusterActor:
    """The namespace, with an operator that watches it."""
    return ClusterActor(api, operator.port)


@dataclass(frozen=True, kw_only=True)
class Operator:
    process: subprocess.Popen[bytes]
    log: Path
    port: int

    def kill(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@pytest.fixture(scope="session")
def operator(cluster: KubeApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """The real process with the rights of the chart, watching every namespace."""
    chart = helm(
        *["template", "analytics-operator", "charts/operator", "-n", "default", "--kube-version", "1.34.4"],
        "--set=clusterWide=true",
    )
    for manifest in yaml.safe_load_all(chart):
        if "rbac" in manifest["apiVersion"]:
            cluster.install(manifest)
    with running(
        cluster.user(OPERATOR), tmp_path_factory.mktemp("operator"), "--all-namespaces", "--lease-namespace=default"
    ) as found:
        eventually(lambda: "leading" in found.log.read_text() and "yes", what="the operator leads")
        yield found


@contextmanager
def running(api: KubeApi, folder: Path, *arguments: str, **environment: str) -> Iterator[Operator]:
    """`analytics-operator run` as that client; stopped at the end."""
    kubeconfig, log = api.kubeconfig(folder / "kubeconfig"), folder / "operator.log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "analytics_operator", "run", f"--http-port={port}", *arguments]
    with log.open("wb") as output:
        given = program_environment(KUBECONFIG=str(kubeconfig), PATH="", PYTHONUNBUFFERED="1") | environment
        process = subprocess.Popen(command, env=given, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield Operator(process=process, log=log, port=port)
        finally:
            if process.poll() is None:
                process.terminate()
            _wait(process)


def _wait(process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 15
    while process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
        time.sleep(0.05)
