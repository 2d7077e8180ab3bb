"""Requests and limits of one replica."""

from pydantic import ConfigDict, Field

from analytics_operator.api.fields import Model, rule, rules
from analytics_operator.api.quantity import Quantity

MIN_MEMORY = "128Mi"
MIN_CPU = "50m"


class Requests(Model):
    """What the scheduler sets aside."""

    cpu: Quantity = Field("500m", description="cores, as 500m or 2")
    memory: Quantity = Field("512Mi", description="bytes, as 512Mi")


class Limits(Model):
    """What the kubelet lets a pod have."""

    cpu: Quantity = Field("1", description="cores, as 500m or 2")
    memory: Quantity = Field("1Gi", description="bytes, as 1Gi; a pod that needs more is killed")


class Resources(Model):
    """Of one replica."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *(
                rule(
                    f"quantity(string(self.requests.{name})).compareTo(quantity(string(self.limits.{name}))) <= 0",
                    f"resources.requests.{name} must be at most resources.limits.{name}",
                )
                for name in ("cpu", "memory")
            ),
            rule(
                f"quantity(string(self.limits.memory)).compareTo(quantity('{MIN_MEMORY}')) >= 0",
                f"resources.limits.memory must be at least {MIN_MEMORY}: a pod with less is killed as it starts",
            ),
            rule(
                f"quantity(string(self.limits.cpu)).compareTo(quantity('{MIN_CPU}')) >= 0",
                f"resources.limits.cpu must be at least {MIN_CPU}: probes of a pod with less time out",
            ),
        )
    )

    requests: Requests = Requests()
    limits: Limits = Limits()


class WorkerRequests(Requests):
    """What the scheduler sets aside."""

    cpu: Quantity = Field("50m", description="cores, as 500m or 2")
    memory: Quantity = Field("128Mi", description="bytes, as 512Mi")


class WorkerLimits(Limits):
    """What the kubelet lets a pod have."""

    memory: Quantity = Field("512Mi", description="bytes, as 1Gi; a pod that needs more is killed")


class WorkerResources(Resources):
    """Of one worker, which works in short bursts."""

    requests: WorkerRequests = WorkerRequests()
    limits: WorkerLimits = WorkerLimits()


class MigrationRequests(Requests):
    """What the scheduler sets aside."""

    cpu: Quantity = Field("100m", description="cores, as 500m or 2")
    memory: Quantity = Field("128Mi", description="bytes, as 512Mi")


class MigrationResources(Resources):
    """Of the Job that migrates: the database works, it waits."""

    requests: MigrationRequests = MigrationRequests()
    limits: WorkerLimits = WorkerLimits()
