"""AnalyticsApi, v1alpha1: these models are the source of the CRD; `make crds` writes it.

Only what works is in the schema: a field that nothing reads is not added. Every text and list is bounded, because the
API server prices CEL rules by the worst case. Unknown fields are ignored, so that a rolled-back operator reads a newer
one's objects.
"""

from typing import Annotated

from pydantic import ConfigDict, Field

from analytics_operator.api.content import Content
from analytics_operator.api.fields import (
    ConfigMapRef,
    KeyPrefix,
    LogFormat,
    LogLevel,
    Model,
    ObjectName,
    Origin,
    PoolSize,
    PullPolicy,
    Replicas,
    SecretKeyRef,
    TlsSecretRef,
    Utilization,
    differ,
    rule,
    rules,
)
from analytics_operator.api.resources import Resources, WorkerResources
from analytics_operator.api.timescale import Timescale

GROUP = "analytics.llm-observatory.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "AnalyticsApi"
PLURAL = "analyticsapis"

NAME_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
NAME_LENGTH = 40

DATABASE_URL = "self.database.urlSecretRef"
REDIS_URL = "self.redis.urlSecretRef"
MIN_POOL_SIZE = 2
"""Connections of a replica, however small the budget is."""
REFRESH_CONNECTIONS = 2
"""Connections with which a worker refreshes, beside its own."""
RESERVED_CONNECTIONS = 2
"""Connections for a migration and for whoever looks after it."""
INGEST_POOL_SIZE = 4
"""Connections of a pod that only takes rows: half of them write."""
_MAX_PODS = "(has(self.autoscaling) ? self.autoscaling.maxReplicas : self.replicas)"
_OWN_INGEST = "has(self.ingest) && self.ingest.enabled && has(self.ingest.replicas)"
_INGEST_CONNECTIONS = f"({_OWN_INGEST} ? {INGEST_POOL_SIZE} * (self.ingest.replicas + 1) : 0)"
JWT_SECRET = "self.auth.jwtSecretRef"  # noqa: S105 - where it stands in a rule


class Image(Model):
    """The service's image; pinned, because an upgrade is a decision."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("has(self.tag) || has(self.digest)", "set image.tag or image.digest: the version has to be pinned"),
            rule("!has(self.tag) || self.tag != 'latest'", "image.tag latest moves: name a version, or a digest"),
            rule("!self.repository.matches(':[^/]*$')", "image.repository ends in a tag: move it to image.tag"),
        )
    )

    repository: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[a-z0-9]([-a-z0-9._/:]*[a-z0-9])?$")] = (
        Field(description="registry, port and path, without tag")
    )
    tag: Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9_][-A-Za-z0-9_.]*$")] | None = Field(
        None, description="a version; latest is refused"
    )
    digest: Annotated[str, Field(max_length=71, pattern=r"^sha256:[a-f0-9]{64}$")] | None = Field(
        None, description="decides where a tag is given too"
    )
    pull_policy: PullPolicy | None = Field(None, description="Kubernetes' default for the tag where absent")
    pull_secrets: Annotated[tuple[ObjectName, ...], Field(max_length=10)] = Field(
        (), description="names of Secrets that the kubelet pulls with"
    )

    @property
    def reference(self) -> str:
        """The reference that the kubelet pulls; the digest decides where both are given."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"


class Database(Model):
    """PostgreSQL 15 or later, with TimescaleDB or without; the operator migrates it before pods use it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("self.minConnections <= self.poolSize", "database.minConnections must be at most database.poolSize"),
            rule(
                f"!has(self.readonlyUrlSecretRef) || {differ('self.readonlyUrlSecretRef', 'self.urlSecretRef')}",
                "database.readonlyUrlSecretRef names the URL of the primary: name the replica's, or remove it",
            ),
            rule(
                f"!has(self.caSecretRef) || {differ('self.caSecretRef', 'self.urlSecretRef')}",
                "database.caSecretRef names the URL of the database: name the key that holds the certificate",
            ),
        )
    )

    url_secret_ref: SecretKeyRef = Field(description="postgres:// URL of the database")
    readonly_url_secret_ref: SecretKeyRef | None = Field(
        None, description="postgres:// URL of a replica, which answers while it is near enough to the primary"
    )
    ca_secret_ref: SecretKeyRef | None = Field(
        None,
        description="PEM certificates of the authorities that sign those of the database and its replica: each is "
        "verified with its host name, unless its URL has an sslmode that says otherwise",
    )
    client_cert_secret_ref: TlsSecretRef | None = Field(
        None, description="certificate and key that pods show to the database and its replica"
    )
    pool_size: PoolSize = Field(20, description="connections of one replica at most")
    connection_budget: Annotated[int, Field(ge=2, le=10_000)] | None = Field(
        None, description="connections of all pods together, at most; two to four times the database's cores do"
    )
    min_connections: Annotated[int, Field(ge=0, le=1000)] = Field(
        5, description="connections that a replica keeps open"
    )
    statement_timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = Field(
        30, description="after which the database ends a query"
    )


class Redis(Model):
    """Cache and rate limits that replicas share."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"!has(self.caSecretRef) || {differ('self.caSecretRef', 'self.urlSecretRef')}",
                "redis.caSecretRef names the URL of Redis: name the key that holds the certificate",
            ),
        )
    )

    url_secret_ref: SecretKeyRef = Field(
        description="redis:// or rediss:// URL; redis+sentinel:// and redis+cluster:// name several servers"
    )
    ca_secret_ref: SecretKeyRef | None = Field(
        None, description="PEM certificates of the authorities that sign Redis' certificate, of a URL with TLS"
    )
    key_prefix: KeyPrefix | None = Field(None, description="begins every key, where several services share a Redis")


