"""How clients reach the pods, and which connections the pods may have: Ingress, HTTPRoute, NetworkPolicy."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from analytics_operator.api.fields import Model, ObjectName, one_of, rule, rules
from analytics_operator.api.maps import Annotations
from analytics_operator.api.selectors import LabelSelector

CLUSTER_ISSUER = "cert-manager.io/cluster-issuer"
"""The annotation by which cert-manager issues the certificate of an Ingress."""
RATE_LIMITS = {
    "nginx.ingress.kubernetes.io/limit-rps": "{}",
    "nginx.org/limit-req-rate": "{}r/s",
    "haproxy.org/rate-limit-requests": "{}",
    "haproxy-ingress.github.io/limit-rps": "{}",
}
"""Annotations by which controllers limit the requests of a client address per second, and their values."""
RATE_LIMIT_PERIOD = "haproxy.org/rate-limit-period"
"""Beside haproxy.org/rate-limit-requests: the time that its value is of."""

_HOST = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
Host = Annotated[str, Field(min_length=1, max_length=253, pattern=rf"^(\*\.)?{_HOST}$")]
Path = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^/[^\s]*$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Cidr = Annotated[str, Field(max_length=49, pattern=r"^[0-9a-fA-F.:]+/[0-9]{1,3}$")]
Seconds = Annotated[int, Field(ge=1, le=3600)]


class IngressTls(Model):
    """HTTPS, with the certificate of a Secret."""

    secret_name: ObjectName = Field(description="Secret of the type kubernetes.io/tls that holds the certificate")
    cluster_issuer: ObjectName | None = Field(
        None, description="ClusterIssuer by which cert-manager fills the Secret; absent: somebody else fills it"
    )


class Ingress(Model):
    """An Ingress that routes a host to the pods."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.annotations) || !('kubernetes.io/ingress.class' in self.annotations)",
                "ingress.annotations: set ingress.className instead of kubernetes.io/ingress.class",
            ),
            rule(
                "!has(self.annotations) || !has(self.tls) || !has(self.tls.clusterIssuer) || "
                f"!('{CLUSTER_ISSUER}' in self.annotations || 'cert-manager.io/issuer' in self.annotations)",
                "ingress.annotations names an issuer beside ingress.tls.clusterIssuer: remove one of them",
            ),
            rule(
                "!has(self.annotations) || !has(self.rateLimitPerSecond) || "
                f"!self.annotations.exists(key, {one_of('key', (*RATE_LIMITS, RATE_LIMIT_PERIOD))})",
                "ingress.annotations limits requests beside ingress.rateLimitPerSecond: remove one of them",
            ),
        )
    )

    class_name: ObjectName | None = Field(None, description="IngressClass; absent: the default one of the cluster")
    host: Host = Field(description="name that clients connect to, as analytics.example.com")
    paths: Annotated[tuple[Path, ...], Field(min_length=1, max_length=16)] = Field(
        ("/",), description="prefixes of paths that are routed"
    )
    tls: IngressTls | None = Field(None, description="absent: plain HTTP, or what the controller does by default")
    rate_limit_per_second: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        None,
        description="requests per second of one client address; where the controller has no annotation for it, the "
        "condition RoutesConfigured names the cure",
    )
    annotations: Annotations | None = Field(None, description="added to those that the other fields set")


class ParentRef(Model):
    """A Gateway, or one of its listeners."""

    name: ObjectName = Field(description="of the Gateway")
    namespace: Annotated[str, Field(min_length=1, max_length=63)] | None = Field(
        None, description="of the Gateway; absent: that of the resource"
    )
    section_name: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(
        None, description="listener; absent: all that admit the route"
    )
    port: Port | None = Field(None, description="of the listeners; absent: any")


class RouteTimeouts(Model):
    """Of the gateway."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.requestSeconds) || !has(self.backendRequestSeconds) "
                "|| self.backendRequestSeconds <= self.requestSeconds",
                "gateway.timeouts.backendRequestSeconds must be at most requestSeconds, which includes it",
            ),
        )
    )

    request_seconds: Seconds | None = Field(None, description="for the whole request, with its retries")
    backend_request_seconds: Seconds | None = Field(None, description="for one attempt")


class Gateway(Model):
    """An HTTPRoute that attaches the pods to Gateways; it needs the CRDs of the Gateway API."""

    parent_refs: Annotated[tuple[ParentRef, ...], Field(min_length=1, max_length=8)] = Field(
        description="Gateways; each has to admit routes of this namespace"
    )
    hostnames: Annotated[tuple[Host, ...], Field(max_length=16)] = Field(
        (), description="names that clients connect to; absent: those of the listeners"
    )
    timeouts: RouteTimeouts | None = Field(None, description="absent: those of the gateway")


class IpBlock(Model):
    """Addresses outside of the cluster's pods."""

    cidr: Cidr = Field(description="as 10.0.0.0/8 or 2001:db8::/32")
    except_: Annotated[tuple[Cidr, ...], Field(max_length=16)] = Field(
        (), alias="except", description="parts of it that are left out"
    )


