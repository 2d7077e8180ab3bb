"""Events for people: one where a condition moved, by the rows of EVENTS, never with a secret. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from analytics_operator.api.conditions import Reason, Type, cut
from analytics_operator.api.v1alpha1 import API_VERSION, KIND, Metadata
from analytics_operator.kube.drift import Correction
from analytics_operator.kube.labels import FIELD_MANAGER
from analytics_operator.kube.objects import Manifest


class Level(StrEnum):
    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True)
class Event:
    level: Level
    reason: str
    message: str


@dataclass(frozen=True)
class EventRow:
    """A transition of a condition that is an Event, and its text."""

    condition: Type
    status: bool
    """The status after the transition; Unknown counts as False."""
    level: Level
    reason: str | None
    """None: the condition's own, and then its message alone."""
    only_reasons: frozenset[str] = frozenset()
    """The condition's reasons that the row is for; empty: all of them."""
    except_reasons: frozenset[str] = frozenset()
    """Reasons that it is not for."""
    moved: bool = False
    """Only where the status moved, not where the reason alone did."""
    first: bool = True
    """Also where the condition was not there before."""
    with_reason: bool = False
    """Whether the condition's reason stands before its message."""


_WAITING = frozenset(
    {
        Reason.WAITING_FOR_SECRETS,
        Reason.SUPERSEDED,
        Reason.SUSPENDED,
        Reason.PLANNING,
        Reason.AWAITING_APPROVAL,
        Reason.PODS_REFUSED,
    }
)
_NOT_REACHED = frozenset({Reason.DATABASE_UNREACHABLE, Reason.PODS_UNREACHABLE})
_NO_FAILURE = frozenset({Reason.SUSPENDED, Reason.RATE_LIMIT_UNVERIFIED, Reason.GATEWAY_AWAITED})
_NO_REPORT = frozenset({Reason.WORKER_UNAVAILABLE})

EVENTS: tuple[EventRow, ...] = (
    EventRow(Type.MIGRATED, True, Level.NORMAL, "MigrationSucceeded", moved=True, with_reason=True),
    EventRow(Type.MIGRATED, False, Level.NORMAL, "MigrationStarted", only_reasons=frozenset({Reason.MIGRATING})),
    EventRow(
        Type.MIGRATED,
        False,
        Level.NORMAL,
        "MigrationAwaitsApproval",
        only_reasons=frozenset({Reason.AWAITING_APPROVAL}),
    ),
    EventRow(Type.MIGRATED, False, Level.WARNING, "MigrationFailed", except_reasons=_WAITING, with_reason=True),
    EventRow(Type.SECRETS_READY, False, Level.WARNING, None),
    EventRow(Type.SECRETS_READY, True, Level.NORMAL, "SecretsReady", moved=True, first=False),
    EventRow(
        Type.POLICIES_APPLIED,
        False,
        Level.WARNING,
        "PoliciesNotApplied",
        except_reasons=_NO_REPORT,
        first=False,
        with_reason=True,
    ),
    EventRow(
        Type.DATA_FRESH, False, Level.WARNING, "DataNotFresh", except_reasons=_NO_REPORT, first=False, with_reason=True
    ),
    EventRow(
        Type.PRICES_LOADED,
        False,
        Level.WARNING,
        "PricesNotLoaded",
        only_reasons=frozenset({Reason.BOOK_INVALID, Reason.CONFIG_MAP_MISSING}),
        with_reason=True,
    ),
    EventRow(Type.INGEST_AVAILABLE, True, Level.NORMAL, "IngestAvailable", moved=True),
    EventRow(Type.INGEST_AVAILABLE, False, Level.WARNING, "IngestUnavailable", moved=True, first=False),
    EventRow(Type.AVAILABLE, False, Level.WARNING, None, only_reasons=_NOT_REACHED),
    EventRow(Type.CACHE_AVAILABLE, False, Level.WARNING, None),
    EventRow(Type.CACHE_AVAILABLE, True, Level.NORMAL, "CacheAvailable", moved=True, first=False),
    EventRow(Type.CONNECTION_BUDGET, False, Level.WARNING, "ConnectionBudgetExceeded"),
    EventRow(Type.CONTESTED, True, Level.WARNING, None),
    EventRow(
        Type.ROUTES_CONFIGURED,
        False,
        Level.WARNING,
        "RoutesNotConfigured",
        except_reasons=_NO_FAILURE,
        with_reason=True,
    ),
    EventRow(
        Type.MONITORING_CONFIGURED,
        False,
        Level.WARNING,
        "MonitoringNotConfigured",
        except_reasons=_NO_FAILURE,
        with_reason=True,
    ),
    EventRow(Type.IMAGE_OUTDATED, True, Level.WARNING, "ImageOutdated"),
    EventRow(Type.READY, True, Level.NORMAL, "Ready", moved=True),
    EventRow(Type.STALLED, True, Level.WARNING, "Stalled", with_reason=True),
)
"""Of the rows that match a transition the first one counts."""


def between(previous: Mapping[str, Any], current: Mapping[str, Any]) -> Iterator[Event]:
    """The Events of everything that moved from one status to the next."""
    before = {each["type"]: each for each in previous.get("conditions", [])}
    for now in current["conditions"]:
        old = before.get(now["type"])
        if old is None or (old["status"], old["reason"]) != (now["status"], now["reason"]):
            row = next((row for row in EVENTS if _matches(row, old, now)), None)
            if row:
                yield _event(row, now)


def secret_generated(name: str, *, again: bool) -> Event:
    """Of the generated JWT Secret; a warning where the resource had one before: tokens signed with it end."""
    level = Level.WARNING if again else Level.NORMAL
    return Event(level, "SecretGenerated", f"Secret {name} holds a new secret that signs tokens")


def released(image: str) -> Event:
    """Of a new pod template; its image may be the same."""
    return Event(Level.NORMAL, "Released", f"pods of {image} are released")


def drift_corrected(correction: Correction) -> Event:
    if not correction.takeovers:
        text = f"{correction.ref.text} was deleted, and is there again"
    else:
        fields = ", ".join(sorted({each.field for each in correction.takeovers}))
        managers = ", ".join(sorted({each.manager for each in correction.takeovers}))
        text = f"{correction.ref.text} is as declared again: {managers} had changed {fields}"
    return Event(Level.NORMAL, "DriftCorrected", text)


def _matches(row: EventRow, old: Mapping[str, Any] | None, now: Mapping[str, Any]) -> bool:
    reason = now["reason"]
    return (
        now["type"] == row.condition
        and (now["status"] == "True") is row.status
        and (not row.only_reasons or reason in row.only_reasons)
        and reason not in row.except_reasons
        and (row.first or old is not None)
        and not (row.moved and old is not None and old["status"] == now["status"])
    )


def _event(row: EventRow, now: Mapping[str, Any]) -> Event:
    message = f"{now['reason']}: {now['message']}" if row.with_reason else now["message"]
    return Event(row.level, row.reason or now["reason"], message)


def manifest(event: Event, about: Metadata, *, name: str, now: datetime) -> Manifest:
    """The Event to create."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": about.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": about.name,
            "namespace": about.namespace,
            "uid": about.uid,
        },
        "type": event.level.value,
        "reason": event.reason,
        "message": cut(event.message),
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
