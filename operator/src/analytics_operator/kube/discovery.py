"""Discovery: whether the API server serves a kind, and the schemas that it publishes for it."""

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol

import structlog

from analytics_operator.errors import ApiError, NotFound
from analytics_operator.kube.objects import Kind

log = structlog.get_logger(__name__)

RETRY_SECONDS = 5


class Discoverer(Protocol):
    """The part of client.KubeClient that is needed here."""

    async def discover(self, kind: Kind, path: str) -> dict[str, Any]: ...


async def until_served(client: Discoverer, kind: Kind) -> None:
    """Returns when the API server serves the kind: kopf resolves kinds once, at its start."""
    while True:
        try:
            if kind.plural in await _plurals(client, kind):
                return
        except ApiError as error:
            log.warning("waiting for the CRD: install charts/crds", error=str(error))
        await asyncio.sleep(RETRY_SECONDS)


async def served_kinds(client: Discoverer, kinds: Iterable[Kind], *, before: frozenset[Kind]) -> frozenset[Kind]:
    """Those that the API server serves, by one call for each group; those of `before` where it does not answer."""
    groups: dict[str, list[Kind]] = {}
    for kind in kinds:
        groups.setdefault(kind.api_version, []).append(kind)
    served: set[Kind] = set()
    for api_version, members in groups.items():
        try:
            plurals = await _plurals(client, members[0])
        except NotFound:
            continue
        except ApiError as error:
            log.info("cannot discover API group", api_version=api_version, error=str(error))
            served |= before.intersection(members)
        else:
            served |= {kind for kind in members if kind.plural in plurals}
    return frozenset(served)


async def _plurals(client: Discoverer, kind: Kind) -> frozenset[str]:
    """Of all kinds of the kind's group and version."""
    resources = (await client.discover(kind, f"/apis/{kind.api_version}"))["resources"]
    return frozenset(each["name"] for each in resources)


async def published_schemas(client: Discoverer, kind: Kind) -> dict[str, Any]:
    """The OpenAPI v3 schemas of the kind's group and version, by name."""
    answer = await client.discover(kind, f"/openapi/v3/apis/{kind.api_version}")
    schemas: dict[str, Any] = answer["components"]["schemas"]
    return schemas
