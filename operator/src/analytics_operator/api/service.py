"""The Service that clients connect to, the budget of disruptions, and the account of the pods."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from analytics_operator.api.fields import Model, rule, rules
from analytics_operator.api.maps import Annotations, Labels


class ServiceType(StrEnum):
    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class IpFamilyPolicy(StrEnum):
    SINGLE_STACK = "SingleStack"
    PREFER_DUAL_STACK = "PreferDualStack"
    REQUIRE_DUAL_STACK = "RequireDualStack"


class TrafficDistribution(StrEnum):
    PREFER_CLOSE = "PreferClose"
    PREFER_SAME_ZONE = "PreferSameZone"
    PREFER_SAME_NODE = "PreferSameNode"


_CLASS = "self.loadBalancerClass"
_OLD_CLASS = "oldSelf.loadBalancerClass"


class Service(Model):
    """How clients reach the pods. With another type than ClusterIP, port 9091 moves to the Service <name>-metrics."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"!has({_CLASS}) || self.type == 'LoadBalancer'",
                "service.loadBalancerClass is of the type LoadBalancer alone: set it, or remove loadBalancerClass",
            ),
            rule(
                "self.type != 'LoadBalancer' || oldSelf.type != 'LoadBalancer' || "
                f"(has({_CLASS}) ? has({_OLD_CLASS}) && {_CLASS} == {_OLD_CLASS} : !has({_OLD_CLASS}))",
                "service.loadBalancerClass of a LoadBalancer cannot change: set type: ClusterIP first",
            ),
        )
    )

    type: ServiceType = Field(ServiceType.CLUSTER_IP, description="who can connect")
    annotations: Annotations | None = Field(None, description="more annotations, as those of a cloud's load balancer")
    labels: Labels | None = Field(None, description="more labels")
    ip_family_policy: IpFamilyPolicy | None = Field(None, description="absent: as the cluster does")
    load_balancer_class: (
        Annotated[str, Field(min_length=1, max_length=317, pattern=r"^[a-z0-9A-Z]([-a-z0-9A-Z._/]*[a-z0-9A-Z])?$")]
        | None
    ) = Field(None, description="who makes the load balancer; absent: the cluster's default")
    traffic_distribution: TrafficDistribution | None = Field(
        None, description="pods that connections prefer; the two PreferSame need Kubernetes 1.34 or later"
    )

    @property
    def published(self) -> bool:
        """Whether clients outside of the cluster can connect: then none of its ports is that of the metrics."""
        return self.type is not ServiceType.CLUSTER_IP


class ServiceAccount(Model):
    """The account that the operator makes for the pods; it may do nothing in the cluster."""

    annotations: Annotations | None = Field(None, description="more annotations, as those of workload identity")
