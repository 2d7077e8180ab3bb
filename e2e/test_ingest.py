"""A span that is sent by OTLP is in the API's answer when it is acknowledged, whoever takes rows: also in between."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.conftest import wait_ready
from e2e.forward import forward
from e2e.installation import KIND, SMALL, analyticsapi
from e2e.kubectl import Kubectl, eventually
from tests.support.otlp import JSON, Span, in_json

NAME = "receiving"
INGEST = f"{NAME}-ingest"


@pytest.fixture(scope="module", autouse=True)
def receiving(kubectl: Kubectl) -> Iterator[None]:
    kubectl.apply(analyticsapi(kubectl, NAME, replicas=1))
    wait_ready(kubectl, NAME)
    yield
    kubectl("delete", "aapi", NAME)


def call(url: str, token: str, body: Any = None) -> Any:
    request = urllib.request.Request(url, data=json.dumps(body).encode() if body else None)  # noqa: S310 - loopback
    request.add_header("Authorization", f"Bearer {token}")
    request.add_header("Content-Type", JSON)
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - as above
        return json.loads(response.read() or b"{}")


def arrives(kubectl: Kubectl, token: str, span: Span) -> None:
    """Sends it to the address of those who take rows, and reads it from the API."""
    eventually(lambda: not ending(kubectl), seconds=120, what="no pod is about to end: a forward could choose it")
    with forward(kubectl, f"service/{INGEST}", 80) as url:
        assert call(f"{url}/v1/traces", token, in_json([span])) == {}, "no span was rejected"
    with forward(kubectl, f"service/{NAME}", 80) as url:
        answer = call(f"{url}/api/v1/traces/{span.trace_id}", token)
    assert answer["data"]["trace_id"] == span.trace_id


def ending(kubectl: Kubectl) -> list[str]:
    pods = kubectl.list("pods", selector=f"app.kubernetes.io/instance={NAME}")
    return [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" in pod["metadata"]]


def test_a_span_arrives_while_rows_move_to_pods_of_their_own_and_back(kubectl: Kubectl) -> None:
    token = kubectl("exec", f"deployment/{NAME}", "--", "analytics-service", "token", "--org", NAME).strip()
    arrives(kubectl, token, Span(trace=1))
    kubectl.patch(KIND, NAME, {"spec": {"ingest": {"replicas": 1, "resources": SMALL}}})
    arrives(kubectl, token, Span(trace=2))
    eventually(lambda: kubectl.get("deployment", INGEST), seconds=60, what="pods that only take rows")
    wait_ready(kubectl, NAME)
    arrives(kubectl, token, Span(trace=3))
    kubectl.patch(KIND, NAME, {"spec": {"ingest": {"replicas": None, "resources": None}}})
    arrives(kubectl, token, Span(trace=4))
    eventually(lambda: kubectl.get("deployment", INGEST) is None, seconds=180, what="they go when the API took over")
    wait_ready(kubectl, NAME)
    arrives(kubectl, token, Span(trace=5))
