"""Judges connections by NetworkPolicies, as their specification has it. Small, and independent of who made them."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Manifest = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A pod, or an address outside of the cluster, which has no labels."""

    namespace: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    namespace_labels: dict[str, str] = field(default_factory=dict)
    address: str = "10.244.0.9"


def allowed(policies: Iterable[Manifest], source: Endpoint, target: Endpoint, port: int, protocol: str = "TCP") -> bool:
    """Whether the source may connect: its own policies let it out, and the target's let it in."""
    by = (port, protocol)
    return _passes(policies, "Egress", source, target, by) and _passes(policies, "Ingress", target, source, by)


def _passes(policies: Iterable[Manifest], direction: str, pod: Endpoint, peer: Endpoint, by: tuple[int, str]) -> bool:
    """Policies that select the pod add up; without one everything passes."""
    chosen = [
        each
        for each in policies
        if each["metadata"]["namespace"] == pod.namespace
        and direction in each["spec"]["policyTypes"]
        and _selects(each["spec"]["podSelector"], pod.labels)
    ]
    side = "from" if direction == "Ingress" else "to"
    return not chosen or any(
        _matches(rule, each["metadata"]["namespace"], side, peer, by)
        for each in chosen
        for rule in each["spec"].get(direction.lower(), [])
    )


def _matches(rule: Manifest, namespace: str, side: str, peer: Endpoint, by: tuple[int, str]) -> bool:
    ports, peers = rule.get("ports"), rule.get(side)
    if ports and by not in [(each["port"], each.get("protocol", "TCP")) for each in ports]:
        return False
    return not peers or any(_is(each, namespace, peer) for each in peers)


def _is(peer: Manifest, namespace: str, endpoint: Endpoint) -> bool:
    if "ipBlock" in peer:
        address, block = ipaddress.ip_address(endpoint.address), peer["ipBlock"]
        outside = any(address in ipaddress.ip_network(each) for each in block.get("except", []))
        return address in ipaddress.ip_network(block["cidr"]) and not outside
    if "namespaceSelector" in peer:
        inside = bool(endpoint.namespace) and _selects(peer["namespaceSelector"], endpoint.namespace_labels)
    else:
        inside = endpoint.namespace == namespace
    return inside and _selects(peer.get("podSelector", {}), endpoint.labels)


def _selects(selector: Manifest, labels: dict[str, str]) -> bool:
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        _requirement(each, labels) for each in selector.get("matchExpressions", [])
    )


def _requirement(each: Manifest, labels: dict[str, str]) -> bool:
    value = labels.get(each["key"])
    match each["operator"]:
        case "In":
            return value in each["values"]
        case "NotIn":
            return value not in each["values"]
        case "Exists":
            return value is not None
        case _:
            return value is None
