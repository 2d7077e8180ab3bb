"""The operator's port answers on IPv4 and IPv6 alike, and on a machine that has no IPv6."""

import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml

from tests.support.environment import WITHOUT_IPV6, program_environment
from tests.support.kube import eventually
from tests.support.ports import a_free_port

UNREACHABLE = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "c",
    "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "c", "user": {}}],
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c", "namespace": "default"}}],
}


@pytest.mark.parametrize(
    ("machine", "ipv6"),
    [pytest.param({}, 200, id="both families"), pytest.param(WITHOUT_IPV6, None, id="without IPv6")],
)
def test_probes_are_answered_on_every_address(machine: dict[str, str], ipv6: int | None, tmp_path: Path) -> None:
    (kubeconfig := tmp_path / "kubeconfig").write_text(yaml.safe_dump(UNREACHABLE))
    port = a_free_port()
    command = [sys.executable, "-m", "analytics_operator", "run", "--namespace=default", f"--http-port={port}"]
    environment = program_environment(KUBECONFIG=str(kubeconfig), **machine)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            eventually(lambda: status(f"127.0.0.1:{port}") == 200, what="an answer on IPv4")
            assert status(f"[::1]:{port}") == ipv6
        finally:
            process.terminate()
            process.wait(timeout=20)


def status(address: str) -> int | None:
    """Of /healthz; None where nothing listens."""
    try:
        with urllib.request.urlopen(f"http://{address}/healthz", timeout=5) as answer:
            code: int = answer.status
            return code
    except OSError:
        return None
