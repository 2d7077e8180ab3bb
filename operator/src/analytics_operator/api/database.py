"""The stores that pods connect to: PostgreSQL, and Redis, which replicas share."""

from typing import Annotated

from pydantic import ConfigDict, Field

from analytics_operator.api.fields import KeyPrefix, Model, PoolSize, SecretKeyRef, TlsSecretRef, differ, rule, rules

DATABASE_URL = "self.database.urlSecretRef"
REDIS_URL = "self.redis.urlSecretRef"
MIN_POOL_SIZE = 2
"""Connections of a replica, however small the budget is."""
REFRESH_CONNECTIONS = 2
"""Connections with which a worker refreshes, beside its own."""
EXPORT_CONNECTIONS = 2
"""Connections with which each worker writes exports, where there is a storage for their files."""
RESERVED_CONNECTIONS = 2
"""Connections for a migration and for whoever looks after it."""
INGEST_POOL_SIZE = 4
"""Connections of a pod that only takes rows: half of them write."""


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
