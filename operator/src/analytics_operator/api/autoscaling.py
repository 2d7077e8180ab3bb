"""How the number of replicas follows the load."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from analytics_operator.api.fields import Model, Replicas, rule, rules
from analytics_operator.api.opaque import OpaqueModel

IGNORED = "Ignored"
_UTILIZATION: dict[str, Any] = {
    "x-kubernetes-int-or-string": True,
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "minimum": 1,
    "maximum": 1000,
    "pattern": f"^{IGNORED}$",
    "maxLength": len(IGNORED),
}
Utilization = Annotated[
    int | None, BeforeValidator(lambda value: None if value == IGNORED else value), WithJsonSchema(_UTILIZATION)
]
Seconds = Annotated[int, Field(ge=0, le=3600)]


class ScalingPolicyType(StrEnum):
    PODS = "Pods"
    PERCENT = "Percent"


class ScalingPolicy(Model):
    """How many pods may come or go in a time."""

    type: ScalingPolicyType = Field(description="what value counts")
    value: Annotated[int, Field(ge=1, le=1000)] = Field(description="pods, or percent of them")
    period_seconds: Annotated[int, Field(ge=1, le=1800)] = Field(description="the time")


class SelectPolicy(StrEnum):
    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


class ScalingRules(Model):
    """Of one direction."""

    stabilization_window_seconds: Seconds | None = Field(
        None, description="the past whose recommendations count too; absent: Kubernetes' default"
    )
    select_policy: SelectPolicy | None = Field(None, description="of several policies; Disabled never scales that way")
    policies: Annotated[tuple[ScalingPolicy, ...], Field(min_length=1, max_length=8)] | None = Field(
        None, description="absent: Kubernetes' defaults"
    )


class Behavior(Model):
    """How fast the number of replicas moves."""

    scale_up: ScalingRules | None = Field(None, description="absent: at once, as Kubernetes does")
    scale_down: ScalingRules | None = Field(None, description="absent: one pod a minute, after five quiet minutes")


class MetricType(StrEnum):
    CONTAINER_RESOURCE = "ContainerResource"
    EXTERNAL = "External"
    OBJECT = "Object"
    PODS = "Pods"


class Metric(OpaqueModel):
    """As in a HorizontalPodAutoscaler: beside the type all of its fields, which the API server judges."""

    type: MetricType = Field(description="of the metric; CPU and memory of pods have fields of their own")


class Autoscaling(Model):
    """A HorizontalPodAutoscaler rules the number of replicas, from the use of what the pods request."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.minReplicas <= self.maxReplicas",
                "autoscaling.minReplicas must be at most autoscaling.maxReplicas",
            ),
            rule(
                "type(self.cpuUtilization) == int || type(self.memoryUtilization) == int || "
                "(has(self.metrics) && size(self.metrics) > 0)",
                "autoscaling follows nothing: set cpuUtilization, memoryUtilization or metrics",
            ),
        )
    )

    min_replicas: Replicas = Field(3, description="pods that serve at least")
    max_replicas: Replicas = Field(10, description="pods that serve at most")
    cpu_utilization: Utilization = Field(70, description=f"percent of resources.requests.cpu to aim at, or {IGNORED}")
    memory_utilization: Utilization = Field(
        80, description=f"percent of resources.requests.memory to aim at, or {IGNORED}"
    )
    metrics: Annotated[tuple[Metric, ...], Field(max_length=8)] | None = Field(
        None, description="more metrics, which need a metrics adapter in the cluster; the highest demand counts"
    )
    behavior: Behavior | None = Field(None, description="absent: up at once, down one pod a minute")
