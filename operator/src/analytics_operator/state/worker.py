"""Reports of workers: the answer to GET /status as a model, and where to ask for it. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from analytics_operator.api.status import PolicyState
from analytics_operator.kube.objects import Manifest

_Word = Annotated[str, Field(max_length=64, pattern=r"^[A-Z][A-Za-z]*$")]


class _Part(BaseModel):
    """Bounded: it comes from a pod, and ends in the status."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class PolicyRow(_Part):
    name: str
    wanted: str
    found: str
    state: PolicyState
    message: str = ""


class PolicyReport(_Part):
    reason: _Word
    message: str
    plan: str | None = None
    table: tuple[PolicyRow, ...] = ()


class FreshnessReport(_Part):
    fresh: bool
    reason: _Word
    message: str


class PricesReport(_Part):
    """Of the books of PRICE_BOOKS; the message names their versions, or what is wrong by file, line and field."""

    reason: _Word
    message: str


class WorkerReport(_Part):
    """The answer to GET /status; the names of its fields are the service's."""

    role: str
    problem: str | None = None
    policies: PolicyReport | None = None
    fresh: FreshnessReport | None = None
    prices: PricesReport | None = None
    """None where PRICE_BOOKS is not set, or the worker has only begun."""

    @property
    def complete(self) -> bool:
        """False of a leader that has only begun."""
        return self.policies is not None and self.fresh is not None

    @property
    def comparison_key(self) -> tuple[object, ...]:
        """Equal while nothing moved but words and figures within them."""
        policies, fresh, prices = self.policies, self.fresh, self.prices
        rows = tuple((row.name, row.wanted, row.found, row.state) for row in policies.table) if policies else ()
        return (
            policies and (policies.reason, policies.plan, rows),
            fresh and (fresh.fresh, fresh.reason),
            prices and (prices.reason, prices.message),  # its words are those of a file, which move with it alone
        )


Settings = tuple[tuple[str, str], ...]
"""The variables that a pod's template gives their values itself, by name."""


@dataclass(frozen=True, kw_only=True)
class LastReport:
    """The last report of the worker that leads, or why there is none."""

    report: WorkerReport | None = None
    problem: str = "the worker was not asked yet"
    polled: bool = True
    """False in a process that has just begun to lead."""
    settings: Settings = ()
    """Of the pod that the report comes from."""

    @property
    def comparison_key(self) -> object:
        return (self.report.comparison_key, self.settings) if self.report else self.problem


NOT_POLLED = LastReport(polled=False)


@dataclass(frozen=True, order=True)
class Address:
    """The URL of one worker's report."""

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
