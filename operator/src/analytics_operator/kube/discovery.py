"""Discovery: whether the API server serves a kind, and the schemas that it publishes for it."""

import asyncio
from typing import Any

import structlog

from analytics_operator.errors import ApiError
from analytics_operator.kube.client import KubeClient
from analytics_operator.kube.objects import Kind

log = structlog.get_logger(__name__)

RETRY_SECONDS = 5


async def until_served(client: KubeClient, kind: Kind) -> None:
    """Returns when the API server serves the kind: kopf resolves kinds once, at its start."""
    while True:
        try:
            if await is_served(client, kind):
                return
        except ApiError as error:
            log.warning("waiting for the CRD: install charts/crds", error=str(error))
        await asyncio.sleep(RETRY_SECONDS)


async def is_served(client: KubeClient, kind: Kind) -> bool:
    resources = (await client.discover(kind, f"/apis/{kind.api_version}"))["resources"]
    return any(each["name"] == kind.plural for each in resources)


async def published_schemas(client: KubeClient, kind: Kind) -> dict[str, Any]:
    """The OpenAPI v3 schemas of the kind's group and version, by name."""
    answer = await client.discover(kind, f"/openapi/v3/apis/{kind.api_version}")
    schemas: dict[str, Any] = answer["components"]["schemas"]
    return schemas
