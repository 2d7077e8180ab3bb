"""Settings of the service, read once from the environment; the names are those of the deployment guide."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self, get_args
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

from analytics_service import connection_url, redis_url
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
    """The first level that a RUST_LOG directive list names: `analytics_api,tower_http=warn` is warning."""
    words = [directive.rsplit("=", 1)[-1].strip().lower() for directive in value.split(",")]
    levels = [{"warn": "warning", "trace": "debug"}.get(word, word) for word in words]
    return next((level for level in levels if level in frozenset(LogLevel)), levels[0])


def _database_url(value: SecretStr) -> SecretStr:
    connection_url.parse(value.get_secret_value())
    return value


def _redis_url(value: SecretStr) -> SecretStr:
    redis_url.parse(value.get_secret_value())
    return value


def _redis_prefix(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:-]{0,64}", value):  # no braces: all keys would be in one slot of a cluster
        raise ValueError("may hold at most 64 letters, digits, dots, colons, hyphens and underscores")
    return value


def _jwt_secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < 32:
        raise ValueError("must have at least 32 characters; make one with: openssl rand -base64 48")
    return value


def _endpoint(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in {"http", "https"} or not url.hostname or url.path.strip("/") or url.query or "@" in value:
        raise ValueError("must be a URL without a path, as https://minio.example:9000")
    return value.rstrip("/")


def _csv(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _unless(word: str) -> BeforeValidator:
    """Parses the word that stands for "unbounded" as None."""
    return BeforeValidator(lambda value: None if value == word else value)


# Examples are values beside those that a type and its bounds name: a test starts the service with each of them.
Port = Annotated[int, Field(ge=1, le=65535)]
MAX_DAYS = 36_500
RetentionDays = Annotated[Annotated[int, Field(ge=1, le=MAX_DAYS)] | None, _unless("keep"), Field(examples=["keep"])]
"""Days; None retains for ever. policies/desired.py refuses what is too short for the API's ranges."""
_RULE = r"(keep|drop|truncate [1-9][0-9]{0,5})"
ContentRule = Annotated[str, Field(pattern=f"^{_RULE}$", examples=["drop", "truncate 500"])]
ServiceRule = Annotated[str, Field(pattern=rf"^[A-Za-z0-9][A-Za-z0-9._/:@-]{{0,127}}={_RULE}$")]
RedactedKind = Literal["email", "phone", "credit_card", "iban", "ip_address", "secret"]
RefreshSeconds = Annotated[int, Field(ge=1, le=3600)]
"""Retired: `work` warns about another value than the default. Minutes are refreshed once nothing was written to them
for 10 s, or after 60 s, and what is coarser once it has ended: rollups/hierarchy/refresh.py."""


