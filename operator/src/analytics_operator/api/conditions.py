"""Conditions: types, reasons, and the merge that moves a transition time only when the status moves."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from analytics_operator.api.fields import MESSAGE_LENGTH
from analytics_operator.api.status import ConditionStatus


class Type(StrEnum):
    """Positive, but for the last five: these are true when something is not as it should be."""

    READY = "Ready"
    AVAILABLE = "Available"
    CACHE_AVAILABLE = "CacheAvailable"
    PROGRESSING = "Progressing"
    SECRETS_READY = "SecretsReady"
    MIGRATED = "Migrated"
    CONNECTION_BUDGET = "ConnectionBudget"
    POLICIES_APPLIED = "PoliciesApplied"
    DATA_FRESH = "DataFresh"
    PRICES_LOADED = "PricesLoaded"
    INGEST_AVAILABLE = "IngestAvailable"
    SCALING_ACTIVE = "ScalingActive"
    CONTESTED = "Contested"
    ROUTES_CONFIGURED = "RoutesConfigured"
    MONITORING_CONFIGURED = "MonitoringConfigured"
    CRD_OUTDATED = "CRDOutdated"
    IMAGE_OUTDATED = "ImageOutdated"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class Reason(StrEnum):
    """Every reason but those of migrations, policies and freshness, which are the service's own words."""

    ADMISSION_REFUSED = "AdmissionRefused"
    APPLIED = "Applied"
    AS_DECLARED = "AsDeclared"
    AWAITING_APPROVAL = "AwaitingApproval"
    AVAILABLE = "MinimumReplicasAvailable"
    BOOK_INVALID = "BookInvalid"
    CHILD_CONFLICT = "ChildConflict"
    CONFIG_MAP_MISSING = "ConfigMapMissing"
    CONTAINER_FAILING = "ContainerFailing"
    CONTESTED_FIELD = "ContestedField"
    CONTESTED_REPLICAS = "ContestedReplicas"
    DATABASE_UNREACHABLE = "DatabaseUnreachable"
    DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    EXCEEDS_LIMIT = "ExceedsLimit"
    FORBIDDEN = "Forbidden"
    GATEWAY_AWAITED = "GatewayAwaited"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    INVALID = "Invalid"
    INVALID_GENERATED_SECRET = "InvalidGeneratedSecret"  # noqa: S105 - the name of a reason
    INVALID_SPEC = "InvalidSpec"
    KEY_MISSING = "KeyMissing"
    KIND_NOT_INSTALLED = "KindNotInstalled"
    LOADED = "Loaded"
    MIGRATED = "Migrated"
    MIGRATING = "Migrating"
    METRICS_AWAITED = "MetricsAwaited"
    MIGRATION_FAILED = "MigrationFailed"
    NOT_DEPLOYED = "NotDeployed"
    NOT_STALLED = "NotStalled"
    OLDER_THAN_OPERATOR = "OlderThanOperator"
    PLANNING = "Planning"
    PODS_REFUSED = "PodsRefused"
    PODS_UNREACHABLE = "PodsUnreachable"
    POLICIES_CONFLICT = "PoliciesConflict"
    POD_NOT_CREATED = "PodNotCreated"
    PRESENT = "Present"
    PROTECTED_VARIABLE = "ProtectedVariable"
    QUOTA_EXCEEDED = "QuotaExceeded"
    REACHABLE = "Reachable"
    REDIS_UNREACHABLE = "RedisUnreachable"
    RATE_LIMIT_UNSUPPORTED = "RateLimitUnsupported"
    RATE_LIMIT_UNVERIFIED = "RateLimitUnverified"
    REFUSED = "Refused"
    RELEASED = "Released"
    ROLLING_OUT = "RollingOut"
    ROUTE_NOT_ACCEPTED = "RouteNotAccepted"
    SECRET_MISSING = "SecretMissing"  # noqa: S105 - as above
    SECRET_UNCONFIRMED = "SecretUnconfirmed"  # noqa: S105 - as above
    SETTINGS_UNKNOWN = "SettingsUnknown"
    SUPERSEDED = "Superseded"
    SUSPENDED = "Suspended"
    UNSCHEDULABLE = "Unschedulable"
    UNAVAILABLE = "MinimumReplicasUnavailable"
    VALUE_EMPTY = "ValueEmpty"
    VALUE_TOO_SHORT = "ValueTooShort"
    WITHIN_LIMIT = "WithinLimit"
    WORKER_UNAVAILABLE = "WorkerUnavailable"
    WAITING_FOR_SECRETS = "WaitingForSecrets"


@dataclass(frozen=True)
class Condition:
    type: Type
    status: bool | None
    """None: Unknown."""
    reason: str
    message: str


def merge(
    previous: Sequence[dict[str, Any]], desired: Iterable[Condition], *, generation: int, now: datetime
) -> list[dict[str, Any]]:
    """The conditions to write, in their order; one that did not move keeps its transition time."""
    before = {each["type"]: each for each in previous}
    merged = []
    for condition in desired:
        status = status_of(condition.status)
        old = before.get(condition.type)
        since = old["lastTransitionTime"] if old and old["status"] == status else None
        merged.append(
            {
                "type": condition.type.value,
                "status": status.value,
                "observedGeneration": generation,
                "lastTransitionTime": since or now.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "reason": str(condition.reason),
                "message": cut(condition.message),
            }
        )
    return merged


def status_of(value: bool | None) -> ConditionStatus:  # noqa: FBT001 - a value to convert, not a switch
    if value is None:
        return ConditionStatus.UNKNOWN
    return ConditionStatus.TRUE if value else ConditionStatus.FALSE


def cut(message: str, length: int = MESSAGE_LENGTH) -> str:
    """One line, no longer than the schema allows."""
    line = " ".join(message.split())
    return line if len(line) <= length else line[: length - 1] + "…"
