"""A pod that asks a service without a pause, from inside the cluster, and tells what was not answered."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from analytics_service.demo.questions import RANGE
from e2e.installation import TAG
from e2e.kubectl import Kubectl, eventually

PATH = f"/api/v1/metrics?{urlencode({**RANGE, 'interval': '1day', 'metrics': 'request_count'})}"
POD = "prober"


@dataclass(frozen=True)
class Prober:
    kubectl: Kubectl

    def tally(self) -> Any:
        """`answered`, a number, and `failures`, each in its own words."""
        lines = self.kubectl("logs", f"pod/{POD}", "--tail=1").splitlines()
        return json.loads(lines[-1]) if lines else {"answered": 0, "failures": []}

    def undisturbed(self) -> None:
        """Asserts that no request has failed up to now, after some more were answered."""
        count = self.tally()["answered"]
        found = eventually(
            lambda: now if (now := self.tally())["answered"] > count else None, seconds=30, what="more answers"
        )
        assert found["failures"] == []


@contextmanager
def probed(kubectl: Kubectl, name: str, *, seconds: int) -> Iterator[Prober]:
    """The service of that resource is asked forty times a second, until the block ends or the time is over."""
    token = kubectl("exec", f"deployment/{name}", "--", "analytics-service", "token", "--role", "admin", "--org", "x")
    address = kubectl("get", "service", name, "-o", "jsonpath={.spec.clusterIP}")
    script = Path(__file__).with_name("prober.py").read_text()
    kubectl.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": POD}, "data": {"prober.py": script}},
        _pod(f"{kubectl.image_prefix}analytics-service:{TAG}", [address, "80", PATH, str(seconds)], token.strip()),
    )
    try:
        kubectl("wait", "--for=condition=Ready", f"pod/{POD}", "--timeout=60s")
        yield Prober(kubectl)
    finally:
        kubectl("delete", f"pod/{POD}", f"configmap/{POD}", "--grace-period=1")


def _pod(image: str, arguments: list[str], token: str) -> dict[str, Any]:
    container = {
        "name": POD,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "/probe/prober.py", *arguments],
        "env": [{"name": "TOKEN", "value": token}],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "script", "mountPath": "/probe"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": POD},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "script", "configMap": {"name": POD}}],
        },
    }
