"""Addresses of pods that the operator asks by HTTP. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from analytics_operator.kube.labels import Component
from analytics_operator.kube.objects import Manifest

Settings = tuple[tuple[str, str], ...]
"""The variables that a pod's template gives their values itself, by name."""


@dataclass(frozen=True, order=True)
class Address:
    """Where one pod answers."""

    pod: str
    url: str
    settings: Settings = ()


def of_workers(pods: Iterable[Manifest]) -> tuple[Address, ...]:
    """Of their reports."""
    return tuple(sorted(_addresses(pods, Component.WORKER, port="metrics", path="/status")))


def of_api(pods: Iterable[Manifest]) -> tuple[Address, ...]:
    """Of the health of what they need."""
    return tuple(sorted(_addresses(pods, Component.API, port="http", path="/health")))


def _addresses(pods: Iterable[Manifest], component: Component, *, port: str, path: str) -> Iterator[Address]:
    """Of the pods that run, by the named port of the container that is called as its component."""
    for pod in pods:
        address, phase = pod.get("status", {}).get("podIP"), pod.get("status", {}).get("phase")
        if not address or phase != "Running" or "deletionTimestamp" in pod["metadata"]:
            continue
        host = f"[{address}]" if ":" in address else address
        for container in pod["spec"]["containers"]:
            given = {each["name"]: each["value"] for each in container.get("env", ()) if "value" in each}
            for each in container.get("ports", ()) if container["name"] == component else ():
                if each.get("name") == port:
                    url = f"http://{host}:{each['containerPort']}{path}"
                    yield Address(pod=pod["metadata"]["name"], url=url, settings=tuple(sorted(given.items())))
