"""An Ingress with TLS and an HTTPRoute through a controller that nobody here wrote: Traefik."""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from e2e.conftest import wait_ready
from e2e.forward import forward
from e2e.installation import KIND, analyticsapi, secret
from e2e.kubectl import Kubectl, condition, eventually
from e2e.probing import PATH
from tests.support.tls import Authority

NAME = "routes"
HOST = "analytics.example.test"
ROUTE_HOST = "gateway.example.test"
SECTIONS: dict[str, Any] = {
    "ingress": {"className": "traefik", "host": HOST, "tls": {"secretName": "routes-tls"}},
    "gateway": {"parentRefs": [{"name": "public", "namespace": "traefik"}], "hostnames": [ROUTE_HOST]},
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority")).made()


@pytest.fixture(scope="module", autouse=True)
def routes(kubectl: Kubectl, traefik: None, authority: Authority) -> Iterator[None]:
    certificate, key = authority.issue("ingress", common_name=HOST, names=f"DNS:{HOST}")
    files = {"tls.crt": certificate.read_text(), "tls.key": key.read_text()}
    kubectl.apply(secret("routes-tls", **files) | {"type": "kubernetes.io/tls"})
    kubectl.apply(analyticsapi(kubectl, NAME, replicas=1, **SECTIONS))
    wait_ready(kubectl, NAME)
    yield
    kubectl("delete", "aapi", NAME)


@pytest.fixture(scope="module")
def token(kubectl: Kubectl) -> str:
    return kubectl("exec", f"deployment/{NAME}", "--", "analytics-service", "token", "--org", "x").strip()


def asked(kubectl: Kubectl, port: int, host: str, token: str, *, trusted: Path | None = None) -> tuple[int, bytes]:
    """Status and body of a question by that name, over TLS that is verified where a certificate is trusted."""
    context = ssl.create_default_context(cafile=str(trusted)) if trusted else None
    connection = http.client.HTTPConnection(host, timeout=30)
    with forward(kubectl.within("traefik"), "deployment/traefik", port) as url, closing(connection):
        dialled = socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=30)
        connection.sock = context.wrap_socket(dialled, server_hostname=host) if context else dialled
        connection.request("GET", PATH, headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        return response.status, response.read()


def answers(kubectl: Kubectl, *where: Any, **how: Any) -> None:
    def look() -> bool:
        status, body = asked(kubectl, *where, **how)
        return status == 200 and "data" in json.loads(body)

    eventually(look, seconds=60, what=f"{where[1]} is answered")


def test_both_ways_are_answered_and_either_can_go(kubectl: Kubectl, authority: Authority, token: str) -> None:
    answers(kubectl, 8443, HOST, token, trusted=authority.ca)
    answers(kubectl, 8000, HOST, token)
    answers(kubectl, 8000, ROUTE_HOST, token)
    eventually(
        lambda: condition(kubectl.get(KIND, NAME), "RoutesConfigured")["status"] == "True",
        seconds=60,
        what="RoutesConfigured",
    )
    kubectl.patch(KIND, NAME, {"spec": {"ingress": None}})
    eventually(
        lambda: asked(kubectl, 8000, HOST, token)[0] == 404, seconds=60, what="nobody answers by the Ingress' name"
    )
    answers(kubectl, 8000, ROUTE_HOST, token)


def test_a_limit_that_traefik_has_no_annotation_for_is_told(kubectl: Kubectl) -> None:
    ingress = SECTIONS["ingress"] | {"rateLimitPerSecond": 5}
    kubectl.patch(KIND, NAME, {"spec": {"ingress": ingress}})
    found = eventually(
        lambda: (
            found
            if (found := condition(kubectl.get(KIND, NAME), "RoutesConfigured"))["reason"] == "RateLimitUnsupported"
            else None
        ),
        seconds=60,
        what="the condition that names the cure",
    )
    assert "Middleware" in found["message"]
