"""Settings of the service, read once from the environment; the names are those of the deployment guide."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from analytics_service.errors import UsageError


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    JSON = "json"
    TEXT = "text"


class Switch(StrEnum):
    ON = "on"
    OFF = "off"


def _level(value: str) -> str:
    """The first level that a RUST_LOG directive list names: `analytics_api=debug,tower_http=info` is debug."""
    directive = value.split(",", 1)[0].rsplit("=", 1)[-1].strip().lower()
    return {"warn": "warning", "trace": "debug"}.get(directive, directive)


def _url(value: SecretStr, schemes: frozenset[str]) -> SecretStr:
    if urlsplit(value.get_secret_value()).scheme not in schemes:
        raise ValueError(f"must start with {' or '.join(f'{scheme}://' for scheme in sorted(schemes))}")
    return value


def _database_url(value: SecretStr) -> SecretStr:
    return _url(value, frozenset({"postgres", "postgresql"}))


def _redis_url(value: SecretStr) -> SecretStr:
    return _url(value, frozenset({"redis", "rediss"}))


def _jwt_secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < 32:
        raise ValueError("must have at least 32 characters; make one with: openssl rand -base64 48")
    return value


def _csv(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _unless(word: str) -> BeforeValidator:
    """Parses the word that stands for "unbounded" as None."""
    return BeforeValidator(lambda value: None if value == word else value)


Port = Annotated[int, Field(ge=1, le=65535)]
MAX_DAYS = 36_500
RetentionDays = Annotated[Annotated[int, Field(ge=1, le=MAX_DAYS)] | None, _unless("keep")]
"""Days; None retains for ever. policies/desired.py refuses what is too short for the API's ranges."""
RefreshSeconds = Annotated[int, Field(ge=1, le=3600)]
"""Seconds."""


class Settings(BaseModel):
    """Settings of all commands. What only some of them need is optional here: see `require`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: Annotated[SecretStr, AfterValidator(_database_url)] | None = None
    database_readonly_url: Annotated[SecretStr, AfterValidator(_database_url)] | None = None
    """A replica, which is read while its lag allows."""
    database_readonly_max_lag_seconds: Annotated[int, Field(ge=1, le=300)] = 5
    redis_url: Annotated[SecretStr, AfterValidator(_redis_url)] | None = None
    """Absent: cache and limits live in the process."""
    jwt_secret: Annotated[SecretStr, AfterValidator(_jwt_secret)] | None = None
    jwt_previous_secret: Annotated[SecretStr, AfterValidator(_jwt_secret)] | None = None
    """Still accepted, no longer used to sign: for the overlap when JWT_SECRET is rotated."""
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    api_port: Port = 8080
    api_metrics_port: Port = 9091
    app_host: str = "::"
    """Both ports listen there; `::` is every address of the machine, of IPv4 and of IPv6."""
    cache_default_ttl: Annotated[int, Field(ge=1, le=86_400)] = 3600
    """Seconds."""
    answer_replay: Switch = Switch.ON
    """The same bytes within a second get the same answer without being read; see http/replay/."""
    cors_origins: Annotated[tuple[str, ...], BeforeValidator(_csv)] = ("*",)
    database_pool_size: Annotated[int, Field(ge=1, le=1000)] = 20
    database_min_connections: Annotated[int, Field(ge=0, le=1000)] = 5
    database_statement_timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    retention_raw_days: RetentionDays = 92
    retention_1min_days: RetentionDays = 8
    retention_1hour_days: RetentionDays = 400
    retention_1day_days: RetentionDays = 1095
    compress_after_days: Annotated[Annotated[int, Field(ge=1, le=MAX_DAYS)] | None, _unless("never")] = 7
    chunk_hours: Annotated[int, Field(ge=1, le=168)] = 24
    refresh_1min_seconds: RefreshSeconds = 2
    refresh_1hour_seconds: RefreshSeconds = 30
    refresh_1day_seconds: RefreshSeconds = 300
    allow_destructive: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None
    """Hash of the destructive plan that is approved."""
    log_level: Annotated[LogLevel, BeforeValidator(_level)] = LogLevel.INFO
    log_format: LogFormat = LogFormat.JSON

    @model_validator(mode="after")
    def _origins_are_all_or_named(self) -> Self:
        if "*" in self.cors_origins and len(self.cors_origins) > 1:
            raise ValueError("CORS_ORIGINS: give `*` alone, or a list of origins without it")
        return self


def load(environment: Mapping[str, str], *, require: tuple[str, ...] = ()) -> Settings:
    """Settings from `environment`; empty values count as absent.

    Raises UsageError whose single line names the variable and the cure, and never shows its value.
    """
    values = {name: environment[name.upper()] for name in Settings.model_fields if environment.get(name.upper())}
    if "log_level" not in values and environment.get("RUST_LOG"):
        values["log_level"] = environment["RUST_LOG"]
    for name in require:
        if name not in values:
            raise UsageError(f"{name.upper()}: is not set; {_PURPOSES[name]}")
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"{str(first['loc'][0]).upper()}: {message}" if first["loc"] else message) from None


_PURPOSES = {
    "database_url": "give a PostgreSQL connection string, as postgres://user:password@host:5432/database",
    "jwt_secret": "tokens are signed with it: give 32 characters or more, as from: openssl rand -base64 48",
}
