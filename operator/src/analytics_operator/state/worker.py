"""What the worker that leads says of the store, and what the status makes of it. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from analytics_operator.api.conditions import Condition, Reason, Type, cut
from analytics_operator.api.status import MOST_POLICIES, PolicyState
from analytics_operator.kube.objects import Manifest

_Word = Annotated[str, Field(max_length=64, pattern=r"^[A-Z][A-Za-z]*$")]
_SHORT = 64


class _Said(BaseModel):
    """Bounded: it comes from a pod, and ends in the status."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Row(_Said):
    name: str
    wanted: str
    found: str
    state: PolicyState
    message: str = ""


class Policies(_Said):
    reason: _Word
    message: str
    plan: str | None = None
    table: tuple[Row, ...] = ()


class Fresh(_Said):
    fresh: bool
    reason: _Word
    message: str


class Said(_Said):
    """The answer to GET /status."""

    role: str
    problem: str | None = None
    policies: Policies | None = None
    fresh: Fresh | None = None

    @property
    def whole(self) -> bool:
        """False of a leader that has only begun."""
        return self.policies is not None and self.fresh is not None

    @property
    def matters(self) -> tuple[object, ...]:
        """Equal while nothing moved but words and figures within them."""
        policies, fresh = self.policies, self.fresh
        rows = tuple((row.name, row.wanted, row.found, row.state) for row in policies.table) if policies else ()
        return (
            policies and (policies.reason, policies.plan, rows),
            fresh and (fresh.fresh, fresh.reason),
        )


Settings = tuple[tuple[str, str], ...]
"""The variables that a pod's template gives their values itself, by name."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What is known of the workers of a resource: what their leader says, or why there is nothing."""

    said: Said | None = None
    problem: str = "the worker was not asked yet"
    asked: bool = True
    """False in a process that has just begun to lead."""
    settings: Settings = ()
    """Of the pod that said it."""

    @property
    def matters(self) -> object:
        return (self.said.matters, self.settings) if self.said else self.problem


UNASKED = Heard(asked=False)


@dataclass(frozen=True, order=True)
class Address:
    """Where a worker answers."""

    pod: str
    url: str
    settings: Settings = ()


def addresses(pods: Iterable[Manifest]) -> tuple[Address, ...]:
    """Of the pods that run, by their container's port `metrics`."""
    return tuple(sorted(_addresses(pods)))


def _addresses(pods: Iterable[Manifest]) -> Iterator[Address]:
    for pod in pods:
        address, phase = pod.get("status", {}).get("podIP"), pod.get("status", {}).get("phase")
        if not address or phase != "Running" or "deletionTimestamp" in pod["metadata"]:
            continue
        host = f"[{address}]" if ":" in address else address
        for container in pod["spec"]["containers"]:
            given = {each["name"]: each["value"] for each in container.get("env", ()) if "value" in each}
            for port in container.get("ports", ()):
                if port.get("name") == "metrics":
                    url = f"http://{host}:{port['containerPort']}/status"
                    yield Address(pod=pod["metadata"]["name"], url=url, settings=tuple(sorted(given.items())))


def conditions(
    heard: Heard, previous: Mapping[str, Any], *, outdated: str | None = None, kept: str | None = None
) -> tuple[Condition, Condition]:
    """PoliciesApplied and DataFresh: what the worker did not say is not so. Before it was asked, all is as it was.

    `outdated` is the reason where it speaks of policies that the spec does not ask for any more; `kept` is what keeps
    its pods from running.
    """
    if not heard.asked and (known := _known(previous)):
        return known
    policies, fresh = (heard.said.policies, heard.said.fresh) if heard.said else (None, None)
    silent = (kept or heard.problem) if heard.said is None else "the worker has begun, and has not looked yet"
    unknown = (False, Reason.WORKER_UNAVAILABLE, silent)
    applied = (policies.reason == Reason.APPLIED, policies.reason, policies.message) if policies else unknown
    if policies and outdated:
        applied = (False, outdated, "the worker keeps the policies of an earlier spec, until its pods are replaced")
    data = (fresh.fresh, fresh.reason, fresh.message) if fresh else unknown
    return Condition(Type.POLICIES_APPLIED, *applied), Condition(Type.DATA_FRESH, *data)


def _known(previous: Mapping[str, Any]) -> tuple[Condition, Condition] | None:
    before = {each["type"]: each for each in previous.get("conditions", ())}
    if not {Type.POLICIES_APPLIED, Type.DATA_FRESH} <= before.keys():
        return None
    policies, fresh = (
        Condition(kind, before[kind]["status"] == "True", before[kind]["reason"], before[kind]["message"])
        for kind in (Type.POLICIES_APPLIED, Type.DATA_FRESH)
    )
    return policies, fresh


def table(heard: Heard, previous: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """For status.policies; None where no worker said anything."""
    if not heard.asked:
        return previous.get("policies")
    policies = heard.said.policies if heard.said else None
    if policies is None:
        return None
    return [
        {
            "name": cut(row.name, _SHORT),
            "wanted": cut(row.wanted, _SHORT),
            "found": cut(row.found, _SHORT),
            "state": row.state.value,
            **({"message": cut(row.message)} if row.message else {}),
        }
        for row in policies.table[:MOST_POLICIES]
    ]
