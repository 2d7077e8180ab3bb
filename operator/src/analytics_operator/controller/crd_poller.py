"""Whether the API server keeps every field that this operator knows: the CRD comes with a chart of its own."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import structlog

from analytics_operator.api.crd import definition
from analytics_operator.api.v1alpha1 import KIND
from analytics_operator.errors import ApiError
from analytics_operator.kube.client import Cluster
from analytics_operator.kube.objects import ANALYTICS_API

log = structlog.get_logger(__name__)

SECONDS_BETWEEN_LOOKS = 15
SECONDS_UNTIL_KNOWN = 2
"""A schema is published some seconds after its CRD was made."""


class Served:
    """Remembers which of our fields the API server drops from what it is given."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._known = False
        self.missing_fields: tuple[str, ...] = ()

    async def look(self) -> bool:
        """Whether the answer is another than before; what cannot be learned is taken as before."""
        try:
            found = missing_fields(await self._cluster.published(ANALYTICS_API))
        except ApiError as error:
            log.info("cannot read the served schema", error=str(error))
            return False
        changed, self.missing_fields, self._known = found != self.missing_fields, found, True
        return changed

    async def watch(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Tells when the CRD was upgraded or downgraded; never returns."""
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS if self._known else SECONDS_UNTIL_KNOWN)
            if await self.look():
                await changed()


def missing_fields(published: Mapping[str, Any]) -> tuple[str, ...]:
    """Paths of ours that the published schema of the kind lacks; of a section that is gone only its own."""
    served: Mapping[str, Any] = next((each for name, each in published.items() if name.rpartition(".")[2] == KIND), {})
    return tuple(_missing(_ours(), served, path=""))


@functools.cache
def _ours() -> Mapping[str, Any]:
    """Made once: it is derived from the models, and compared four times a minute."""
    schema: Mapping[str, Any] = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def _missing(ours: Mapping[str, Any], served: Mapping[str, Any], *, path: str) -> Iterator[str]:
    known = served.get("properties", {})
    for name, schema in ours.get("properties", {}).items():
        if name not in known:
            yield f"{path}{name}"
        else:
            yield from _missing(schema, known[name], path=f"{path}{name}.")
