"""docs/ingest.md and its example: the fields, and routes that bring each request of the API to pods that answer it."""

import re
from typing import Any

import pytest
import yaml

from analytics_service.endpoints import ENDPOINTS, INGEST_ENDPOINTS
from analytics_service.server.service import Only
from analytics_service.settings import Settings
from tests.contract.test_halves_agree import TOP, rendered
from tests.support.otlp import Span, encoded, send
from tests.support.service import a_service

PAGE = (TOP / "docs" / "ingest.md").read_text()
RESOURCE, INGRESS = yaml.safe_load_all((TOP / "docs" / "examples" / "ingest.yaml").read_text())
ROUTES = [(each.path, each.method.value) for each in (*ENDPOINTS, *INGEST_ENDPOINTS)]
TO_INGEST = {(each.path, each.method.value) for each in INGEST_ENDPOINTS}


def backend(route: dict[str, Any], path: str, method: str) -> str:
    """As a Gateway chooses it: the first rule of an HTTPRoute that matches."""

    def matches(match: dict[str, Any]) -> bool:
        kind, value = match["path"]["type"], match["path"]["value"]
        inside = path == value or (kind == "PathPrefix" and path.startswith(f"{value}/"))
        return inside and match.get("method", method) == method

    rule = next(
        each for each in route["spec"]["rules"] if any(map(matches, each.get("matches", ()))) or "matches" not in each
    )
    (found,) = rule["backendRefs"]
    assert found["port"] == 80
    return str(found["name"])


def test_the_fields_are_those_of_the_resource() -> None:
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|", PAGE.partition("## ")[0], flags=re.MULTILINE)
    crd = yaml.safe_load((TOP / "crds" / "analyticsapis.yaml").read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    fields = spec["ingest"]["properties"]
    assert [name for name, _ in rows] == list(fields)
    expected = {name: str(each["default"]).lower() for name, each in fields.items() if "default" in each}
    assert {name: default.strip() for name, default in rows if name in expected} == expected


@pytest.mark.parametrize(("path", "method"), ROUTES)
def test_the_route_brings_each_request_to_pods_that_answer_it(path: str, method: str) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    (text,) = (block for block in blocks if "kind: HTTPRoute" in block)
    expected = "busy-ingest" if (path, method) in TO_INGEST else "busy"
    assert backend(yaml.safe_load(text), path, method) == expected


def test_the_ingress_sends_a_host_of_its_own_to_those_who_take_rows() -> None:
    (rule,) = INGRESS["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    service = rendered("everything-set", "Service", "ingest")
    assert path["backend"]["service"]["name"] == service["metadata"]["name"].replace(
        "demo", RESOURCE["metadata"]["name"]
    )
    assert path["backend"]["service"]["port"]["name"] in {each["name"] for each in service["spec"]["ports"]}
    (size,) = INGRESS["metadata"]["annotations"].values()
    assert size == f"{RESOURCE['spec']['ingest']['maxBodyBytes'] // 2**20}m"


@pytest.mark.postgres
async def test_the_api_beside_pods_that_take_rows_answers_as_the_page_says(database_url: str) -> None:
    async with a_service(database_url, endpoints=Only.API.endpoints(Settings())) as client:
        otlp = await send(client, encoded([Span()]))
        rows = await send(client, b"[]", "application/json", path="/api/v1/traces")
    assert f"answers {otlp.status}\nto `POST /v1/traces` and {rows.status} to `POST /api/v1/traces`" in PAGE
