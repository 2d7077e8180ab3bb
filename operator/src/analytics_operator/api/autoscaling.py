"""How the number of replicas follows the load."""

from pydantic import ConfigDict, Field

from analytics_operator.api.fields import Model, Replicas, Utilization, rule, rules


class Autoscaling(Model):
    """A HorizontalPodAutoscaler rules the number of replicas, from the use of what the pods request."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.minReplicas <= self.maxReplicas",
                "autoscaling.minReplicas must be at most autoscaling.maxReplicas",
            ),
        )
    )

    min_replicas: Replicas = Field(3, description="pods that serve at least")
    max_replicas: Replicas = Field(10, description="pods that serve at most")
    cpu_utilization: Utilization = Field(70, description="percent of resources.requests.cpu to aim at")
    memory_utilization: Utilization = Field(80, description="percent of resources.requests.memory to aim at")
