"""A resource and all that belongs to it, as the API server has it: read once, changed never."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from analytics_operator.errors import Forbidden, NotFound
from analytics_operator.kube import labels
from analytics_operator.kube.discovery import served_kinds
from analytics_operator.kube.objects import OPTIONAL, POD, REPLICA_SET, SECRET, WATCHED, Kind, Manifest, controller
from analytics_operator.plugin.command import Cluster, parse
from analytics_operator.state.secrets import uses

KINDS = (*WATCHED, REPLICA_SET, POD)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    resource: Manifest
    children: tuple[Manifest, ...]
    """All of them, and the pods and ReplicaSets of theirs, in the order of kinds and of names."""
    secrets: Mapping[str, bool | None]
    """Whether each Secret that the pods read exists; None where the user may not know."""
    forbidden: tuple[str, ...] = ()
    """Optional kinds that the user may not list: the role view does not cover the CRDs of others."""

    def controlled_by(self, uid: str) -> tuple[Manifest, ...]:
        return tuple(each for each in self.children if (controller(each) or {}).get("uid") == uid)

    @property
    def pods(self) -> tuple[Manifest, ...]:
        return tuple(each for each in self.children if each["kind"] == POD.name)


async def read(cluster: Cluster, resource: Manifest) -> Snapshot:
    """What carries the labels of its children; a kind that is not served has none."""
    name = resource["metadata"]["name"]
    names = sorted({use.ref.name for use in uses(parse(resource))})
    served = await served_kinds(cluster.client, OPTIONAL, before=frozenset())
    optional = tuple(kind for kind in OPTIONAL if kind in served)
    lists = await asyncio.gather(*(_list(cluster, kind, labels.children_of(name)) for kind in (*KINDS, *optional)))
    states = await asyncio.gather(*(_exists(cluster, each) for each in names))
    return Snapshot(
        resource=resource,
        children=tuple(child for each in lists for child in each or ()),
        secrets=dict(zip(names, states, strict=True)),
        forbidden=tuple(kind.name for kind, each in zip((*KINDS, *optional), lists, strict=True) if each is None),
    )


async def _list(cluster: Cluster, kind: Kind, selector: str) -> list[Manifest] | None:
    """None of an optional kind that the user may not list."""
    try:
        items = await cluster.client.list(kind, cluster.namespace, labels=selector)
    except NotFound:
        return []
    except Forbidden:
        if kind in OPTIONAL:
            return None
        raise
    typed = ({"apiVersion": kind.api_version, "kind": kind.name} | item for item in items)
    return sorted(typed, key=lambda item: str(item["metadata"]["name"]))


async def _exists(cluster: Cluster, secret: str) -> bool | None:
    """By its metadata alone: its values do not travel."""
    try:
        return await cluster.client.version(SECRET, cluster.namespace, secret) is not None
    except Forbidden:
        return None
