"""NetworkPolicies: everything is denied in both directions, but for the flows of one table.

Each component has a policy of its own, so that what a worker may do is read in one object. The kubelet's probes come
from the node, which network plugins admit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from analytics_operator.api.networking import DatabaseFlow, ExportsFlow, NetworkPolicy, Peer, RedisFlow
from analytics_operator.api.ports import HTTP_PORT, METRICS_PORT
from analytics_operator.kube import labels, names
from analytics_operator.kube.labels import Component
from analytics_operator.kube.objects import NETWORK_POLICY, Decision, Manifest, Ref, Want
from analytics_operator.manifests.scope import Scope, metadata

SERVING = frozenset({Component.API, Component.INGEST})
LISTENING = SERVING | {Component.WORKER}
EVERY = frozenset(Component)

Peers = Callable[[Scope, NetworkPolicy], list[Manifest] | None]
"""None: everybody. Empty: nobody, and the flow is left out, since a rule without peers admits everybody."""


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Connections that are allowed to the components, or from them."""

    name: str
    components: frozenset[Component]
    peers: Peers
    ports: Callable[[NetworkPolicy], tuple[int, ...]]
    protocols: tuple[str, ...] = ("TCP",)


def _everybody(_: Scope, __: NetworkPolicy) -> None:
    return None


def _clients(_: Scope, policy: NetworkPolicy) -> list[Manifest]:
    return _written(policy.ingress_from)


def _monitoring(_: Scope, policy: NetworkPolicy) -> list[Manifest]:
    return _written(policy.monitoring_from)


def _operator(scope: Scope, _: NetworkPolicy) -> list[Manifest]:
    namespace = {"matchLabels": {"kubernetes.io/metadata.name": scope.operator_namespace}}
    return [{"namespaceSelector": namespace, "podSelector": {"matchLabels": dict(labels.OPERATOR)}}]


def _database(_: Scope, policy: NetworkPolicy) -> list[Manifest]:
    return _written(policy.database.to if policy.database else ())


def _redis(_: Scope, policy: NetworkPolicy) -> list[Manifest]:
    return _written(policy.redis.to if policy.redis else ())


def _exports(_: Scope, policy: NetworkPolicy) -> list[Manifest]:
    return _written(policy.exports.to if policy.exports else ())


def _written(peers: tuple[Peer, ...]) -> list[Manifest]:
    return [peer.model_dump(mode="json", by_alias=True, exclude_defaults=True) for peer in peers]


def _ports(*numbers: int) -> Callable[[NetworkPolicy], tuple[int, ...]]:
    return lambda _: numbers


def _of(destination: DatabaseFlow | RedisFlow | ExportsFlow | None) -> tuple[int, ...]:
    return destination.ports if destination else ()


FLOWS_IN: tuple[Flow, ...] = (
    Flow(name="clients", components=SERVING, peers=_clients, ports=_ports(HTTP_PORT)),
    Flow(name="monitoring", components=LISTENING, peers=_monitoring, ports=_ports(METRICS_PORT)),
    Flow(name="health", components=frozenset({Component.API}), peers=_operator, ports=_ports(HTTP_PORT)),
    Flow(name="report", components=frozenset({Component.WORKER}), peers=_operator, ports=_ports(METRICS_PORT)),
)
FLOWS_OUT: tuple[Flow, ...] = (
    # Not limited to kube-dns: a cache on the node has an address of the node.
    Flow(name="dns", components=EVERY, peers=_everybody, ports=_ports(53), protocols=("UDP", "TCP")),
    Flow(name="database", components=EVERY, peers=_database, ports=lambda policy: _of(policy.database)),
    Flow(name="redis", components=SERVING, peers=_redis, ports=lambda policy: _of(policy.redis)),
    # Of the API's pods too: with a workload identity, who signs an address has to ask for credentials.
    Flow(
        name="exports",
        components=frozenset({Component.API, Component.WORKER}),
        peers=_exports,
        ports=lambda policy: _of(policy.exports),
    ),
)
"""All that is allowed. A feature that connects elsewhere adds a row."""


def network_policy(component: Component, scope: Scope) -> Decision:
    ref = Ref(NETWORK_POLICY, names.network_policy(scope.name, component))
    policy = scope.resource.spec.network_policy
    if policy is None or not policy.enforced:
        return scope.removed(ref)
    incoming = _rules(FLOWS_IN, "from", component, scope, policy)
    outgoing = _rules(FLOWS_OUT, "to", component, scope, policy)
    manifest = {
        "apiVersion": NETWORK_POLICY.api_version,
        "kind": NETWORK_POLICY.name,
        "metadata": metadata(scope.resource, ref.name, component=component),
        "spec": {
            "podSelector": {"matchLabels": labels.selector(scope.name, component)},
            "policyTypes": ["Ingress", "Egress"],
            **({"ingress": incoming} if incoming else {}),
            **({"egress": outgoing} if outgoing else {}),
        },
    }
    return Want(ref, manifest)


def _rules(
    flows: tuple[Flow, ...], side: str, component: Component, scope: Scope, policy: NetworkPolicy
) -> list[Manifest]:
    rules = []
    for flow in flows:
        peers = flow.peers(scope, policy)
        if component not in flow.components or peers == []:
            continue
        ports = [{"port": port, "protocol": protocol} for port in flow.ports(policy) for protocol in flow.protocols]
        rules.append({"ports": ports, **({side: peers} if peers else {})})
    return rules


NETWORK_POLICIES: tuple[Callable[[Scope], Decision], ...] = tuple(
    partial(network_policy, component) for component in Component
)
