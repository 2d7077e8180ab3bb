"""The Secrets that a resource needs: their uses, problems, and digests of their values. Pure."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from analytics_operator.api.conditions import Reason
from analytics_operator.api.fields import SecretKeyRef
from analytics_operator.api.v1alpha1 import AnalyticsApi
from analytics_operator.kube import names
from analytics_operator.kube.objects import Manifest
from analytics_operator.state import digests

SecretData = Mapping[str, bytes]
JWT_LENGTH = 32


@dataclass(frozen=True, kw_only=True)
class Use:
    """One key of one Secret, and its purpose."""

    purpose: str
    ref: SecretKeyRef
    generated: bool = False
    migrates: bool = False
    """Whether the migration reads it too: with another value it runs again."""
    works: bool = False
    """Whether the workers read it, beside what the migration reads."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    reason: Reason
    message: str


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Problems, or digests: never both."""

    problems: tuple[Problem, ...] = ()
    pods_digest: str | None = None
    """HMAC over every value that the pods read: the template carries it, so that a rotated secret rolls the pods."""
    database_digest: str | None = None
    """HMAC over the database's URL and certificates: a repointed database is migrated again."""
    worker_digest: str | None = None
    """HMAC over every value that the workers read."""


def jwt_ref(resource: AnalyticsApi) -> SecretKeyRef:
    generated = SecretKeyRef(name=names.jwt_secret(resource.metadata.name), key=names.JWT_KEY)
    return resource.spec.jwt_secret_ref or generated


def client_cert_refs(resource: AnalyticsApi) -> tuple[SecretKeyRef, SecretKeyRef] | None:
    """The certificate and the key that pods show to the database."""
    found = resource.spec.database.client_cert_secret_ref
    if found is None:
        return None
    return SecretKeyRef(name=found.name, key="tls.crt"), SecretKeyRef(name=found.name, key="tls.key")


def uses(resource: AnalyticsApi) -> tuple[Use, ...]:
    """Every key that the pods read, always in this order: digests depend on it."""
    spec = resource.spec
    redis = (Use(purpose="the Redis URL", ref=spec.redis.url_secret_ref),) if spec.redis else ()
    jwt = Use(purpose="the JWT secret", ref=jwt_ref(resource), generated=spec.jwt_secret_ref is None)
    replica = spec.database.readonly_url_secret_ref
    readonly = (Use(purpose="the replica's URL", ref=replica),) if replica else ()
    database = Use(purpose="the database URL", ref=spec.database.url_secret_ref, migrates=True)
    return (database, *readonly, *redis, jwt, *_certificates(resource), *_storage(resource))


def _certificates(resource: AnalyticsApi) -> Iterator[Use]:
    database, redis, client = resource.spec.database, resource.spec.redis, client_cert_refs(resource)
    if database.ca_secret_ref:
        yield Use(purpose="the database's CA certificate", ref=database.ca_secret_ref, migrates=True)
    if client:
        yield Use(purpose="the client certificate", ref=client[0], migrates=True)
        yield Use(purpose="the key of the client certificate", ref=client[1], migrates=True)
    if redis and redis.ca_secret_ref:
        yield Use(purpose="Redis' CA certificate", ref=redis.ca_secret_ref)


def s3_key_refs(resource: AnalyticsApi) -> tuple[SecretKeyRef, ...]:
    """The id of the key that pods use the bucket of exports by, and the key; none where they have an identity."""
    found = resource.spec.exports and resource.spec.exports.s3.credentials_secret_ref
    if not found:
        return ()
    return tuple(SecretKeyRef(name=found.name, key=key) for key in ("access-key-id", "secret-access-key"))


def _storage(resource: AnalyticsApi) -> Iterator[Use]:
    purposes = ("the id of the S3 key", "the S3 key")
    for purpose, ref in zip(purposes, s3_key_refs(resource), strict=False):
        yield Use(purpose=purpose, ref=ref, works=True)


def data_of(secret: Manifest) -> SecretData:
    """The values of a Secret, decoded, without the white space around them: a file that became one ends in a newline.

    The service ignores it too, so that it counts neither in a length nor in a digest.
    """
    return {key: base64.b64decode(value).strip() for key, value in (secret.get("data") or {}).items()}


def must_generate(resource: AnalyticsApi, secrets: Mapping[str, SecretData | None]) -> bool:
    """Whether the JWT Secret is ours to make, and is not there."""
    return resource.spec.jwt_secret_ref is None and secrets.get(names.jwt_secret(resource.metadata.name)) is None


def examine(resource: AnalyticsApi, secrets: Mapping[str, SecretData | None]) -> Credentials:
    """Judges the referenced keys; other keys of the same Secrets do not count."""
    needed = uses(resource)
    problems = tuple(problem for use in needed for problem in _problems(use, secrets.get(use.ref.name)))
    if problems:
        return Credentials(problems=problems)
    values = {use.purpose: (secrets[use.ref.name] or {})[use.ref.key] for use in needed}
    key = values["the JWT secret"]  # the one value that is long and random, and there for every resource
    return Credentials(
        pods_digest=digests.keyed(key, *values.values()),
        database_digest=digests.keyed(key, *(values[use.purpose] for use in needed if use.migrates)),
        worker_digest=digests.keyed(key, *(values[use.purpose] for use in needed if use.migrates or use.works)),
    )


def _problems(use: Use, data: SecretData | None) -> Iterator[Problem]:
    ref = use.ref
    if data is None:
        yield Problem(
            reason=Reason.SECRET_MISSING,
            message=f"Secret {ref.name} does not exist: create it with {use.purpose} under the key {ref.key}",
        )
    elif use.generated and len(data.get(ref.key, b"")) < JWT_LENGTH:
        yield Problem(
            reason=Reason.INVALID_GENERATED_SECRET,
            message=f"the generated Secret {ref.name} lost its value: restore it, or delete it to get a new one "
            "(tokens signed with the old one end)",
        )
    elif ref.key not in data:
        yield Problem(
            reason=Reason.KEY_MISSING,
            message=f"Secret {ref.name} has no key {ref.key}: add it with {use.purpose}, or name another key",
        )
    elif not data[ref.key]:
        yield Problem(
            reason=Reason.VALUE_EMPTY, message=f"the key {ref.key} of Secret {ref.name} is empty: set {use.purpose}"
        )
    elif use.purpose == "the JWT secret" and len(data[ref.key]) < JWT_LENGTH:
        yield Problem(
            reason=Reason.VALUE_TOO_SHORT,
            message=f"the key {ref.key} of Secret {ref.name} has fewer than {JWT_LENGTH} bytes: set a longer one",
        )
