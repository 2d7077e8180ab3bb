"""A local port that reaches a Service of the cluster."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from e2e.kubectl import Kubectl, KubectlError


@contextmanager
def forward(kubectl: Kubectl, target: str, port: int) -> Iterator[str]:
    """Base URL on the loopback interface of `target` (as `service/demo`), until the block ends."""
    command = kubectl.command("port-forward", "--address=127.0.0.1", target, f":{port}")
    process = subprocess.Popen(command, env=kubectl.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert process.stdout is not None
        first = process.stdout.readline().decode()  # Forwarding from 127.0.0.1:34567 -> 8080
        if "Forwarding from" not in first:
            raise KubectlError(f"port-forward {target}: {first.strip()}")
        yield f"http://{first.split()[2]}"
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()  # type: ignore[union-attr]  # asserted above