class Settings(BaseModel):
    """Settings of all commands. What only some of them need is optional here: see `require`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: Annotated[SecretStr, AfterValidator(_database_url)] | None = None
    database_readonly_url: Annotated[SecretStr, AfterValidator(_database_url)] | None = None
    """A replica, which is read while its lag allows."""
    database_ca_file: str | None = None
    """PEM; the server is verified by it, as `verify-full` where the URL does not say how."""
    database_client_cert_file: str | None = None
    database_client_key_file: str | None = None
    database_readonly_max_lag_seconds: Annotated[int, Field(ge=1, le=300)] = 5
    redis_url: Annotated[SecretStr, AfterValidator(_redis_url)] | None = None
    """Absent: cache and limits live in the process."""
    redis_prefix: Annotated[str, AfterValidator(_redis_prefix)] = ""
    """Of every key."""
    redis_ca_file: str | None = None
    """Path of CA certificates in PEM."""
    jwt_secret: Annotated[SecretStr, AfterValidator(_jwt_secret)] | None = None
    jwt_previous_secret: Annotated[SecretStr, AfterValidator(_jwt_secret)] | None = None
    """Still accepted, no longer used to sign: for the overlap when JWT_SECRET is rotated."""
    jwt_issuer: Annotated[str | None, Field(examples=["https://issuer.example"])] = None
    jwt_audience: Annotated[str | None, Field(examples=["analytics"])] = None
    api_port: Port = 8080
    api_metrics_port: Port = 9091
    app_host: str = "::"
    """Both ports listen there; `::` is every address of the machine, of IPv4 and of IPv6."""
    cache_default_ttl: Annotated[int, Field(ge=1, le=86_400)] = 3600
    """Seconds."""
    answer_replay: Switch = Switch.ON
    """The same bytes within a second get the same answer without being read; see http/replay/."""
    cors_origins: Annotated[
        tuple[str, ...], BeforeValidator(_csv), Field(examples=["*", "https://a.example,https://b.example"])
    ] = ("*",)
    database_pool_size: Annotated[int, Field(ge=1, le=1000)] = 20
    database_min_connections: Annotated[int, Field(ge=0, le=1000)] = 5
    database_statement_timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    ingest_enabled: Switch = Switch.ON
    """Whether clients may send rows."""
    ingest_max_body_bytes: Annotated[int, Field(ge=1024, le=2**30)] = 16 * 2**20
    """Before and after decompression."""
    ingest_content: ContentRule = "keep"
    """What is stored of prompts and completions; of a key that has a stricter rule, what that says."""
    ingest_content_services: Annotated[
        tuple[ServiceRule, ...], BeforeValidator(_csv), Field(examples=["billing=drop,my.chat=truncate 500"])
    ] = ()
    """Stricter rules, by the `service.name` of rows."""
    ingest_redact: Annotated[tuple[RedactedKind, ...], BeforeValidator(_csv), Field(examples=["email,secret"])] = ()
    """Kinds that are masked wherever texts are stored."""
    ingest_queue_bytes: Annotated[int, Field(ge=1024, le=2**34)] = 64 * 2**20
    """Of bodies whose rows are not committed yet."""
    ingest_queue_rows: Annotated[int, Field(ge=1, le=10_000_000)] = 50_000
    ingest_connections: Annotated[int, Field(ge=1, le=64)] = 2
    """Of DATABASE_POOL_SIZE, at most half."""
    retention_raw_days: RetentionDays = 92
    retention_1min_days: RetentionDays = 8
    retention_1hour_days: RetentionDays = 400
    retention_1day_days: RetentionDays = 1095
    compress_after_days: Annotated[
        Annotated[int, Field(ge=1, le=MAX_DAYS)] | None, _unless("never"), Field(examples=["never"])
    ] = 7
    chunk_hours: Annotated[int, Field(ge=1, le=168)] = 24
    refresh_1min_seconds: RefreshSeconds = 2
    refresh_1hour_seconds: RefreshSeconds = 30
    refresh_1day_seconds: RefreshSeconds = 300
    worker_refresh_connections: Annotated[int, Field(ge=0, le=16)] = 2
    """Beside the one that leads, which refreshes rollups itself where there is no other."""
    allow_destructive: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", examples=["1e94eb61318f531b"])] | None = None
    """Hash of the destructive plan that is approved."""
    price_books: Annotated[tuple[str, ...], BeforeValidator(_csv), Field(examples=["/etc/analytics/prices"])] = ()
    """Files, or folders of files, with price books of one's own."""
    export_directory: Annotated[str | None, Field(examples=["/var/lib/analytics"])] = None
    """Where exported files are stored, for `serve` and `work` of one machine; a bucket is for several."""
    export_s3_bucket: (
        Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", examples=["exports"])] | None
    ) = None
    """Where exported files are stored."""
    export_s3_endpoint: Annotated[
        Annotated[str, AfterValidator(_endpoint)] | None, Field(examples=["https://minio.example:9000"])
    ] = None
    """Of a storage that is not AWS."""
    export_s3_public_endpoint: Annotated[
        Annotated[str, AfterValidator(_endpoint)] | None, Field(examples=["https://files.example"])
    ] = None
    """By which clients reach that storage, where it is another."""
    export_s3_region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$", examples=["eu-central-1"])] = "us-east-1"
    export_s3_access_key_id: SecretStr | None = None
    """Absent, as the secret key: those of the pod's identity."""
    export_s3_secret_access_key: SecretStr | None = None
    export_retention_days: Annotated[int, Field(ge=1, le=90)] = 7
    export_max_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000_000
    """Of one export."""
    worker_export_connections: Annotated[int, Field(ge=1, le=16)] = 2
    """Exports that a process writes at once, where there is a storage for them."""
    log_level: Annotated[LogLevel, BeforeValidator(_level)] = LogLevel.INFO
    log_format: LogFormat = LogFormat.JSON

    @model_validator(mode="after")
    def _a_ca_verifies_tls(self) -> Self:
        if self.redis_ca_file and self.redis_url and not redis_url.parse(self.redis_url.get_secret_value()).tls:
            raise ValueError("REDIS_CA_FILE: REDIS_URL uses no TLS: let it start with rediss://")
        return self

    @model_validator(mode="after")
    def _exports_have_one_storage(self) -> Self:
        if self.export_directory is not None and self.export_s3_bucket is not None:
            raise ValueError("EXPORT_DIRECTORY: EXPORT_S3_BUCKET is set too: give one of them")
        if self.export_s3_bucket is None and (self.export_s3_endpoint or self.export_s3_access_key_id):
            raise ValueError("EXPORT_S3_BUCKET: is not set, and the other settings of EXPORT_S3 need it")
        if self.export_s3_public_endpoint and not self.export_s3_endpoint:
            raise ValueError("EXPORT_S3_PUBLIC_ENDPOINT: EXPORT_S3_ENDPOINT is not set, whose public name it would be")
        if (self.export_s3_access_key_id is None) != (self.export_s3_secret_access_key is None):
            raise ValueError("EXPORT_S3_ACCESS_KEY_ID: give EXPORT_S3_SECRET_ACCESS_KEY with it, or neither")
        return self

    @model_validator(mode="after")
    def _a_body_fits_into_the_queue(self) -> Self:
        if self.ingest_max_body_bytes > self.ingest_queue_bytes:
            raise ValueError("INGEST_MAX_BODY_BYTES: is more than INGEST_QUEUE_BYTES: raise that one too")
        return self

    @model_validator(mode="after")
    def _origins_are_all_or_named(self) -> Self:
        if "*" in self.cors_origins and len(self.cors_origins) > 1:
            raise ValueError("CORS_ORIGINS: give `*` alone, or a list of origins without it")
        return self


RETIRED: Final = ("refresh_1min_seconds", "refresh_1hour_seconds", "refresh_1day_seconds")
"""Names of the settings that are taken and change nothing: those that an earlier release had."""


def retired(settings: Settings) -> tuple[str, ...]:
    """The variables of retired settings that have another value than their default."""
    return tuple(name.upper() for name in RETIRED if getattr(settings, name) != Settings.model_fields[name].default)


def _holds_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_holds_secret(each) for each in get_args(annotation))


SECRETS: Final = tuple(name for name, field in Settings.model_fields.items() if _holds_secret(field.annotation))
"""Names of the settings whose values nothing may show."""


def load(environment: Mapping[str, str], *, require: tuple[str, ...] = ()) -> Settings:
    """Settings from `environment`; white space around a value does not count, and an empty value counts as absent.

    Raises UsageError whose single line names the variable and the cure, and never shows its value.
    """
    given = {name: environment.get(name.upper(), "").strip() for name in Settings.model_fields}
    values = {name: value for name, value in given.items() if value}
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
