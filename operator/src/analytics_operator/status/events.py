"""What people would want to know, as Events: only where a condition moved, never with a secret. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from analytics_operator.api.conditions import Reason, Type, cut
from analytics_operator.api.v1alpha1 import API_VERSION, KIND, Metadata
from analytics_operator.kube.labels import FIELD_MANAGER
from analytics_operator.kube.objects import Manifest


class Level(StrEnum):
    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True)
class Note:
    level: Level
    reason: str
    message: str


def between(previous: Mapping[str, Any], current: Mapping[str, Any]) -> Iterator[Note]:
    """What happened between two statuses."""
    before = {each["type"]: each for each in previous.get("conditions", [])}
    for now in current["conditions"]:
        old = before.get(now["type"], {})
        if (old.get("status"), old.get("reason")) != (now["status"], now["reason"]):
            yield from _notes(now, moved=old.get("status") != now["status"], first=not old)
    if previous.get("image") != current.get("image") and current.get("image"):
        yield Note(Level.NORMAL, "Released", f"pods of {current['image']} are released")


def _notes(condition: Mapping[str, Any], *, moved: bool, first: bool) -> Iterator[Note]:
    true, reason, message = condition["status"] == "True", condition["reason"], condition["message"]
    match condition["type"]:
        case Type.MIGRATED if true and moved:
            yield Note(Level.NORMAL, "MigrationSucceeded", f"{reason}: {message}")
        case Type.MIGRATED if reason == Reason.MIGRATING:
            yield Note(Level.NORMAL, "MigrationStarted", message)
        case Type.MIGRATED if not true and reason not in {
            Reason.WAITING_FOR_SECRETS,
            Reason.SUPERSEDED,
            Reason.SUSPENDED,
        }:
            yield Note(Level.WARNING, "MigrationFailed", f"{reason}: {message}")
        case Type.SECRETS_READY if not true:
            yield Note(Level.WARNING, reason, message)
        case Type.SECRETS_READY if moved and not first:
            yield Note(Level.NORMAL, "SecretsReady", message)
        case Type.POLICIES_APPLIED if not true and not first and reason != Reason.WORKER_UNAVAILABLE:
            yield Note(Level.WARNING, "PoliciesNotApplied", f"{reason}: {message}")
        case Type.DATA_FRESH if not true and not first and reason != Reason.WORKER_UNAVAILABLE:
            yield Note(Level.WARNING, "DataNotFresh", f"{reason}: {message}")
        case Type.READY if moved and true:
            yield Note(Level.NORMAL, "Ready", message)
        case Type.STALLED if true:
            yield Note(Level.WARNING, "Stalled", f"{reason}: {message}")


def secret_generated(name: str, *, again: bool) -> Note:
    """Of the generated JWT Secret; a warning where the resource had one before: tokens signed with it end."""
    level = Level.WARNING if again else Level.NORMAL
    return Note(level, "SecretGenerated", f"Secret {name} holds a new secret that signs tokens")


def manifest(note: Note, about: Metadata, *, name: str, now: datetime) -> Manifest:
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
        "type": note.level.value,
        "reason": note.reason,
        "message": cut(note.message),
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
