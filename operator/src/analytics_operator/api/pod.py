"""What users add to the pods: where they run, what they carry, and who else is in them.

`spec.pod` is of all pods; a field that `worker.pod`, `migrations.pod` or `ingest.pod` gives replaces that of
`spec.pod` for those pods. What is absent stays as the operator makes it.
"""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field

from analytics_operator.api.containers import Container, Variable, VariablesSource, Volume, VolumeMount
from analytics_operator.api.fields import Model, ObjectName, map_by, rule, rules
from analytics_operator.api.maps import Annotations, Labels, NodeSelector
from analytics_operator.api.opaque import Opaque

MAX_ITEMS = 32
MIN_TERMINATION_SECONDS = 35
"""Of a pod that serves: five until endpoints forget it, twenty-five for requests in flight, and some to spare."""

LabelKey = Annotated[str, Field(max_length=317)]
Id = Annotated[int, Field(ge=0, le=2**31 - 1)]


class Effect(StrEnum):
    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Operator(StrEnum):
    EQUAL = "Equal"
    EXISTS = "Exists"


class Toleration(Model):
    """Lets pods run on nodes with that taint."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.operator) || self.operator != 'Exists' || !has(self.value)",
                "a toleration with operator Exists has no value: remove it, or set operator: Equal",
            ),
            rule(
                "has(self.key) || (has(self.operator) && self.operator == 'Exists')", "without key, operator is Exists"
            ),
            rule(
                "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
                "tolerationSeconds is of the effect NoExecute alone: set it, or remove tolerationSeconds",
            ),
        )
    )

    key: Annotated[LabelKey, Field(min_length=1)] | None = Field(None, description="of the taint; absent: every one")
    operator: Operator | None = Field(None, description="Equal where it is absent")
    value: Annotated[str, Field(max_length=63)] | None = Field(None, description="of the taint")
    effect: Effect | None = Field(None, description="of the taint; absent: every one")
    toleration_seconds: Annotated[int, Field(ge=0, le=86_400 * 365)] | None = Field(
        None, description="how long a pod stays on a node that gets the taint"
    )


class WhenUnsatisfiable(StrEnum):
    DO_NOT_SCHEDULE = "DoNotSchedule"
    SCHEDULE_ANYWAY = "ScheduleAnyway"


class TopologySpreadConstraint(Model):
    """How pods of one kind are spread; the operator adds the selector of that kind."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.minDomains) || self.whenUnsatisfiable == 'DoNotSchedule'",
                "minDomains is of whenUnsatisfiable: DoNotSchedule alone: set it, or remove minDomains",
            )
        )
    )

    topology_key: Annotated[LabelKey, Field(min_length=1)] = Field(
        description="label of nodes, as topology.kubernetes.io/zone"
    )
    max_skew: Annotated[int, Field(ge=1, le=100)] = Field(1, description="difference in pods between two of its values")
    when_unsatisfiable: WhenUnsatisfiable = Field(
        WhenUnsatisfiable.SCHEDULE_ANYWAY, description="whether a pod waits where it would be more"
    )
    min_domains: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="values that there are at least; of DoNotSchedule alone"
    )


class SecurityContext(Model):
    """Of the pod; {} leaves ids to the platform. runAsNonRoot and seccomp's RuntimeDefault are always there."""

    run_as_user: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        None, description="UID; absent: as the image or the platform says"
    )
    run_as_group: Id | None = Field(None, description="GID; absent: as the image or the platform says")
    fs_group: Id | None = Field(None, description="group of the files in volumes")
    supplemental_groups: Annotated[tuple[Id, ...], Field(max_length=16)] | None = Field(
        None, description="more groups of the processes"
    )


class HostAlias(Model):
    """Lines of /etc/hosts."""

    ip: Annotated[str, Field(min_length=2, max_length=45, pattern=r"^[0-9a-fA-F.:]+$")] = Field(description="address")
    hostnames: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=253)], ...], Field(min_length=1, max_length=16)
    ] = Field(description="names that it has")


class Pod(Model):
    """Added to what the operator makes; its containers, images, arguments, ports, probes and settings stay its own."""

    labels: Labels | None = Field(None, description="more labels")
    annotations: Annotations | None = Field(None, description="more annotations")
    node_selector: NodeSelector | None = Field(None, description="labels of the nodes that pods run on")
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=MAX_ITEMS)] | None = Field(
        None, description="taints of nodes that pods may run on"
    )
    affinity: Opaque | None = Field(None, description="as in a Pod; the API server judges it")
    topology_spread_constraints: Annotated[tuple[TopologySpreadConstraint, ...], Field(max_length=8)] | None = Field(
        None, description="absent: over nodes and zones where that can be; [] spreads nothing"
    )
    priority_class_name: ObjectName | None = Field(None, description="which pods go first where room is short")
    runtime_class_name: ObjectName | None = Field(None, description="the container runtime")
    service_account_name: ObjectName | None = Field(
        None, description="an account of yours; absent: that of the operator, see spec.serviceAccount"
    )
    security_context: SecurityContext | None = Field(
        None, description="absent: user, group and fsGroup 10001. {} on OpenShift, which assigns them"
    )
    env: Annotated[tuple[Variable, ...], Field(max_length=64, json_schema_extra=map_by("name"))] | None = Field(
        None, description="variables of our container, as HTTPS_PROXY; settings have fields of their own"
    )
    env_from: Annotated[tuple[VariablesSource, ...], Field(max_length=8)] | None = Field(
        None, description="variables of our container from ConfigMaps and Secrets, none of which is a setting"
    )
    volumes: Annotated[tuple[Volume, ...], Field(max_length=MAX_ITEMS, json_schema_extra=map_by("name"))] | None = (
        Field(None, description="as in a Pod; the API server judges them")
    )
    volume_mounts: (
        Annotated[tuple[VolumeMount, ...], Field(max_length=MAX_ITEMS, json_schema_extra=map_by("mountPath"))] | None
    ) = Field(None, description="volumes in our container")
    init_containers: Annotated[tuple[Container, ...], Field(max_length=8, json_schema_extra=map_by("name"))] | None = (
        Field(None, description="as in a Pod, run before our container; the API server judges them")
    )
    sidecars: Annotated[tuple[Container, ...], Field(max_length=8, json_schema_extra=map_by("name"))] | None = Field(
        None, description="as in a Pod: started before our container, stopped after it, also in Jobs"
    )
    termination_grace_period_seconds: Annotated[int, Field(ge=MIN_TERMINATION_SECONDS, le=3600)] | None = Field(
        None, description="until a pod that ends is killed; absent: 40 of pods that serve, else 30"
    )
    host_aliases: Annotated[tuple[HostAlias, ...], Field(max_length=MAX_ITEMS)] | None = Field(
        None, description="lines of /etc/hosts"
    )

    def over(self, base: Self) -> Self:
        """The fields that are given here, also where they are empty; of `base` the others."""
        return base.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})
