"""An HTTPRoute as the controllers of its Gateways answer it, in its status.parents. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from analytics_operator.kube.objects import Manifest, condition

_PARENT_FIELDS = ("name", "namespace", "sectionName", "port")


@dataclass(frozen=True, kw_only=True)
class ParentAnswer:
    """The answer of one Gateway to one generation of the route."""

    gateway: str
    """Namespace and name."""
    accepted: bool | None
    """None: it has not answered this generation."""
    message: str = ""
    """Of the condition that refuses the route, or what it refers to."""


def answers(route: Manifest) -> Iterator[ParentAnswer]:
    """One for each parentRef of the route, in order."""
    namespace, generation = route["metadata"]["namespace"], route["metadata"]["generation"]
    parents = route.get("status", {}).get("parents") or []
    for ref in route["spec"]["parentRefs"]:
        gateway = f"{ref.get('namespace', namespace)}/{ref['name']}"
        ours = [each for each in parents if _key(each["parentRef"], namespace) == _key(ref, namespace)]
        yield _answer(gateway, ours, generation=generation)


def _answer(gateway: str, parents: list[Manifest], *, generation: int) -> ParentAnswer:
    """ResolvedRefs counts where it is given; a route is refused by any condition that is False."""
    accepted = None
    for parent in parents:
        for kind in ("Accepted", "ResolvedRefs"):
            found = condition({"status": parent}, kind)
            if found is None or found.get("observedGeneration", generation) < generation:
                continue
            if found["status"] == "False":
                text = f"{kind} is False ({found['reason']}): {found['message']}"
                return ParentAnswer(gateway=gateway, accepted=False, message=text)
            if kind == "Accepted" and found["status"] == "True":
                accepted = True
    return ParentAnswer(gateway=gateway, accepted=accepted)


def _key(ref: Manifest, namespace: str) -> tuple[object, ...]:
    return tuple(({"namespace": namespace} | ref).get(field) for field in _PARENT_FIELDS)
