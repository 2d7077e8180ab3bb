"""How many pods drains of nodes may take at a time."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field, WithJsonSchema

from analytics_operator.api.fields import Model, rule, rules

_COUNT: dict[str, Any] = {
    "x-kubernetes-int-or-string": True,
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "minimum": 1,
    "maximum": 100,
    "pattern": r"^[1-9][0-9]?%$",
    "maxLength": 4,
}
Count = Annotated[int | str, WithJsonSchema(_COUNT)]
_MIN = "self.podDisruptionBudget.minAvailable"


class UnhealthyPodEvictionPolicy(StrEnum):
    ALWAYS_ALLOW = "AlwaysAllow"
    IF_HEALTHY_BUDGET = "IfHealthyBudget"


class PodDisruptionBudget(Model):
    """Of the API's pods, from two replicas on."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.minAvailable) || !has(self.maxUnavailable)",
                "podDisruptionBudget: set one of minAvailable and maxUnavailable",
            )
        )
    )

    min_available: Count | None = Field(None, description="pods, or a percentage as 50%, that stay")
    max_unavailable: Count | None = Field(None, description="pods, or a percentage, that may go; absent: 1")
    unhealthy_pod_eviction_policy: UnhealthyPodEvictionPolicy = Field(
        UnhealthyPodEvictionPolicy.ALWAYS_ALLOW,
        description="AlwaysAllow: pods that serve nobody never keep a node from being drained",
    )


def drainable(replicas: str) -> dict[str, str]:
    """The rule of `spec` by which a drain can go on; `replicas` is CEL for the least number of them."""
    percent = f"(int({_MIN}.replace('%', '')) * {replicas} + 99) / 100"
    return rule(
        f"!has(self.podDisruptionBudget) || !has({_MIN}) || {replicas} < 2 || "
        f"(type({_MIN}) == int ? {_MIN} : {percent}) < {replicas}",
        "podDisruptionBudget.minAvailable keeps every pod, so that no node can be drained: lower it, or raise replicas "
        "(autoscaling.minReplicas)",
    )
