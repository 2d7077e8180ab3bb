"""CRDPoller: whether the API server keeps every field that this operator knows. The CRD comes with its own chart."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import structlog

from analytics_operator.api.crd import definition
from analytics_operator.api.v1alpha1 import KIND
from analytics_operator.errors import ApiError
from analytics_operator.kube.client import KubeClient
from analytics_operator.kube.discovery import published_schemas
from analytics_operator.kube.objects import ANALYTICS_API

log = structlog.get_logger(__name__)

POLL_SECONDS = 15
FIRST_POLL_SECONDS = 2
"""Until the schema was read once: it is published some seconds after its CRD was made."""


class CRDPoller:
    """Remembers which of our fields the API server drops from what it is given."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._known = False
        self.missing_fields: tuple[str, ...] = ()

    async def poll(self) -> bool:
        """Whether the answer is another than before; what cannot be learned is taken as before."""
        try:
            missing = missing_fields(await published_schemas(self._client, ANALYTICS_API))
        except ApiError as error:
            log.info("cannot read the published CRD schema", error=str(error))
            return False
        changed, self.missing_fields, self._known = missing != self.missing_fields, missing, True
        return changed

    async def run(self, on_change: Callable[[], Awaitable[None]]) -> None:
        """Calls back when the CRD was upgraded or downgraded; never returns."""
        while True:
            await asyncio.sleep(POLL_SECONDS if self._known else FIRST_POLL_SECONDS)
            if await self.poll():
                await on_change()


def missing_fields(published: Mapping[str, Any]) -> tuple[str, ...]:
    """Paths of ours that the published schema of the kind lacks; of a section that is gone only its own."""
    crd_schema: Mapping[str, Any] = next(
        (schema for name, schema in published.items() if name.rpartition(".")[2] == KIND), {}
    )
    return tuple(_missing(_own_schema(), crd_schema, path=""))


@functools.cache
def _own_schema() -> Mapping[str, Any]:
    """Made once: it is derived from the models, and compared four times a minute."""
    schema: Mapping[str, Any] = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def _missing(own: Mapping[str, Any], published: Mapping[str, Any], *, path: str) -> Iterator[str]:
    known = published.get("properties", {})
    for name, schema in own.get("properties", {}).items():
        if name not in known:
            yield f"{path}{name}"
        else:
            yield from _missing(schema, known[name], path=f"{path}{name}.")
