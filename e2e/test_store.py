"""The store's own tests on TimescaleDB's Apache edition, which only the cluster has."""

import os
import subprocess
import sys

from e2e.forward import forward
from e2e.installation import PASSWORD, TOP
from e2e.kubectl import Kubectl


def test_the_store_behaves_on_timescaledb_as_it_does_on_postgresql(kubectl: Kubectl) -> None:
    with forward(kubectl, "service/postgres", 5432) as url:
        address = url.removeprefix("http://")
        environment = os.environ | {"TIMESCALE_TEST_DSN": f"postgres://llm_user:{PASSWORD}@{address}/llm_observatory"}
        environment["PROPERTY_EXAMPLES"] = "12"  # each statement goes through the API server and the kubelet
        command = (sys.executable, "-m", "pytest", "-q", "tests/service/database", "-k", "timescaledb")
        done = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    skipped = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert all("community edition" in line or "prepares no transactions" in line for line in skipped), skipped
    assert " passed" in done.stdout.splitlines()[-1], done.stdout[-500:]
