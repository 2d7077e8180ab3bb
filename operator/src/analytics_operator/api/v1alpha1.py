"""AnalyticsApi, v1alpha1: these models are the source of the CRD; `make crds` writes it.

Only what works is in the schema: a field that nothing reads is not added. Every text and list is bounded, because the
API server prices CEL rules by the worst case. Unknown fields are ignored, so that a rolled-back operator reads a newer
one's objects. Here are the fields of `spec` and the rules over several sections; a section is a module of its own.
"""

from typing import Annotated

from pydantic import ConfigDict, Field

from analytics_operator.api.autoscaling import Autoscaling
from analytics_operator.api.database import (
    DATABASE_URL,
    EXPORT_CONNECTIONS,
    INGEST_POOL_SIZE,
    MIN_POOL_SIZE,
    REDIS_URL,
    RESERVED_CONNECTIONS,
    Database,
    Redis,
)
from analytics_operator.api.disruption import PodDisruptionBudget, drainable
from analytics_operator.api.exports import Exports
from analytics_operator.api.fields import Model, SecretKeyRef, differ, rule, rules
from analytics_operator.api.image import Image
from analytics_operator.api.ingest import Ingest, Prices
from analytics_operator.api.migrations import Migrations
from analytics_operator.api.monitoring import Monitoring
from analytics_operator.api.networking import SPEC_RULES, Gateway, Ingress, NetworkPolicy
from analytics_operator.api.pod import Pod
from analytics_operator.api.resources import Resources
from analytics_operator.api.service import Service, ServiceAccount
from analytics_operator.api.serving import JWT_SECRET, Auth, Cache, Cors, Logging
from analytics_operator.api.timescale import Timescale
from analytics_operator.api.worker import Worker

GROUP = "analytics.llm-observatory.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "AnalyticsApi"
PLURAL = "analyticsapis"

NAME_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
NAME_LENGTH = 40

_MAX_PODS = "(has(self.autoscaling) ? self.autoscaling.maxReplicas : self.replicas)"
_MIN_PODS = "(has(self.autoscaling) ? self.autoscaling.minReplicas : self.replicas)"
_OWN_INGEST = "has(self.ingest) && self.ingest.enabled && has(self.ingest.replicas)"
_INGEST_CONNECTIONS = f"({_OWN_INGEST} ? {INGEST_POOL_SIZE} * (self.ingest.replicas + 1) : 0)"
_EXPORT_CONNECTIONS = f"(has(self.exports) ? {EXPORT_CONNECTIONS} * self.worker.replicas : 0)"


class Spec(Model):
    """What is wanted."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.redis) || self.replicas <= 1",
                "without redis each replica has a cache and limits of its own: set redis.urlSecretRef, or replicas: 1",
            ),
            rule(
                "has(self.redis) || !has(self.autoscaling)",
                "autoscaling makes several replicas, which share a cache and limits: set redis.urlSecretRef",
            ),
            rule(
                f"!has(self.database.connectionBudget) || self.database.connectionBudget >= {MIN_POOL_SIZE} * "
                f"({_MAX_PODS} + 1) + self.worker.replicas + {RESERVED_CONNECTIONS} + {_INGEST_CONNECTIONS} + "
                f"{_EXPORT_CONNECTIONS}",
                "database.connectionBudget gives some pods no connection: two for each replica and one more that "
                "replaces another, one for each worker and two more with exports, two for migrations, and four for "
                "each of ingest.replicas and one more; raise it, or lower the replicas",
            ),
            rule(
                "has(self.redis) || !has(self.ingest) || !has(self.ingest.replicas)",
                "ingest.replicas makes pods that share limits with those of the API: set redis.urlSecretRef",
            ),
            rule(
                "!has(self.autoscaling) || self.replicas >= 1",
                "replicas: 0 stops nothing while autoscaling is set: remove autoscaling",
            ),
            rule(
                "!has(self.autoscaling) || !has(oldSelf.autoscaling) || self.replicas == oldSelf.replicas",
                "the autoscaler rules replicas: change autoscaling.minReplicas or maxReplicas, or remove autoscaling",
            ),
            rule(
                f"!has(self.redis) || {differ(REDIS_URL, DATABASE_URL)}",
                "redis.urlSecretRef names the URL of the database: name the key that holds the redis:// URL",
            ),
            rule(
                f"!has(self.auth) || !has(self.auth.jwtSecretRef) || {differ(JWT_SECRET, DATABASE_URL)} "
                f"&& (!has(self.redis) || {differ(JWT_SECRET, REDIS_URL)})",
                "auth.jwtSecretRef names a URL that others know: name a key that holds random characters",
            ),
            *SPEC_RULES,
            drainable(_MIN_PODS),
        )
    )

    image: Image
    replicas: Annotated[int, Field(ge=0, le=100)] = Field(
        3, description="pods that serve (with autoscaling: at first); more than one needs redis"
    )
    autoscaling: Autoscaling | None = Field(None, description="absent: replicas alone decides")
    database: Database
    redis: Redis | None = Field(None, description="cache and rate limits that replicas share; absent: in the process")
    auth: Auth | None = None
    cache: Cache = Cache()
    cors: Cors = Cors()
    logging: Logging = Logging()
    resources: Resources = Resources()
    pod: Pod | None = Field(None, description="of all pods: where they run, what they carry; absent: nothing more")
    service: Service | None = Field(None, description="the Service <name>; absent: inside of the cluster alone")
    service_account: ServiceAccount | None = Field(None, description="the account <name> that pods have")
    pod_disruption_budget: PodDisruptionBudget | None = Field(None, description="absent: one pod at a time")
    migrations: Migrations = Migrations()
    timescale: Timescale = Timescale()
    worker: Worker = Worker()
    ingest: Ingest | None = Field(None, description="rows that clients send; absent: taken by the pods of the API")
    prices: Prices | None = Field(None, description="price books of one's own; absent: those in the store alone")
    exports: Exports | None = Field(None, description="files of rows that clients export; absent: none")
    ingress: Ingress | None = Field(None, description="an Ingress to the pods; absent: none")
    gateway: Gateway | None = Field(None, description="an HTTPRoute to the pods; absent: none")
    network_policy: NetworkPolicy | None = Field(None, description="NetworkPolicies of the pods; absent: none")
    monitoring: Monitoring | None = Field(None, description="monitors, alerts and a dashboard; absent: none")
    suspend: bool = Field(default=False, description="nothing is written to the children while true; pods keep serving")

    @property
    def ingest_or_default(self) -> Ingest:
        """The section has no default in the CRD, which would be added to stored resources."""
        return self.ingest or Ingest()

    @property
    def ingest_replicas(self) -> int | None:
        """Pods that only take rows; None where there are none."""
        return self.ingest.replicas if self.ingest and self.ingest.enabled else None

    def pod_of(self, own: Pod | None) -> Pod:
        """The fields of pods that have a section of their own, `own`."""
        base = self.pod or Pod()
        return own.over(base) if own else base

    @property
    def jwt_secret_ref(self) -> SecretKeyRef | None:
        return self.auth.jwt_secret_ref if self.auth else None


class Metadata(Model):
    """The fields of metadata that the operator reads; the API server knows its schema."""

    name: str
    namespace: str
    uid: str
    generation: int = 0
    annotations: dict[str, str] = Field(default_factory=dict)


class AnalyticsApi(Model):
    """One analytics service for LLM traces."""

    metadata: Metadata
    spec: Spec