class Peer(Model):
    """Pods, or addresses: as in a NetworkPolicy."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.ipBlock) != (has(self.namespaceSelector) || has(self.podSelector))",
                "a peer has either ipBlock, or namespaceSelector and podSelector or one of them",
            ),
        )
    )

    namespace_selector: LabelSelector | None = Field(
        None, description="namespaces of the pods; absent: that of the resource"
    )
    pod_selector: LabelSelector | None = Field(None, description="pods in these namespaces; absent: all of them")
    ip_block: IpBlock | None = Field(None, description="addresses, instead of pods")


Peers = Annotated[tuple[Peer, ...], Field(min_length=1, max_length=16)]
Ports = Annotated[tuple[Port, ...], Field(min_length=1, max_length=16)]


class DatabaseFlow(Model):
    """Where the pods connect to PostgreSQL."""

    to: Peers = Field(description="the database, its replica, or the pooler before them")
    ports: Ports = Field((5432,), description="TCP ports there, after the translation of a Service")


class RedisFlow(Model):
    """Where the pods connect to Redis."""

    to: Peers = Field(description="Redis, and its Sentinels or the nodes of its cluster")
    ports: Ports = Field((6379,), description="TCP ports there; Sentinels have 26379")


class ExportsFlow(Model):
    """Where the pods connect to the storage of exported files, and to what gives them credentials for it."""

    to: Peers = Field(description="the endpoint of S3, and with a workload identity that of its credentials")
    ports: Ports = Field((443,), description="TCP ports there, after the translation of a Service")


class NetworkPolicyMode(StrEnum):
    ENFORCED = "Enforced"
    DISABLED = "Disabled"


class NetworkPolicy(Model):
    """All connections of the pods and of the migration are denied, but for those that they need."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.mode != 'Enforced' || has(self.database)",
                "networkPolicy denies connections to the database: name it in networkPolicy.database.to",
            ),
        )
    )

    mode: NetworkPolicyMode = Field(
        NetworkPolicyMode.ENFORCED, description="Disabled keeps the section, and removes the policies"
    )
    ingress_from: Peers = Field(
        (), description="who may send requests and rows: the ingress controller, applications; absent: nobody"
    )
    monitoring_from: Peers = Field((), description="who may read metrics: Prometheus; absent: nobody")
    database: DatabaseFlow | None = Field(None, description="connections to PostgreSQL, of every pod")
    redis: RedisFlow | None = Field(None, description="connections to Redis, of the pods that answer or take rows")
    exports: ExportsFlow | None = Field(
        None, description="connections to the storage of exports, of the workers and of the pods that answer"
    )

    @property
    def enforced(self) -> bool:
        return self.mode is NetworkPolicyMode.ENFORCED


_ENFORCED = "has(self.networkPolicy) && self.networkPolicy.mode == 'Enforced'"

SPEC_RULES = (
    rule(
        f"!({_ENFORCED} && has(self.redis)) || has(self.networkPolicy.redis)",
        "networkPolicy denies connections to Redis: name it in networkPolicy.redis.to",
    ),
    rule(
        "!has(self.networkPolicy) || !has(self.networkPolicy.redis) || has(self.redis)",
        "networkPolicy.redis is of no connection: set redis.urlSecretRef, or remove it",
    ),
    rule(
        f"!({_ENFORCED} && has(self.exports)) || has(self.networkPolicy.exports)",
        "networkPolicy denies connections to the storage of exports: name it in networkPolicy.exports.to",
    ),
    rule(
        "!has(self.networkPolicy) || !has(self.networkPolicy.exports) || has(self.exports)",
        "networkPolicy.exports is of no connection: set exports, or remove it",
    ),
    rule(
        f"!({_ENFORCED} && (has(self.ingress) || has(self.gateway))) || has(self.networkPolicy.ingressFrom)",
        "networkPolicy denies what ingress and gateway route: name their controllers in networkPolicy.ingressFrom",
    ),
    rule(
        f"!({_ENFORCED} && has(self.service) && self.service.type != 'ClusterIP') || "
        "has(self.networkPolicy.ingressFrom)",
        "networkPolicy denies who comes by the published service: name clients in networkPolicy.ingressFrom",
    ),
    rule(
        f"!({_ENFORCED} && has(self.monitoring) && (has(self.monitoring.podMonitor) || "
        "has(self.monitoring.serviceMonitor))) || has(self.networkPolicy.monitoringFrom)",
        "networkPolicy denies what the monitor scrapes: name Prometheus in networkPolicy.monitoringFrom",
    ),
)
"""Combinations of sections that cannot work."""
