"""From a resource to answers and back to nothing, by the state of the cluster and by HTTP."""

import gzip
import json
import urllib.error
import urllib.request
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from analytics_service.demo.questions import RANGE
from analytics_service.demo.samples import SAMPLES
from e2e.conftest import Service, wait_ready
from e2e.installation import CREDENTIALS, KIND, LABEL, analyticsapi, credentials, secret
from e2e.kubectl import Kubectl, condition, eventually


def ask(service: Service, path: str, *, token: str | None = None, **parameters: str) -> tuple[int, Any]:
    """Status and body, numbers with a point as Decimal."""
    request = urllib.request.Request(f"{service.url}{path}?{urlencode(parameters)}")  # noqa: S310 - loopback
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - as above
            return response.status, json.loads(response.read(), parse_float=Decimal)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read(), parse_float=Decimal)


def test_a_resource_becomes_ready_with_every_child(kubectl: Kubectl, service: Service) -> None:
    assert kubectl.get("deployment", "demo")["status"]["readyReplicas"] == 2  # type: ignore[index]
    for kind, name in (("service", "demo"), ("serviceaccount", "demo"), ("pdb", "demo"), ("secret", "demo-jwt")):
        assert kubectl.get(kind, name), f"{kind}/{name}"
    resource = kubectl.get(KIND, "demo")
    assert resource is not None
    assert resource["status"]["schema"]["edition"] == "timescaledb-apache"
    assert condition(resource, "Migrated")["status"] == "True"
    kubectl("wait", "--for=condition=Ready", "aapi/demo", "--timeout=5s")


def test_the_service_is_healthy_and_asks_for_a_token(kubectl: Kubectl, service: Service) -> None:
    status, body = ask(service, "/health")
    assert (status, body["status"], body["database"], body["redis"]) == (200, "healthy", "healthy", "healthy")
    status, body = ask(service, "/api/v1/traces", **RANGE)
    assert status == 401
    assert body["status"] == 401


def test_imported_requests_are_counted_and_paid_to_the_last_digit(kubectl: Kubectl, service: Service) -> None:
    for sample in SAMPLES:
        command = ("analytics-service", "import", "-", "--format", "csv", "--output", "json", *sample.arguments())
        rows = gzip.decompress(sample.file.read_bytes())
        kubectl("exec", "-i", "deployment/demo", "--", *command, stdin=rows, seconds=300)
    status, body = ask(
        service,
        "/api/v1/metrics",
        token=service.token,
        **RANGE,
        interval="1day",
        aggregation="sum",
        metrics="request_count,prompt_tokens,completion_tokens,total_cost",
    )
    assert status == 200
    (day,) = body["data"]["data"]
    assert day["request_count"] == 8_819 + 19_366
    assert day["prompt_tokens"] == 40_421_844
    assert day["completion_tokens"] == 4_334_561
    assert day["total_cost"] == expected_cost()


def expected_cost() -> Decimal:
    """Computed from the files alone, with the prices of gpt-4 (30 and 60 USD a million tokens) and gpt-3.5-turbo."""
    prices = {"gpt-4": (Decimal(30), Decimal(60)), "gpt-3.5-turbo": (Decimal("0.5"), Decimal("1.5"))}
    total = Decimal(0)
    for sample in SAMPLES:
        context_price, generated_price = prices[sample.model]
        for line in gzip.decompress(sample.file.read_bytes()).decode().splitlines()[1:]:
            _, context, generated = line.split(",")
            total += int(context) * context_price + int(generated) * generated_price
    return total / 1_000_000


def test_replicas_follow_the_scale_subresource(kubectl: Kubectl, service: Service) -> None:
    for replicas in (3, 2):
        kubectl("scale", "aapi/demo", f"--replicas={replicas}")
        eventually(
            lambda wanted=replicas: (kubectl.get("deployment", "demo") or {})["status"].get("readyReplicas") == wanted,  # type: ignore[misc]
            seconds=90,
            what=f"{replicas} ready replicas",
        )
    wait_ready(kubectl, "demo")


def test_a_deleted_child_comes_back(kubectl: Kubectl, service: Service) -> None:
    for kind in ("service", "pdb", "serviceaccount", "deployment"):
        before = (kubectl.get(kind, "demo") or {})["metadata"]["uid"]
        kubectl("delete", kind, "demo", "--wait=false")
        eventually(
            lambda k=kind, uid=before: (found := kubectl.get(k, "demo")) and found["metadata"]["uid"] != uid,  # type: ignore[misc]
            seconds=30,
            what=f"a new {kind}",
        )
    wait_ready(kubectl, "demo")


def test_a_bad_database_url_is_reported_and_heals_without_an_outage(kubectl: Kubectl) -> None:
    kubectl.apply(
        analyticsapi(
            kubectl, "broken", replicas=1, database={"urlSecretRef": {"name": "broken", "key": "database-url"}}
        )
    )
    reported(kubectl, "SecretsReady", "broken")
    wrong = credentials(host="nowhere")["stringData"]["database-url"]
    kubectl.apply(secret("broken", **{"database-url": wrong}))
    migrated = reported(kubectl, "Migrated", "DatabaseUnreachable")
    assert wrong.split(":")[2].split("@")[0] not in json.dumps(kubectl.get(KIND, "broken")), "the password is out"
    assert migrated["status"] == "False"
    assert kubectl.get("deployment", "broken") is None, "nothing is released before the database is migrated"
    kubectl.apply(secret("broken", **{"database-url": credentials()["stringData"]["database-url"]}))
    wait_ready(kubectl, "broken", seconds=120)
    kubectl("delete", "aapi", "broken")


def reported(kubectl: Kubectl, kind: str, word: str) -> dict[str, Any]:
    """The condition, once it is False and names `word` as its reason or in its message."""

    def look() -> dict[str, Any] | None:
        found = condition(kubectl.get(KIND, "broken"), kind)
        return found if found["status"] == "False" and word in f"{found['reason']} {found['message']}" else None

    return eventually(look, seconds=90, what=f"{kind} is False and names {word}")


def test_deleting_the_resource_leaves_nothing(kubectl: Kubectl) -> None:
    kubectl.apply(analyticsapi(kubectl, "gone", replicas=1))
    wait_ready(kubectl, "gone")
    kubectl("delete", "aapi", "gone")
    kinds = (
        "all,configmaps,secrets,serviceaccounts,poddisruptionbudgets,networkpolicies,ingresses,horizontalpodautoscalers"
    )
    eventually(
        lambda: not kubectl.list(kinds, selector=f"{LABEL},app.kubernetes.io/instance=gone"),
        seconds=60,
        what="no object of the deleted resource is left",
    )
    assert kubectl.get("secret", CREDENTIALS), "what is not ours stays"
