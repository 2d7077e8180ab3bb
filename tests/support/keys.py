"""API keys for tests: made by an administrator of the organisation, through the API."""

import base64
import hashlib
from datetime import datetime
from typing import Any

import jsonschema
import orjson

from analytics_service.auth.api_keys import secret
from analytics_service.endpoints import ENDPOINTS
from analytics_service.http.openapi import document
from tests.support.service import Client, Response, a_token

ME = "/api/v1/auth/me"
DOCUMENT: dict[str, Any] = orjson.loads(orjson.dumps(document(ENDPOINTS)))
MANY = """
INSERT INTO api_key
    (id, org_id, name, prefix, sha256, projects, role, scopes, content, redact, created_at, created_by)
SELECT n::text, 'acme', 'a', 'llmo_sk_', sha256(n::text::bytea), '{{}}', 'viewer', '{{}}', 'keep', '{{}}', now(), 'ann'
FROM generate_series(1, {}) AS n"""
"""SQL: so many keys of acme, whose secrets nobody has."""


def a_secret(name: str = "a") -> str:
    """A well-formed one, which no store has."""
    return secret.encoded(hashlib.sha256(name.encode()).digest())


def bearing(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


ADMIN = bearing(a_token(role="admin"))
GLOBEX = bearing(a_token(role="admin", org_id="globex"))


async def create(client: Client, headers: dict[str, str] = ADMIN, **body: Any) -> Response:
    """A key that may read everything, unless the body says otherwise."""
    given = {"name": "a key", **({} if "scopes" in body else {"role": "viewer"}), **body}
    return await client.request("POST", "/api/v1/keys", json=given, headers=headers)


async def created(client: Client, headers: dict[str, str] = ADMIN, **body: Any) -> dict[str, Any]:
    answer = await create(client, headers, **body)
    assert answer.status == 201, answer.body
    key: dict[str, Any] = answer.json["data"]
    return key


async def listed(client: Client, headers: dict[str, str] = ADMIN, query: str = "") -> list[Any]:
    answer = await client.request("GET", f"/api/v1/keys{query}", headers=headers)
    found: list[Any] = answer.data
    return found


async def revoke(client: Client, id_: str, headers: dict[str, str] = ADMIN) -> Response:
    return await client.request("DELETE", f"/api/v1/keys/{id_}", headers=headers)


async def rotate(client: Client, id_: str, headers: dict[str, str] = ADMIN, **body: Any) -> Response:
    return await client.request("POST", f"/api/v1/keys/{id_}/rotate", json=body, headers=headers)


async def status_with(client: Client, credential: str) -> int:
    return (await client.request("GET", ME, headers={"X-API-Key": credential})).status


def confined(**claims: Any) -> dict[str, str]:
    """A caller who may make keys, and little else."""
    return bearing(a_token(**{"role": "billing", "permissions": ["keys:write", "traces:write"], **claims}))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def documented(answer: Response, path: str, method: str) -> None:
    """The answer is as the document says."""
    assert answer.headers["Cache-Control"] == "no-store"
    media = "application/json" if answer.status < 300 else "application/problem+json"
    schema = DOCUMENT["paths"][path][method]["responses"][str(answer.status)]["content"][media]["schema"]
    jsonschema.validate(orjson.loads(answer.body), {**schema, "components": DOCUMENT["components"]})
