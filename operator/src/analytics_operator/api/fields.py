"""Building blocks of the resource's fields: the base model, rules, bounded texts and enums."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

OBJECT_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
MESSAGE_LENGTH = 1024

PoolSize = Annotated[int, Field(ge=1, le=1000)]
Replicas = Annotated[int, Field(ge=1, le=100)]
Origin = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^(\*|https?://[^\s,]+)$")]
KeyPrefix = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._:-]*$")]
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=OBJECT_NAME_PATTERN)]


def rule(expression: str, message: str) -> dict[str, str]:
    """A CEL rule of the CRD; the message names the cure."""
    return {"rule": expression, "message": message}


def rules(*each: dict[str, str]) -> dict[str, Any]:
    return {"x-kubernetes-validations": list(each)}


def one_of(expression: str, values: Iterable[str]) -> str:
    """CEL: the expression is one of these texts."""
    return f"({expression} in {list(values)!r})"  # a list of texts is written alike in both languages


def map_by(*keys: str) -> dict[str, Any]:
    """A list in which an item is known by these fields: unique, and several managers may apply to it."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def differ(one: str, other: str) -> str:
    """CEL: the two references name different keys. CEL does not compare objects of different fields."""
    return f"({one}.name != {other}.name || {one}.key != {other}.key)"


class Model(BaseModel):
    """Frozen, written in camelCase, deaf to fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class PullPolicy(StrEnum):
    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    JSON = "json"
    TEXT = "text"


class ContentMode(StrEnum):
    KEEP = "keep"
    TRUNCATE = "truncate"
    DROP = "drop"


class Redaction(StrEnum):
    EMAIL = "email"
    PHONE = "phone"
    CREDIT_CARD = "credit_card"
    IBAN = "iban"
    IP_ADDRESS = "ip_address"
    SECRET = "secret"  # noqa: S105 - no secret


class TlsSecretRef(Model):
    """A Secret of the type kubernetes.io/tls in the namespace of the resource: its keys are tls.crt and tls.key."""

    name: ObjectName = Field(description="of the Secret")


class ConfigMapRef(Model):
    """A ConfigMap in the namespace of the resource."""

    name: ObjectName = Field(description="of the ConfigMap")


class SecretKeyRef(Model):
    """A key of a Secret in the namespace of the resource."""

    name: ObjectName = Field(description="of the Secret")
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")] = Field(
        description="in its data"
    )
