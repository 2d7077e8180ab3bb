"""How the pods of the API answer: tokens, cache, CORS, logs."""

from typing import Annotated

from pydantic import ConfigDict, Field

from analytics_operator.api.fields import LogFormat, LogLevel, Model, Origin, SecretKeyRef, rule, rules

JWT_SECRET = "self.auth.jwtSecretRef"  # noqa: S105 - where it stands in a rule


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
