"""A resource and all that belongs to it, as the API server has it: read once, changed never."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from analytics_operator.errors import Forbidden, NotFound
from analytics_operator.kube import labels
from analytics_operator.kube.objects import POD, REPLICA_SET, SECRET, WATCHED, Kind, Manifest, controller
from analytics_operator.plugin.command import Cluster, parse
from analytics_operator.state.secrets import uses

KINDS = (*WATCHED, REPLICA_SET, POD)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    resource: Manifest
    children: tuple[Manifest, ...]
    """All of them, and the pods and ReplicaSets of theirs, in the order of KINDS and of names."""
    secrets: Mapping[str, bool | None]
    """Whether each Secret that the pods read exists; None where the user may not know."""

    def controlled_by(self, uid: str) -> tuple[Manifest, ...]:
        return tuple(each for each in self.children if (controller(each) or {}).get("uid") == uid)

    @property
    def pods(self) -> tuple[Manifest, ...]:
        return tuple(each for each in self.children if each["kind"] == POD.name)


async def read(cluster: Cluster, resource: Manifest) -> Snapshot:
    """What carries the labels of its children; a kind that is not served has none."""
    name = resource["metadata"]["name"]
    names = sorted({use.ref.name for use in uses(parse(resource))})
    lists = await asyncio.gather(*(_list(cluster, kind, labels.children_of(name)) for kind in KINDS))
    states = await asyncio.gather(*(_exists(cluster, each) for each in names))
    return Snapshot(
        resource=resource,
        children=tuple(child for each in lists for child in each),
        secrets=dict(zip(names, states, strict=True)),
    )


async def _list(cluster: Cluster, kind: Kind, selector: str) -> list[Manifest]:
    try:
        items = await cluster.client.list(kind, cluster.namespace, labels=selector)
    except NotFound:
        return []
    typed = ({"apiVersion": kind.api_version, "kind": kind.name} | item for item in items)
    return sorted(typed, key=lambda item: str(item["metadata"]["name"]))


async def _exists(cluster: Cluster, secret: str) -> bool | None:
    """By its metadata alone: its values do not travel."""
    try:
        return await cluster.client.version(SECRET, cluster.namespace, secret) is not None
    except Forbidden:
        return None