class Auth(Model):
    """How the service tells who asks."""

    jwt_secret_ref: SecretKeyRef | None = Field(
        None, description="secret of at least 32 characters that signs tokens; generated where absent"
    )
    issuer: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(None, description="required `iss`")
    audience: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(None, description="required `aud`")


class Cache(Model):
    """Of finished answers; one that rows have changed is never served for longer than a second."""

    default_ttl_seconds: Annotated[int, Field(ge=1, le=86400)] = Field(
        3600, description="how long an answer is kept, where its route names no other time"
    )


class Cors(Model):
    """Which web pages may read answers."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!('*' in self.origins) || size(self.origins) == 1", "cors.origins: give * alone, or a list without it"
            ),
            rule(
                "self.origins.all(each, !each.matches('//[^/]*/'))",
                "cors.origins: an origin is scheme, host and port: take the path, or the / at its end, away",
            ),
        )
    )

    origins: Annotated[tuple[Origin, ...], Field(min_length=1, max_length=50)] = Field(
        ("*",), description="as https://app.example; * is every page, without credentials"
    )


class Logging(Model):
    """Of the pods, on standard output."""

    level: LogLevel = Field(LogLevel.INFO, description="the least that is written; info has a line a request")
    format: LogFormat = Field(LogFormat.JSON, description="json for programs, text for people")


class Migrations(Model):
    """The Job that brings the schema to the image's, before its pods are released."""

    timeout_seconds: Annotated[int, Field(ge=10, le=86400)] = Field(900, description="of one attempt")
    backoff_limit: Annotated[int, Field(ge=1, le=20)] = Field(3, description="failed attempts before Stalled")
    allow_destructive: Annotated[str, Field(max_length=16, pattern=r"^[0-9a-f]{16}$")] | None = Field(
        None, description="the plan whose losses are wanted: the 16 digits that PoliciesApplied names"
    )


class Worker(Model):
    """Refreshes rollups, drops what is kept no longer, and keeps the store's policies."""

    replicas: Annotated[int, Field(ge=1, le=5)] = Field(1, description="one works, the others take over within seconds")
    refresh_connections: Annotated[int, Field(ge=0, le=16)] | None = Field(
        None,
        description="database connections with which the one that works refreshes rollups, an organisation each, "
        f"beside its own, {REFRESH_CONNECTIONS} where it is absent; fewer where database.connectionBudget leaves "
        "fewer, and 0 refreshes with its own",
    )
    resources: WorkerResources = WorkerResources()


class Ingest(Model):
    """How the rows that clients send come in: OTLP, and JSON in the fields of `import`."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.resources) || has(self.replicas)",
                "ingest.resources is of pods that only take rows: set ingest.replicas, or remove it",
            ),
        )
    )

    enabled: bool = Field(default=True, description="false: rows come by `import` alone, whatever else is set here")
    max_body_bytes: Annotated[int, Field(ge=1024, le=64 * 2**20)] = Field(
        16 * 2**20, description="size of one request, before and after decompression"
    )
    content: Content | None = Field(None, description="what is stored of prompts and completions; absent: everything")
    replicas: Replicas | None = Field(
        None,
        description=f"pods that only take rows, with {INGEST_POOL_SIZE} database connections each; they need redis, "
        "and clients send to the Service <name>-ingest alone then. Absent: the pods of the API take rows",
    )
    resources: Resources | None = Field(None, description="of one of these pods; absent: as those of the API's")


class Prices(Model):
    """Price books of one's own, which come before the list of prices that the image brings."""

    config_map_ref: ConfigMapRef = Field(
        description="each key is a book in YAML or JSON; edits arrive within minutes, without a restart"
    )


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
                f"({_MAX_PODS} + 1) + self.worker.replicas + {RESERVED_CONNECTIONS} + {_INGEST_CONNECTIONS}",
                "database.connectionBudget gives some pods no connection: two for each replica and one more that "
                "replaces another, one for each worker, two for migrations, and four for each of ingest.replicas and "
                "one more; raise it, or lower the replicas",
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
    migrations: Migrations = Migrations()
    timescale: Timescale = Timescale()
    worker: Worker = Worker()
    ingest: Ingest | None = Field(None, description="rows that clients send; absent: taken by the pods of the API")
    prices: Prices | None = Field(None, description="price books of one's own; absent: those in the store alone")
    suspend: bool = Field(default=False, description="nothing is written to the children while true; pods keep serving")

    @property
    def ingest_or_default(self) -> Ingest:
        """The section has no default in the CRD, which would be added to stored resources."""
        return self.ingest or Ingest()

    @property
    def ingest_replicas(self) -> int | None:
        """Pods that only take rows; None where there are none."""
        return self.ingest.replicas if self.ingest and self.ingest.enabled else None

    @property
    def jwt_secret_ref(self) -> SecretKeyRef | None:
        return self.auth.jwt_secret_ref if self.auth else None


class Metadata(Model):
    """The fields of metadata that the operator reads; the API server knows its schema."""

    name: str
    namespace: str
    uid: str
    generation: int = 0


class AnalyticsApi(Model):
    """One analytics service for LLM traces."""

    metadata: Metadata
    spec: Spec
